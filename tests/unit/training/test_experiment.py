from __future__ import annotations

import json

from experiments.training import PAGE, RESULTS, table


def test_the_page_shows_the_results_that_are_kept() -> None:
    kept = sorted(RESULTS.glob("*.json"))
    assert kept
    for path in kept:
        assert table(json.loads(path.read_text())) in PAGE.read_text()
