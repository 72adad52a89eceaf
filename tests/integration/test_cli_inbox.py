"""`settlepipe inbox`: all that waits for a person is there, once, and the command beside it ends it."""

import json
import shlex
from collections.abc import Callable
from typing import Any

import pytest

from shared import lanes
from shared.database.engine import Connection
from shared.domain.payment import State
from shared.inbox import Kind
from tests.integration.conftest import Run
from tests.support.stored import add_payment

CHOSEN = {"succeeded|refused|resend": "refused", "TEXT": "asked the biller", "NAME": "operator-1"}


def parked(connection: Connection) -> None:
    add_payment(connection, "p 1;rm", State.PARKED)
    connection.execute("UPDATE payments SET detail = 'past its deadline: \x1b[2J'")


def held(reason: str) -> Callable[[Connection], None]:
    def make(connection: Connection) -> None:
        add_payment(connection, "p1")
        connection.execute("UPDATE payments SET hold_reason = %s, due_at = NULL", (reason,))

    return make


def follow_up(kind: str) -> Callable[[Connection], None]:
    def make(connection: Connection) -> None:
        add_payment(connection, "p1", State.SUCCEEDED, receipt=True, sms=True)
        connection.execute(
            "UPDATE follow_ups SET state = 'parked', due_at = NULL, detail = 'a time-out' WHERE kind = %s", (kind,)
        )

    return make


def account(connection: Connection) -> None:
    connection.execute(
        """INSERT INTO bank_accounts (provider, service, khut_type, account, bank_code, bank_name, change)
        VALUES ('billcenter', '140', '', '00012345', '50004', 'A bank', 'changed')"""
    )


def quarantined(connection: Connection) -> None:
    connection.execute(
        """INSERT INTO quarantine (sha256, raw, reason, stream, entry_id)
        VALUES (sha256('x'), 'x', 'not a JSON object', 's', '1-0')"""
    )


def changed_day(connection: Connection) -> None:
    connection.execute(
        """INSERT INTO alerts (name, subject, figures)
        VALUES ('signed_day_changed', 'billcenter/2026-11-21', '{"next": "prepared", "books": "0123456789ab"}')"""
    )


def discrepancy(connection: Connection) -> None:
    lanes.ensure(connection, ["billcenter"])
    connection.execute(
        """INSERT INTO discrepancies (category, provider, identity, evidence, currency, local_minor, provider_minor,
            account) VALUES ('paid_elsewhere', 'billcenter', 'i', '{}', 'MNT', 100, 2500, '900000001')"""
    )


def proposal(connection: Connection) -> None:
    connection.execute(
        "INSERT INTO people (name, role, token_sha256, added_by) VALUES ('Ann', 'operator', sha256('x'), 'x')"
    )
    connection.execute(
        """INSERT INTO proposals (kind, subject, asked, seen, reason, proposed_by, ends_at)
        VALUES ('person', 'Bob', '{}', '{}', 'Bob joins', 'Ann', clock() + interval '1 day')"""
    )


def halted(connection: Connection) -> None:
    lanes.ensure(connection, ["billcenter"])
    connection.execute("UPDATE lanes SET halted_at = clock(), halted_reason = 'the key is refused'")


def paused(connection: Connection) -> None:
    lanes.ensure(connection, ["billcenter"])
    connection.execute("UPDATE lanes SET paused_at = clock(), paused_by = 'operator-2'")


def store(connection: Connection) -> None:
    connection.execute("UPDATE store SET held_at = clock(), held_reason = 'the database lost time'")


WAYS: dict[str, tuple[Kind, Callable[[Connection], None]]] = {
    "parked": (Kind.PAYMENT, parked),
    "ambiguous_account": (Kind.HOLD, held("ambiguous_account")),
    "account_unconfirmed": (Kind.HOLD, held("account_unconfirmed")),
    "receipt": (Kind.RECEIPT, follow_up("receipt")),
    "sms": (Kind.SMS, follow_up("sms")),
    "account": (Kind.ACCOUNT, account),
    "quarantine": (Kind.QUARANTINE, quarantined),
    "discrepancy": (Kind.DISCREPANCY, discrepancy),
    "signed day": (Kind.DAY, changed_day),
    "proposal": (Kind.PROPOSAL, proposal),
    "halted": (Kind.LANE, halted),
    "paused": (Kind.LANE, paused),
    "store": (Kind.STORE, store),
}


def entries(run: Run, *more: str) -> list[dict[str, Any]]:
    status, out, _ = run("inbox", "--json", *more)
    assert status == 0
    return [json.loads(line) for line in out.splitlines()]


def typed(decide: str) -> list[str]:
    """The command, with what a person has to choose chosen."""
    program, *words = shlex.split(decide)
    assert program == "settlepipe"
    return [CHOSEN.get(word, word) for word in words]


@pytest.mark.parametrize("way", WAYS)
def test_what_waits_is_there_once_with_a_command_that_the_program_takes(
    way: str, run: Run, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, make = WAYS[way]
    assert entries(run) == []
    make(connection)
    if kind is Kind.PROPOSAL:  # who proposes is set up, and from then on nobody is without a token
        monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN", "made-up")
    (entry,) = entries(run)
    assert entry["kind"] == kind
    assert entry["reason"]
    assert entry["since"].endswith("Z")
    assert [one["decide"] for one in entries(run, "--kind", kind)] == [entry["decide"]]
    other = next(one for one in Kind if one is not kind)
    assert entries(run, "--kind", other) == []
    status, _, err = run(*typed(entry["decide"]))
    assert status != 2, err


def test_every_kind_is_tried_here() -> None:
    assert {kind for kind, _ in WAYS.values()} == set(Kind)


@pytest.mark.parametrize("way", ["account_unconfirmed", "receipt", "sms", "account", "discrepancy", "paused"])
def test_its_command_ends_it(way: str, run: Run, connection: Connection) -> None:
    WAYS[way][1](connection)
    (entry,) = entries(run)
    assert run(*typed(entry["decide"]))[0] == 0
    assert entries(run) == []


@pytest.mark.parametrize("state", [state for state in State if state is not State.PARKED])
def test_what_the_machine_works_on_or_has_ended_is_not_there(state: State, run: Run, connection: Connection) -> None:
    add_payment(connection, "p1", state, receipt=True, sms=True)
    assert entries(run) == []


@pytest.mark.parametrize("reason", ["no_account", "settle_pending", "invoice_busy"])
def test_a_hold_that_ends_by_itself_is_not_there(reason: str, run: Run, connection: Connection) -> None:
    held(reason)(connection)
    assert entries(run) == []


def test_a_payment_waits_since_it_was_parked_and_shows_where_it_goes(run: Run, connection: Connection) -> None:
    add_payment(connection, "p1", State.PARKED)
    connection.execute("UPDATE payments SET created_at = created_at - interval '3 days'")
    (entry,) = entries(run)
    assert entry["age_s"] < 3600
    assert (entry["amount"], entry["currency"], entry["subject"]) == ("100.00", "MNT", "shop/p1")
    assert entry["target"]["invoice_code"] == "p1"


def test_the_oldest_is_first_or_the_largest_sum_of_each_currency(run: Run, connection: Connection) -> None:
    for intent_id, amount, age_s in (("old", 1_00, 300), ("large", 900_00, 200), ("small", 5_00, 100)):
        number = add_payment(connection, intent_id)
        connection.execute(
            """UPDATE payments SET hold_reason = 'ambiguous_account', due_at = NULL,
            created_at = clock() - make_interval(secs => %s) WHERE id = %s""",
            (age_s, number),
        )
        connection.execute("ALTER TABLE payments DISABLE TRIGGER a_legal")
        connection.execute("UPDATE payments SET amount_minor = %s WHERE id = %s", (amount, number))
    connection.execute(
        """INSERT INTO quarantine (sha256, raw, reason, stream, entry_id, first_seen)
        VALUES (sha256('x'), 'x', 'not a JSON object', 's', '1-0', clock() - interval '1 day')"""
    )
    assert [e["subject"] for e in entries(run)] == [None, "shop/old", "shop/large", "shop/small"]
    assert [e["subject"] for e in entries(run, "--order", "money")] == ["shop/large", "shop/small", "shop/old", None]
    store(connection)
    assert entries(run)[0]["kind"] == entries(run, "--order", "money")[0]["kind"] == "store"
    assert len(entries(run, "--limit", "2")) == 2


def test_people_can_copy_each_command_and_nothing_steers_their_terminal(run: Run, connection: Connection) -> None:
    parked(connection)
    account(connection)
    status, out, _ = run("inbox")
    assert status == 0
    assert "\x1b" not in out
    decide = {entry["decide"] for entry in entries(run)}
    assert {line.split("decide")[1].strip() for line in out.splitlines() if "decide  " in line} == decide
    assert out.splitlines()[-2:] == [
        "money at risk: 100.00 MNT (1, oldest 0 s)",
        "2 things to decide; payments among them: 100.00 MNT",
    ]
    assert "money at risk" not in run("inbox", "--provider", "mtn")[1]


def test_a_payment_that_fits_several_accounts_is_decided_by_choosing_one(run: Run, connection: Connection) -> None:
    held("ambiguous_account")(connection)
    (entry,) = entries(run)
    assert entry["decide"] == "settlepipe accounts choose billcenter 140 ACCOUNT --reason TEXT --by NAME"


def test_what_was_dismissed_is_gone_until_it_comes_again(run: Run, connection: Connection) -> None:
    quarantined(connection)
    (entry,) = entries(run)
    number = entry["decide"].split()[-1]
    assert run("quarantine", "dismiss", number, "--reason", "a test of theirs", "--by", "Ann")[0] == 0
    assert entries(run) == []
    assert run("quarantine", "dismiss", "99", "--reason", "r", "--by", "Ann")[0] == 1
    connection.execute("UPDATE quarantine SET last_seen = clock()")
    assert len(entries(run)) == 1
    (record,) = connection.execute("SELECT by_whom, reason FROM audit").fetchall()
    assert (record["by_whom"], record["reason"]) == ("Ann", "a test of theirs")


def test_an_empty_inbox_says_so(run: Run) -> None:
    assert run("inbox")[1] == "nothing waits for a person\n"
    assert entries(run) == []


@pytest.mark.parametrize(
    "wrong", [("--kind", "nothing"), ("--order", "name"), ("--provider", "nobody"), ("--watch", "--json")]
)
def test_wrong_use_is_said_in_a_sentence(wrong: tuple[str, ...], run: Run) -> None:
    status, out, err = run("inbox", *wrong)
    assert (status, out) == (2, "")
    assert "settlepipe" in err


def test_a_payment_says_what_it_was_accepted_with_where_it_stands_and_what_comes_next(
    run: Run, connection: Connection
) -> None:
    number = add_payment(connection, "p1", State.WAITING, possibly_sent=True)
    connection.execute("UPDATE payments SET deadline = clock() + interval '1 hour' WHERE id = %s", (number,))
    [before] = [json.loads(line) for line in run("payment", "shop/p1", "--json")[1].splitlines()]
    assert before["target"] == {"invoice_code": "p1", "bs_customer_code": "1", "biller_service_id": 140}
    assert (before["metadata"], before["possibly_sent"]) == (None, True)
    assert before["next"] == f"it is sent again from {before['due_at']} on"
    connection.execute(
        "UPDATE lanes SET paused_at = clock() - interval '1 day', stopped_at = clock() - interval '1 day'"
    )
    connection.execute("UPDATE lanes SET stopped_at = clock() - interval '1 day'")
    [paused] = [json.loads(line) for line in run("payment", "shop/p1", "--json")[1].splitlines()]
    assert paused["deadline"] > before["deadline"], "it stands still with its lane"
    assert paused["next"].startswith("its lane stands still")
    out = run("payment", "shop/p1")[1]
    assert '"invoice_code": "p1"' in out
