"""Books with only an invoice's total: what ours on it come to beside what it was paid in all."""

import pytest

from tests.support.flow import World
from tests.support.nights import TOTALS, Night


@pytest.fixture
def night(world: World) -> Night:
    return Night(world, TOTALS)


def test_a_total_of_what_ours_come_to_matches_all_of_them(night: Night) -> None:
    night.payment("A", 70, hour=-200)
    night.payment("A", 30)
    night.payment("A", 50)
    outcome = night.compare(night.total("A", 150))
    assert outcome.totals == {"matched": (2, 80, 80)}
    assert night.open() == []


def test_a_refund_lowers_both_sums(night: Night) -> None:
    settle = night.payment("A", 70, hour=-200)
    night.payment("A", 70, operation="refund", settle=settle)
    assert night.compare(night.total("A", 0)).totals == {"matched": (1, -70, -70)}


def test_a_payment_that_the_total_lacks_is_missing_at_the_provider(night: Night) -> None:
    night.payment("A", 70)
    gone = night.payment("A", 30)
    outcome = night.compare(night.total("A", 70))
    assert outcome.totals == {"matched": (1, 70, 70), "missing_at_provider": (1, 30, 0)}
    assert night.open() == [f"missing_at_provider:{gone}"]
    assert outcome.found[0].evidence["invoice"]["amount_paid_minor"] == 7_000


def test_a_lower_total_that_no_payment_explains_is_one_difference(night: Night) -> None:
    ours = [night.payment("A", 70), night.payment("A", 30)]
    outcome = night.compare(night.total("A", 90))
    assert outcome.totals == {"matched": (2, 100, 100), "amount_mismatch": (1, 0, -10)}
    assert night.open() == ["amount_mismatch:safe:A"]
    named = [entry["intent_id"] for entry in outcome.found[0].evidence["payments"]]
    assert named == [f"ord-{payment}" for payment in ours]


def test_an_invoice_that_is_gone_was_paid_nothing(night: Night) -> None:
    night.payment("A", 70)
    assert night.compare(accounts=["A"]).totals == {"missing_at_provider": (1, 70, 0)}


def test_a_refund_that_the_total_lacks_is_missing(night: Night) -> None:
    settle = night.payment("A", 70, hour=-200)
    refund = night.payment("A", 20, operation="refund", settle=settle)
    outcome = night.compare(night.total("A", 70))
    assert outcome.totals == {"refund_missing": (1, -20, 0)}
    assert night.open() == [f"refund_missing:{refund}"]


def test_a_refund_of_another_night_that_the_total_lacks_is_missing(night: Night) -> None:
    settle = night.payment("A", 70, hour=-200)
    refund = night.payment("A", 20, operation="refund", settle=settle, hour=-100)
    night.payment("A", 5)
    outcome = night.compare(night.total("A", 75))
    assert (outcome.totals, outcome.changed) == ({"matched": (1, 5, 5)}, (-20, 0)), "no night counted it before"
    assert night.open() == [f"refund_missing:{refund}"]


@pytest.mark.parametrize("state", ["unknown", "parked", "refused"])
def test_a_higher_total_is_somebody_elses_money_and_names_who_it_could_be(night: Night, state: str) -> None:
    doubtful = night.payment("A", 25, state)
    night.payment("A", 70)
    outcome = night.compare(night.total("A", 95))
    beside = {"matched": (2, 70, 70)} if state == "refused" else {"matched": (1, 70, 70), "still_unknown": (1, 0, 0)}
    assert outcome.totals == {"paid_elsewhere": (1, 0, 25)} | beside
    assert "paid_elsewhere:safe:A" in night.open()
    (found,) = [f for f in outcome.found if f.category == "paid_elsewhere"]
    assert [entry["intent_id"] for entry in found.evidence["payments"]] == [f"ord-{doubtful}"]
    assert (night.world.state(doubtful), outcome.used) == (state, 0), "totals prove nothing"


def test_money_on_an_invoice_that_is_still_pending_is_a_mismatch_of_status(night: Night) -> None:
    night.payment("A", 70)
    outcome = night.compare(night.total("A", 70, status="PENDING"))
    assert outcome.totals == {"status_mismatch": (1, 70, 70)}


def test_an_invoice_of_the_listing_that_we_paid_long_ago_is_compared(night: Night) -> None:
    night.payment("A", 70, hour=-200)
    outcome = night.compare(night.total("A", 100, touched=False))
    assert outcome.totals == {"paid_elsewhere": (1, 0, 30)}


def test_an_invoice_that_we_never_paid_is_nobodys_business(night: Night) -> None:
    night.payment("A", 70)
    outcome = night.compare(night.total("A", 70), night.total("B", 500, touched=False))
    assert outcome.totals == {"matched": (1, 70, 70)}


def test_the_invoice_that_was_read_counts_and_not_the_listings_older_look_at_it(night: Night) -> None:
    night.payment("A", 70)
    outcome = night.compare(night.total("A", 70), night.total("A", 0, touched=False))
    assert outcome.totals == {"matched": (1, 70, 70)}


@pytest.mark.parametrize("seen", [70, 95])
def test_what_succeeds_while_the_books_are_read_may_be_in_the_total_or_not(night: Night, seen: int) -> None:
    night.payment("A", 70)
    meanwhile = night.payment("A", 25, "unknown")
    run = night.read(night.total("A", seen))
    night.world.advance(1)
    night.world.execute("UPDATE payments SET state = 'succeeded' WHERE id = %s", meanwhile)
    assert night.carry_on(run).totals == {"matched": (1, 70, 70)}


@pytest.mark.parametrize("state", ["sending", "waiting", "unknown", "parked"])
@pytest.mark.parametrize("seen", [70, 95])
def test_what_came_after_the_day_and_is_under_way_may_be_in_the_total_or_not(
    night: Night, state: str, seen: int
) -> None:
    """An invoice shows what it was paid when it is read, hours after the day that is compared."""
    night.payment("A", 70, hour=-200)
    night.payment("A", 25, state, hour=24.5)
    outcome = night.compare(night.total("A", seen, touched=False))
    assert (outcome.identities, night.open()) == ([], [])


def test_what_was_never_sent_explains_no_total(night: Night) -> None:
    night.payment("A", 70, hour=-200)
    night.payment("A", 25, "accepted", hour=24.5, sent=False)
    assert night.compare(night.total("A", 95, touched=False)).identities == ["paid_elsewhere:safe:A"]


@pytest.mark.parametrize(("seen", "found"), [(70, 0), (95, 0), (82, 0), (57, 1), (58, 1), (107, 1)])
def test_of_several_that_end_while_the_books_are_read_the_total_holds_the_first_ones(
    night: Night, seen: int, found: int
) -> None:
    """Payments of one invoice go one after another: the total can't hold a later one without those before it."""
    night.payment("A", 70)
    run = night.read(night.total("A", seen))
    night.payment("A", 25, hour=60)
    night.payment("A", 13, operation="refund", hour=61)
    assert len(night.carry_on(run).identities) == found


def test_a_difference_is_one_discrepancy_until_the_books_agree(night: Night) -> None:
    night.payment("A", 70)
    for paid, found, fresh in ((100, ["paid_elsewhere:safe:A"], 1), (100, ["paid_elsewhere:safe:A"], 0), (70, [], 0)):
        outcome = night.compare(night.total("A", paid))
        assert (outcome.identities, outcome.fresh, night.open()) == (found, fresh, found)
        night.next()
    (row,) = night.world.rows("SELECT *, last_seen - first_seen AS age FROM discrepancies")
    assert row["age"].days == 1
    assert row["resolved_by"] == "books"


def test_a_difference_beyond_a_bigint_is_found(night: Night) -> None:
    """Ours on one invoice come to more than a bigint holds, and the invoice shows none of it."""
    largest = 90_000_000_000_000_000
    for _ in range(3):
        night.payment("A", largest)
    outcome = night.compare(night.total("A", 1))
    assert outcome.totals == {
        "matched": (3, 3 * largest, 3 * largest),
        "amount_mismatch": (1, 0, 1 - 3 * largest),
    }
    assert night.open() == ["amount_mismatch:safe:A"]
