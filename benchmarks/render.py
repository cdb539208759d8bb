"""python -m benchmarks.render: docs/performance.md from the lines in benchmarks/results*.jsonl, one section a machine."""

from __future__ import annotations

import json
import operator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"


@dataclass(frozen=True)
class Meaning:
    """What a row's ratio says, and what we want it to be: "<= 1.05"; empty where there is no target."""

    text: str
    target: str = ""

    def verdict(self, ratio: float | None) -> str:
        if ratio is None or not self.target:
            return ""
        sign, bound = self.target.split()
        return "met" if {"<=": operator.le, ">=": operator.ge}[sign](ratio, float(bound)) else "**missed**"


LIMIT = "A step of our attack, through the model server over gRPC, over a bare forward and backward pass"
FASTER = "A gradient step of {}'s PGD over one of ours"

MEANINGS = {
    "loop_grpc_vs_limit": Meaning(f"{LIMIT}, one face", "<= 1.05"),
    "loop_grpc_vs_limit_batch5": Meaning(f"{LIMIT}, 5 faces", "<= 1.05"),
    "loop_grpc_vs_limit_batch16": Meaning(f"{LIMIT}, 16 faces", "<= 1.05"),
    "loop_grpc_vs_bodies": Meaning(f"{LIMIT} of the networks alone, without alignment, one face"),
    "batch16_vs_1": Meaning("Throughput with 16 faces in a call over one at a time, facenet", ">= 2.6"),
    "batch16_vs_1_default_set": Meaning("The same with the default set of three networks"),
    "art_vs_loop": Meaning(FASTER.format("Adversarial Robustness Toolbox"), ">= 3"),
    "art_vs_loop_with_equal_care": Meaning(FASTER.format("Adversarial Robustness Toolbox"), ">= 2"),
    "cleverhans_vs_loop": Meaning(FASTER.format("cleverhans"), ">= 1.5"),
    "cleverhans_vs_loop_with_equal_care": Meaning(FASTER.format("cleverhans"), ">= 1.15"),
    "time_to_goal_vs_cw_large": Meaning("Time until the goal holds, `balanced` over CW l2 large as a whole", "<= 0.1"),
    "time_to_goal_vs_cw_large_first": Meaning("The same over CW large's first, more visible success"),
    "overhead_share": Meaning("Share of a photo's time that is not the attack", "<= 0.1"),
    "detect_vs_mtcnn": Meaning("Our detector's time over the mtcnn package's"),
    "memory_per_face": Meaning("Memory that one more face in a call takes, over that of a process with one face"),
}

HEAD = """# Performance

Rendered by `make performance` from the lines that `make -s bench` printed; nothing here is typed by hand. Every ratio compares
two sides that took turns in one run on the same machine, and is the median of the rounds. How each is measured, and
what it leaves out, stands at the head of its module in `benchmarks/`. Anew on this machine:
`make -s bench > benchmarks/results.jsonl && make performance`.
"""
TABLE = "| what | ratio | target | | value | against | rounds |\n|---|---|---|---|---|---|---|"


def section(lines: list[dict[str, Any]]) -> str:
    """One machine's results."""
    (machine,) = [line for line in lines if line["name"] == "machine"]
    rows = [row(line, MEANINGS[line["name"]]) for line in lines if line is not machine]
    return "\n".join([f"\n## {machine['value']:.0f} cores, {machine['against']}\n", TABLE, *rows]) + "\n"


def row(line: dict[str, Any], meaning: Meaning) -> str:
    ratio, value = line["ratio"], line["value"]
    cells = [
        f"{meaning.text} (`{line['name']}`)",
        "not measured" if ratio is None else f"{ratio:.3g}",
        meaning.target,
        meaning.verdict(ratio),
        "" if value is None else f"{value:.3g} {line['unit']}",
        line["against"],
        str(line["runs"]),
    ]
    return f"| {' | '.join(cells)} |"


def page(files: list[Path]) -> str:
    return HEAD + "".join(section([json.loads(line) for line in file.read_text().splitlines()]) for file in files)


def main() -> None:
    PAGE.write_text(page(sorted(Path(__file__).parent.glob("results*.jsonl"))))


if __name__ == "__main__":
    main()
