"""What is written into a custom resource's status. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from services.operator.pods import GROUP, VERSION, Object

LONGEST = 500
"""Characters of a condition's message."""

_CHECK = re.compile(r"(\S+)  +(\S[^\n]*?)  +(ok|failed|skipped)(?:  +([^\n]*))?")
_PROGRESS = re.compile(r"(\d{1,9}) of (\d{1,9}) cells")


def conditions(body: Mapping[str, Any], states: Mapping[str, tuple[bool, str, str]], now: str) -> list[dict[str, Any]]:
    """A condition for each of ``states``: whether it holds, the reason in one word, and the message. Where it holds as it did
    before, it keeps its time."""
    before = {one["type"]: one for one in (body.get("status") or {}).get("conditions") or ()}
    made = []
    for kind, (holds, reason, message) in states.items():
        status = str(holds)
        old = before.get(kind, {})
        since = old.get("lastTransitionTime", now) if old.get("status") == status else now
        made.append(
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": printable(message),
                "lastTransitionTime": since,
                "observedGeneration": body["metadata"].get("generation", 0),
            }
        )
    return made


def document(body: Mapping[str, Any], status: Mapping[str, Any]) -> Object:
    """What is applied to the status of ``body``."""
    name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": body["kind"],
        "metadata": {"name": name, "namespace": namespace},
        "status": {"observedGeneration": body["metadata"].get("generation", 0), **status},
    }


def accuracy(log: str) -> list[dict[str, str]]:
    """The checks that `faceoff models check` printed."""
    found = (_CHECK.fullmatch(line.strip()) for line in log.splitlines()[:200])
    return [
        {"network": one[1][:63], "check": one[2][:63], "outcome": one[3], "detail": printable(one[4] or "", 200)}
        for one in found
        if one
    ]


def progress(log: str) -> dict[str, int] | None:
    """How far a campaign said last that it was."""
    said = _PROGRESS.findall(log)
    return {"done": int(said[-1][0]), "total": int(said[-1][1])} if said else None


def summary(parts: Sequence[Mapping[str, int]]) -> str:
    """All parts together, n/m; nothing before each part has said how much it has to do."""
    if not parts or not all(part.get("total") for part in parts):
        return ""
    return f"{sum(part['done'] for part in parts)}/{sum(part['total'] for part in parts)}"


def finished(job: Mapping[str, Any] | None) -> str | None:
    """Complete or Failed, when the Job is one of them."""
    for one in ((job or {}).get("status") or {}).get("conditions") or ():
        if one.get("status") == "True" and one.get("type") in ("Complete", "Failed"):
            return str(one["type"])
    return None


def last_words(pods: Sequence[Mapping[str, Any]]) -> str:
    """The last line that a container said which failed, of the newest pod that has one."""
    for pod in sorted(pods, key=lambda one: str(one["metadata"].get("creationTimestamp", "")), reverse=True):
        status = pod.get("status") or {}
        for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
            ended = (one.get("state") or {}).get("terminated") or {}
            if ended.get("exitCode"):
                lines = str(ended.get("message") or ended.get("reason") or "").strip().splitlines()
                return printable(f"{one['name']}: {lines[-1] if lines else 'no message'}")
    return ""


def available(deployment: Mapping[str, Any] | None) -> bool:
    """Every replica runs the newest template and is ready."""
    if deployment is None:
        return False
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
        and status.get("updatedReplicas", 0) >= wanted
        and status.get("availableReplicas", 0) >= wanted
    )


def serving(deployment: Mapping[str, Any] | None) -> bool:
    """At least one replica answers."""
    return bool(((deployment or {}).get("status") or {}).get("availableReplicas"))


def printable(text: str, longest: int = LONGEST) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text[:longest])
