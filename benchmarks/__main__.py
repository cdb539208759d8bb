"""python -m benchmarks: every benchmark, one JSON object a line. Needs the networks (make models)."""

from __future__ import annotations

from benchmarks import attack_loop, pipeline_overhead


def main() -> None:
    for benchmark in (attack_loop, pipeline_overhead):
        for row in benchmark.rows():
            row.print()


if __name__ == "__main__":
    main()
