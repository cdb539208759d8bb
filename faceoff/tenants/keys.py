"""API keys: ``fo_ID_SECRET``. The secret has 256 bits and is shown once; a file holds its SHA-256 and what the key may do.

A plain hash is enough for a secret that cannot be guessed: slow ones are for passwords, and would be paid at every call.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from faceoff.errors import FaceOffError, Reason
from faceoff.files import write_atomically
from faceoff.tenants.principal import TENANT, Principal, Scope, unauthenticated
from faceoff.tenants.watched import Watched

PREFIX = "fo_"
LIVE = 2
"""Keys of one tenant that may be valid at once: the old and the new one while a key is replaced."""

_KEY = re.compile(r"fo_([0-9a-f]{12})_([0-9a-f]{64})")
_NOBODY = "0" * 64


class Key(BaseModel):
    """What is kept of a key."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    id: Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
    tenant: Annotated[str, Field(pattern=f"^{TENANT}$")]
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$", repr=False)]
    created: AwareDatetime
    expires: AwareDatetime | None = None
    revoked: AwareDatetime | None = None

    def live(self, now: datetime) -> bool:
        return self.revoked is None and (self.expires is None or now < self.expires)


class KeyList(BaseModel):
    """The whole file, as JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    keys: tuple[Key, ...] = ()

    @field_validator("keys")
    @classmethod
    def _told_apart(cls, keys: tuple[Key, ...]) -> tuple[Key, ...]:
        if len({key.id for key in keys}) < len(keys):
            raise ValueError("two keys have one id")
        return keys


def utc_now() -> datetime:
    return datetime.now(UTC)


class ApiKeys:
    """Checks keys against the file at ``path``, which is read again when it changes: a key that was revoked there is refused
    with the next call. While the file cannot be used nobody is let in, since it might be what revokes a key."""

    def __init__(self, path: Path, now: Callable[[], datetime] = utc_now) -> None:
        self._file = Watched(path, _by_id)
        self._now = now

    def check(self, token: str) -> Principal:
        """Raises UNAUTHENTICATED, and SERVICE_UNAVAILABLE when the file cannot be used."""
        match = _KEY.fullmatch(token)
        if match is None:
            raise _unknown()
        try:
            key = self._file.get().get(match[1])
        except (OSError, ValueError):
            raise FaceOffError(
                Reason.SERVICE_UNAVAILABLE, "Keys cannot be checked at the moment.", "Try again in a while."
            ) from None
        same = hmac.compare_digest(_hash(match[2]), key.sha256 if key else _NOBODY)
        if key is None or not same:
            raise _unknown()
        if not key.live(self._now()):
            raise unauthenticated(f"The key {key.id} {'was revoked' if key.revoked else 'has expired'}.")
        return Principal(key.tenant, key.scopes, key.id)


def read(path: Path) -> tuple[Key, ...]:
    """The keys in the file at ``path``. Raises INVALID_ARGUMENT."""
    try:
        return tuple(Watched(path, _by_id).get().values())
    except OSError as error:
        problem = error.strerror or "it cannot be read"
    except ValidationError as error:
        problem = "; ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False)[:3]
        )
    except ValueError as error:
        problem = str(error)
    raise FaceOffError(
        Reason.INVALID_ARGUMENT,
        f"The keys' file {path} cannot be used: {problem}.",
        "`faceoff keys` writes it; restore it from a backup if it was edited.",
    )


def create(path: Path, tenant: str, scopes: Collection[Scope], expires: datetime | None = None) -> str:
    """A new key, which stands nowhere else. Raises INVALID_ARGUMENT: the tenant's name, LIVE keys there already, the file."""
    if not re.fullmatch(TENANT, tenant):
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            "A tenant cannot have this name.",
            "Use up to 63 small letters, digits, - and _, a letter or digit first.",
        )
    with _changing(path) as keys:
        now = utc_now()
        if sum(key.tenant == tenant and key.live(now) for key in keys) >= LIVE:
            raise FaceOffError(
                Reason.INVALID_ARGUMENT,
                f"{tenant} has {LIVE} keys already.",
                "Revoke the older one when nobody uses it any more.",
            )
        taken = {key.id for key in keys}
        name = next(name for name in iter(lambda: secrets.token_hex(6), None) if name not in taken)
        secret = secrets.token_hex(32)
        keys.append(
            Key(id=name, tenant=tenant, scopes=frozenset(scopes), sha256=_hash(secret), created=now, expires=expires)
        )
    return f"{PREFIX}{name}_{secret}"


def revoke(path: Path, name: str) -> Key:
    """Make the key with the id ``name`` worthless. Raises NOT_FOUND, INVALID_ARGUMENT."""
    with _changing(path) as keys:
        for index, key in enumerate(keys):
            if key.id == name:
                keys[index] = key.model_copy(update={"revoked": key.revoked or utc_now()})
                return keys[index]
        raise FaceOffError(Reason.NOT_FOUND, "No key has this id.", "`faceoff keys list` shows the ids.")


@contextmanager
def _changing(path: Path) -> Iterator[list[Key]]:
    """The keys, written back at the end. One process at a time."""
    path = path.resolve()  # a link stays a link
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT, f"Cannot write {path}: {error.strerror}.", "Choose a folder that exists."
        ) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        keys = list(read(path)) if os.path.lexists(path) else []
        yield keys
        text = KeyList(keys=tuple(keys)).model_dump_json(indent=1, exclude_none=True)
        write_atomically(path, f"{text}\n".encode(), private=True)
    finally:
        os.close(folder)


def _by_id(data: bytes) -> dict[str, Key]:
    return {key.id: key for key in KeyList.model_validate_json(data).keys}


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _unknown() -> FaceOffError:
    return unauthenticated("The credential is not valid.")
