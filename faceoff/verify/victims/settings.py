"""The commercial victims of an operator: one YAML file, in which every victim is off until it says ``enabled: true``."""

from __future__ import annotations

import secrets
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from faceoff import image
from faceoff.errors import FaceOffError, Reason
from faceoff.verify.victims.asking import Asking, Terms
from faceoff.verify.victims.azure import AzureFace
from faceoff.verify.victims.budget import Allowance, Budget, Price, Spending
from faceoff.verify.victims.cache import Cache
from faceoff.verify.victims.calls import Adapter, Fault
from faceoff.verify.victims.compreface import CompreFace
from faceoff.verify.victims.facepp import FacePlusPlus
from faceoff.verify.victims.keyfile import KeyFile
from faceoff.verify.victims.pace import Breaker, Pace
from faceoff.verify.victims.rekognition import Rekognition
from faceoff.verify.victims.store import Store
from faceoff.verify.victims.victim import Victim
from faceoff.verify.victims.web import loopback


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query or parts.fragment or not parts.hostname:
        raise ValueError("must be https://HOST[:PORT][/PATH], without user, query or fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback(url)):
        raise ValueError("must be https: photos and keys travel there (http only to this machine itself)")
    return url


Endpoint = Annotated[str, AfterValidator(_endpoint)]
Money = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=6)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class PriceSettings(_Model):
    """Of one call. The paper's services change theirs: ``as_of`` is the day on which it was read."""

    amount: Money
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    as_of: date


class LimitSettings(_Model):
    """The most that one tenant may spend on this victim, in the price's currency."""

    daily: Money
    monthly: Money


class _Victim(_Model):
    enabled: bool = False
    price: PriceSettings
    limits: LimitSettings
    rate: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Calls a second, over all processes."""
    timeout: Annotated[float, Field(gt=0, le=600)] = 30.0
    """Seconds an answer may take, waits and repeats included."""

    @model_validator(mode="after")
    def _affordable(self) -> _Victim:
        if self.price.amount > min(self.limits.daily, self.limits.monthly):
            raise ValueError("limits allow not a single call at this price")
        return self

    def adapter(self, keys: Path) -> Adapter:
        """``keys`` is the folder that relative key files are in."""
        raise NotImplementedError


class AzureSettings(_Victim):
    kind: Literal["azure"]
    endpoint: Endpoint
    key_file: Path

    def adapter(self, keys: Path) -> Adapter:
        return AzureFace(self.endpoint, KeyFile(keys / self.key_file))


class RekognitionSettings(_Victim):
    kind: Literal["rekognition"]
    region: Annotated[str, Field(pattern="^[a-z]{2}(-[a-z]+)+-[0-9]$")]
    endpoint: Endpoint | None = None
    access_key_id_file: Path
    secret_access_key_file: Path
    session_token_file: Path | None = None

    def adapter(self, keys: Path) -> Adapter:
        token = KeyFile(keys / self.session_token_file) if self.session_token_file else None
        key_id, secret = KeyFile(keys / self.access_key_id_file), KeyFile(keys / self.secret_access_key_file)
        return Rekognition(self.region, key_id, secret, token, self.endpoint, self.timeout)


class FacePPSettings(_Victim):
    kind: Literal["facepp"]
    endpoint: Endpoint = "https://api-us.faceplusplus.com"
    key_file: Path
    secret_file: Path
    far: Literal["1e-3", "1e-4", "1e-5"] = "1e-3"

    def adapter(self, keys: Path) -> Adapter:
        return FacePlusPlus(self.endpoint, KeyFile(keys / self.key_file), KeyFile(keys / self.secret_file), self.far)


class CompreFaceSettings(_Victim):
    kind: Literal["compreface"]
    endpoint: Endpoint
    key_file: Path
    threshold: Annotated[float, Field(gt=0, lt=1)]

    def adapter(self, keys: Path) -> Adapter:
        return CompreFace(self.endpoint, KeyFile(keys / self.key_file), self.threshold)


class CacheSettings(_Model):
    """``key_file``: a secret of the operator's, with which answers outlive the process. Without one, they do not."""

    key_file: Path | None = None
    hours: Annotated[float, Field(gt=0)] = 24.0
    entries: Annotated[int, Field(gt=0)] = 100_000


class VictimSettings(_Model):
    """The whole file. ``state`` is the folder of the ledger: on a local disk, one for all processes that spend. Relative paths
    start at the file's folder."""

    state: Path
    cache: CacheSettings = CacheSettings()
    victims: dict[
        Annotated[str, Field(pattern="^[a-z][a-z0-9_-]{0,31}$")],
        Annotated[
            AzureSettings | RekognitionSettings | FacePPSettings | CompreFaceSettings, Field(discriminator="kind")
        ],
    ]


def victims_from(path: Path, decode: image.Decode = image.decode, secret: bytes = b"") -> dict[str, Victim]:
    """The enabled victims of the file, by name; ``decode`` reads the pictures that they are to be sent. They refuse every pair
    until faceoff.verify.victims.asking.consented has seen a caller's consent. Answers are remembered for whoever has the
    same ``secret`` (without one: the file's).

    Raises FaceOffError INVALID_ARGUMENT that names what is wrong in the file.
    """
    settings = read(path)
    store = Store(path.parent / settings.state)
    budget, pace = Budget(store), Pace(store)
    secret = secret or _cache_key(settings.cache, path)
    cache = Cache(store, secret, settings.cache.hours * 3600, settings.cache.entries)
    return {
        name: Asking(name, victim.adapter(path.parent), _terms(victim), budget, pace, cache, Breaker(), decode)
        for name, victim in settings.victims.items()
        if victim.enabled
    }


def enabled(path: Path) -> set[str]:
    """The names of the file's enabled victims. Raises as ``victims_from``."""
    return {name for name, victim in read(path).victims.items() if victim.enabled}


def spent(path: Path) -> dict[str, list[Spending]]:
    """What the victims of the file have cost so far, by name, those included that are off by now."""
    return Budget(Store(path.parent / read(path).state)).spent()


def read(path: Path) -> VictimSettings:
    """The file, checked. Raises FaceOffError INVALID_ARGUMENT, which quotes nothing that stands in the file but names."""
    try:
        return VictimSettings.model_validate(yaml.safe_load(path.read_bytes()))
    except OSError as error:
        problem = error.strerror or "it cannot be read"
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = "it is no YAML" + (f" (line {mark.line + 1})" if mark else "")
    except ValidationError as error:
        problem = "; ".join(_problem(item) for item in error.errors(include_url=False, include_context=False))
    raise FaceOffError(
        Reason.INVALID_ARGUMENT,
        f"The victims' file {path} cannot be used: {problem}.",
        "See docs/decisions/0013 for what it holds.",
    )


def _problem(item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"])
    return f"{where}: {item['msg']}" if where else str(item["msg"])


def _terms(victim: _Victim) -> Terms:
    price = Price(victim.price.amount, victim.price.currency, victim.price.as_of.isoformat())
    return Terms(price, Allowance(victim.limits.daily, victim.limits.monthly), victim.rate, victim.timeout)


def _cache_key(cache: CacheSettings, path: Path) -> bytes:
    if cache.key_file is None:
        return secrets.token_bytes(32)
    try:
        return KeyFile(path.parent / cache.key_file).read().encode()
    except Fault:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"The cache's key file {cache.key_file} of {path} holds no usable key.",
            "Write one line of letters and digits into it, or leave it out.",
        ) from None
