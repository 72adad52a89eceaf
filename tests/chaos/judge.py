"""The invariants. What was applied is what the sandbox's ledger says, and nothing else.

Each function gives sentences, none where all is well. `always` holds at every moment, the others once all is quiet.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from tests.chaos.load import SOURCE
from tests.chaos.moves import FINAL, moves_by_name, told, told_in_part
from tests.chaos.world import Upstream
from tests.support.stack import Row, Stack

LOOK_S = 10.0  # a look into the books is good for a resend for so long
_BOOKS_READ = {"ubill": "account_payments", "mtn": "bill"}
_AT_THE_DOOR = (401, 429)  # such a request was never let in: as far as money goes it was not sent

PAYMENTS = """
SELECT p.id, p.source || '/' || p.intent_id AS name, p.provider, p.operation, p.state, p.hold_reason, p.detail,
    p.exclusive_key, p.possibly_sent, p.due_at IS NULL AS no_due,
    p.due_at - clock() > interval '1 hour' AS far_due, p.target,
    round(p.amount_minor / power(10::numeric, p.places), p.places)::text AS amount, p.currency,
    encode(p.body_sha256, 'hex') AS sha256, p.event_seq, p.stream_event IS NOT NULL AS by_stream,
    -- a refund bears its settle's; of one that only the events stream told of, the bytes are gone
    CASE p.operation WHEN 'refund' THEN coalesce(convert_from(p.body, 'UTF8')::json ->> 'payment_id',
        CASE WHEN p.stream_event IS NOT NULL AND p.attempts > 0 THEN s.sent_reference END, p.sent_reference)
        ELSE p.sent_reference END AS reference, s.id AS settle_id,
    round(s.amount_minor / power(10::numeric, s.places), s.places)::text AS settle_amount,
    (SELECT c.verdict FROM checks c WHERE c.payment_id = p.id ORDER BY c.number DESC LIMIT 1) AS last_verdict
FROM payments p LEFT JOIN intent_keys k ON k.source = p.source AND k.intent_id = p.refund_of
    LEFT JOIN payments s ON s.id = k.payment_id ORDER BY p.id
"""

Key = tuple[str, str, str]


def key_of(row: Mapping[str, Any]) -> Key:
    """What a payment and its lines in the ledger have in common."""
    return row["provider"], row["operation"], row["reference"]


def doubled(ledger: Sequence[Row]) -> list[str]:
    """Whatever else is true: nothing is applied twice."""
    counted = Counter(key_of(line) for line in ledger)
    return [f"{'/'.join(key)} was applied {count} times" for key, count in counted.items() if count > 1]


def standing(stack: Stack) -> list[str]:
    """A database that lost nothing is not taken for one that did."""
    row = stack.query("SELECT held_reason, epoch, (SELECT count(*) FROM lost_times) AS windows FROM store")[0]
    held = [f"the store is held: {row['held_reason']}"] if row["held_reason"] else []
    return held + (["the database is taken for one that lost time"] if row["epoch"] or row["windows"] else [])


def always(payments: Sequence[Row], ledger: Sequence[Row]) -> list[str]:
    """payments: as they were before the ledger was read."""
    lines = {key_of(line): line for line in ledger}
    found = []
    for row in payments:
        state, applied = row["state"], lines.get(key_of(row))
        said = f"{row['name']} ({row['provider']} {row['operation']}) is {state}"
        if state == "succeeded" and not applied:
            found.append(f"{said}, and was not applied")
        if state in ("refused", "cancelled") and applied:
            found.append(f"{said}, and was applied")
        if applied and (applied["amount"], applied["currency"]) != (row["amount"], row["currency"]):
            found.append(f"{said} with {row['amount']} {row['currency']}, and was applied with {applied['amount']}")
        if applied and state == "parked" and not row["possibly_sent"]:
            found.append(f"{said} as never sent, and was applied")
        if state == "parked" and row["last_verdict"] == "applied":
            found.append(f"{said}, though its last look saw it applied")
        if state not in FINAL and state != "parked" and row["no_due"] and row["hold_reason"] is None:
            found.append(f"{said}, and is due at no time")
        if row["far_due"]:
            found.append(f"{said}, and is due in more than an hour")
    return found


def strangers(payments: Sequence[Row], ledger: Sequence[Row]) -> list[str]:
    """ledger: as it was before the payments were read."""
    ours = {key_of(row) for row in payments}
    return [f"{'/'.join(key_of(line))} was applied, and is no payment" for line in ledger if key_of(line) not in ours]


def sums(payments: Sequence[Row], ledger: Sequence[Row]) -> list[str]:
    """What the ledger adds up to is what we know as succeeded, and what may have been applied and is applied. Of two
    refunds that bear one settle's reference, one line is one."""
    theirs, ours = defaultdict[tuple[str, str], Decimal](Decimal), defaultdict[tuple[str, str], Decimal](Decimal)
    for line in ledger:
        theirs[line["provider"], line["operation"]] += Decimal(line["amount"])
    succeeded = [row for row in payments if row["state"] == "succeeded"]
    left = {key_of(line) for line in ledger} - {key_of(row) for row in succeeded}
    may_be = {key_of(row): row for row in payments if row["state"] not in FINAL and key_of(row) in left}
    for row in [*succeeded, *may_be.values()]:
        ours[row["provider"], row["operation"]] += Decimal(row["amount"])
    keys = theirs.keys() | ours.keys()
    return [f"{'/'.join(key)}: applied {theirs[key]}, known {ours[key]}" for key in keys if theirs[key] != ours[key]]


def refunds(payments: Sequence[Row], ledger: Sequence[Row]) -> list[str]:
    """No settle was given back more than once in all, by the ledger's own amounts."""
    of = {key_of(row): row for row in payments if row["operation"] == "refund" and row["settle_id"] is not None}
    given_back, settled = defaultdict[int, Decimal](Decimal), dict[int, Decimal]()
    for line in ledger:
        row = of.get(key_of(line))
        if row is not None:
            given_back[row["settle_id"]] += Decimal(line["amount"])
            settled[row["settle_id"]] = Decimal(row["settle_amount"])
    too_much = [settle for settle, amount in given_back.items() if amount > settled[settle]]
    return [f"of settle {settle} more was refunded than was paid" for settle in too_much]


def owing(stack: Stack) -> list[str]:
    """No living process owes an attempt's end: an outcome that can't be written is tried until it is."""
    rows = stack.query(
        "SELECT payment_id, number FROM attempts WHERE ended_at IS NULL AND worker_alive(worker_key) ORDER BY 1, 2"
    )
    return [f"attempt {row['number']} of payment {row['payment_id']} has no end, and its process lives" for row in rows]


def places(payments: Sequence[Row], quarantined: Iterable[str], upstream: Upstream) -> list[str]:
    """Each intent is in exactly one place: a payment, or quarantine where it can't be accepted."""
    counted, aside = Counter(row["name"] for row in payments), set(quarantined)
    found = [f"{name} is {count} payments" for name, count in counted.items() if count > 1]
    bad = {f"{SOURCE}/{intent_id}" for intent_id in upstream.bad}
    found += [f"{name} is in quarantine, and could be accepted" for name in sorted(aside - bad)]
    for intent_id in upstream.sent:
        name = f"{SOURCE}/{intent_id}"
        there = (counted[name] > 0, name in aside)
        if there != (intent_id not in upstream.bad, intent_id in upstream.bad):
            found.append(f"{name} is a payment: {there[0]}; it is in quarantine: {there[1]}")
    return found


def same_bytes(payments: Sequence[Row], asked: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """Whatever was sent for a payment, however often, was its one stored request."""
    found = []
    for row in payments:
        seen = asked.get(row["reference"], {}).get(row["operation"])
        told = row["sha256"] is None and row["by_stream"]  # that it was sent is known of the events stream alone
        if seen is not None and seen["sha256"] != [row["sha256"]] and not (told and len(seen["sha256"]) == 1):
            found.append(f"{row['name']} was sent as {len(seen['sha256'])} requests, or as another than it has")
    return found


def looks(payments: Sequence[Row], requests: Sequence[Row]) -> list[str]:
    """Where no promise makes a resend safe, the account was read between two sends, at most LOOK_S before it."""
    found = []
    for provider, operation in _BOOKS_READ.items():
        reads: dict[str, list[Row]] = {}
        sends: dict[str, list[Row]] = {}
        for one in requests:
            if one["provider"] == provider and one["operation"] == operation:
                reads.setdefault(one["path"].rpartition("/")[2].partition("?")[0], []).append(one)
            elif one["provider"] == provider and one["operation"] == "settle" and one["status"] not in _AT_THE_DOOR:
                sends.setdefault(one["reference"], []).append(one)
        for row in payments:
            ours = sends.get(row["reference"], []) if row["provider"] == provider else []
            account = str(row["target"].get("account_id") or row["target"].get("id"))
            for one, again in pairwise(ours):
                between = [r for r in reads.get(account, []) if one["number"] < r["number"] < again["number"]]
                if not between:
                    found.append(f"{row['name']} ({provider}) was sent again and nobody had looked")
                elif (age_s := _seconds(between[-1]["at"], again["at"])) > LOOK_S:
                    found.append(f"{row['name']} ({provider}) was sent again on a look of {age_s:.1f} s before")
    return found


def _seconds(one: str, other: str) -> float:
    return (datetime.fromisoformat(other) - datetime.fromisoformat(one)).total_seconds()


def events(noted: Sequence[Row], stream: Sequence[Row], *, lost_time: bool = False) -> list[str]:
    """Each payment's events are all on the stream, in order; one that is repeated is the same. noted: the moves.

    lost_time: the stream knows more than the database, which forgot what it told. What it knows it has told, and
    nothing contradicts an end that upstream was told of.
    """
    seen: dict[str, dict[str, Row]] = {}
    found = []
    for event in stream:
        if event["type"].startswith("settlepipe.payment."):
            first = seen.setdefault(event["subject"], {}).setdefault(event["id"], event)  # in order of first appearance
            if first != event:
                found.append(f"{event['subject']}: two events are called {event['id']}")
    for name, moved in moves_by_name(noted).items():
        there = [event for event in seen.get(name, {}).values() if event["type"] != "settlepipe.payment.disputed"]
        types = [event["type"].rpartition(".")[2] for event in there]
        if not (told_in_part if lost_time else told)(moved, types):
            found.append(f"{name}: was {', '.join(move['to_state'] for move in moved)}; the stream tells {types}")
        numbers = [_place(event["id"]) for event in seen.get(name, {}).values()]
        if numbers != sorted(numbers):
            found.append(f"{name}: its events stand in the order {numbers}")
    return found


def _place(event_id: str) -> tuple[int, int]:
    """The epoch of the store, 0 where none is named, and the event's number in its payment."""
    *epoch, _, number = event_id.split("-")
    return int(epoch[0]) if epoch else 0, int(number)


def disputed(stack: Stack) -> list[str]:
    """No final state is contradicted by late evidence: nothing here changes the books behind our back."""
    rows = stack.query("SELECT category, evidence::text AS evidence FROM discrepancies")
    return [f"a discrepancy: {row['category']} {row['evidence'][:200]}" for row in rows]


def open_ones(payments: Sequence[Row]) -> list[Row]:
    """Payments that are neither final nor parked, nor held behind one that is, or behind one that is held so."""
    stand = {row["id"] for row in payments if row["state"] == "parked"}
    left = [row for row in payments if row["state"] not in FINAL and row["id"] not in stand]
    while True:
        keys = {row["exclusive_key"] for row in payments if row["id"] in stand}
        held = [
            row
            for row in left
            if (row["hold_reason"] == "settle_pending" and row["settle_id"] in stand)
            or (row["hold_reason"] == "invoice_busy" and row["exclusive_key"] in keys)
        ]
        if not held:
            return left
        stand |= {row["id"] for row in held}
        left = [row for row in left if row["id"] not in stand]


def stuck(payments: Sequence[Row]) -> list[str]:
    """What is still open when nothing should be."""
    return [
        f"{row['name']} ({row['provider']}) is still {row['state']}: {row['hold_reason'] or row['detail']}"
        for row in open_ones(payments)
    ]
