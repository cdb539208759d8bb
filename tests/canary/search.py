"""Looks for what must not be there, in whatever form it may have got there."""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

BLOCK = 32
"""Bytes. Any 64 bytes of an image have one of its blocks of 32 in them."""

_PREFIX = 8
_TELLING = 12  # different bytes that a block has if it is nobody else's


class Search:
    """Finds any of many patterns of eight bytes and more at once, in upper or lower case."""

    def __init__(self, patterns: Mapping[bytes, str] | None = None) -> None:
        """Each pattern and the name that it is found by."""
        self._table = np.zeros(1 << 24, bool)
        self._known: defaultdict[bytes, list[tuple[bytes, str]]] = defaultdict(list)
        self.longest = 0
        self.add(patterns or {})

    def add(self, patterns: Mapping[bytes, str]) -> None:
        for pattern, name in patterns.items():
            lower = pattern.lower()
            if len(lower) < _PREFIX:
                raise ValueError(f"{name}: too short to be told from chance")
            self._known[lower[:_PREFIX]].append((lower, name))
            self.longest = max(self.longest, len(lower))
        starts = np.frombuffer(b"".join(prefix[:3] for prefix in self._known), np.uint8).reshape(-1, 3)
        self._table[_numbers(starts.T)] = True

    def find(self, data: bytes) -> set[str]:
        lower = data.lower()
        if len(lower) < _PREFIX:
            return set()
        letters = np.frombuffer(lower, np.uint8)
        starts = np.flatnonzero(self._table[_numbers((letters[:-2], letters[1:-1], letters[2:]))])
        return {
            name
            for start in starts.tolist()
            for pattern, name in self._known.get(lower[start : start + _PREFIX], ())
            if lower.startswith(pattern, start)
        }


def _numbers(letters: Iterable[np.ndarray]) -> np.ndarray:
    first, second, third = (part.astype(np.uint32) for part in letters)
    return np.asarray(first << 16 | second << 8 | third)


def forms(name: str, secret: bytes) -> dict[bytes, str]:
    """``secret`` as itself, and as programs write it: what is found has the name ``name as FORM``."""
    text = secret.decode("latin-1")
    found = {
        "itself": secret,
        "utf-16": text.encode("utf-16-le"),
        "utf-16, big end first": text.encode("utf-16-be"),
        "hex": secret.hex().encode(),
        "url": "".join(f"%{byte:02x}" for byte in secret).encode(),
        "escapes": "".join(f"\\x{byte:02x}" for byte in secret).encode(),
        "reversed": secret[::-1],
    }
    for shift in range(3):  # where it stands in the text around it
        encoded = base64.b64encode(bytes(shift) + secret)
        inner = encoded[(shift * 8 + 5) // 6 : (shift + len(secret)) * 8 // 6]
        found[f"base64 + {shift}"] = inner
        found[f"base64 for urls + {shift}"] = inner.translate(bytes.maketrans(b"+/", b"-_"))
    return {pattern: f"{name} as {form}" for form, pattern in found.items()}


def digests(name: str, secret: bytes) -> dict[bytes, str]:
    """By which somebody who has ``secret`` would recognise it."""
    patterns: dict[bytes, str] = {}
    for kind in ("md5", "sha1", "sha256", "blake2b"):
        digest = hashlib.new(kind, secret).digest()
        shown = {"raw": digest, "hex": digest.hex().encode(), "base64": base64.b64encode(digest).rstrip(b"=")}
        shown["base64 for urls"] = base64.urlsafe_b64encode(digest).rstrip(b"=")
        patterns |= {pattern: f"{kind} of {name} as {form}" for form, pattern in shown.items()}
    return patterns


def blocks(name: str, image: bytes, every: int = 1) -> dict[bytes, str]:
    """Pieces of an image's bytes, one of which is in any piece of it that is ``64 * every`` bytes long."""
    return dict.fromkeys(_blocks(image, every), f"{name}, bytes of it")


def _blocks(image: bytes, every: int) -> Iterator[bytes]:
    for start in range(0, len(image) - BLOCK + 1, BLOCK * every):
        block = image[start : start + BLOCK]
        if len(set(block)) >= _TELLING:
            yield block
