"""Evidence for people: pairs of a name and a text. The texts may be the provider's."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from shared.reconciliation.report.figures import Reader
from shared.reconciliation.report.words import EVIDENCE, SAYS, here
from shared.reconciliation.store.reports import Shown

LENGTH = 300  # characters of one text
ITEMS = 8  # of a list
_OURS = ("says", "state", "operation", "kind")  # their values are words of ours
_PLAIN = ("line", "invoice", "payment")  # parts whose names say nothing that their pieces don't


def pairs(row: Shown, reader: Reader) -> list[tuple[str, str]]:
    """What there is to know beyond the columns of a row: what stands in one of them is left out."""
    told: set[tuple[str, Any]] = {("account", row.account), ("marker", row.sent_reference), ("kind", "payment")}
    told |= {
        ("sent_reference", row.sent_reference),
        ("state", row.state),
        ("operation", row.operation),
        ("currency", row.currency),
    }
    told |= {("amount_minor", row.provider_minor), ("amount_minor", row.local_minor)}
    if row.payment:
        told |= set(zip(("source", "intent_id"), row.payment.split("/", 1), strict=False))
        told |= {("amount_minor", sign * (row.amount_minor or 0)) for sign in (1, -1)}
    return list(_pairs(row.evidence, told, row.currency, reader))


def totals(row: Shown) -> tuple[int, int] | None:
    """Of an invoice's difference: what ours on it come to, and what it was paid there, in all; None of any other."""
    invoice = row.evidence.get("invoice")
    if row.payment or not invoice:
        return None
    return int(invoice["net_minor"]), int(invoice["amount_paid_minor"])


def _pairs(
    part: Mapping[str, Any], told: set[tuple[str, Any]], currency: str | None, reader: Reader
) -> Iterator[tuple[str, str]]:
    currency = part.get("currency", currency)
    for key, value in part.items():
        name = reader.say(EVIDENCE.get(key, key.removesuffix("_minor").replace("_", " ")))
        if isinstance(value, Mapping):
            before = "" if key in _PLAIN else f"{name}: "
            yield from ((before + inner, text) for inner, text in _pairs(value, told, currency, reader))
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield from ((name, _item(item, currency, reader)) for item in value[:ITEMS])
            if len(value) > ITEMS:
                yield name, reader.many("and %(count)s more", "and %(count)s more", len(value) - ITEMS)
        elif value is not None and value != "" and (key, value) not in told:
            yield name, _text(key, value, currency, reader)


def _item(item: Any, currency: str | None, reader: Reader) -> str:
    """One of a list. A payment is told by its name, its state and its amount."""
    if isinstance(item, Mapping) and {"source", "intent_id", "state", "amount_minor"} <= item.keys():
        money = _text("amount_minor", item["amount_minor"], currency, reader)
        return f"{item['source']}/{item['intent_id']} ({reader.say(here(str(item['state'])))}, {money})"
    return _text("", item, currency, reader)


def _text(key: str, value: Any, currency: str | None, reader: Reader) -> str:
    if isinstance(value, bool):
        value = "yes" if value else "no"
        return reader.say(value)
    if isinstance(value, int):
        with suppress(ValueError):  # a currency that nobody knows is no reason to have no report
            return reader.money(value, currency) if key.endswith("_minor") and currency else reader.count(value)
        return reader.count(value)
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False)
    if key in _OURS:
        said = SAYS.get(value, value) if key == "says" else value
        value = reader.say(said)
    return _time(value, reader) or (value if len(value) <= LENGTH else value[:LENGTH] + "…")


def _time(text: str, reader: Reader) -> str | None:
    """A moment in the reader's words, where the text is one."""
    try:
        at = datetime.fromisoformat(text) if len(text) >= len("2026-11-21T03:24Z") else None
    except ValueError:
        return None
    return reader.moment(at) if at is not None and at.tzinfo is not None else None
