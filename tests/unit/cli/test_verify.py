"""faceoff verify, and what is said of verdicts: never more than they show."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from faceoff import pipeline
from faceoff.cli import main
from faceoff.cli.verdicts import rank_words, rates_json, rates_words, verdict_words
from faceoff.networks.home import Home
from faceoff.pipeline import Protection, Request, Rooms
from faceoff.rooms import Report
from faceoff.testing.lookalike import settings
from faceoff.testing.wires import Keys
from faceoff.types import Against, Outcome, Rank, View
from tests.unit.cli.fakes import FACELESS, Fakes, photo, verdict

Output = pytest.CaptureFixture[str]
NO_EVIDENCE = [outcome for outcome in Outcome if outcome not in (Outcome.TRANSFERRED, Outcome.NOT_TRANSFERRED)]
PROTECTED = ("no longer match", "not recognise")


@pytest.fixture
def photos(album: Path) -> Path:
    for name in ("a.png", "b.png", "c.png"):
        (album / name).write_bytes(photo())
    return album


def said_json(capsys: Output) -> dict[str, Any]:
    (line,) = capsys.readouterr().out.splitlines()
    said: dict[str, Any] = json.loads(line)
    return said


@pytest.mark.parametrize(
    ("outcome", "code", "words"),
    [
        (Outcome.TRANSFERRED, 0, "dlib no longer matches the original: 0.71 -> 0.43, threshold 0.62"),
        (Outcome.NOT_TRANSFERRED, 0, "dlib still matches the original: 0.71 -> 0.43, threshold 0.62"),
        (Outcome.CLEAN_MISMATCH, 0, "did not match the original before either, so it says nothing"),
        (Outcome.NO_CLEAN_PAIR, 0, "nothing says that it did before, so it says nothing"),
        (Outcome.NO_FACE_REFERENCE, 3, "dlib finds no face in the original"),
        (Outcome.OVER_BUDGET, 6, "the budget is spent"),
    ],
)
def test_verify(outcome: Outcome, code: int, words: str, photos: Path, fakes: Fakes, capsys: Output) -> None:
    fakes.rooms.verdicts = [verdict(outcome)]
    assert main(["verify", "a.png", "--original", "b.png"], fakes.parts) == code
    said = capsys.readouterr().out
    assert words in said
    assert "This lowers the chance of recognition; it cannot promise it." in said
    assert main(["verify", "a.png", "--original", "b.png", "--json"], fakes.parts) == code
    line = said_json(capsys)
    assert line["photo"] == "a.png"
    assert line["verdicts"][0]["outcome"] == outcome
    assert set(line["verdicts"][0]) >= {"version", "date", "against", "view", "raw_score", "raw_threshold", "note"}


@pytest.mark.parametrize("outcome", NO_EVIDENCE)
def test_what_is_no_evidence_is_never_said_to_protect(
    outcome: Outcome, photos: Path, fakes: Fakes, capsys: Output
) -> None:
    fakes.rooms.verdicts = [verdict(outcome), replace(verdict(outcome), face=1)]
    for command in (["verify", "a.png", "--reference", "b.png"], ["protect", "a.png", "b.png", "--force"]):
        main(command, fakes.parts)
        said = capsys.readouterr()
        assert not any(words in said.out + said.err for words in PROTECTED), said
    main(["verify", "a.png", "--reference", "b.png", "--json"], fakes.parts)
    (rate,) = said_json(capsys)["rates"]
    assert (rate["transferred"], rate["n"], rate["share"]) == (0, 0, None)
    assert (rate["low"], rate["high"], rate["no_evidence"]) == (0, 1, 2)


def test_no_evidence_beside_evidence_changes_no_rate() -> None:
    evidence = [verdict(), verdict(), verdict(Outcome.NOT_TRANSFERRED)]
    mixed = [
        *evidence,
        *(verdict(outcome, 0.5 if outcome is Outcome.CLEAN_MISMATCH else 0.71) for outcome in NO_EVIDENCE),
    ]
    (alone,), (beside,) = rates_json(evidence), rates_json(mixed)
    for name in ("transferred", "n", "share", "low", "high"):
        assert alone[name] == beside[name]
    assert beside["no_evidence"] == len(NO_EVIDENCE)
    assert rates_words(mixed)[0] == (
        "dlib: 2 of 3 no longer match (67%, 95% interval 21% to 94%); without a mask 1 of 11 did not; 8 say nothing"
    )
    assert rates_words(evidence)[1] == (
        "Of photos of somebody else, networks do not match 99% at most, fewer with several references."
    )


def test_no_chance_is_claimed_for_a_service() -> None:
    both = [verdict(), replace(verdict(), victim="azure")]
    assert [rate["chance_at_most"] for rate in rates_json(both, ["azure"])] == [0.99, None]
    assert len(rates_words(both, ["azure"])) == 3
    assert [line.split(":")[0] for line in rates_words(both[1:], ["azure"])] == ["azure"]


def test_views_and_linkage_enter_no_rate() -> None:
    others = [replace(verdict(), view=View.JPEG), replace(verdict(), against=Against.LINKED)]
    assert rates_json([verdict(), *others]) == rates_json([verdict()])
    assert rates_words([]) == []


def test_what_is_asked(photos: Path, fakes: Fakes, capsys: Output) -> None:
    (photos / "b.png").write_bytes(photo(shade=120))
    arguments = ["verify", "a.png", "--reference", "b.png", "c.png", "--original", "a.png", "--survival"]
    assert main([*arguments, "--victims-file", "v.yaml", "--consent", "azure"], fakes.parts) == 0
    (terms,) = fakes.rooms.terms
    assert terms.references == (photo(shade=120), photo())
    assert (terms.consent, terms.views) == (("azure",), tuple(View))


def test_linkage_and_ranks(photos: Path, fakes: Fakes, capsys: Output) -> None:
    (photos / "people" / "x").mkdir(parents=True)
    (photos / "people" / "x" / "1.png").write_bytes(photo())
    command = ["verify", "a.png", "--reference", "b.png", "--linked", "c.png", "--candidates", "people", "--top", "1"]
    assert main(command, fakes.parts) == 0
    said = capsys.readouterr().out
    assert "dlib does not match the other protected photos: 0.43, threshold 0.62" in said
    assert "dlib ranks the person 4 of 2 people (1 before), not among the first 1; 31 of 91 photos (1 before)" in said
    assert "a guess misses the first 1 in 50%" in said
    assert main([*command, "--json"], fakes.parts) == 0
    line = said_json(capsys)
    assert line["ranks"][0] | {"rank": 4, "recognised": False, "clean_recognised": True} == line["ranks"][0]
    assert [rate["n"] for rate in line["rates"]] == [1]


def test_who_is_left_out_of_linkage_and_ranks_is_said(photos: Path, fakes: Fakes, capsys: Output) -> None:
    command = ["verify", "a.png", "--reference", "b.png", "--linked", "c.png", "--victims-file", "v.yaml"]
    named = ["--victims", "dlib,azure", "--consent", "azure"]
    for json_too in ([], ["--json"]):
        assert main([*command, *named, *json_too], fakes.parts) == 0
        assert "linkage and ranks are of networks only: not of azure" in capsys.readouterr().err
    assert main([*command, "--victims", "dlib"], fakes.parts) == 0
    assert "only" not in capsys.readouterr().err


def test_a_rank_that_was_no_better_before_is_no_protection() -> None:
    assert "neither now nor before among the first 3" in rank_words(Rank(0, "dlib", 10, 91, 6, 40, 5, 30), 3)
    assert "still among the first 3" in rank_words(Rank(0, "dlib", 10, 91, 3, 40, 1, 1), 3)
    assert "not, but perhaps neither before, among the first 3" in rank_words(Rank(0, "dlib", 10, 91, 6, 40), 3)
    assert "cannot rank" in rank_words(Rank(0, "dlib", 10, 91, None, None), 3)


def test_views_and_notes_are_said() -> None:
    shown = replace(verdict(), view=View.JPEG, note="photo re-encoded as JPEG")
    assert verdict_words(shown) == (
        "dlib, after JPEG compression, no longer matches the original: 0.71 -> 0.43, threshold 0.62 "
        "(photo re-encoded as JPEG)"
    )
    assert len({verdict_words(replace(verdict(), view=view)) for view in View}) == len(View)
    assert len({verdict_words(verdict(outcome)) for outcome in Outcome}) == len(Outcome)


def test_verify_names_the_photo_that_cannot_be_read(photos: Path, fakes: Fakes, capsys: Output) -> None:
    assert main(["verify", "a.png", "--reference", "gone.png", "--json"], fakes.parts) == 4
    said = capsys.readouterr()
    assert "gone.png" in said.err
    assert json.loads(said.out)["error"]["message"].startswith("gone.png")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--linked", "b.png", "--candidates", "people"],
        ["--reference", "b.png", "--top", "1"],
        ["--linked", "b.png", "--survival"],
        ["--reference", "b.png", "--consent", "azure"],
    ],
)
def test_what_does_not_go_together(arguments: list[str], photos: Path, fakes: Fakes, capsys: Output) -> None:
    assert main(["verify", "a.png", *arguments], fakes.parts) == 2
    assert "usage: faceoff verify" in capsys.readouterr().err


def test_protect_against_references(photos: Path, fakes: Fakes, capsys: Output) -> None:
    (photos / "b.png").write_bytes(photo(shade=120))
    assert main(["protect", "a.png", "--reference", "b.png", "c.png"], fakes.parts) == 0
    assert [terms.references for terms in fakes.rooms.terms] == [(photo(shade=120), photo())]
    assert main(["protect", "a.png", "--reference", "gone.png", "--force"], fakes.parts) == 4
    assert "gone.png" in capsys.readouterr().err


@pytest.fixture
def victims(photos: Path) -> Path:
    return settings(photos / "victims", "http://127.0.0.1:9", Keys())


def test_protect_asks_the_victims_that_are_consented_to(
    photos: Path, victims: Path, fakes: Fakes, capsys: Output
) -> None:
    command = ["protect", "a.png", "--reference", "b.png", "--victims", "dlib,azure", "--consent", "azure"]
    asked: list[Path | None] = []

    def local(home: Home, file: Path | None) -> Rooms:
        asked.append(file)
        return Rooms(fakes.rooms, fakes.rooms, fakes.rooms, fakes.rooms)

    assert main([*command, "--victims-file", str(victims)], replace(fakes.parts, local=local)) == 0
    assert asked == [victims]
    assert [terms.consent for terms in fakes.rooms.terms] == [("azure",)]


def test_protect_refuses_consent_to_somebody_unknown_before_the_work(
    photos: Path, victims: Path, fakes: Fakes, capsys: Output
) -> None:
    command = ["protect", "a.png", "--reference", "b.png", "--victims-file", str(victims), "--consent", "clearview"]
    assert main(command, fakes.parts) == 2
    assert "There is no victim clearview here." in capsys.readouterr().err
    assert fakes.built == 0


def test_a_server_is_told_who_is_consented_to(photos: Path, fakes: Fakes) -> None:
    asked: list[Request] = []

    class Server:
        def protect(self, data: bytes, request: Request, report: Report, timeout: float | None) -> Protection:
            asked.append(request)
            rooms = Rooms(fakes.rooms, fakes.rooms, fakes.rooms, fakes.rooms)
            return pipeline.protect(data, request, rooms, report)

    command = ["protect", "a.png", "--server", "there:1", "--reference", "b.png", "--consent", "azure"]
    assert main(command, replace(fakes.parts, remote=lambda address, key: Server())) == 0
    assert [request.terms.consent for request in asked] == [("azure",)]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--consent", "azure", "--victims-file", "v.yaml"],
        ["--consent", "azure", "--reference", "b.png"],
        ["--consent", "azure", "--reference", "b.png", "--victims-file", "v.yaml", "--server", "there:1"],
    ],
)
def test_consent_that_leads_nowhere(arguments: list[str], photos: Path, fakes: Fakes, capsys: Output) -> None:
    assert main(["protect", "a.png", *arguments], fakes.parts) == 2
    assert "usage: faceoff protect" in capsys.readouterr().err


def test_protect_says_the_rate_of_several_photos(photos: Path, fakes: Fakes, capsys: Output) -> None:
    (photos / "a.png").write_bytes(photo(width=FACELESS))
    assert main(["protect", "a.png", "b.png", "c.png"], fakes.parts) == 1
    assert "dlib: 2 of 2 no longer match (100%, 95% interval 34% to 100%)" in capsys.readouterr().err
