"""Parked payments and the lines that are they, against the sandbox: proposed, decided by two people, paid once.

The sandbox's ledger is the witness.
"""

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from scheduler import judging
from tests.integration.test_resolve_books import (  # noqa: F401 - fixtures
    DROPPED,
    Office,
    environment,
    lost_reference,
    office,
    weather,
)

AMOUNTS = [f"100.{number:02}" for number in range(1, 16)]
WHY = ("--reason", "their list shows them")
BULK = ("resolve", "--all", "--provider", "mtn", "--as", "succeeded", "--paired", *WHY)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The breaker leaves the lane running."""
    monkeypatch.setenv("SETTLEPIPE_BREAKER__FAILURES", "100")


@pytest.fixture
def people(office: Office, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:  # noqa: F811
    """Sets up Ann, an operator, Bob and Cat, approvers; whoever is named then is at the command line."""
    tokens: dict[str, str] = {}

    def become(name: str) -> None:
        if not tokens:
            for one, role in (("Bob", "approver"), ("Cat", "approver"), ("Ann", "operator")):
                if tokens:
                    monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN", tokens["Bob"])
                status, out, _ = office.run("people", "add", one, "--role", role, "--json")
                made = json.loads(out)
                if "token" not in made:  # the third takes two
                    monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN", tokens["Cat"])
                    status, out, _ = office.run("approve", str(made["proposal"]["id"]), "--json")
                    made = json.loads(out)
                assert status == 0
                tokens[one] = made["token"]
                if one != "Bob":  # whoever added them saw that one
                    monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN", tokens[one])
                    status, out, _ = office.run("people", "rotate", "--json")
                    assert status == 0
                    tokens[one] = json.loads(out)["token"]
        monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN", tokens[name])

    return become


def lines_of(told: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.splitlines()]


def lost(office: Office) -> list[str]:  # noqa: F811
    """The names of fifteen payments that mtn applied, dropped the references of, and did not answer: parked."""
    office.pay("mtn", "first", "1.00")
    office.later(5)
    with weather(office, "mtn", "hang_after", **DROPPED["mtn"]):
        for amount in AMOUNTS:
            office.pay("mtn", f"lost-{amount}", amount)
        for _ in range(8):
            office.later(30_000)
            office.work("mtn")
    return [f"lost-{amount}" for amount in AMOUNTS]


@pytest.mark.usefixtures("patient")
def test_fifteen_parked_payments_are_decided_by_one_command_and_a_second_person(
    office: Office,  # noqa: F811
    people: Callable[[str], None],
) -> None:
    names = lost(office)
    assert {office.state(name) for name in names} == {"parked"}
    applied = office.applied("mtn")
    assert sorted(applied) == sorted(["1.00", *AMOUNTS])

    assert judging._EVERY_S <= 60, "people are told within a minute"
    judging.once(office.runtime, office.runtime.database, [])
    [told] = [one for one in lines_of(office.run("alerts", "--json")[1]) if one["name"] == "payment_parked"]
    assert (told["subject"], told["figures"]["payments"], told["figures"]["money"]) == ("mtn", 15, {"GHS": "1501.20"})

    waits = [entry for entry in lines_of(office.run("inbox", "--json")[1]) if entry["kind"] == "payment"]
    assert {entry["subject"]: [p["confidence"] for p in entry["pairs"]] for entry in waits} == {
        f"shop/{name}": ["likely"] for name in names
    }
    assert all(entry["pairs"][0]["line_amount"] == entry["amount"] for entry in waits)
    assert len({entry["pairs"][0]["line"] for entry in waits}) == 15
    assert office.run("inbox")[1].count("(likely)") == 15

    people("Ann")
    status, out, err = office.run(*BULK, "--dry-run")
    assert (status, err) == (0, "")
    assert "15 to be succeeded: 1501.20 GHS; 0 left out" in out
    status, out, _ = office.run(*BULK, "--json")
    made = json.loads(out)
    assert (status, made["sums"], made["done"], len(made["payments"])) == (0, {"GHS": "1501.20"}, False, 15)
    number = str(made["proposal"])
    status, _, err = office.run("approve", number)
    assert (status, "this is for approver" in err) == (1, True)
    assert {office.state(name) for name in names} == {"parked"}
    people("Bob")
    status, out, err = office.run("approve", number)
    assert (status, out, err) == (0, "15 payments of mtn succeeded\n", "")
    assert {office.state(name) for name in names} == {"succeeded"}
    assert office.run("approve", number)[0] == 1
    assert office.run(*BULK)[0] == 1, "nothing is left"
    for answer in ("resend", "refused", "succeeded"):
        assert office.run("resolve", f"shop/{names[0]}", "--as", answer, *WHY)[0] == 1
    office.later(1000)
    office.work("mtn")
    assert office.applied("mtn") == applied
    assert office.run("audit", "verify")[0] == 0
    judging.once(office.runtime, office.runtime.database, [])
    names_told = [one["name"] for one in lines_of(office.run("alerts", "--json")[1])]
    assert "payment_parked" not in names_told, "it is cleared with the last of them"
    taken = office.sql("SELECT count(DISTINCT line) AS n, count(by_whom) AS by_people FROM taken_lines")
    assert taken == [{"n": 15, "by_people": 15}]


@pytest.mark.parametrize("provider", ["mtn", "ubill"])
def test_a_line_is_one_payments(office: Office, provider: str) -> None:  # noqa: F811
    """Two of one sum: either line may be either's, so neither is sure, and nobody takes one line for both."""
    lost_reference(office, provider, intent_id="lost")
    with weather(office, provider, "error_500_after", **DROPPED[provider]):
        office.parked(provider, "lost-too")
    assert office.run("resolve", "shop/lost", "--as", "refused", *WHY, "--by", "Ann")[0] == 1  # a look
    pairs = lines_of(office.run("pairs", "--json")[1])
    lines = sorted({pair["line"] for pair in pairs})
    assert {pair["confidence"] for pair in pairs} == {"possible"}
    assert len(pairs) == 4
    assert len(lines) == 2
    status, out, err = office.run("resolve", "--all", "--provider", provider, "--as", "succeeded", "--paired", *WHY,
                                  "--by", "Ann")  # fmt: skip
    assert (status, out.count("left out")) == (1, 3), err
    decide = ("--as", "succeeded", *WHY, "--by", "Ann", "--line")
    assert office.run("resolve", "shop/lost", *decide, lines[0])[0] == 0
    status, _, err = office.run("resolve", "shop/lost-too", *decide, lines[0])
    assert (status, office.state("lost-too")) == (1, "parked")
    assert f"line {lines[0]} is shop/lost already" in err
    [pair] = lines_of(office.run("pairs", "--json")[1])
    assert (pair["payment"], pair["line"]) == ("shop/lost-too", lines[1])
    assert office.run("resolve", "shop/lost-too", *decide, lines[1])[0] == 0
    assert office.run("pairs")[1] == "no parked payment has a line that may be it\n"
    assert len(office.applied(provider)) == 3


def test_a_line_that_was_matched_by_its_reference_is_no_evidence_for_another(office: Office) -> None:  # noqa: F811
    office.pay("mtn", "first", "1.00")
    office.later(5)
    with weather(office, "mtn", "error_500_after"):
        office.pay("mtn", "seen")
    office.later(1000)
    office.work("mtn")
    assert office.state("seen") == "succeeded"
    [taken] = office.sql("SELECT line, by_whom FROM taken_lines")
    assert taken["by_whom"] is None
    with weather(office, "mtn", "error_500_before"):
        office.parked("mtn", "lost")
    office.sandbox.set_faults({"provider": "mtn", "operation": "*", "fault": "hang_before"})  # nobody can look
    status, _, err = office.run(
        "resolve", "shop/lost", "--as", "succeeded", *WHY, "--by", "Ann", "--line", taken["line"]
    )
    assert (status, office.state("lost")) == (1, "parked")
    assert "is shop/seen already" in err


@pytest.mark.parametrize(
    "order", list(itertools.permutations(("resend", "refused", "succeeded", "late"))), ids="-".join
)
def test_nothing_is_paid_twice_in_whatever_order_it_is_typed(
    office: Office,  # noqa: F811
    people: Callable[[str], None],
    order: tuple[str, ...],
) -> None:
    """The call is applied at some moment within the settle window, without our reference. Whatever two people type, the
    customer pays once: the ledger would hold what another call of ours brought."""
    office.pay("mtn", "first", "1.00")
    office.later(5)
    with weather(office, "mtn", "error_500_before", **DROPPED["mtn"]):
        office.pay("mtn", "lost")
    office.sql("UPDATE payments SET state = 'parked', due_at = NULL WHERE intent_id = 'lost'")
    arrived = False
    for step in order:
        if step == "late":
            office.sandbox.call("POST", "mtn/pay", {"id": "00700001", "amount": "100.00", "unit": "GHS"})
            arrived = True
            continue
        although = () if step == "resend" and arrived else ("--although", "so says their letter")
        for more in ((), although):
            people("Ann")
            status, out, _ = office.run("resolve", "shop/lost", "--as", step, *WHY, *more, "--json")
            made = json.loads(out).get("proposal") if status == 0 else None
            if made is not None:
                people("Cat")
                office.run("approve", str(made))
            office.work("mtn")
    for _ in range(4):
        office.later(30_000)
        office.work("mtn")
    assert office.applied("mtn") == ["1.00"], "the late one was the customer's one payment"
    assert office.state("lost") in ("parked", "refused", "succeeded")
    assert office.run("audit", "verify")[0] == 0
