"""Quarantine: what could not be accepted, put on the queue again or dismissed."""

import json

from shared.payments import quarantine, replay, views
from worker.web.rooms.answers import Answer, Asked, Go, Html, Refused
from worker.web.rooms.drawing import sees

_ROWS = 50
_SHOWN = 20_000  # characters of an entry's bytes


def page(asked: Asked) -> Answer:
    """A page of what waits there, the oldest first."""
    after = asked.whole("after", 18) or 0
    everything = asked.query.get("all") == "yes"
    with asked.read() as connection:
        found = [json.loads(row) for row in views.quarantine_page(connection, after, _ROWS + 1, everything=everything)]
    following = found[_ROWS - 1]["id"] if len(found) > _ROWS else None
    given = {"rows": found[:_ROWS], "following": following, "everything": everything}
    return Html("quarantine.html", {**given, "here": "quarantine"})


def one(asked: Asked) -> Answer:
    """One: why it is there, its bytes, and the payment that it conflicts with."""
    with asked.read() as connection:
        found = views.quarantined(connection, asked.number("number"))
    if found is None:
        raise Refused(asked.say("Nothing has this number in quarantine."), 404)
    whole = bytes(found["raw"]).decode("utf-8", "backslashreplace")
    text = whole[:_SHOWN] if sees(asked.session) else None
    given = {"row": json.loads(found["row"]), "text": text, "cut": len(whole) > _SHOWN}
    return Html("quarantined.html", {**given, "conflict": found["conflict"], "here": "quarantine"})


def again(asked: Asked) -> Answer:
    """Put it on the intake queue again, once what was wrong is mended. What a form that is sent twice puts there twice
    is one payment. What was dismissed goes only where the page said so: it may have been paid back by hand."""
    with asked.once().transaction() as connection:
        why, number = asked.text("reason") or None, asked.number("number")
        since = quarantine.dismissed(connection, number)
        if since is not None and since != asked.text("dismissed"):
            raise Refused(
                asked.say("Somebody dismissed it meanwhile. Open its page again; nothing was put on the queue.")
            )
        by, broker = asked.who.name, asked.room.broker
        done = replay.replay(connection, broker, [number], by=by, reason=why, dismissed=since is not None)
    if done.count == 0:
        raise Refused(asked.say("Nothing was put on the queue%(why)s.", why=done.left))
    return Go("/quarantine?said=replayed")


def dismiss(asked: Asked) -> Answer:
    """Nothing is to come of it."""
    with asked.once().transaction() as connection:
        given = {"reason": asked.text("reason"), "by": asked.who.name}
        if not quarantine.dismiss(connection, asked.number("number"), **given):
            raise Refused(asked.say("Nothing has this number in quarantine."), 404)
    return Go("/quarantine?said=dismissed")
