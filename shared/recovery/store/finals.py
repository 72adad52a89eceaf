"""What the events stream told becomes ours again: final payments, their events, what followed them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.database.engine import Connection
from shared.database.statements import statements
from shared.domain.money import parse_amount, places
from shared.messaging.told import Told

_SQL = statements(__file__)


@dataclass(frozen=True, slots=True)
class Found:
    """The payment that has an intent's id here. state and reference: None where it was never told to be one."""

    id: int
    state: str | None
    reference: str | None


def find(connection: Connection, source: str, intent_id: str) -> Found | None:
    """The payment of this intent, also in the archive."""
    row = connection.execute(_SQL["find"], {"source": source, "intent_id": intent_id}).fetchone()
    return None if row is None else Found(row["payment_id"], row["state"], row["sent_reference"])


def end(connection: Connection, payment_id: int, told: Told, settle_id: int | None) -> bool:
    """A payment that was open ends as upstream was told. False where it is final, or in the archive. settle_id: of a
    refund, the settle that it names, where that is here."""
    given = _end(told) | {"id": payment_id, "settle_id": settle_id}
    return connection.execute(_SQL["end"], given).fetchone() is not None


def insert(connection: Connection, told: Told, settle_id: int | None) -> int:
    """A payment that is not here, as upstream was told of its end; its id: the one that it had, where that is free.
    settle_id: as in `end`."""
    row = told.fields
    given = _end(told) | {
        "id": told.payment_id,
        "settle_id": settle_id,
        **{name: row[name] for name in ("source", "intent_id", "provider", "operation", "currency", "refund_of")},
        "amount_minor": parse_amount(row["amount"], row["currency"]),
        "places": places(row["currency"]),
        "paid_at": datetime.fromisoformat(row["paid_at"]),
        "created_at": datetime.fromisoformat(row["created_at"]),
        "sent_reference": row["sent_reference"],
    }
    inserted = connection.execute(_SQL["insert"], given).fetchone()
    assert inserted is not None  # noqa: S101 - the caller found no such key, and holds the store
    return int(inserted["id"])


def keep_events(connection: Connection, payment_id: int, told: Sequence[Told]) -> None:
    """Events that upstream has, to the byte, so that they can be given again."""
    given = {
        "id": payment_id,
        "event_id": [one.event_id for one in told],
        "type": [one.type for one in told],
        "subject": [one.subject for one in told],
        "data": [one.data for one in told],
        "at": [one.at for one in told],
    }
    kept = connection.execute(_SQL["event"], given).fetchall()
    connection.execute(_SQL["told"], {"ids": [row["id"] for row in kept]})
    number = max(one.number or 0 for one in told)
    connection.execute(_SQL["numbered"], {"id": payment_id, "event_seq": number})


def keep_follow_up(connection: Connection, payment_id: int, provider: str, told: Told) -> None:
    """A receipt or a message as upstream was told of it."""
    _, kind, said = told.type.split(".")
    delivery = said if said in ("delivered", "undelivered") else None
    fields: dict[str, Any] = {
        "id": payment_id,
        "kind": kind,
        "provider": provider,
        "state": said if said in ("refused", "parked") else "issued",
        "detail": told.fields.get("detail"),
        "answer": None,
        "at": None if said == "parked" else told.at,
        "delivery": delivery,
    }
    connection.execute(_SQL["follow_up"], fields)


def keep_lost(connection: Connection, source: str, intent_id: str, epoch: int, told: Told) -> None:
    """Remember a payment that is not here, as it was told last."""
    given = {"source": source, "intent_id": intent_id, "epoch": epoch, "told": told.data}
    connection.execute(_SQL["keep"], given)


def _end(told: Told) -> dict[str, Any]:
    row = told.fields
    finished_at = row["finished_at"]
    return {
        "state": row["state"],
        "attempts": row["attempts"],
        "event_id": told.event_id,
        "event_seq": told.number,
        "detail": row["detail"],
        "code": row.get("code"),
        "provider_reference": row["provider_reference"],
        "finished_at": datetime.fromisoformat(finished_at) if finished_at else told.at,
    }
