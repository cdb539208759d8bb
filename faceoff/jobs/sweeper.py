"""Gives up and deletes what has expired, from time to time. Every door and worker runs one; that several do is no harm."""

from __future__ import annotations

from faceoff.jobs.engine import Jobs
from faceoff.jobs.regularly import Regularly


class Sweeper(Regularly):
    """Sweeps every ``seconds`` from the beginning of a ``with`` block to its end."""

    def __init__(self, jobs: Jobs, seconds: float = 10.0) -> None:
        super().__init__("sweeper", jobs.sweep, seconds, "not_swept")
