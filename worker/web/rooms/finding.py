"""Search: by whatever somebody has of a payment; without a word the newest payments, page by page."""

from collections.abc import Mapping
from typing import Any

from shared.domain.payment import State
from shared.payments import search
from worker.web.rooms.answers import Answer, Asked, Go, Html
from worker.web.rooms.drawing import sees
from worker.web.rooms.payment import tone

_ROWS = 50
_LONGEST = 130  # a source and an intent's id


def page(asked: Asked) -> Answer:
    """What was found. What is exactly one payment's name is that payment."""
    word = asked.query.get("q", "").strip().replace("\x00", "")[:_LONGEST]
    state, provider = asked.query.get("state", ""), asked.query.get("provider", "")
    with asked.read() as connection:
        if word:
            found = search.search(connection, word, _ROWS, personal=sees(asked.session))
        else:
            found = search.newest(
                connection,
                before=asked.whole("before", 18),
                state=State(state) if state in list(State) else None,
                provider=provider if provider in asked.room.runtime.registrations else None,
                limit=_ROWS,
            )
    if word and len(found.rows) == 1:
        return Go(_address(found.rows[0]))
    rows = [dict(row, tone=tone(row["state"], row["hold_reason"]), address=_address(row)) for row in found.rows]
    given: dict[str, Any] = {"word": word, "rows": rows, "before": found.before, "state": state, "provider": provider}
    given |= {"states": list(State), "newest": search.NEWEST, "most": _ROWS}
    given |= {"providers": asked.room.runtime.every_lane}
    return Html("search.html", {**given, "here": "search"})


def _address(row: Mapping[str, Any]) -> str:
    return f"/payments/{row['source']}/{row['intent_id']}"
