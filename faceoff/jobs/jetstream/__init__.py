"""The engine on NATS JetStream: jobs outlive processes, workers and machines share them."""

from __future__ import annotations

from faceoff.jobs.core import Engine
from faceoff.jobs.engine import Limits
from faceoff.jobs.jetstream.store import JetStreamStore


def connect(url: str, limits: Limits = Limits(), replicas: int = 1) -> Engine:  # noqa: B008
    """The engine at the NATS servers of ``url`` (several separated by commas, credentials as nats://user:password@host), of
    which ``replicas`` keep every job. Lines are encrypted where the server requires it.

    Everyone who connects must have the same ``limits`` and ``replicas``: they are settings of the server's streams. Raises
    SERVICE_UNAVAILABLE when nobody answers, and INVALID_ARGUMENT for a server that is too old, has no JetStream, has other
    streams of our names or too few others beside it.
    """
    return Engine(JetStreamStore(url, limits, replicas), limits)


def attach(url: str) -> Engine:
    """The engine at streams as others have made them, to look and to delete. Raises as ``connect`` does."""
    return Engine(JetStreamStore(url, Limits(), None), Limits())
