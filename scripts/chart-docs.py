"""python scripts/chart-docs.py [--check]: the table of values in the chart's README, from values.yaml's keys and comments.

A block that has a comment of its own is one row; else each of its values is. --check writes nothing, and ends with 1 where the
table is not what it would be."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

CHART = Path(__file__).parents[1] / "deploy" / "helm" / "faceoff"
BEGIN, END = "<!-- values -->", "<!-- end of values -->"


def rows(text: str) -> Iterator[tuple[str, str, str]]:
    """(key, default, what it does) of ``text``, a values.yaml."""
    node = yaml.compose(text, yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        raise ValueError("values.yaml is no mapping")
    yield from _rows(node, text.splitlines(), ())


def _rows(node: yaml.MappingNode, lines: Sequence[str], path: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    for key, value in node.value:
        here, words = (*path, key.value), _comment(lines, key.start_mark.line)
        block = isinstance(value, yaml.MappingNode) and not value.flow_style
        if block and not words:
            yield from _rows(value, lines, here)
        else:
            said = lines[key.start_mark.line].partition(":")[2].strip()
            yield ".".join(here), f"`{said}`" if said else "see values.yaml", words


def _comment(lines: Sequence[str], line: int) -> str:
    """The comment lines right above ``line``."""
    said: list[str] = []
    while line and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        said.insert(0, lines[line].lstrip("# "))
    return " ".join(said)


def with_table(readme: str, values: str) -> str:
    """``readme`` with the table between its two marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    table = "".join(f"| `{key}` | {default} | {words} |\n" for key, default, words in rows(values))
    return f"{before}{BEGIN}\n| value | default | |\n|---|---|---|\n{table}{END}{after}"


def main() -> int:
    readme = CHART / "README.md"
    text = readme.read_text()
    wanted = with_table(text, (CHART / "values.yaml").read_text())
    if "--check" in sys.argv[1:]:
        if wanted != text:
            sys.stderr.write("The chart's README is not up to date: run python scripts/chart-docs.py\n")
        return int(wanted != text)
    readme.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
