"""The operator's tenants' file (YAML): limits, targets, webhooks, the identity provider. Read again when it changes, but for
the provider."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from faceoff.errors import FaceOffError, Reason
from faceoff.rpc import logs
from faceoff.tenants.oidc import OidcSettings
from faceoff.tenants.principal import TENANT
from faceoff.tenants.watched import Watched

# PyYAML lets its parts' errors through, for tags on what they do not fit.
_NO_YAML = (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

_Rate = Annotated[float, Field(gt=0, le=1e6)]
_Burst = Annotated[int, Field(ge=1, le=1_000_000)]
_Quota = Annotated[float, Field(ge=0, le=1e12)]


def _https(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.password or parts.fragment:
        raise ValueError("must be https://HOST[:PORT][/PATH], without user and fragment")
    return url


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True)
class Limits:
    """``rate`` requests a second, ``burst`` at once; ``quota`` in megapixel-iterations a UTC day."""

    rate: float
    burst: int
    quota: float


UNLIMITED = Limits(1e6, 1_000_000, math.inf)


class LimitSettings(_Model):
    """What holds for a tenant that has nothing of its own."""

    rate: _Rate = 10.0
    burst: _Burst = 50
    quota: _Quota = 200_000.0
    """About 400 photos of 12 megapixels with 40 iterations."""


class WebhookSettings(_Model):
    """``secret_file`` holds ``whsec_...``, one line each: two while the secret is replaced."""

    url: Annotated[str, AfterValidator(_https)]
    secret_file: Path


class TenantSettings(_Model):
    """What is not given is the default."""

    rate: _Rate | None = None
    burst: _Burst | None = None
    quota: _Quota | None = None
    webhook: WebhookSettings | None = None


class TenantsSettings(_Model):
    """The whole file. ``targets`` is a folder with one sub-folder for each person who agreed to be a target. Relative paths
    start at the file's folder."""

    oidc: OidcSettings | None = None
    targets: Path | None = None
    defaults: LimitSettings = LimitSettings()
    tenants: dict[Annotated[str, Field(pattern=f"^{TENANT}$")], TenantSettings] = {}

    def limits(self, tenant: str) -> Limits:
        own = self.tenants.get(tenant, TenantSettings())
        return Limits(
            self.defaults.rate if own.rate is None else own.rate,
            self.defaults.burst if own.burst is None else own.burst,
            self.defaults.quota if own.quota is None else own.quota,
        )


class TenantsFile:
    """The file at ``path``. A change that cannot be used is said in the log, and what was there before stays in force."""

    def __init__(self, path: Path) -> None:
        """Raises INVALID_ARGUMENT, which quotes nothing that stands in the file but names."""
        self.folder = path.parent
        self._file = Watched(path, _parse)
        self._complained = ""
        try:
            self._settings = self._file.get()
        except (OSError, ValueError) as error:
            raise FaceOffError(
                Reason.INVALID_ARGUMENT,
                f"The tenants' file {path} cannot be used: {_problem(error)}.",
                "See docs/decisions/0019 for what it holds.",
            ) from None

    def settings(self) -> TenantsSettings:
        try:
            self._settings, self._complained = self._file.get(), ""
        except (OSError, ValueError) as error:
            if self._complained != str(error):
                self._complained = str(error)
                logs.event("tenants_file_refused", error=type(error).__name__)
        return self._settings


def _parse(data: bytes) -> TenantsSettings:
    try:
        content = yaml.safe_load(data)
    except _NO_YAML as error:
        mark = getattr(error, "problem_mark", None)
        raise ValueError("it is no YAML" + (f" (line {mark.line + 1})" if mark else "")) from None
    return TenantsSettings.model_validate(content)


def _problem(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(map(_item, error.errors(include_url=False, include_context=False)))
    return (error.strerror or "it cannot be read") if isinstance(error, OSError) else str(error)


def _item(item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"])
    return f"{where}: {item['msg']}" if where else str(item["msg"])
