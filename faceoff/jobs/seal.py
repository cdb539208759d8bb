"""Photos are sealed before they reach a store: AES-256-GCM with a random key a job. Destroying the key destroys every copy."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from faceoff.errors import FaceOffError, Reason

_NONCE = 12
_LENGTH = struct.Struct(">Q")


def new_key() -> bytes:
    return AESGCM.generate_key(256)


def seal(key: bytes, data: bytes, name: str) -> bytes:
    """``name`` is what the data is sealed as: it opens as nothing else."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, data, name.encode())


def unseal(key: bytes, data: bytes, name: str) -> bytes:
    try:
        return AESGCM(key).decrypt(data[:_NONCE], data[_NONCE:], name.encode())
    except (InvalidTag, ValueError):
        raise FaceOffError(Reason.INTERNAL, "A stored photo is damaged.", "Submit it again.") from None


def pack(parts: Sequence[bytes]) -> bytes:
    return b"".join(piece for part in parts for piece in (_LENGTH.pack(len(part)), part))


def unpack(data: bytes) -> list[bytes]:
    parts, at = [], 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        parts.append(data[at : at + length])
        at += length
    return parts
