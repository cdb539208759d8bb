"""What a caller over HTTP can say about a photo: query parameters, and the same names as fields of a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from faceoff.errors import FaceOffError, Reason
from faceoff.pipeline import Request
from faceoff.presets import STRENGTHS
from faceoff.types import Encoding, Priority, Terms, View

_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
_Names = Annotated[list[_Name], Field(max_length=32)]


class Options(BaseModel):
    """Everything has a default, and what is not here is refused."""

    model_config = ConfigDict(extra="forbid")

    strength: Annotated[Literal["subtle", "balanced", "strong"], Field(description="How visible the mask may be.")] = (
        "balanced"
    )
    format: Annotated[Literal["png", "jpeg", "webp"], Field(description="Of the result.")] = "png"
    quality: Annotated[int, Field(ge=1, le=100, description="Of a JPEG.")] = Encoding.quality
    faces: Annotated[
        list[Annotated[int, Field(ge=0, le=10_000)]],
        Field(max_length=1000, description="Which faces to protect, 0 being the largest; none: every face."),
    ] = []
    victims: Annotated[
        _Names, Field(description="Networks that check the result; none: all that took no part in it.")
    ] = []
    consent: Annotated[
        _Names, Field(description="Commercial victims to which the result and the references may be sent.")
    ] = []
    views: Annotated[
        list[Literal["photo", "cropped", "jpeg", "half", "denoised"]],
        Field(max_length=5, description="As what the victims see the result; none: as it is."),
    ] = []
    priority: Annotated[Literal["interactive", "bulk", "campaign"], Field(description="What goes first.")] = (
        "interactive"
    )

    def request(self, references: tuple[bytes, ...]) -> Request:
        return Request(
            STRENGTHS[self.strength],
            Encoding(self.format.upper(), self.quality),
            tuple(self.faces),
            tuple(self.victims),
            priority=Priority[self.priority.upper()],
            terms=Terms(
                references,
                tuple(self.consent),
                tuple(dict.fromkeys(View(view) for view in self.views)) or Terms().views,
            ),
        )


_NAMES = {*Options.model_fields, "wait", "limit", "after", "idempotency-key", "operation"}
_LISTS = frozenset(name for name, field in Options.model_fields.items() if field.default == [])


def with_fields(query: Options, fields: Mapping[str, list[str]]) -> Options:
    """``query`` with a form's ``fields`` put over it. Raises FaceOffError INVALID_ARGUMENT."""
    said: dict[str, object] = query.model_dump(include=set(Options.model_fields), exclude_unset=True)
    for name, values in fields.items():
        if name not in _LISTS and len(values) > 1:
            raise FaceOffError(Reason.INVALID_ARGUMENT, "A field was given twice.", "Give it once.")
        said[name] = values if name in _LISTS else values[0]
    try:
        return Options.model_validate(said)
    except ValidationError as error:
        raise invalid([detail["loc"] for detail in error.errors(include_input=False, include_url=False)]) from None


def invalid(places: Sequence[tuple[int | str, ...]]) -> FaceOffError:
    """``places`` of what is not valid. Only names of ours are repeated, never what was sent."""
    names = sorted(_NAMES & {part for place in places for part in place})
    what = f"Not valid: {', '.join(names)}." if names else "The request has an option that there is not."
    return FaceOffError(Reason.INVALID_ARGUMENT, what, "openapi.json says which options there are and what they take.")
