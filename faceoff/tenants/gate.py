"""Everything that a door asks about its callers, from one set of settings."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from faceoff.tenants import oidc, policy
from faceoff.tenants.credentials import authenticator
from faceoff.tenants.keys import ApiKeys, read
from faceoff.tenants.principal import Authenticator, Principal
from faceoff.tenants.quota import Limiter
from faceoff.tenants.settings import UNLIMITED, Limits, TenantsFile, TenantsSettings
from faceoff.tenants.webhooks import Endpoint, Webhooks, secrets_in
from faceoff.types import Plan


@dataclass(frozen=True)
class Settings:
    """``keys`` and ``tenants`` are the operator's files, ``state`` the file that requests and quotas are counted in (None: in
    memory), ``open`` says that nobody needs a credential even where strangers can connect."""

    keys: Path | None = None
    tenants: Path | None = None
    state: Path | None = None
    open: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of a door; each default can be set by an environment variable."""
    env = os.environ.get
    for name, variable, words in (
        ("--keys", "FACEOFF_KEYS", "API keys, as `faceoff keys` writes them"),
        ("--tenants", "FACEOFF_TENANTS", "limits, targets, webhooks and the identity provider, as YAML"),
        ("--tenants-state", "FACEOFF_TENANTS_STATE", "where requests and quotas are counted (default: in memory)"),
    ):
        parser.add_argument(
            name, type=Path, metavar="FILE", default=env(variable) or None, help=f"[{variable}] {words}"
        )
    parser.add_argument(
        "--open",
        action="store_true",
        default=env("FACEOFF_OPEN") == "1",
        help="[FACEOFF_OPEN=1] let everybody in who can connect, where there are no keys and no identity provider",
    )


def settings(options: argparse.Namespace) -> Settings:
    return Settings(options.keys, options.tenants, options.tenants_state, options.open)


class Gate:
    """Safe to share between threads."""

    def __init__(self, settings: Settings, listen: Sequence[str]) -> None:
        """``listen`` are the addresses that callers can reach. Raises INVALID_ARGUMENT for files that cannot be used, and for a
        door that would be open to strangers."""
        self._file = TenantsFile(settings.tenants) if settings.tenants else None
        said = self._settings()
        if settings.keys:
            read(settings.keys)
        keys = ApiKeys(settings.keys) if settings.keys else None
        tokens = oidc.tokens(said.oidc, self._file.folder) if self._file and said.oidc else None
        self._nobody = not (keys or tokens or self._file)
        self.authenticator: Authenticator = authenticator(keys, tokens, listen, settings.open)
        self.limiter = Limiter(settings.state, self._limits)
        self.webhooks = Webhooks(self._endpoint)

    def targets(self) -> Path | None:
        """The folder of the people who agreed to be targets (faceoff.gallery reads it)."""
        folder = self._settings().targets
        return self._file.folder / folder if self._file and folder else None

    def check_target(self, principal: Principal, plan: Plan, sent: Collection[str]) -> None:
        """As faceoff.tenants.policy has it, with the operator's pool. Raises TARGET_NOT_ALLOWED."""
        policy.check_target(principal, plan, sent, policy.consented_labels(self.targets()))

    def listens(self, tenant: str) -> bool:
        """Whether a tenant is told of its jobs' ends."""
        own = self._settings().tenants.get(tenant)
        return own is not None and own.webhook is not None

    def close(self) -> None:
        self.webhooks.close()

    def _settings(self) -> TenantsSettings:
        return self._file.settings() if self._file else TenantsSettings()

    def _limits(self, tenant: str) -> Limits:
        return UNLIMITED if self._nobody else self._settings().limits(tenant)

    def _endpoint(self, tenant: str) -> Endpoint | None:
        own = self._settings().tenants.get(tenant)
        if own is None or own.webhook is None or self._file is None:
            return None
        return Endpoint(own.webhook.url, secrets_in(self._file.folder / own.webhook.secret_file))
