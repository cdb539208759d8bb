"""python -m benchmarks [NAME...]: every benchmark, or those named; one JSON object a line. Needs the networks (make models)."""

from __future__ import annotations

import importlib
import os
import sys

# Before TensorFlow is loaded: a GPU is shared with the model server that some benchmarks start.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

BENCHMARKS = (
    "machine",
    "attack_loop",
    "batching",
    "peers",
    "time_to_goal",
    "pipeline_overhead",
    "detection",
    "memory",
)


def main() -> None:
    for name in sys.argv[1:] or BENCHMARKS:
        for row in importlib.import_module(f"benchmarks.{name}").rows():
            row.print()


if __name__ == "__main__":
    main()
