"""Only what is evidence becomes a rate."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from faceoff.types import Against, Outcome, Verdict, View
from faceoff.verify.intervals import wilson
from faceoff.verify.rates import CHANCE, COUNTED, clean_line, plain, rank_chance, transfer_rate

NO_EVIDENCE = [outcome for outcome in Outcome if outcome not in (Outcome.TRANSFERRED, Outcome.NOT_TRANSFERRED)]
VERDICT = Verdict(0, "dlib", "1", "2026-01-01", 0.9, 0.2, 0.5, Outcome.TRANSFERRED)


@given(st.integers(0, 50), st.integers(0, 50), st.lists(st.sampled_from(NO_EVIDENCE)), st.randoms())
def test_no_other_outcome_ever_changes_a_rate(protected: int, matched: int, others: list[Outcome], mix: object) -> None:
    outcomes = [Outcome.TRANSFERRED] * protected + [Outcome.NOT_TRANSFERRED] * matched
    mixed = [*outcomes, *others]
    mix.shuffle(mixed)  # type: ignore[attr-defined]
    assert transfer_rate(mixed) == transfer_rate(outcomes)
    rate = transfer_rate(mixed)
    assert (rate.successes, rate.n) == (protected, protected + matched)
    assert (rate.low, rate.high) == wilson(protected, protected + matched)


@given(st.lists(st.sampled_from(NO_EVIDENCE)))
def test_without_evidence_there_is_no_rate(outcomes: list[Outcome]) -> None:
    rate = transfer_rate(outcomes)
    assert (rate.share, rate.low, rate.high) == (None, 0.0, 1.0)


def test_what_counts() -> None:
    assert COUNTED == (Outcome.TRANSFERRED, Outcome.NOT_TRANSFERRED)
    assert {Outcome.CLEAN_MISMATCH, Outcome.NO_CLEAN_PAIR, Outcome.NO_FACE_PROTECTED, Outcome.THROTTLED} <= set(
        NO_EVIDENCE
    )


def test_the_clean_line_is_of_the_clean_pairs_that_were_scored() -> None:
    missed = replace(VERDICT, clean_score=0.3, outcome=Outcome.CLEAN_MISMATCH)
    unknown = replace(VERDICT, clean_score=None, outcome=Outcome.THROTTLED)
    half = replace(missed, protected_score=None, outcome=Outcome.THROTTLED)
    line = clean_line([VERDICT, VERDICT, missed, half, unknown])
    assert (line.successes, line.n) == (2, 4)


def test_chance() -> None:
    assert CHANCE == 0.99
    assert rank_chance(1, 10) == 0.9  # the paper's ten labels: its ceiling
    assert rank_chance(3, 10) == 0.7
    assert rank_chance(20, 10) == 0


def test_what_was_not_asked_for_want_of_consent_or_a_reference_says_nothing_of_the_victim() -> None:
    refused = replace(VERDICT, protected_score=None, outcome=Outcome.REFUSED)
    late = replace(refused, outcome=Outcome.ERROR, version="")
    assert plain([VERDICT, refused, late, replace(refused, version="")]) == [VERDICT, refused, late]


def test_other_views_and_linkage_are_other_questions() -> None:
    others = [replace(VERDICT, view=view) for view in View if view is not View.PHOTO]
    assert plain([VERDICT, *others, replace(VERDICT, against=Against.LINKED)]) == [VERDICT]
