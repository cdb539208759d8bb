"""What the commands say: one JSON object a photo or words on standard output, complaints on standard error."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from faceoff.cli.verdicts import verdict_json, verdict_words
from faceoff.errors import FaceOffError, Reason
from faceoff.pipeline import Protection, Request
from faceoff.types import Box, Mask, MaskOutcome

HONEST = "This lowers the chance of recognition; it cannot promise it."


def say(text: str) -> None:
    with standard_output():
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def say_json(value: Mapping[str, Any]) -> None:
    """In ASCII: names of files need not be text."""
    say(json.dumps(value))


def complain(subject: str, error: FaceOffError) -> None:
    lines = [f"{subject}: {error.message}", *([f"  {error.hint}"] if error.hint else [])]
    sys.stderr.write("".join(f"{printable(line)}\n" for line in lines))
    sys.stderr.flush()


def printable(text: str) -> str:
    """``text`` on one line, without what would command a terminal: names of files may hold anything."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


@contextmanager
def standard_output() -> Iterator[None]:
    """Raises DISK_FULL or INVALID_ARGUMENT where standard output cannot be written, and BrokenPipeError where whoever
    read it has left. What is written there after that goes nowhere."""
    try:
        yield
    except OSError as error:
        # The interpreter must not fail on flushing the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise FaceOffError(
            Reason.DISK_FULL if error.errno == errno.ENOSPC else Reason.INVALID_ARGUMENT,
            f"Standard output cannot be written: {error.strerror}.",
            "Send it to where there is space and that may be written to.",
        ) from error


def error_json(subject: str, error: FaceOffError) -> dict[str, Any]:
    return {"photo": subject, "error": {"reason": error.reason, "message": error.message, "hint": error.hint}}


def box_json(box: Box) -> dict[str, float]:
    return {name: round(getattr(box, name), 1) for name in ("x", "y", "width", "height")}


def protection_json(photo: str, output: str, seconds: float, request: Request, result: Protection) -> dict[str, Any]:
    return {
        "photo": photo,
        "output": output,
        "seconds": round(seconds, 3),
        "faces": [
            {
                "box": box_json(crop.face.box),
                "outcome": mask.outcome,
                "method": request.plan.method,
                "alpha": round(alpha, 4),
                "rms": round(seen.rms, 3),
                "ssim": round(seen.ssim, 4),
                "iterations": mask.iterations,
            }
            for crop, mask, alpha, seen in zip(
                result.crops, result.masks, result.candidate.alphas, result.candidate.faces, strict=True
            )
        ],
        "verdicts": [verdict_json(verdict) for verdict in result.verdicts],
    }


def protection_words(output: str, seconds: float, result: Protection) -> str:
    lines = [f"{printable(output)}  ({seconds:.1f} s)"]
    for index, (mask, seen) in enumerate(zip(result.masks, result.candidate.faces, strict=True)):
        lines.append(f"  face {index}: {_goal(mask)}; change RMS {seen.rms:.1f} of 255, SSIM {seen.ssim:.3f}")
        lines += [f"    {verdict_words(verdict)}" for verdict in result.verdicts if verdict.face == index]
    if not result.verdicts:
        lines.append("  Not checked on any other network: there was none.")
    lines += [f"  Note: {warning}" for warning in result.photo.warnings]
    return "\n".join([*lines, f"  {HONEST}"])


def _goal(mask: Mask) -> str:
    if mask.outcome is MaskOutcome.NOT_EVALUATED:
        return "a mask made before, not evaluated on its surrogates"
    goal = "reached" if mask.outcome is MaskOutcome.REACHED else "not reached"
    return f"goal {goal} on the surrogates after {mask.iterations} iterations"
