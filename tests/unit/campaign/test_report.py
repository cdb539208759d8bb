import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

from faceoff.campaign import tables
from faceoff.campaign.journal import Journal, Row
from faceoff.campaign.report import aggregates, load, report, table
from faceoff.campaign.run import run
from faceoff.campaign.sections import sections
from faceoff.errors import FaceOffError
from faceoff.types import Outcome
from faceoff.verify.intervals import wilson
from tests.unit.campaign.fakes import campaign, house

LABELS = "person,label\nada,x\nbea,y\ncleo,x\ndora,y\n"


def row(outcome: Outcome = Outcome.TRANSFERRED, **changes: Any) -> Row:
    """A mask's row as runs write it."""
    base: Row = {
        "run": 0, "cell": "c", "look": "l", "line": "mask", "person": "ada", "photo": 0, "target": "", "labels": 10,
        "series": "cw", "method": "cw_l2", "loss": "hinge", "surrogates": ["f"], "iterations": 9, "epsilon": 0.1,
        "kappa": 0.0, "search_steps": 3, "rms_budget": 0.0, "alpha": 1.0, "encoding": "png", "victim": "v",
        "version": "1", "date": "2026-01-01", "outcome": outcome, "score": 0.2, "clean_score": 0.9, "clean_rank": 1, "rank": 2,
        "l2": 3.0, "rms": 4.0, "ssim": 0.9, "alpha_used": 1.0, "r_surrogate": 0.5, "r_victim": 0.3,
        "reached": True, "spent": 27, "seconds": 1.5, "batch": 4,
    }  # fmt: skip
    return base | changes


NOT_EVIDENCE = [outcome for outcome in Outcome if outcome not in (Outcome.TRANSFERRED, Outcome.NOT_TRANSFERRED)]


@pytest.mark.parametrize("outcome", NOT_EVIDENCE)
def test_what_is_no_evidence_is_in_no_rate(outcome: Outcome) -> None:
    kept = row(Outcome.NOT_TRANSFERRED, score=0.8, rank=1)
    other = row(
        outcome, person="bea", score=None if outcome is Outcome.NO_FACE_PROTECTED else 0.0, rank=9, target_rank=1
    )
    (line,) = tables.masks([kept, other])
    assert line["n"] == 1
    assert line["not_counted"] == {str(outcome): 1}
    for name in ("unmatched", "untargeted"):
        assert (line[name]["share"], line[name]["n"]) == (0.0, 1)
    assert line["top"]["share"] == 1.0
    assert (line["confidence"]["mean"], line["confidence"]["n"]) == (0.8, 1)
    assert tables.groups([kept, other], {"ada": "x", "bea": "y"}) == []
    assert tables.longitudinal([kept, other, other | {"run": 1}, kept | {"run": 1}])[0]["n"] == 1
    assert tables.encodings([kept, other | {"encoding": "jpeg-75-420", "person": "ada"}]) == []


def test_who_was_nearest_to_somebody_else_without_a_mask_is_no_success_of_one() -> None:
    rows = [
        row(Outcome.NOT_TRANSFERRED, rank=1, target_rank=2, target="bea", score=0.8),
        row(rank=3, target_rank=1, target="bea", clean_rank=3, photo=1),
        row(rank=9, target_rank=1, target="bea", clean_rank=4, photo=2),
        row(rank=9, target_rank=1, target="bea", clean_rank=None, photo=3),
    ]
    (line,) = tables.masks(rows)
    assert [(line[name]["share"], line[name]["n"]) for name in ("untargeted", "targeted", "top", "unmatched")] == [
        (0.0, 1),
        (0.0, 1),
        (1.0, 2),
        (0.75, 4),
    ]
    assert line["not_counted"] == {"clean_misrank": 2, "no_clean_rank": 1}
    assert tables.groups([*rows, row(person="bea", clean_rank=2)], {"ada": "x", "bea": "y"}) == []


def test_nothing_but_no_evidence_is_no_rate_at_all() -> None:
    (line,) = tables.masks([row(Outcome.THROTTLED, score=None)])
    assert line["unmatched"] == {"share": None, "n": 0, "low": 0.0, "high": 1.0}


def test_shares_are_what_they_name() -> None:
    rows = [
        row(rank=2, target="bea", target_rank=1),
        row(rank=5, target="bea", target_rank=3, photo=1),
        row(Outcome.NOT_TRANSFERRED, rank=1, target="bea", target_rank=2, score=0.9, photo=2),
        row(Outcome.NOT_TRANSFERRED, rank=4, target="bea", target_rank=2, score=0.6, photo=3),
    ]
    (line,) = tables.masks(rows)
    assert [line[name]["share"] for name in ("unmatched", "untargeted", "targeted", "top")] == [0.5, 0.75, 0.25, 0.5]
    assert line["untargeted"]["low"] == pytest.approx(0.3006, abs=1e-4)
    assert line["confidence"]["mean"] == pytest.approx(0.475)


def test_psr_is_of_pairs_and_as_sure_as_faces_are_many() -> None:
    rows = [
        row(far=3, references=3),
        row(far=1, references=3, photo=1),
        row(Outcome.ERROR, far=3, references=3, photo=2),
    ]
    service = row(references=1, victim="azure")
    by_network, by_service = tables.masks([*rows, service])[::-1]
    low, high = wilson(4 / 3, 2)
    assert by_network["psr"] == {"share": 0.6667, "n": 2, "low": round(low, 4), "high": round(high, 4)}
    assert by_service["psr"]["share"] is None
    (clean,) = tables.clean([row(Outcome.NOT_TRANSFERRED, line="clean", far=1, references=4)])
    assert clean["psr"]["share"] == 0.25


def test_what_chance_gives_is_known_of_networks_and_at_most_that_with_several_references() -> None:
    network, service = row(far=3, references=3), row(references=1, victim="azure")
    for rows, said, high in (([network, service], "at most 99.0", "0.99"), ([service], "-", "")):
        guess = tables.guesses(rows)
        assert (guess["unmatched"], guess["psr"]) == ((0.99, 0.99) if high else (None, None))
        (success,) = (section for section in sections(MANIFEST, rows, {}) if section.title.startswith("Success"))
        assert dict(zip(success.header, success.rows[-1], strict=True))["unmatched"] == said
        chance = list(csv.DictReader(io.StringIO(table(rows))))[-1]
        assert (chance["unmatched_high"], chance["unmatched_share"]) == (high, "")


def test_a_guess_is_the_ceiling_of_one_and_the_chance_of_the_other() -> None:
    guess = tables.guesses([row(far=1, references=3)])
    assert (guess["ceiling"], guess["chance"], guess["top"], guess["unmatched"]) == (0.9, 0.1, 0.3, 0.99)


def test_the_clean_line_counts_the_victims_own_errors() -> None:
    rows = [
        row(Outcome.NOT_TRANSFERRED, line="clean", rank=1, score=0.9),
        row(Outcome.CLEAN_MISMATCH, line="clean", rank=3, score=0.3),
        row(Outcome.THROTTLED, line="clean", score=None, rank=None),
    ]
    (line,) = tables.clean(rows)
    assert (line["n"], line["not_scored"]) == (2, 1)
    assert (line["unmatched"]["share"], line["untargeted"]["share"]) == (0.5, 0.5)


def test_a_call_that_was_asked_again_counts_once() -> None:
    rows = tables.latest([row(Outcome.THROTTLED, score=None), row()])
    assert [found["outcome"] for found in rows] == [Outcome.TRANSFERRED]


def test_a_mask_has_one_runtime_however_often_it_is_shown() -> None:
    rows = [row(alpha=alpha, encoding=encoding) for alpha in (1, 2, 3) for encoding in ("png", "jpeg-75-420")]
    (line,) = tables.runtimes([*rows, row(photo=1, seconds=2.5)])
    assert (line["n"], line["seconds"]["mean"], line["batch"]["mean"]) == (2, 2.0, 4.0)


def test_encodings_are_compared_mask_by_mask() -> None:
    rows = [row(score=0.3), row(score=0.4, encoding="jpeg-75-420"), row(score=0.1, encoding="jpeg-75-420", photo=7)]
    (line,) = tables.encodings(rows)
    assert line["difference"]["mean"] == pytest.approx(0.1)
    assert (line["difference"]["n"], line["lower"]["share"]) == (1, 0.0)


def test_encodings_of_other_surrogates_are_no_twins() -> None:
    rows = [row(score=0.3), row(score=0.9, surrogates=["g"]), row(score=0.4, encoding="jpeg-75-420")]
    (line,) = tables.encodings(rows)
    assert line["difference"]["mean"] == pytest.approx(0.1)


def test_cropped_pictures_are_compared_with_whole_ones_in_their_encoding() -> None:
    rows = [
        row(score=0.3),
        row(score=0.2, encoding="png-cropped"),
        row(score=0.5, encoding="jpeg-75-420"),
        row(score=0.9, encoding="jpeg-75-420-cropped"),
        row(Outcome.NO_FACE_PROTECTED, score=None, encoding="png-cropped", photo=1),
    ]
    assert [(line["encoding"], line["difference"]["mean"]) for line in tables.cropped(rows)] == [
        ("jpeg-75-420-cropped", 0.4),
        ("png-cropped", -0.1),
    ]
    assert [line["encoding"] for line in tables.encodings(rows)] == ["jpeg-75-420"]
    titles = [section.title for section in sections(MANIFEST, rows, {})]
    assert "Cropped pictures (paper A.5, Figures 16 to 19)" in titles
    assert not any("Cropped" in section.title for section in sections(MANIFEST, rows[:1], {}))


def test_groups_differ_only_where_intervals_are_apart() -> None:
    def faces(person: str, moved: int, n: int) -> list[Row]:
        return [row(person=person, photo=index, rank=2 if index < moved else 1) for index in range(n)]

    labels = {"ada": "x", "bea": "y"}
    (few,) = tables.groups([*faces("ada", 3, 4), *faces("bea", 1, 4)], labels)
    assert (few["gap"], few["apart"]) == (0.5, False)
    (many,) = tables.groups([*faces("ada", 38, 40), *faces("bea", 10, 40)], labels)
    assert many["apart"] is True
    assert many["labels"]["x"]["n"] == 40
    told = sections(MANIFEST, [*faces("ada", 3, 4), *faces("bea", 1, 4)], labels)
    (section,) = (section for section in told if section.title.startswith("Groups"))
    assert section.rows[0][-1] == "no conclusion: the intervals overlap"


MANIFEST = {
    "name": "small", "claim": "<script>alert(1)</script> | `x`", "seed": 0, "commit": "c", "hardware": "2 cores",
    "versions": {}, "surrogates": {}, "victims": {}, "photos": {"ada": {"0.png": "0"}}, "photos_without_face": 0,
    "runs": [{"number": 0, "started": "2026-01-01", "complete": True}],
}  # fmt: skip


@pytest.fixture(scope="module")
def done(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "out"
    run(campaign(people, claim="<script>alert(1)</script>"), out, house, quiet=True)
    run(campaign(people, claim="<script>alert(1)</script>"), out, house, verify_only=True, quiet=True)
    return out


def test_a_report_says_the_golden_facts(done: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(LABELS)
    page, words, lines = (path.read_text() for path in report(done, tmp_path / "out", tmp_path / "labels.csv"))
    for title in (
        "Figures 3 and 4",
        "Figures 5 to 8",
        "Tables 5 and 6",
        "Figure 15",
        "Table 9",
        "Figure 14",
        "8.1",
        "6.2",
    ):
        assert f"{title})</h2>" in page
        assert f"{title})\n" in words
    assert "ceiling: a guess among 4, 75%" in page
    assert "chance: a guess among 4, 25%" in page
    assert "clean photos" in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    rows = list(csv.DictReader(io.StringIO(lines)))
    assert [found["line"] for found in rows].count("clean") == 2 * 2 * 2
    assert rows[-1]["line"] == "chance"
    assert (float(rows[-1]["untargeted_share"]), float(rows[-1]["psr_share"])) == (0.75, 0.99)
    assert all(
        float(found["psr_share"]) >= float(found["unmatched_share"]) for found in rows if found["line"] == "mask"
    )

    def untargeted(alpha: str, kappa: str) -> float:
        same = {"line": "mask", "run": "0", "alpha": alpha, "kappa": kappa, "victim": "v1", "encoding": "png"}
        (found,) = (found for found in rows if same.items() <= found.items())
        return float(found["untargeted_share"])

    assert untargeted("1.0", "0.0") < untargeted("8.0", "0.0")
    assert untargeted("3.0", "0.0") < untargeted("3.0", "1.0")


def test_what_is_of_no_alpha_stands_under_none() -> None:
    masks = [row(alpha=1.0, rank=1), row(alpha=4.0, rank=9)]
    clean = row(Outcome.NOT_TRANSFERRED, line="clean", rank=1, alpha=0.0)
    (top,) = (found for found in sections(MANIFEST, [*masks, clean], {}) if found.title.startswith("Top-3"))
    (line,) = (dict(zip(top.header, cells, strict=True)) for cells in top.rows)
    assert [line[name].partition(" ")[0] for name in ("no mask", "alpha 1", "alpha 4", "a guess")] == [
        "100.0",
        "100.0",
        "0.0",
        "30.0",
    ]


def test_success_is_drawn_against_alpha_and_the_norm_where_it_was_measured(done: Path) -> None:
    def drawn(rows: list[Row]) -> list[str]:
        (section,) = (found for found in sections(MANIFEST, rows, {}) if found.title.startswith("Success"))
        return [caption.partition(":")[0] for caption, _ in section.figures]

    names = ("Untargeted success", "Targeted success")
    every = [*names, *(f"{name} against the norm" for name in names)]
    assert drawn([found for found in load(done)[1] if found["run"] == 0]) == every
    unranked = [row(photo=photo, alpha=alpha, l2=alpha) | {"rank": None} for photo, alpha in ((0, 1.0), (1, 2.0))]
    assert drawn(unranked) == []
    assert drawn([row(), *unranked]) == every[::2]


def test_the_page_needs_nothing_from_elsewhere(done: Path, tmp_path: Path) -> None:
    page = report(done, tmp_path)[0].read_text()
    assert not re.findall(r'(?:src|href)="(?!#)', page)
    links = re.findall(r'xmlns(?::\w+)?="[^"]*"|https?://[^"\s<]+', page)
    assert all("w3.org" in link for link in links)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', page)) <= set(ids)
    assert "prefers-color-scheme: dark" in page
    assert "currentColor" in page


def test_the_same_rows_give_the_same_report(done: Path, tmp_path: Path) -> None:
    first = [path.read_bytes() for path in report(done, tmp_path / "first")]
    rows = done / "rows.jsonl"
    lines = rows.read_bytes().splitlines(keepends=True)
    rows.write_bytes(b"".join(reversed(lines)))
    assert [path.read_bytes() for path in report(done, tmp_path / "second")] == first


def test_a_formula_is_not_handed_to_a_spreadsheet() -> None:
    lines = table([row(series="=1+1", victim="@x")])
    assert "'=1+1" in lines
    assert "'@x" in lines


def test_aggregates_are_of_the_first_run(done: Path) -> None:
    found = aggregates(load(done)[1])
    assert len(found["masks"]) == 2 * 3 * 2 * 2
    assert sum(found["outcomes"].values()) == 8 * 3 * 2 * 2


def test_later_looks_are_compared_within_one_encoding() -> None:
    looks = [("png", "a", Outcome.TRANSFERRED), ("png-cropped", "b", Outcome.NOT_TRANSFERRED)]
    lines = tables.longitudinal(
        [row(outcome, encoding=name, cell=cell, run=run) for run in (0, 1) for name, cell, outcome in looks]
    )
    assert [(line["encoding"], line["n"], line["unmatched"][0]["share"]) for line in lines] == [
        ("png", 1, 1.0),
        ("png-cropped", 1, 0.0),
    ]


@pytest.mark.parametrize("content", ["name,group\nada,x\n", "", "\x00", "person\nada\n"])
def test_a_table_that_is_not_of_labels_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(content)
    with pytest.raises(FaceOffError, match="not a table of labels"):
        tables.read_labels(tmp_path / "labels.csv")


def test_a_folder_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FaceOffError, match="no rows of a campaign"):
        report(tmp_path, tmp_path / "out")
    Journal(tmp_path / "rows.jsonl").add(row())
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(FaceOffError, match="not a campaign's manifest"):
        report(tmp_path, tmp_path / "out")
