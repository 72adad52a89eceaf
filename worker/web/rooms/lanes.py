"""Lanes, and their brake."""

from shared import brake
from shared import lanes as kept
from worker.web.rooms.answers import Answer, Asked, Go, Html, Refused


def page(asked: Asked) -> Answer:
    """Each lane that takes payments, with its brake."""
    takes = {name for name, one in asked.room.runtime.registrations.items() if one.operations}
    with asked.read() as connection:
        rows = [row for row in kept.standing(connection) if row["provider"] in takes]
    shown = [{**row, "told": kept.told(row), "mark": kept.mark(row)} for row in rows]
    return Html("lanes.html", {"rows": shown, "here": "lanes"})


def pause(asked: Asked) -> Answer:
    """Stop sending to a provider until the lane is resumed."""
    why = asked.text("reason") or None
    if not brake.pause(asked.once(), _provider(asked), by=asked.who.name, reason=why):
        raise Refused("This provider has no lane.", 404)
    return Go("/lanes?said=paused")


def resume(asked: Asked) -> Answer:
    """Let a lane go on that stands still for what the page showed."""
    why, shown = asked.text("reason") or None, asked.text("shown")
    if not brake.resume(asked.once(), _provider(asked), by=asked.who.name, reason=why, shown=shown):
        raise Refused("This provider has no lane.", 404)
    return Go("/lanes?said=resumed")


def _provider(asked: Asked) -> str:
    found = asked.room.runtime.registrations.get(asked.path["provider"])
    if found is None or not found.operations:
        raise Refused("This provider has no lane.", 404)
    return asked.path["provider"]
