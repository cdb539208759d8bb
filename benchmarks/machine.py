"""What the figures were measured on. Not a comparison: ``value`` is the number of cores, the rest stands in ``against``."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from benchmarks.measure import Row


def rows() -> Iterator[Row]:
    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "unnamed")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    facts = [
        processor(),
        f"GPU: {', '.join(gpus) or 'none'}",
        f"TensorFlow {tf.__version__}",
        f"Python {platform.python_version()}",
        f"{platform.system()}",
    ]
    if hasattr(os, "getloadavg"):
        facts.append(f"load average at the start {os.getloadavg()[0]:.1f}")
    yield Row("machine", None, float(os.cpu_count() or 1), "cores", "; ".join(facts), 1)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
