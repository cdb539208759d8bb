"""The limits of jobs, from the command line and the environment. Who share a broker must be told the same."""

from __future__ import annotations

import argparse
import os

from faceoff.bounds import bounded
from faceoff.jobs.engine import HOUR, Limits

_MEGA = 1_000_000


ttl = bounded(60, 7 * 24 * HOUR)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of a process that has jobs; each default can be set by an environment variable."""
    count, megabytes = bounded(1, _MEGA, int), bounded(1, _MEGA)
    for name, kind, default, words in (
        ("--ttl", ttl, Limits.ttl, "seconds that a result is kept, and that a job may take to end"),
        ("--tries", bounded(1, 10, int), Limits.tries, "how often a photo is begun before its job fails for good"),
        ("--max-jobs", count, Limits.jobs, "jobs that may wait or run; more are refused"),
        ("--max-jobs-megabytes", megabytes, Limits.bytes // _MEGA, "what their photos may have together"),
        ("--max-tenant-jobs", count, Limits.tenant_jobs, "the same for one tenant"),
        ("--max-tenant-megabytes", megabytes, Limits.tenant_bytes // _MEGA, "the same for one tenant"),
    ):
        variable = f"FACEOFF_{name[2:].replace('-', '_').upper()}"
        said = f"[{variable}] {words} (default: {default:g})"
        parser.add_argument(name, type=kind, metavar="N", default=os.environ.get(variable, str(default)), help=said)


def settings(options: argparse.Namespace) -> Limits:
    return Limits(
        jobs=options.max_jobs,
        bytes=int(options.max_jobs_megabytes * _MEGA),
        tenant_jobs=options.max_tenant_jobs,
        tenant_bytes=int(options.max_tenant_megabytes * _MEGA),
        ttl=options.ttl,
        tries=options.tries,
    )
