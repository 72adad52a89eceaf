"""What a list of payments with our markers proves of one payment, and what it doesn't."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.answers import CheckResult, Verdict
from shared.providers.base import Doubt
from shared.providers.markers import Line, judge
from tests.support.memory import SETTLE, MemoryBooks

FACT = "gives_markers_back:made-up"
KNOWN = ("acme", FACT)
SENT_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PAYMENT = replace(SETTLE, provider="acme", sent_reference="sp-1", amount_minor=10_000)
OWN = Line("sp-1", 10_000, True, SENT_AT, "71")
EARLIER = Line("sp-0", 500, True, SENT_AT, "70")
STRANGE = Line(None, 10_000, True, SENT_AT, "72")  # somebody's payment with the same sum and no marker


def books(**changes: object) -> MemoryBooks:
    """Our earlier payment sp-0 is there, and markers are known to be given back."""
    return MemoryBooks(**{"facts": {KNOWN}, "references": {"sp-0", "sp-1", "sp-8"}, **changes})  # type: ignore[arg-type]


def verdict(
    *lines: Line,
    expected: Sequence[str] = ("sp-0",),
    kept: MemoryBooks | None = None,
    passed: bool = True,
    whole: bool = True,
    first_sent_at: datetime | None = SENT_AT,
) -> CheckResult:
    doubt = Doubt(PAYMENT, None, None, passed, first_sent_at)
    return judge(doubt, lines, frozenset(expected), kept if kept is not None else books(), FACT, whole=whole)


def test_with_its_marker_and_its_sum_it_is_applied() -> None:
    result = verdict(EARLIER, OWN)
    assert (result.verdict, result.provider_reference) == (Verdict.APPLIED, "71")


def test_applied_needs_nothing_else() -> None:
    """Evidence for it is believed at once: within the window, of a list that is not whole, by an unknown key."""
    result = verdict(OWN, STRANGE, expected=["sp-0"], kept=MemoryBooks(), passed=False, whole=False)
    assert result.verdict is Verdict.APPLIED


def test_not_listed_where_it_would_be_it_is_not_applied() -> None:
    result = verdict(EARLIER)
    assert (result.verdict, result.for_person, result.unread) == (Verdict.NOT_APPLIED, False, False)
    assert result.evidence == {"lines": 1, "own": 0, "missing_successes": 0, "unexplained": 0, "whole": True}


def test_an_empty_list_shows_that_it_was_not_applied_where_nothing_else_is_ours() -> None:
    assert verdict(expected=()).verdict is Verdict.NOT_APPLIED


def test_within_the_settle_window_nothing_is_not_applied() -> None:
    result = verdict(EARLIER, passed=False)
    assert (result.verdict, "settle window" in result.detail) == (Verdict.INCONCLUSIVE, True)


def test_a_list_that_is_not_whole_shows_nothing() -> None:
    result = verdict(EARLIER, whole=False)
    assert (result.verdict, "not whole" in result.detail) == (Verdict.INCONCLUSIVE, True)


def test_where_markers_are_not_known_to_be_given_back_their_absence_shows_nothing() -> None:
    for facts in (set(), {("acme", "gives_markers_back:another")}, {("other", FACT)}):
        result = verdict(EARLIER, kept=books(facts=facts))
        assert (result.verdict, "markers back" in result.detail) == (Verdict.INCONCLUSIVE, True)


def test_a_list_that_lacks_an_earlier_success_shows_nothing_and_has_to_prove_itself_again() -> None:
    kept = books()
    result = verdict(EARLIER, expected=["sp-0", "sp-8"], kept=kept)
    assert (result.verdict, result.evidence["missing_successes"]) == (Verdict.INCONCLUSIVE, 1)
    assert KNOWN not in kept.facts
    assert verdict(EARLIER, kept=kept).verdict is Verdict.INCONCLUSIVE


def test_a_check_that_finds_all_successes_unlearns_nothing() -> None:
    kept = books()
    verdict(EARLIER, STRANGE, kept=kept, passed=False, whole=False)
    assert KNOWN in kept.facts


@pytest.mark.parametrize("marker", [None, "", "sp-", "sp-1 ", " sp-1", "SP-1", "paid sp-1", "sp-9"])
def test_a_line_with_its_sum_and_a_lost_or_mangled_marker_may_be_it(marker: str | None) -> None:
    result = verdict(EARLIER, replace(STRANGE, marker=marker))
    assert (result.verdict, result.evidence["unexplained"]) == (Verdict.INCONCLUSIVE, 1)


def test_a_line_whose_sum_cannot_be_read_may_be_it() -> None:
    assert verdict(EARLIER, replace(STRANGE, amount_minor=None)).verdict is Verdict.INCONCLUSIVE


def test_a_line_that_is_no_payment_but_has_its_sum_may_be_it() -> None:
    """A provider may book it as another type: nothing but the marker says what a line is."""
    assert verdict(EARLIER, replace(STRANGE, added=False)).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("amount_minor", [9_999, 10_001, -10_000, 0])
def test_a_line_with_another_sum_is_not_it(amount_minor: int) -> None:
    assert verdict(EARLIER, replace(STRANGE, amount_minor=amount_minor)).verdict is Verdict.NOT_APPLIED


def test_another_payment_of_ours_with_this_sum_explains_its_line() -> None:
    """Also one that is no success in our books (yet)."""
    assert verdict(EARLIER, replace(STRANGE, marker="sp-8")).verdict is Verdict.NOT_APPLIED


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (timedelta(days=1, seconds=1), Verdict.NOT_APPLIED),
        (timedelta(days=1), Verdict.INCONCLUSIVE),  # two clocks and time zones may differ by so much
        (timedelta(0), Verdict.INCONCLUSIVE),
        (timedelta(days=-30), Verdict.INCONCLUSIVE),
    ],
)
def test_a_line_of_more_than_a_day_before_the_first_send_is_explained(before: timedelta, expected: Verdict) -> None:
    assert verdict(EARLIER, replace(STRANGE, at=SENT_AT - before)).verdict is expected


def test_without_a_date_or_a_first_send_nothing_is_old() -> None:
    old = replace(STRANGE, at=SENT_AT - timedelta(days=9))
    assert verdict(EARLIER, replace(old, at=None)).verdict is Verdict.INCONCLUSIVE
    assert verdict(EARLIER, old, first_sent_at=None).verdict is Verdict.INCONCLUSIVE


def test_all_that_is_open_is_said() -> None:
    detail = verdict(STRANGE, expected=["sp-8"], passed=False, whole=False).detail
    for said in ("window", "whole", "lacks 1", "markers back", "1 line with this sum is"):
        assert said in detail


@pytest.mark.parametrize(
    "lines",
    [
        [OWN, OWN],
        [OWN, replace(OWN, amount_minor=1)],
        [OWN, replace(OWN, added=False)],
        [replace(OWN, amount_minor=9_999)],
        [replace(OWN, amount_minor=None)],
        [replace(OWN, amount_minor=-10_000)],
    ],
)
def test_its_marker_twice_or_beside_another_sum_is_for_a_person(lines: list[Line]) -> None:
    result = verdict(EARLIER, *lines)
    assert (result.verdict, result.for_person) == (Verdict.INCONCLUSIVE, True)


def test_its_marker_on_a_line_that_is_no_payment_is_inconclusive() -> None:
    result = verdict(EARLIER, replace(OWN, added=False))
    assert (result.verdict, result.for_person) == (Verdict.INCONCLUSIVE, False)


def test_a_verdict_holds_no_marker_or_sum_of_others() -> None:
    result = verdict(EARLIER, STRANGE, expected=["sp-8"])
    assert "sp-" not in f"{result.detail}{result.evidence}"
