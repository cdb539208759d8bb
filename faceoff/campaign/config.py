"""What a campaign is: one YAML file. Everything that decides a row is in it, but the photos and the networks' weights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from faceoff.attacks.plans import RANGES
from faceoff.campaign.people import Targets
from faceoff.errors import FaceOffError, Reason
from faceoff.presets import PLANS
from faceoff.types import Loss, Method, Metric, Plan, Reference

MAX_BYTES = 1 << 20
MAX_CELLS = 250_000
"""Refused above: at two hundredths of a second each, such a grid would take days."""

CROPPED = "-cropped"
"""How the name of an encoding ends whose pictures are the face alone."""

MANY = 1000
"""The longest list that a campaign may hold."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Network = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Person = Annotated[str, Field(min_length=1, max_length=255)]
Surrogates = Annotated[tuple[Network, ...], Field(min_length=1, max_length=16)]


def _within(name: str) -> Any:
    """What the attack allows for a field of its plan."""
    low, high = RANGES[name]
    return Field(ge=low, le=high)


Kappa = Annotated[float, _within("kappa")]
Epsilon = Annotated[float, _within("epsilon")]
Iterations = Annotated[int, _within("iterations")]
Alpha = Annotated[float, _within("alpha")]


def _known(plan: str) -> str:
    if plan not in PLANS:
        raise ValueError(f"there is no plan {plan}; known: {', '.join(PLANS)}")
    return plan


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_enum_values=False)


class People(Strict):
    """Whose photos. ``folder`` has a sub-folder of photos for each person (relative to the campaign's file); ``among`` are the
    people who take part (default: all), ``sources`` those whose photos are attacked (default: all who take part).
    ``pairs`` are the (source, target)s (default: every ordered pair), ``photos`` how many photos of the source each
    attacks. ``limit`` > 0 takes only so many attacked photos, evenly spread; of every ordered pair, those of a few targets."""

    folder: Path
    among: Annotated[tuple[Person, ...], Field(max_length=MANY)] = ()
    sources: Annotated[tuple[Person, ...], Field(max_length=MANY)] = ()
    pairs: Annotated[tuple[tuple[Person, Person], ...], Field(max_length=MANY * 10)] = ()
    photos: Annotated[int, Field(ge=1, le=MANY)] = 1
    limit: Annotated[int, Field(ge=0)] = 0


class Overrides(Strict):
    """Other values for fields of faceoff.types.Plan. Alpha is the campaign's and the target each pair's."""

    method: Method | None = None
    loss: Loss | None = None
    surrogates: Surrogates | None = None
    iterations: Iterations | None = None
    epsilon: Epsilon | None = None
    step_size: Annotated[float, _within("step_size")] | None = None
    kappa: Kappa | None = None
    jitter: Annotated[float, _within("jitter")] | None = None
    decay: Annotated[float, _within("decay")] | None = None
    shrink: Annotated[float, _within("shrink")] | None = None
    texture: Annotated[float, _within("texture")] | None = None
    surround: bool | None = None
    reference: Reference | None = None
    metric: Metric | None = None
    early: bool | None = None
    search_steps: Annotated[int, _within("search_steps")] | None = None
    initial_const: Annotated[float, _within("initial_const")] | None = None
    largest_const: Annotated[float, _within("largest_const")] | None = None
    warm_start: Annotated[int, _within("warm_start")] | None = None
    rms: Annotated[float, _within("rms")] | None = None


class Grid(Strict):
    """Every combination of these values is a plan of its own. A list that is not given holds the plan's value."""

    kappa: Annotated[tuple[Kappa, ...], Field(max_length=MANY)] = ()
    epsilon: Annotated[tuple[Epsilon, ...], Field(max_length=MANY)] = ()
    iterations: Annotated[tuple[Iterations, ...], Field(max_length=MANY)] = ()
    loss: Annotated[tuple[Loss, ...], Field(max_length=len(Loss))] = ()
    surrogates: Annotated[tuple[Surrogates, ...], Field(max_length=MANY)] = ()

    @property
    def size(self) -> int:
        return math.prod(max(len(values), 1) for _, values in self)


class Series(Strict):
    """One named plan (faceoff.presets.PLANS) with other values and a grid. ``name`` is what reports call it, ``targets``
    whom the attack is told of (default: as the loss asks for)."""

    plan: Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(PLANS)})]
    name: Name | None = None
    set: Overrides = Overrides()
    grid: Grid = Grid()
    targets: Targets | None = None

    @property
    def title(self) -> str:
        return self.name or self.plan.replace("/", "-").replace("_", "-")


class Encoding(Strict):
    """The file that a victim is given: ``quality`` and ``chroma`` are JPEG's, ``scale`` is of both sides. ``cropped``: only the
    square about the face is in it (paper A.5)."""

    format: Literal["png", "jpeg"] = "png"
    quality: Annotated[int, Field(ge=1, le=100)] = 75
    chroma: Literal["4:2:0", "4:4:4"] = "4:2:0"
    scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    cropped: bool = False

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Whole pictures are told as they were before there were others: cells' ids and manifests stay what they are."""
        told: dict[str, Any] = dump(self)
        if not self.cropped:
            told.pop("cropped", None)
        return told

    @property
    def name(self) -> str:
        kind = "png" if self.format == "png" else f"jpeg-{self.quality}-{self.chroma.replace(':', '')}"
        scaled = kind if self.scale == 1 else f"{kind}-x{self.scale:g}"
        return scaled + CROPPED if self.cropped else scaled


class Victims(Strict):
    """Who judges. ``local`` are networks of the catalogue. ``remote`` are names of the victims' ``file`` (relative to the
    campaign's): services of others, to which photos are sent, so each needs its name under ``consent``. They are shown
    ``references`` of the person's other photos, and a photo of each other person too where ``ranks``."""

    local: Annotated[tuple[Network, ...], Field(max_length=64)] = ()
    file: Path | None = None
    remote: Annotated[tuple[Network, ...], Field(max_length=16)] = ()
    consent: Annotated[tuple[Network, ...], Field(max_length=16)] = ()
    references: Annotated[int, Field(ge=1, le=100)] = 1
    ranks: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Victims:
        names = [*self.local, *self.remote]
        if not names:
            raise ValueError("name at least one victim under local or remote")
        if len(set(names)) < len(names):
            raise ValueError("a victim is named twice")
        if self.remote and self.file is None:
            raise ValueError("remote victims need the victims' file")
        if missing := sorted(set(self.remote) - set(self.consent)):
            raise ValueError(
                f"{', '.join(missing)} would be sent photos: if the people in them agreed, name it under consent"
            )
        return self


class Campaign(Strict):
    """``alphas`` amplify the one mask of a pair and a plan, ``seed`` makes the masks repeatable, ``claim`` is what the report
    prints of the campaign's purpose."""

    name: Name
    claim: Annotated[str, Field(max_length=4000)] = ""
    seed: Annotated[int, _within("seed")] = 0
    people: People
    plans: Annotated[tuple[Series, ...], Field(min_length=1, max_length=100)]
    alphas: Annotated[tuple[Alpha, ...], Field(min_length=1, max_length=MANY)] = (1.0,)
    encodings: Annotated[tuple[Encoding, ...], Field(min_length=1, max_length=20)] = (Encoding(),)
    victims: Victims

    @model_validator(mode="after")
    def _distinct(self) -> Campaign:
        titles = [series.title for series in self.plans]
        if len(set(titles)) < len(titles):
            raise ValueError("two plans have one name: give each its own")
        if any(len(set(values)) < len(values) for values in (self.alphas, self.encodings)):
            raise ValueError("an alpha or an encoding is given twice")
        return self

    def decisive(self) -> dict[str, Any]:
        """Everything that decides a row, as plain JSON: neither where files lie nor what the campaign is called."""
        left_out: Any = {"name": True, "claim": True, "people": {"folder"}, "victims": {"file", "consent"}}
        return self.model_dump(mode="json", exclude=left_out)


def load(path: Path) -> Campaign:
    """The campaign in the file at ``path``; relative paths in it start at the file. Raises INVALID_ARGUMENT with the path of
    each field that is wrong."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unusable(path, error.strerror or "it cannot be read") from None
    if len(data) > MAX_BYTES:
        raise _unusable(path, f"it has more than {MAX_BYTES} bytes")
    return parse(_yaml(path, data), path)


def parse(content: Any, path: Path) -> Campaign:
    """The campaign in ``content``, plain data as YAML gives it, for a file at ``path``; raises as ``load`` does."""
    try:
        campaign = Campaign.model_validate(content)
    except ValidationError as error:
        problems = [_problem(item) for item in error.errors(include_url=False, include_context=False)]
        raise _unusable(path, "; ".join(problems[:10])) from None
    people = campaign.people.model_copy(update={"folder": path.parent / campaign.people.folder})
    file = campaign.victims.file
    victims = campaign.victims.model_copy(update={"file": path.parent / file if file else None})
    return campaign.model_copy(update={"people": people, "victims": victims})


class _Loader(yaml.SafeLoader):
    """Refuses aliases, by which a short file can hold a huge value, and keys that come twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.constructor.ConstructorError(None, None, "aliases are not used here", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if len(set(map(repr, keys))) < len(keys):
            raise yaml.constructor.ConstructorError(None, None, "a key comes twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _yaml(path: Path, data: bytes) -> Any:
    try:
        return yaml.load(data, _Loader)  # noqa: S506  (a SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise _unusable(path, f"it is not YAML{where}: {getattr(error, 'problem', None) or 'unreadable'}") from None


def _problem(item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"])
    what = str(item["msg"]).removeprefix("Value error, ")
    return f"{where}: {what}" if where else what


def _unusable(path: Path, problem: str) -> FaceOffError:
    return FaceOffError(
        Reason.INVALID_ARGUMENT, f"{path.name} is not a campaign: {problem}.", "docs/campaigns.md has what it may hold."
    )


def plan_of(series: Series, seed: int) -> Plan:
    """The series' plan before its grid."""
    chosen = {name: value for name, value in series.set if value is not None}
    values = PLANS[series.plan].__dict__ | chosen | {"seed": seed}
    return Plan(**values)
