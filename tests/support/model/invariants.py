"""What has to hold after every step, whoever does what: judged by the provider's ledger and by the database's rows."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from shared.domain.payment import TRANSITIONS, Operation, State
from tests.support.flow import World
from tests.support.model.provider import Ledger, dedups

Row = Mapping[str, Any]
TOLD = ("unknown", "parked", "succeeded", "refused", "cancelled")  # the states that upstreams are told of
_AT_PROVIDER = ("dispatched", "sending", "waiting", "unknown", "parked")

# Whatever moves a payment or claims it is written down by the database itself, in the order in which it happened.
WATCHED = """
CREATE TABLE IF NOT EXISTS test_moves (id bigint GENERATED ALWAYS AS IDENTITY, payment_id bigint, was text,
    is_now text);
CREATE TABLE IF NOT EXISTS test_claims (id bigint GENERATED ALWAYS AS IDENTITY, payment_id bigint, number integer,
    allowed boolean);
CREATE OR REPLACE FUNCTION test_moved() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO test_moves (payment_id, was, is_now) VALUES (NEW.id, OLD.state, NEW.state); RETURN NULL; END $$;
CREATE OR REPLACE FUNCTION test_claimed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO test_claims (payment_id, number, allowed)
    SELECT NEW.payment_id, NEW.number,
        l.running OR l.paused_at IS NULL AND coalesce(l.probe_payment_id, 0) = NEW.payment_id
    FROM payments p JOIN lanes l USING (provider) WHERE p.id = NEW.payment_id; RETURN NULL; END $$;
CREATE OR REPLACE TRIGGER test_moved AFTER UPDATE ON payments FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.stream_event IS NOT DISTINCT FROM OLD.stream_event)
    EXECUTE FUNCTION test_moved();
CREATE OR REPLACE TRIGGER test_claimed AFTER INSERT ON attempts FOR EACH ROW WHEN (NEW.number > 0)
    EXECUTE FUNCTION test_claimed();
CREATE TABLE IF NOT EXISTS test_clock (shift interval NOT NULL, held timestamptz);
CREATE OR REPLACE FUNCTION clock() RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT timestamptz '2026-11-22 00:00:00Z' + shift FROM public.test_clock $$
"""


@dataclass
class People:
    """Intents of which people decided what the books did not show: then it is their word, and no fault of the
    pipeline's."""

    said: set[str] = field(default_factory=set)  # succeeded
    wrong: set[str] = field(default_factory=set)  # refused, although it was applied or may still be


@dataclass
class Seen:
    """What the last look at the database found, for what may only grow."""

    numbers: dict[int, tuple[int, int]] = field(default_factory=dict)


_PAYMENTS = """
SELECT p.id, provider, operation, state, hold_reason, due_at, attempts, checks, event_seq, exclusive_key, settle_id,
    amount_minor, source, intent_id, sent_reference, stream_event, encode(body, 'hex') AS body,
    EXISTS (SELECT FROM attempts a WHERE a.payment_id = p.id AND a.number = 0) AS lost,
    EXISTS (SELECT FROM discrepancies d WHERE d.payment_id = p.id) AS disputed,
    array(SELECT is_now FROM test_moves m WHERE m.payment_id = p.id ORDER BY m.id) AS moves,
    array(SELECT was FROM test_moves m WHERE m.payment_id = p.id ORDER BY m.id) AS left_states,
    array(SELECT event_id FROM events e WHERE e.payment_id = p.id ORDER BY e.id) AS event_ids,
    array(SELECT replace(type, 'settlepipe.payment.', '') FROM events e WHERE e.payment_id = p.id
        ORDER BY e.id) AS told,
    array(SELECT number FROM test_claims c WHERE c.payment_id = p.id ORDER BY c.id) AS claims,
    coalesce((SELECT bool_and(allowed) FROM test_claims c WHERE c.payment_id = p.id), true) AS allowed,
    (SELECT extract(epoch FROM min(a.started_at) - '2026-11-22 00:00:00Z')::float8 FROM attempts a
        WHERE a.payment_id = p.id) AS first_sent_s,
    EXISTS (SELECT FROM attempts a WHERE a.payment_id = p.id AND a.number > 0 AND (a.body_sha256 <> p.body_sha256
        OR NOT p.possibly_sent AND p.state <> 'sending' AND (a.ended_at IS NULL OR a.meaning <> 'not_sent'))) AS odd
FROM payments p ORDER BY p.id
"""


def rows(world: World) -> dict[int, Row]:
    """Every payment by its id, with what happened to it."""
    return {row["id"]: row for row in world.rows(_PAYMENTS)}


def must_hold(world: World, ledger: Ledger, people: People, on_the_wire: Set[str], seen: Seen) -> None:
    """on_the_wire: intents of which a request is on its way whose effect is still open. Raises AssertionError."""
    payments = rows(world)
    sent = [pair for provider in world.providers.values() for pair in provider.sent]
    for payment_id, row in payments.items():
        _applied(row, ledger, people, row["intent_id"] in on_the_wire)
        _due(row)
        _moves(row)
        _claims(row, [body for other, body in sent if other == payment_id])
        before, now = seen.numbers.get(payment_id, (0, 0)), (row["attempts"], row["checks"])
        assert now[0] >= before[0], "a fencing token went back"
        assert now[1] >= before[1], "the number of a check went back"
        seen.numbers[payment_id] = now
    _keys(payments)
    _refunds(payments, ledger, people)


def _applied(row: Row, ledger: Ledger, people: People, on_the_wire: bool) -> None:
    payment_id, name, times = row["id"], row["intent_id"], ledger.times(row["intent_id"])
    assert times <= 1 or name in people.wrong, f"payment {payment_id} was applied {times} times"
    if row["state"] == "succeeded":
        assert times or name in people.said, f"payment {payment_id} succeeded and was not applied"
    disputed = row["disputed"] or "disputed" in row["told"]  # what disputes it may itself be lost
    if row["state"] in ("refused", "cancelled") and not disputed and name not in people.wrong:
        open_ = times or on_the_wire or ledger.is_late(name)
        assert not open_, f"payment {payment_id} is {row['state']}, and was applied or may be yet"


def _due(row: Row) -> None:
    waits = row["state"] in ("accepted", "dispatched", "sending", "waiting", "unknown") and row["hold_reason"] is None
    assert waits == (row["due_at"] is not None), f"payment {row['id']} is forgotten: {row['state']}, never due"


def _keys(payments: Mapping[int, Row]) -> None:
    taken = [row["exclusive_key"] for row in payments.values() if row["exclusive_key"] and row["state"] in _AT_PROVIDER]
    assert len(taken) == len(set(taken)), f"two payments with one exclusive key are at the provider: {taken}"


def _refunds(payments: Mapping[int, Row], ledger: Ledger, people: People) -> None:
    held: dict[int, int] = {}
    paid: dict[int, int] = {}
    for row in payments.values():
        if row["settle_id"] is not None and row["intent_id"] not in people.wrong:
            if row["state"] not in ("refused", "cancelled") and not row["lost"]:
                held[row["settle_id"]] = held.get(row["settle_id"], 0) + row["amount_minor"]
            paid[row["settle_id"]] = paid.get(row["settle_id"], 0) + row["amount_minor"] * ledger.times(
                row["intent_id"]
            )
    for settle_id in held | paid:
        most = payments[settle_id]["amount_minor"]
        assert held.get(settle_id, 0) <= most, f"more of settle {settle_id} is to be refunded than it was"
        assert paid.get(settle_id, 0) <= most, f"more of settle {settle_id} was refunded than it was"


def _moves(row: Row) -> None:
    """Every transition is one of the table, and is told in order, with no number left out. What was told in a time that
    the database lost is judged where upstream reads it."""
    for was, is_now in zip(row["left_states"], row["moves"], strict=True):
        assert State(is_now) in TRANSITIONS[State(was)], f"payment {row['id']} went from {was} to {is_now}"
    if row["lost"] or row["stream_event"]:
        return
    wanted = ["accepted", *(state for state in row["moves"] if state in TOLD)]
    told = [kind for kind in row["told"] if kind != "disputed"]
    assert told == wanted, f"of payment {row['id']} {told} is told, and it was {wanted}"
    names = [name.split("-")[-2:] for name in row["event_ids"]]  # without the epoch in front
    assert names == [[str(row["id"]), str(n + 1)] for n in range(row["event_seq"])]


def _claims(row: Row, sent: list[bytes]) -> None:
    """Each claim has the next number, in a lane that lets it through, for the payment's one frozen request."""
    if row["stream_event"]:  # its claims are lost
        return
    assert row["claims"] == list(range(1, row["attempts"] + 1)), "a fencing token was left out, or given twice"
    assert row["allowed"], f"payment {row['id']} was claimed in a lane that stands still"
    assert not row["odd"], f"payment {row['id']} had an attempt with another request, or counts as never sent"
    assert len(sent) <= row["attempts"], f"payment {row['id']} was sent more often than it was claimed"
    assert all(body.hex() == row["body"] for body in sent), f"payment {row['id']} was sent in other bytes"


def is_safe(row: Row) -> bool:
    """May its request be sent again whatever became of an earlier one?"""
    return dedups(row["provider"], Operation(row["operation"]))
