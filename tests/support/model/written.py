"""Abstract payments as rows of the database, the real verb for each event, and what became of the rows."""

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from shared.database.engine import Connection
from shared.domain.answers import Answer, CheckResult, Meaning, Verdict
from shared.domain.payment import FINAL, Operation, State
from shared.payments import lost_time
from shared.payments.check import check
from shared.payments.look import Unresolvable, look
from shared.payments.resolve import cancel, resolve
from shared.payments.send import deliver
from shared.payments.store import dispatch as dispatch_store
from shared.payments.store import lost_time as lost_time_store
from shared.payments.store import send as send_store
from shared.payments.store.lost_time import Window
from shared.payments.store.send import Claim
from shared.providers.base import Auth, LoginBusy
from shared.runtime import boot_time_s
from tests.support.flow import ABSENT, APPLIED, UNCLEAR, World
from tests.support.model.abstract import Abstract, End, Event
from tests.support.model.calls import Died

# The scripted provider whose rule it is.
PROVIDERS = {
    (True, False): ("safe", Operation.SETTLE),
    (False, False): ("careful", Operation.SETTLE),
    (False, True): ("careful", Operation.REFUND),
}
DEAD_KEY = 1
_DUE = (State.ACCEPTED, State.DISPATCHED, State.SENDING, State.WAITING, State.UNKNOWN)
_ENDS: Mapping[End, tuple[str | None, bool]] = {
    End.LIVE: (None, False),
    End.DEAD: (None, False),
    End.NOT_SENT: ("not_sent", False),
    End.REAUTH: ("reauth", False),
    End.REFUSED: ("refused", True),
    End.NO: ("check", True),
    End.DOUBT: ("check", False),
    End.SUCCEEDED: ("succeeded", False),
}
UNREAD = CheckResult(Verdict.INCONCLUSIVE, "the books could not be read", provider_down=True, unread=True)
MUDDLED = CheckResult(Verdict.INCONCLUSIVE, "the books contradict us", for_person=True)
_SHOWN = '{"verdict": "inconclusive", "unread": false, "doubts": ["can\'t be told"], "lines": [], "left_out": 0}'
# What a person was shown who insists now.
_LOOKED = json.dumps(json.loads(_SHOWN) | {"doubts": ["can't be told", lost_time._REFUND, lost_time._DRAWN]})
_LOST = """
INSERT INTO attempts (payment_id, number, started_at, lease_until, worker_key, kind, facts)
SELECT id, 0, clock() - interval '1 day', clock() - interval '1 day', 0, 'lost_time', json_build_object(
    'since', clock() - interval '2 days', 'opened_at', clock() - interval '2 days', 'frozen', NOT drawn, 'drawn', drawn)
FROM (VALUES (%s::bigint, %s::boolean)) AS t(id, drawn)
"""

_PAYMENT = """
INSERT INTO payments (id, source, intent_id, provider, operation, amount_minor, currency, places, paid_at, target,
    refund_of, state, hold_reason, attempts, checks, in_doubt, possibly_sent, check_due, resend_asked, due_at,
    resend_safe, reads_first, sent_reference, path, body, body_sha256, baseline, finished_at)
VALUES (%(id)s, 'shop', %(id)s::text, %(provider)s, %(operation)s, 100, 'MNT', 2, clock(), '{}', %(refund_of)s,
    %(state)s, %(hold)s, %(attempts)s, 0, %(in_doubt)s, %(possibly_sent)s, %(check_due)s, %(asked)s,
    CASE WHEN %(due)s THEN clock() + interval '600 s' END, %(resend_safe)s, %(reads_first)s,
    %(id)s::text, '/', '\\x00', sha256('\\x00'), CASE WHEN %(baseline)s THEN '{}'::jsonb END,
    CASE WHEN %(final)s THEN clock() END)
"""
_ATTEMPT = """
INSERT INTO attempts (payment_id, number, started_at, lease_until, ended_at, worker_key, body_sha256, meaning, kind,
    refusal)
VALUES (%(id)s, %(number)s, clock() - interval '1 day', clock() - interval '1 day',
    CASE WHEN %(ended)s THEN clock() - interval '1 day' END, %(key)s, sha256('\\x00'), %(meaning)s, %(kind)s,
    %(refusal)s)
"""


def provider_of(payment: Abstract) -> tuple[str, Operation]:
    return PROVIDERS[payment.resend_safe, payment.reads_first]


def write(world: World, cases: Sequence[tuple[int, Abstract, Event]]) -> None:
    """Each of these payments as a row, with its attempts; by id."""
    key = world.runtime.worker_key
    payments, attempts = [], []
    covered: list[tuple[int, str]] = []
    looked: list[tuple[int, str]] = []
    lost = [(payment_id, _drawn(payment)) for payment_id, payment, _ in cases if payment.lost]
    for payment_id, payment, event in cases:
        provider, operation = provider_of(payment)
        final = payment.state in FINAL
        payments.append(
            {
                "id": payment_id,
                "provider": provider,
                "operation": operation.value,
                "refund_of": "x" if operation is Operation.REFUND else None,
                "state": payment.state.value,
                "hold": "no_account" if payment.held else None,
                "attempts": len(payment.attempts),
                "in_doubt": payment.in_doubt,
                "possibly_sent": payment.possibly_sent,
                "check_due": payment.check_due,
                "asked": payment.asked,
                "due": payment.state in _DUE and not payment.held,
                "resend_safe": payment.resend_safe,
                "reads_first": payment.reads_first,
                "baseline": payment.baseline,
                "final": final,
            }
        )
        for number, attempt in enumerate(payment.attempts, 1):
            meaning, refusal = _ENDS[attempt.end]
            attempts.append(
                {
                    "id": payment_id,
                    "number": number,
                    "ended": meaning is not None,
                    "key": DEAD_KEY if attempt.end is End.DEAD else key,
                    "meaning": meaning,
                    "refusal": refusal,
                    "kind": "before" if attempt.before else "made up",
                }
            )
        if payment.covered:
            covered.append((payment_id, _SHOWN))
        # A person who insists now was shown the same before.
        if event.what.startswith("person_insists"):
            looked.append((payment_id, _LOOKED))
    with world.connection.transaction(), world.connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payments DISABLE TRIGGER USER")
        cursor.executemany(_PAYMENT, payments)
        cursor.executemany(_ATTEMPT, attempts)
        cursor.executemany(_LOST, lost)
        cursor.execute("UPDATE attempts SET started_at = clock() - interval '3 days' WHERE kind = 'before'")
        cursor.executemany(
            """INSERT INTO resolutions (payment_id, action, from_state, reason, by_whom, although, look)
            VALUES (%s, %s, 'parked', 'x', 'Ann', %s, %s::jsonb)""",
            [(payment_id, "resend", "x", look) for payment_id, look in covered]
            + [(payment_id, "look", None, look) for payment_id, look in looked],
        )
        cursor.executemany(
            "INSERT INTO intent_keys VALUES ('shop', %s, sha256('\\x00'), %s)", [(str(c[0]), c[0]) for c in cases]
        )
        cursor.execute("ALTER TABLE payments ENABLE TRIGGER USER")
    world.execute("ANALYZE payments, attempts")


def _drawn(payment: Abstract) -> bool:
    """A refund is a person's in any case."""
    return payment.persons and not payment.reads_first


def befall(world: World, cases: Sequence[tuple[int, Abstract, Event]]) -> None:
    """Let each payment's event happen, by the product's own code."""
    dispatcher: Mapping[str, Callable[[Connection, str], object]] = {
        "dispatch": lambda connection, provider: dispatch_store.claim_due(connection, provider, 10**6, 600.0),
        "lease_lost": lambda connection, provider: dispatch_store.recover(connection, provider, 2.0, 600.0, 10**6),
        "park_overdue": lambda connection, provider: dispatch_store.park_overdue(connection, provider, 10**6),
    }
    for what, look_at in dispatcher.items():
        ids = [payment_id for payment_id, _, event in cases if event.what == what]
        overdue = "deadline = '2020-01-01'," if what == "park_overdue" else ""
        world.execute(f"UPDATE payments SET {overdue} due_at = due_at - interval '700 s' WHERE id = ANY(%s)", ids)
        with world.runtime.database.connection() as connection:
            for provider in ("safe", "careful"):
                look_at(connection, provider)
        world.execute("UPDATE payments SET due_at = clock() + interval '600 s' WHERE due_at <= clock()")
    for payment_id, payment, event in cases:
        if event.what in VERBS:
            VERBS[event.what](world, payment_id, payment, event)
    ended = [payment_id for payment_id, _, event in cases if event.what == "die"]
    world.execute(
        "UPDATE attempts SET worker_key = %s WHERE payment_id = ANY(%s) AND ended_at IS NULL", DEAD_KEY, ended
    )


def _claim(world: World, payment_id: int, _payment: Abstract, _event: Event) -> None:
    with world.runtime.database.connection() as connection:
        runtime = world.runtime
        send_store.claim(connection, payment_id, runtime.worker_key, runtime.limits, seen=runtime.seen)


def _baseline(world: World, payment_id: int, payment: Abstract, _event: Event) -> None:
    if payment.reads_first and payment.attempts and payment.newest.end is End.LIVE:
        with world.runtime.database.connection() as connection:
            send_store.save_baseline(connection, _claimed(world, payment_id, payment, len(payment.attempts)), {}, 600.0)


def _claimed(world: World, payment_id: int, payment: Abstract, number: int) -> Claim:
    """What the worker of that attempt has had since it claimed it."""
    attempt = payment.attempts[number - 1]
    with world.runtime.database.connection() as connection:
        row = replace(send_store.current(connection, payment_id), in_doubt=attempt.in_doubt)
    return Claim(row, number, payment.resend_safe, None, attempt.asked)


def _outcome(world: World, payment_id: int, payment: Abstract, event: Event) -> None:
    assert event.meaning is not None
    provider = world.providers[provider_of(payment)[0]]
    if event.sent:
        status = 401 if event.meaning is Meaning.REAUTH else None
        provider.answers.append(Answer("made up", event.meaning, status, refusal=event.no))
    else:
        provider.auths.append(LoginBusy("made up"))
    deliver(world.runtime, _claimed(world, payment_id, payment, event.attempt + 1), boot_time_s())
    if event.meaning is Meaning.HALT:
        world.execute("UPDATE lanes SET halted_at = NULL, halted_reason = NULL")


def _checking(*found: CheckResult) -> "Verb":
    def checks(world: World, payment_id: int, payment: Abstract, _event: Event) -> None:
        provider = world.providers[provider_of(payment)[0]]
        provider.verdicts.extend(found)
        provider.auths.extend([Auth(), Died()])  # whoever claims a resend comes no further
        with contextlib.suppress(Died):
            check(world.runtime, payment_id)
        provider.verdicts.clear()
        provider.auths.clear()

    return checks


def _deciding(answer: str, found: CheckResult, although: str | None = None) -> "Verb":
    def decides(world: World, payment_id: int, payment: Abstract, _event: Event) -> None:
        provider = world.providers[provider_of(payment)[0]]
        provider.verdicts.append(found)
        with contextlib.suppress(Unresolvable):
            looked = look(world.runtime, "shop", str(payment_id))
            resolve(world.runtime, looked, answer, reason="made up", by="Ann", although=although)
        provider.verdicts.clear()

    return decides


def _lose_time(world: World, payment_id: int, _payment: Abstract, _event: Event) -> None:
    with world.runtime.database.connection() as connection:
        now = world.value("SELECT clock() AS now")
        lost_time_store.doubt(connection, [payment_id], Window(now, now, now), frozen=True)


def _cancel(world: World, payment_id: int, _payment: Abstract, _event: Event) -> None:
    with contextlib.suppress(Unresolvable):
        cancel(world.runtime.database, "shop", str(payment_id), reason="made up", by="Ann")


Verb = Callable[[World, int, Abstract, Event], None]
VERBS: Mapping[str, Verb] = {
    "claim": _claim,
    "baseline": _baseline,
    "outcome": _outcome,
    "cancel": _cancel,
    "lose_time": _lose_time,
    "check_applied": _checking(APPLIED),
    "check_absent": _checking(ABSENT),
    "check_unclear": _checking(UNCLEAR),
    "check_unread": _checking(UNREAD),
    "check_given_up": _checking(MUDDLED),
    "person_succeeded": _deciding("succeeded", UNCLEAR),
    "person_refused": _deciding("refused", ABSENT),
    "person_insists_refused": _deciding("refused", UNCLEAR, "made up"),
    "person_resend": _deciding("resend", UNREAD),
    "person_insists_resend": _deciding("resend", UNCLEAR, "made up"),
}
WRITTEN = {*VERBS, "dispatch", "lease_lost", "park_overdue"}  # what the database is asked about


def read(world: World) -> dict[int, tuple[Any, ...]]:
    """What became of each payment; comparable with `told`."""
    found = world.rows(
        """SELECT p.id, p.state, p.hold_reason IS NOT NULL AS held, p.in_doubt, p.possibly_sent, p.check_due,
            p.resend_asked, p.baseline IS NOT NULL AS kept, array(
                SELECT CASE WHEN a.ended_at IS NULL THEN CASE WHEN a.worker_key = %s THEN 'dead' ELSE 'live' END
                    WHEN a.meaning IN ('resend', 'check', 'halt') THEN CASE WHEN a.refusal THEN 'no' ELSE 'doubt' END
                    ELSE a.meaning END
                FROM attempts a WHERE a.payment_id = p.id AND a.number > 0 ORDER BY a.number) AS ends,
            z.payment_id IS NOT NULL AS lost, coalesce(z.facts ->> 'drawn', 'false') = 'true' AS drawn
        FROM payments p LEFT JOIN attempts z ON z.payment_id = p.id AND z.number = 0""",
        DEAD_KEY,
    )
    return {row["id"]: tuple(row.values())[1:] for row in found}


def told(payment: Abstract) -> tuple[Any, ...]:
    """A payment of the model, in the same form."""
    p = payment
    flags = (p.held, p.in_doubt, p.possibly_sent, p.check_due, p.asked, p.baseline)
    return (p.state.value, *flags, [one.end.value for one in p.attempts], p.lost, _drawn(p))
