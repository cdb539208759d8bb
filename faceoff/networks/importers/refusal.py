"""How a reader refuses a file that it cannot use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from faceoff.errors import FaceOffError, Reason


@dataclass(frozen=True)
class Refusal:
    """``what`` cannot be done with the file, ``hint`` which file to bring."""

    what: str
    hint: str

    def error(self, why: str) -> FaceOffError:
        return FaceOffError(Reason.UNSUPPORTED_FORMAT, f"{self.what}: {why}.", self.hint)

    def refuse(self, why: str) -> NoReturn:
        raise self.error(why)
