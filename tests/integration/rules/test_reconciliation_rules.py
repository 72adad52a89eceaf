"""Books with a line for each payment: what is matched, and every way to differ, with money in it."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from shared.reconciliation import compare as comparing
from shared.reconciliation import report, views
from shared.reconciliation.store import balance, runs
from tests.support.flow import World
from tests.support.nights import Night
from tests.support.references import new_reference


@pytest.fixture
def night(world: World) -> Night:
    return Night(world)


def test_a_payment_and_its_line_match_by_the_reference(night: Night) -> None:
    ours = night.payment("7", 100)
    outcome = night.compare(night.line("7", 100, ours))
    assert outcome.totals == {"matched": (1, 100, 100)}
    assert (outcome.found, outcome.fresh, night.open()) == ([], 0, [])
    (shown,) = outcome.payments
    assert (shown.payment_id, shown.category, shown.signed_minor, shown.account) == (ours, "matched", 10_000, "7")


def test_amount_and_date_alone_match_nothing(night: Night) -> None:
    ours = night.payment("7", 100)
    outcome = night.compare(night.line("7", 100, "bill 12", reference="R-1"))
    assert outcome.totals == {"missing_at_provider": (1, 100, 0), "paid_elsewhere": (1, 0, 100)}
    assert outcome.identities == [f"missing_at_provider:{ours}", "paid_elsewhere:careful:7:R-1"]


def test_what_succeeded_here_and_is_not_there_is_missing_at_the_provider(night: Night) -> None:
    ours = night.payment("7", 100)
    outcome = night.compare(accounts=["7"])
    assert outcome.totals == {"missing_at_provider": (1, 100, 0)}
    assert night.open() == [f"missing_at_provider:{ours}"]
    assert outcome.fresh == 1
    assert outcome.found[0].evidence["payment"]["sent_reference"] == night.marker(ours)


def test_another_amount_there_is_a_mismatch(night: Night) -> None:
    ours = night.payment("7", 100)
    outcome = night.compare(night.line("7", 10, ours))
    assert outcome.totals == {"amount_mismatch": (1, 100, 10)}
    assert outcome.identities == [f"amount_mismatch:{ours}"]


def test_another_currency_there_is_a_mismatch_in_both(night: Night) -> None:
    ours = night.payment("7", 100)
    outcome = night.compare(night.line("7", 100, ours, currency="USD"))
    found = {f.identity: (f.currency, f.local_minor, f.provider_minor) for f in outcome.found}
    assert found == {
        f"amount_mismatch:{ours}": ("MNT", 10_000, 0),
        f"amount_mismatch:{ours}:1": ("USD", 0, 10_000),
    }


@pytest.mark.parametrize("state", ["succeeded", "refused", "unknown"])
def test_a_line_with_our_reference_that_is_no_payment_is_a_mismatch_of_status(night: Night, state: str) -> None:
    ours = night.payment("7", 100, state)
    outcome = night.compare(night.line("7", -100, ours, kind="other"))
    assert outcome.totals == {"status_mismatch": (1, 100 if state == "succeeded" else 0, -100)}
    assert night.world.state(ours) == state


def test_our_reference_under_another_account_is_a_mismatch_of_status(night: Night) -> None:
    ours = night.payment("7", 100)
    night.payment("8", 5, "refused")
    outcome = night.compare(night.line("8", 100, ours), accounts=["7"])
    assert outcome.totals == {"matched": (1, 0, 0), "status_mismatch": (1, 100, 100)}


@pytest.mark.parametrize("state", ["refused", "cancelled"])
def test_what_failed_here_and_is_paid_there_is_disputed_once(night: Night, state: str) -> None:
    ours = night.payment("7", 100, state)
    for totals in ({"paid_there_failed_here": (1, 0, 100)}, {}):  # on the second night it is carried forward
        outcome = night.compare(night.line("7", 100, ours))
        assert (outcome.totals, outcome.changed) == (totals, (0, 0))
        night.next()
    assert night.open() == [f"paid_there_failed_here:{ours}"]
    assert night.world.state(ours) == state
    assert night.world.events(ours) == ["disputed"]


def test_the_second_and_third_line_with_one_reference_are_duplicates_each(night: Night) -> None:
    ours = night.payment("7", 100)
    outcome = night.compare(*(night.line("7", 100, ours, reference=f"R-{n}") for n in (1, 2, 3)))
    assert outcome.totals == {"matched": (1, 100, 100), "duplicate_at_provider": (2, 0, 200)}
    assert outcome.identities == [f"duplicate_at_provider:{ours}", f"duplicate_at_provider:{ours}:3"]
    assert night.world.events(ours) == ["disputed"]


def test_the_line_with_the_right_amount_speaks_for_a_payment_that_is_there_twice(night: Night) -> None:
    ours = night.payment("7", 100)
    outcome = night.compare(night.line("7", 1, ours), night.line("7", 100, ours))
    assert outcome.totals == {"matched": (1, 100, 100), "duplicate_at_provider": (1, 0, 1)}


def test_a_correction_of_a_payment_is_named_beside_it(night: Night) -> None:
    ours = night.payment("7", 100)
    outcome = night.compare(night.line("7", -100, ours, kind="other"), night.line("7", 100, ours))
    assert outcome.totals == {"matched": (1, 100, 100), "status_mismatch": (1, 0, -100)}
    assert outcome.identities == [f"status_mismatch:{ours}:2"]


def test_a_duplicate_of_another_night_is_found_when_it_is_booked(night: Night) -> None:
    ours = night.payment("7", 100)
    first = night.line("7", 100, ours)
    assert night.compare(first).totals == {"matched": (1, 100, 100)}
    night.next()
    other = night.payment("7", 30)
    outcome = night.compare(first, night.line("7", 100, ours), night.line("7", 30, other))
    assert outcome.totals == {"matched": (1, 30, 30), "duplicate_at_provider": (1, 0, 100)}
    assert outcome.changed == (0, 0)
    assert night.open() == [f"duplicate_at_provider:{ours}"]


def test_a_reference_like_ours_that_nobody_here_has_is_missing_locally(night: Night) -> None:
    night.payment("7", 100, "refused")
    lost = new_reference()
    outcome = night.compare(night.line("7", 100, lost))
    assert outcome.totals == {"matched": (1, 0, 0), "missing_locally": (1, 0, 100)}
    assert night.open() == [f"missing_locally:careful:7:{lost}"]


def test_the_full_listing_tells_of_accounts_that_were_not_read_and_of_no_others(night: Night) -> None:
    ours, lost = night.payment("7", 100), new_reference()
    outcome = night.compare(
        night.line("7", 100, ours, reference="537"),
        night.line("7", 100, ours, reference="3", touched=False),  # the same line, under another id
        night.line("9", 40, lost, touched=False),
        night.line("9", 50, "somebody else's", touched=False),
    )
    assert outcome.totals == {"matched": (1, 100, 100), "missing_locally": (1, 0, 40)}
    assert outcome.identities == [f"missing_locally:careful:9:{lost}"]


def test_a_refused_payment_of_another_night_in_the_listing_is_found(night: Night) -> None:
    ours = night.payment("9", 40, "refused")
    night.next()
    outcome = night.compare(night.line("9", 40, ours, touched=False))
    assert outcome.totals == {"paid_there_failed_here": (1, 0, 40)}


def test_a_mangled_reference_is_somebody_elses(night: Night) -> None:
    ours = night.payment("7", 100)
    outcome = night.compare(night.line("7", 100, night.marker(ours)[:-1]))
    assert outcome.totals == {"missing_at_provider": (1, 100, 0), "paid_elsewhere": (1, 0, 100)}


def test_money_of_somebody_else_under_our_account_counts_on_the_night_it_came(night: Night) -> None:
    ours = night.payment("7", 100)
    outcome = night.compare(
        night.line("7", 100, ours),
        night.line("7", 20, "cash", reference="R-1"),
        night.line("7", 30, "cash", at=night.at(-1), reference="R-2"),
        night.line("7", 40, "cash", at=None, reference="R-3"),
    )
    assert outcome.totals == {"matched": (1, 100, 100), "paid_elsewhere": (1, 0, 20)}


@pytest.mark.parametrize("state", ["sending", "unknown", "parked"])
def test_a_line_of_what_came_after_the_day_and_is_under_way_is_another_nights(night: Night, state: str) -> None:
    """Not every line has a date, and clocks differ."""
    under_way = night.payment("7", 100, state, hour=24.5)
    assert night.compare(night.line("7", 100, under_way, at=None)).identities == []
    assert night.world.state(under_way) == state


def test_two_lines_that_nothing_tells_apart_are_two_findings(night: Night) -> None:
    night.payment("7", 1, "refused")
    outcome = night.compare(night.line("7", 20, "cash"), night.line("7", 20, "cash"))
    assert outcome.totals == {"matched": (1, 0, 0), "paid_elsewhere": (2, 0, 40)}
    assert len(night.open()) == 2


def test_a_line_of_another_night_belongs_to_that_night(night: Night) -> None:
    before = night.payment("7", 100)
    yesterday = night.line("7", 100, before)
    night.compare(yesterday)
    night.next()
    ours = night.payment("7", 30)
    assert night.compare(yesterday, night.line("7", 30, ours)).totals == {"matched": (1, 30, 30)}


@pytest.mark.parametrize(("hour", "category"), [(-0.05, "matched"), (-0.2, "late"), (24.05, "matched"), (24.2, "late")])
def test_a_line_outside_the_period_is_late_where_clocks_dont_explain_it(
    night: Night, hour: float, category: str
) -> None:
    ours = night.payment("7", 100, hour=0.01 if hour < 0 else 23.99)
    outcome = night.compare(night.line("7", 100, ours, at=night.at(hour)))
    assert outcome.totals == {category: (1, 100, 100)}


def test_a_late_one_is_open_for_a_night(night: Night) -> None:
    ours = night.payment("7", 100)
    line = night.line("7", 100, ours, at=night.at(-6))
    assert night.compare(line).fresh == 1
    night.next()
    outcome = night.compare(line)
    assert (outcome.totals, outcome.changed) == ({}, (0, 0))
    assert night.open() == []


@pytest.mark.parametrize("state", ["unknown", "parked"])
def test_what_nobody_knows_and_the_books_dont_show_stays_unknown(night: Night, state: str) -> None:
    ours = night.payment("7", 100, state)
    outcome = night.compare(accounts=["7"])
    assert outcome.totals == {"still_unknown": (1, 0, 0)}
    assert outcome.found[0].evidence["payment"]["amount_minor"] == 10_000
    assert (night.world.state(ours), outcome.used) == (state, 0)


def test_what_was_never_sent_is_not_compared(night: Night) -> None:
    night.payment("7", 100, "refused", sent=False)
    night.payment("7", 100, "waiting", sent=False)
    night.payment("7", 100, "succeeded", hour=-1)
    night.payment("7", 100, "succeeded", hour=24)
    assert night.compare(accounts=["7"]).totals == {}


def test_an_account_that_was_not_read_says_nothing_about_its_payments(night: Night) -> None:
    ours = night.payment("7", 100)
    night.payment("8", 50)
    outcome = night.carry_on(night.read(night.line("7", 100, ours), missing="account 8 could not be read"))
    assert outcome.totals == {"matched": (1, 100, 100)}
    assert (outcome.run.unread, outcome.run.complete) == (1, False)


def test_what_ends_while_the_books_are_read_is_another_nights(night: Night) -> None:
    ours = night.payment("7", 100, "unknown")
    run = night.read(accounts=["7"])
    night.world.advance(60)
    night.world.execute("UPDATE payments SET state = 'succeeded'")
    assert night.carry_on(run).totals == {}
    assert night.world.state(ours) == "succeeded"


def test_payments_in_the_archive_are_compared_too(night: Night) -> None:
    ours, other = night.payment("7", 100), night.payment("7", 30)
    night.world.execute("WITH g AS (DELETE FROM payments RETURNING *) INSERT INTO archive.payments SELECT * FROM g")
    run = night.read(night.line("7", 100, _archived(night, ours)))
    assert night.carry_on(run).totals == {"matched": (1, 100, 100), "missing_at_provider": (1, 30, 0)}
    assert night.open() == [f"missing_at_provider:{other}"]


def _archived(night: Night, payment_id: int) -> str:
    return str(night.world.value("SELECT sent_reference FROM archive.payments WHERE id = %s", payment_id))


def test_other_providers_are_left_alone(night: Night) -> None:
    replace(night, provider="safe").payment("7", 100)
    ours = night.payment("7", 50)
    assert night.compare(night.line("7", 50, ours)).totals == {"matched": (1, 50, 50)}


def test_everything_at_once_adds_up_and_is_named_once(night: Night) -> None:
    good, wrong, gone, refused, twice, unsure = (
        night.payment("7", amount, state)
        for amount, state in (
            *((100, "succeeded"), (200, "succeeded"), (400, "succeeded")),
            *((800, "refused"), (1600, "succeeded"), (3200, "unknown")),
        )
    )
    outcome = night.compare(
        night.line("7", 100, good),
        night.line("7", 210, wrong),
        night.line("7", 800, refused),
        *[night.line("7", 1600, twice)] * 2,
        night.line("7", 5, "cash"),
        night.line("7", 6, new_reference()),
    )
    assert outcome.totals == {
        "amount_mismatch": (1, 200, 210),
        "duplicate_at_provider": (1, 0, 1600),
        "matched": (2, 1700, 1700),
        "missing_at_provider": (1, 400, 0),
        "missing_locally": (1, 0, 6),
        "paid_elsewhere": (1, 0, 5),
        "paid_there_failed_here": (1, 0, 800),
        "still_unknown": (1, 0, 0),
    }
    assert outcome.sums == (100 + 200 + 400 + 1600, 100 + 210 + 800 + 1600 * 2 + 5 + 6)
    assert len(outcome.identities) == len(set(outcome.identities)) == len(night.open()) == outcome.fresh == 7
    assert {f"missing_at_provider:{gone}", f"still_unknown:{unsure}"} < set(night.open())


@pytest.mark.parametrize("seed", range(5))
def test_whatever_the_books_show_every_payment_and_line_counts_once(night: Night, seed: int) -> None:
    dice = random.Random(seed)
    states = ["succeeded"] * 5 + ["refused", "cancelled", "unknown", "parked"]
    accounts = [str(number) for number in range(5)]
    ours = [
        (
            dice.choice(accounts),
            dice.randint(1, 9),
            dice.choice(states),
            dice.uniform(0, 24),
            dice.choice(["MNT", "USD"]),
        )
        for _ in range(60)
    ]
    ids = [night.payment(a, m, state, hour=hour, currency=currency) for a, m, state, hour, currency in ours]
    lines = []
    for place, payment_id in enumerate(ids):
        account, amount, _, _, currency = ours[place]
        for _ in range(dice.choice([0, 1, 1, 1, 2, 3])):
            changed = dice.choice([{}, {}, {"kind": "other"}, {"currency": "EUR"}, {"account": dice.choice(accounts)}])
            fields = {"currency": currency, "at": night.at(dice.uniform(0, 24))} | changed
            named = str(fields.pop("account", account))
            lines.append(night.line(named, amount + dice.choice([0, 0, 1]), payment_id, **fields))
    lines += [night.line(dice.choice(accounts), 3, dice.choice(["cash", None, new_reference()])) for _ in range(20)]
    outcome = night.compare(*dice.sample(lines, len(lines)), accounts=accounts)
    succeeded = sum(amount for _, amount, state, _, _ in ours if state == "succeeded")
    assert outcome.sums == (succeeded, sum(line.amount_minor for line in lines) // 100)
    assert len(outcome.payments) == len(ids)
    assert len(set(outcome.identities)) == len(outcome.found) == outcome.fresh + outcome.used


def test_sums_that_dont_add_up_keep_the_run_as_it_was(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = night.payment("7", 100)
    run = night.read(night.line("7", 100, ours))
    monkeypatch.setattr(balance, "sums", lambda *_: {"MNT": (10_000, 9_900)})
    with pytest.raises(comparing.Unbalanced, match="does not add up in MNT"):
        comparing.compare(night.world.runtime, run)
    with night.world.runtime.database.connection() as connection:
        assert runs.get(connection, run.id).state == "fetched"
        assert list(runs.payments(connection, run.id)) == []


def test_a_run_that_is_still_being_fetched_is_not_compared(night: Night) -> None:
    run = night.read()
    night.world.execute("UPDATE reconciliations SET state = 'fetching'")
    with pytest.raises(RuntimeError, match="still being fetched"):
        comparing.compare(night.world.runtime, run)


LARGEST = 9_000_000_000_000_000_000  # 900000000000000 CLF, of 4 places; a bigint ends a little later


def test_sums_have_no_limit(night: Night, tmp_path: Path) -> None:
    """Two strangers' payments, and more of ours than a bigint can add up."""
    ours = [night.payment("7", LARGEST // 100, currency="CLF") for _ in range(3)]
    lines = [night.line("7", LARGEST // 100, one, currency="CLF") for one in ours[:2]]
    lines += [night.line("7", LARGEST // 100, f"cash {n}", currency="CLF") for n in range(2)]
    lines += [night.line("7", -LARGEST // 100, ours[2], currency="CLF")]
    lines += [night.line("8", 999_999_999_999_999, f"cash {n}", currency="GHS") for n in range(93)]
    outcome = night.compare(*lines)
    totals = {(t.category.value, t.currency): (t.count, t.local_minor, t.provider_minor) for t in outcome.run.totals}
    assert totals == {
        ("matched", "CLF"): (2, 2 * LARGEST, 2 * LARGEST),
        ("amount_mismatch", "CLF"): (1, LARGEST, -LARGEST),
        ("paid_elsewhere", "CLF"): (2, 0, 2 * LARGEST),
        ("paid_elsewhere", "GHS"): (93, 0, 93 * 99_999_999_999_999_900),
    }
    report.write(night.world.runtime, outcome.run, tmp_path)
    told = json.loads((tmp_path / "summary.json").read_text())
    sums = {one["currency"]: (one["our_books"], one["provider_books"], one["difference"]) for one in told["sums"]}
    assert sums["CLF"] == ("2700000000000000.0000", "2700000000000000.0000", "0.0000")
    assert sums["GHS"] == ("0.00", "92999999999999907.00", "-92999999999999907.00")
    differences = (tmp_path / "discrepancies.csv").read_text()
    assert "1800000000000000.0000" in differences, "the difference of one payment and its line"
    assert "92,999,999,999,999,907.00" in (tmp_path / "report.html").read_text()


def test_discrepancies_beyond_a_bigint_are_listed_as_whole_numbers(night: Night) -> None:
    night.compare(night.line("7", LARGEST // 100, "cash", currency="CLF"))
    with night.world.runtime.database.connection() as connection:
        (row,) = list(views.listed(connection))
        assert (row["provider_minor"], views.one(connection, row["id"])) == (LARGEST, row)
    assert json.dumps(row["provider_minor"]) == str(LARGEST)


@pytest.mark.parametrize("provider", ["safe", "ubill"])
def test_a_line_with_the_reference_of_another_providers_payment_is_told(night: Night, provider: str) -> None:
    """It is nobody's of another night here: without it the sums would agree over money that nobody knows of."""
    ours, elsewhere = night.payment("7", 100), Night(night.world, provider).payment("7", 50)
    lines = [night.line("7", 100, ours), night.line("7", 50, elsewhere)]
    outcome = night.compare(*lines)
    assert outcome.totals == {"matched": (1, 100, 100), "missing_locally": (1, 0, 50)}
    assert outcome.sums == (100, 150)
    found = night.open()
    night.next()
    night.compare(accounts=["9"])
    assert night.open() == found, "and stays open until the books or a person say otherwise"
