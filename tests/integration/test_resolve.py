"""What a person may decide, on a real database: the legal ones are done and kept, the illegal ones change nothing."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from shared.database.engine import Connection, Database
from shared.database.store import Seen
from shared.domain.answers import CheckResult, Verdict
from shared.domain.payment import State
from shared.payments import views
from shared.payments.look import Unresolvable, look
from shared.payments.resolve import cancel, resolve, resolve_follow_up
from shared.payments.store import check as check_store
from shared.payments.store import dispatch as dispatch_store
from shared.payments.store.ours import StoredBooks
from shared.providers.base import Connected
from shared.runtime import Limits, Runtime
from shared.settings import Settings
from tests.support.flow import ABSENT, UNCLEAR, Scripted
from tests.support.stored import PROVIDER, add_payment, everything

_ALL = list(State)
_LIMITS = Limits(lease_s=60, deadline_s=1000, breaker_failures=10, breaker_open_s=30)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    pool = Database(database_url, pool_size=2)
    yield pool
    pool.dispose()


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.connection() as one:
        yield one


def decide(database: Database, intent_id: str, answer: str, found: CheckResult, *, reason: str, by: str) -> None:
    """Resolve `shop/<intent_id>` while the provider's books show this."""
    provider = Scripted(PROVIDER)
    provider.verdicts.append(found)
    connected = {PROVIDER: Connected(provider)}
    runtime = Runtime(Settings(), database, {}, connected, {}, StoredBooks(database), _LIMITS)
    resolve(runtime, look(runtime, "shop", intent_id), answer, reason=reason, by=by)


def _row(connection: Connection, number: int) -> dict[str, Any]:
    row = connection.execute("SELECT * FROM payments WHERE id = %s", (number,)).fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize("answer", ["succeeded", "refused"])
def test_a_parked_payment_becomes_what_the_person_says(database: Database, connection: Connection, answer: str) -> None:
    number = add_payment(connection, "p1", State.PARKED, possibly_sent=True)
    found = UNCLEAR if answer == "succeeded" else ABSENT
    decide(database, "p1", answer, found, reason="the biller confirmed it by letter", by="operator-1")
    assert _row(connection, number)["state"] == answer
    told = views.payment(connection, number)["history"]
    kept = [entry for entry in told if entry["what"] == "resolution"]
    assert [(k["action"], k["from_state"], k["reason"], k["by"]) for k in kept] == [
        (answer, "parked", "the biller confirmed it by letter", "operator-1")
    ]
    assert told[-1]["type"] == f"settlepipe.payment.{answer}"


def test_a_succeeded_resolution_starts_the_receipt(database: Database, connection: Connection) -> None:
    number = add_payment(connection, "p1", State.PARKED, receipt=True)
    decide(database, "p1", "succeeded", UNCLEAR, reason="r", by="b")
    assert views.payment(connection, number)["history"][-1]["state"] == "waiting"


def test_a_resend_is_due_at_once_for_a_look_and_has_a_new_deadline(database: Database, connection: Connection) -> None:
    number = add_payment(connection, "p1", State.PARKED)
    connection.execute("UPDATE payments SET deadline = clock() - interval '1 day', rung = 4 WHERE id = %s", (number,))
    decide(database, "p1", "resend", ABSENT, reason="r", by="b")
    row = _row(connection, number)
    assert (row["state"], row["resend_asked"], row["rung"]) == ("unknown", True, 0)
    due = connection.execute(
        """SELECT due_at <= clock() AS due, extract(epoch FROM deadline - lane_clock(l))::float8 AS left_s
        FROM payments p JOIN lanes l USING (provider) WHERE id = %s""",
        (number,),
    ).fetchone()
    assert due is not None
    assert due["due"] is True
    assert _LIMITS.deadline_s - 30 < due["left_s"] <= _LIMITS.deadline_s


def test_a_resend_whose_books_cannot_be_read_is_not_parked_by_the_old_deadline(
    database: Database, connection: Connection
) -> None:
    number = add_payment(connection, "p1", State.PARKED)
    connection.execute("UPDATE payments SET deadline = clock() - interval '1 day' WHERE id = %s", (number,))
    decide(database, "p1", "resend", ABSENT, reason="r", by="b")
    assert [d.id for d in dispatch_store.claim_due(connection, PROVIDER, 10, 60)] == [number]
    claim = check_store.claim(connection, number, 60, 0, seen=Seen())
    assert claim is not None
    assert claim.resend_asked
    check_store.inconclusive(
        connection, claim, CheckResult(Verdict.INCONCLUSIVE, "no answer", unread=True), [0, 10], _LIMITS
    )
    assert _row(connection, number)["state"] == "unknown"


@pytest.mark.parametrize("earlier", [None, "clock() + interval '5 minutes'"])
def test_the_claim_of_a_resend_counts_the_deadline_from_there_only_where_none_is_set(
    connection: Connection, earlier: str | None
) -> None:
    number = add_payment(connection, "p1", State.UNKNOWN)
    connection.execute(f"UPDATE payments SET deadline = {earlier or 'NULL'} WHERE id = %s", (number,))
    before = _row(connection, number)["deadline"]
    key = 4711
    connection.execute("SELECT pg_advisory_lock(%s)", (key,))  # the sender's sign of life
    assert [d.id for d in dispatch_store.claim_due(connection, PROVIDER, 10, 60)] == [number]
    claim = check_store.claim(connection, number, 60, 0, seen=Seen())
    assert claim is not None
    resend = check_store.resend(connection, claim, ABSENT, key, _LIMITS, seen=Seen())
    assert resend is not None
    row = connection.execute(
        "SELECT extract(epoch FROM deadline - clock())::float8 AS left_s, deadline FROM payments WHERE id = %s",
        (number,),
    ).fetchone()
    assert row is not None
    if earlier is None:
        assert _LIMITS.deadline_s - 30 < row["left_s"] <= _LIMITS.deadline_s
    else:
        assert row["deadline"] == before


def test_resolving_what_is_not_parked_changes_nothing(database: Database, connection: Connection) -> None:
    for state in _ALL:
        if state is State.PARKED:
            continue
        number = add_payment(connection, state, state)
        before = everything(connection, number)
        for answer in ("succeeded", "refused", "resend"):
            with pytest.raises(Unresolvable, match=f"is {state}; only a parked payment"):
                decide(database, state, answer, ABSENT, reason="r", by="b")
        assert everything(connection, number) == before


@pytest.mark.parametrize("state", [State.ACCEPTED, State.DISPATCHED, State.WAITING])
def test_what_never_reached_the_provider_is_cancelled(database: Database, connection: Connection, state: State) -> None:
    number = add_payment(connection, "p1", state)
    cancel(database, "shop", "p1", reason="the customer changed their mind", by="operator-1")
    assert _row(connection, number)["state"] == "cancelled"
    entries = views.payment(connection, number)["history"]
    assert [e["action"] for e in entries if e["what"] == "resolution"] == ["cancelled"]
    assert entries[-1]["type"] == "settlepipe.payment.cancelled"


def test_cancelling_what_may_be_at_the_provider_or_is_final_changes_nothing(
    database: Database, connection: Connection
) -> None:
    for state in _ALL:
        if state in (State.ACCEPTED, State.DISPATCHED, State.WAITING):
            continue
        number = add_payment(connection, state, state)
        before = everything(connection, number)
        with pytest.raises(Unresolvable, match="only while accepted, dispatched, waiting"):
            cancel(database, "shop", state, reason="r", by="b")
        assert everything(connection, number) == before


def test_cancelling_what_waits_after_an_ambiguous_attempt_changes_nothing(
    database: Database, connection: Connection
) -> None:
    number = add_payment(connection, "p1", State.WAITING, possibly_sent=True)
    before = everything(connection, number)
    with pytest.raises(Unresolvable, match="may have reached its provider"):
        cancel(database, "shop", "p1", reason="r", by="b")
    assert everything(connection, number) == before


@pytest.mark.parametrize("kind", ["receipt", "sms"])
@pytest.mark.parametrize(
    ("answer", "becomes"), [("succeeded", "issued"), ("refused", "refused"), ("resend", "waiting")]
)
def test_a_parked_follow_up_is_settled_and_its_payment_and_its_sibling_stay(
    database: Database, connection: Connection, kind: str, answer: str, becomes: str
) -> None:
    number = add_payment(connection, "p1", State.SUCCEEDED, receipt=True, sms=True)
    connection.execute("UPDATE follow_ups SET state = 'parked', due_at = NULL WHERE payment_id = %s", (number,))
    before = _row(connection, number)
    resolve_follow_up(database, "shop", "p1", kind, answer, reason="r", by="b")
    told = 0 if becomes == "waiting" else 1  # a follow-up's event is numbered with its payment's
    assert _row(connection, number) == {**before, "event_seq": before["event_seq"] + told}
    rows = connection.execute("SELECT kind, state FROM follow_ups WHERE payment_id = %s", (number,)).fetchall()
    sibling = "sms" if kind == "receipt" else "receipt"
    assert {row["kind"]: row["state"] for row in rows} == {kind: becomes, sibling: "parked"}
    kept = connection.execute("SELECT action FROM resolutions WHERE payment_id = %s", (number,)).fetchall()
    assert kept == [{"action": f"{kind}_{becomes}"}]


@pytest.mark.parametrize("kind", ["receipt", "sms"])
@pytest.mark.parametrize("there", [True, False])
def test_settling_a_follow_up_that_is_not_parked_changes_nothing(
    database: Database, connection: Connection, kind: str, there: bool
) -> None:
    number = add_payment(connection, "p1", State.SUCCEEDED, receipt=there, sms=there)
    before = everything(connection, number)
    with pytest.raises(Unresolvable, match="is waiting" if there else "does not exist"):
        resolve_follow_up(database, "shop", "p1", kind, "succeeded", reason="r", by="b")
    assert everything(connection, number) == before


def test_a_payment_that_does_not_exist_is_said_so(database: Database) -> None:
    for verb in (
        partial(decide, database, "nobody", "refused", ABSENT),
        partial(cancel, database, "shop", "nobody"),
    ):
        with pytest.raises(Unresolvable, match="there is no payment shop/nobody"):
            verb(reason="r", by="b")


@pytest.mark.parametrize(("answer", "reason", "by"), [("maybe", "r", "b"), ("refused", " ", "b"), ("refused", "r", "")])
def test_a_decision_without_an_answer_a_reason_or_a_name_is_no_decision(
    database: Database, connection: Connection, answer: str, reason: str, by: str
) -> None:
    number = add_payment(connection, "p1", State.PARKED)
    before = everything(connection, number)
    with pytest.raises(ValueError, match="must"):
        decide(database, "p1", answer, ABSENT, reason=reason, by=by)
    assert everything(connection, number) == before
