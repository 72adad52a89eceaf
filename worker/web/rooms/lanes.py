"""Lanes, and their brake."""

from collections.abc import Mapping
from typing import Any

from shared import brake
from shared import lanes as kept
from shared.domain.words import Say
from worker.web.rooms.answers import Answer, Asked, Go, Html, Refused


def page(asked: Asked) -> Answer:
    """Each lane that takes payments, with its brake."""
    takes = asked.room.runtime.every_lane
    with asked.read() as connection:
        rows = [row for row in kept.standing(connection) if row["provider"] in takes]
    shown = [{**row, "reason": reason(row, asked.say), "told": kept.told(row), "mark": kept.mark(row)} for row in rows]
    return Html("lanes.html", {"rows": shown, "here": "lanes"})


def reason(row: Mapping[str, Any], say: Say) -> str | None:
    """Why one stands still; a halted one's reason is the provider's."""
    if row["paused_at"]:
        return say("by %(who)s", who=row["paused_by"])
    if row["halted_at"] is None and row["open_until"]:
        return say("failures in a row that say that the provider is down: %(count)s", count=row["failures"])
    return None if row["halted_reason"] is None else str(row["halted_reason"])


def pause(asked: Asked) -> Answer:
    """Stop sending to a provider until the lane is resumed."""
    why = asked.text("reason") or None
    if not brake.pause(asked.once(), _provider(asked), by=asked.who.name, reason=why):
        raise Refused(asked.say("This provider has no lane."), 404)
    return Go("/lanes?said=paused")


def resume(asked: Asked) -> Answer:
    """Let a lane go on that stands still for what the page showed."""
    why, shown = asked.text("reason") or None, asked.text("shown")
    if not brake.resume(asked.once(), _provider(asked), by=asked.who.name, reason=why, shown=shown):
        raise Refused(asked.say("This provider has no lane."), 404)
    return Go("/lanes?said=resumed")


def _provider(asked: Asked) -> str:
    if asked.path["provider"] not in asked.room.runtime.every_lane:
        raise Refused(asked.say("This provider has no lane."), 404)
    return asked.path["provider"]
