"""Providers where a request may not be repeated: nothing is applied twice, whatever happens to the answers."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import audit, careful, stack
from tests.support.careful import fault
from tests.support.stack import Stack, wait_until

pytestmark = pytest.mark.only_large

COUNT = 1000
FEW = 150
PROVIDERS = ("ubill", "mtn")
LATE_S = 1.0  # within the settle window
KINDS = ("error_500_after", "hang_after", "reset_after", "applied_late")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose ladder of checks ends soon after the settle window."""
    home = tmp_path_factory.mktemp("careful") / "home"
    ladder = json.dumps([0, 1, 1.5, 1.5, 2, 2])
    up = stack.start(home, workers=1, CHECK__LADDER_S=ladder, **dict.fromkeys(_WINDOWS, "1.5"))
    try:
        yield up
    finally:
        assert up.stop() == 0


_blocks = itertools.count()  # of accounts: each test has its own
_WINDOWS = [f"{name.upper()}__SETTLE_WINDOW_S" for name in PROVIDERS]


@pytest.fixture
def up(running: Stack) -> Iterator[Stack]:
    """Good weather, and both credentials known to get their markers back. The books stay: ours remember them too."""
    sandbox = running.sandbox
    sandbox.clear_faults()
    sandbox.call("POST", "ubill/options", {"comments": "keep", "list": "whole"})
    sandbox.call("POST", "mtn/options", {"references": "keep", "list": "whole"})
    teach(running)
    yield running
    sandbox.clear_faults()


def teach(up: Stack) -> None:
    """Payments on accounts of their own, until both credentials are known to get markers back."""

    def known() -> bool:
        facts = up.query("SELECT provider FROM provider_facts WHERE fact LIKE 'gives_markers_back:%%'")
        number = up.query("SELECT count(*) AS n FROM payments")[0]["n"]
        up.submit([careful.INTENTS[name]("teach", number, 500_000 + number) for name in PROVIDERS])
        return {row["provider"] for row in facts} == set(PROVIDERS)

    wait_until(known, "markers are known to be given back", 30, pause_s=1.1)


def pay(up: Stack, source: str, count: int) -> list[dict[str, Any]]:
    """Settle `count` payments at each provider at the same time; the payments, all final or parked."""
    first = 1 + careful.ACCOUNTS * next(_blocks)
    wanted = [careful.INTENTS[name](source, number, first) for number in range(count) for name in PROVIDERS]
    up.submit(wanted)
    audit.wait_ended(up, source, wanted, 150)
    return careful.payments(up, source)


def counted(rows: list[dict[str, Any]]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for row in rows:
        found[row["provider"], row["state"]] = found.get((row["provider"], row["state"]), 0) + 1
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_half_of_the_answers_are_lost_and_each_payment_is_applied_once(up: Stack, source: str, kind: str) -> None:
    delay = {"delay_s": LATE_S} if kind == "applied_late" else {}
    up.sandbox.set_faults(*(fault(name, kind, 0.5, **delay) for name in PROVIDERS))
    rows = pay(up, source, COUNT)
    assert counted(rows) == {(name, "succeeded"): COUNT for name in PROVIDERS}
    assert careful.applied(up, rows) == {(row["provider"], row["sent_reference"]): 1 for row in rows}
    struck = {one["provider"]: one["struck"] for one in up.sandbox.call("GET", "faults")["faults"]}
    assert all(struck[name] > COUNT / 3 for name in PROVIDERS), struck


def test_all_of_it_at_once_and_what_was_not_applied_is_sent_again_after_a_look(up: Stack, source: str) -> None:
    rates = dict.fromkeys(KINDS, 0.1) | {"error_500_before": 0.1, "reset_before": 0.1}
    up.sandbox.set_faults(
        *(
            fault(name, kind, rate, **({"delay_s": LATE_S} if kind == "applied_late" else {}))
            for name in PROVIDERS
            for kind, rate in rates.items()
        )
    )
    rows = pay(up, source, COUNT)
    assert counted(rows) == {(name, "succeeded"): COUNT for name in PROVIDERS}
    assert careful.applied(up, rows) == {(row["provider"], row["sent_reference"]): 1 for row in rows}
    for name in PROVIDERS:
        again, unchecked = careful.unchecked_resends(up, [row for row in rows if row["provider"] == name], name)
        assert again > COUNT / 20, "some had not been applied"
        assert unchecked == []


@pytest.mark.parametrize(
    ("ubill", "mtn"),
    [
        ({"comments": "drop"}, {"references": "drop"}),
        ({"comments": "cut"}, {"references": "mangle"}),
        ({"comments": "upper"}, {"references": "mangle"}),
        ({"list": "part"}, {"list": "part"}),
    ],
    ids=["dropped", "cut", "in capitals", "part of the list"],
)
def test_where_the_books_do_not_show_our_payments_a_person_decides(
    up: Stack, source: str, ubill: dict[str, str], mtn: dict[str, str]
) -> None:
    up.sandbox.call("POST", "ubill/options", ubill)
    up.sandbox.call("POST", "mtn/options", mtn)
    kinds = ("error_500_after", "error_500_before")
    up.sandbox.set_faults(*(fault(name, kind, 0.25) for name in PROVIDERS for kind in kinds))
    rows = pay(up, source, FEW)
    found = counted(rows)
    for name in PROVIDERS:
        assert found[name, "parked"] > FEW / 5, found
        assert found[name, "parked"] + found[name, "succeeded"] == FEW, found
    often = careful.applied(up, rows, by_amount=True)
    assert max(often.values()) == 1, "none twice"
    for row in rows:
        if row["state"] == "succeeded":
            account = row["target"].get("account_id") or row["target"]["id"]
            assert often[row["provider"], str(account), row["amount"]] == 1, row
