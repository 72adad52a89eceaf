"""Discrepancies: where a provider's books and ours differ, who sees to it, and how each was explained."""

import contextlib
from collections.abc import Mapping
from datetime import date
from typing import Any

from shared.discrepancies import figures
from shared.domain.discrepancies import ClosingCode
from shared.domain.money import format_amount
from shared.reconciliation import discrepancies, views
from worker.web.rooms.answers import Answer, Asked, Go, Html, Refused
from worker.web.rooms.drawing import masked, sees

_ROWS = 50
_FURTHEST = 100_000


def page(asked: Asked) -> Answer:
    """A page of them, the oldest first."""
    skip = asked.whole("skip", 6) or 0
    which = asked.query.get("which", "open")
    with asked.read() as connection:
        rows = views.listed_page(
            connection,
            everything=which == "all",
            provider=asked.query.get("provider") or None,
            owner=asked.who.name if which == "mine" else None,
            skip=min(skip, _FURTHEST),
            limit=_ROWS + 1,
        )
    given: dict[str, Any] = {"rows": [_shown(row, sees(asked.session)) for row in rows[:_ROWS]], "which": which}
    given |= {"following": skip + _ROWS if len(rows) > _ROWS else None, "provider": asked.query.get("provider", "")}
    return Html("discrepancies.html", {**given, "here": "discrepancies"})


def one(asked: Asked) -> Answer:
    """One: its figures, the evidence, and what was said about it."""
    with asked.read() as connection:
        found = views.one(connection, asked.number("number"))
    if found is None:
        raise Refused(asked.say("There is no such discrepancy."), 404)
    plain = sees(asked.session)
    given = {"row": _shown(found, plain), "codes": list(ClosingCode), "here": "discrepancies"}
    return Html("discrepancy.html", {**given, "evidence": found["evidence"] if plain else masked(found["evidence"])})


def close(asked: Asked) -> Answer:
    """Close one that is explained, with the figures that the page showed."""
    code = asked.text("code", 20)
    if code not in list(ClosingCode):
        raise Refused(asked.say("There is no such kind of discrepancy; nothing was changed."), 422)
    given = {"reason": asked.text("reason"), "by": asked.who.name, "shown": asked.text("shown", 50)}
    discrepancies.close(asked.once(), asked.number("number"), **given, code=ClosingCode(code))
    return _go(asked, "closed")


def reopen(asked: Asked) -> Answer:
    """Open one again that is closed."""
    discrepancies.reopen(asked.once(), asked.number("number"), reason=asked.text("reason"), by=asked.who.name)
    return _go(asked, "reopened")


def assign(asked: Asked) -> Answer:
    """Put somebody in charge of one, until a day."""
    due = asked.text("due", 10)
    try:
        until = date.fromisoformat(due) if due else None
    except ValueError:
        said = asked.say("The day by which it is due is written like 2026-12-05; nothing was changed.")
        raise Refused(said, 422) from None
    given: dict[str, Any] = {"owner": asked.text("owner"), "due": until, "reason": asked.text("reason") or None}
    discrepancies.assign(asked.once(), asked.number("number"), **given, by=asked.who.name)
    return _go(asked, "assigned")


def comment(asked: Asked) -> Answer:
    """Say something about one; it is kept for ever."""
    discrepancies.comment(asked.once(), asked.number("number"), text=asked.text("reason"), by=asked.who.name)
    return _go(asked, "commented")


def _go(asked: Asked, said: str) -> Answer:
    return Go(f"/discrepancies/{asked.number('number')}?said={said}")


def _shown(row: Mapping[str, Any], plain: bool) -> Mapping[str, Any]:
    money = {f"{side}_amount": _amount(row[f"{side}_minor"], row["currency"]) for side in ("local", "provider")}
    account = row["account"] if plain or row["account"] is None else masked(row["account"])
    return {**row, **money, "figures": figures(row), "account": account, "notes": list(reversed(row["notes"]))}


def _amount(minor: int | None, currency: str | None) -> str | None:
    if minor is None or currency is None:
        return None
    with contextlib.suppress(ValueError):
        return format_amount(int(minor), currency)
    return f"{minor}"  # minor units, of a currency that no standard knows
