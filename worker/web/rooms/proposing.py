"""What one person proposed, and another one agrees to."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.decide import approve as deciding
from shared.domain.money import format_amount
from shared.domain.roles import MAY, Deed
from shared.payments import views
from shared.people import proposals
from shared.people.proposals import Kind, Proposal
from worker.web.rooms.answers import Answer, Asked, Go, Html, Refused

_OPEN, _ENDED = 200, 50
_NAMED = 10  # payments in a sentence


def page(asked: Asked) -> Answer:
    """Those that are open, and the last that ended."""
    with asked.read() as connection:
        rows = proposals.listed(connection)[:_OPEN]
        ended = proposals.ended(connection, _ENDED)
    return Html("proposals.html", {"rows": rows, "ended": ended, "here": "proposals"})


def one(asked: Asked) -> Answer:
    """One, with what it rests on."""
    with asked.read() as connection:
        found = proposals.maybe(connection, asked.number("number"))
    if found is None:
        raise Refused(asked.say("There is no such proposal."), 404)
    books = found.seen.get("books") if isinstance(found.seen, dict) else None
    lines = books.get("lines", []) if isinstance(books, dict) else []
    columns = list(dict.fromkeys(name for line in lines for name in line))
    mine = found.proposed_by == asked.who.name
    given = {"one": found, "books": books, "lines": lines, "columns": columns, "mine": mine}
    return Html("proposal.html", {**given, **_many(found), "here": "proposals"})


def _many(found: Proposal) -> Mapping[str, Any]:
    """Of a proposal about many payments: each with its line and what the books showed, and what they come to."""
    if found.kind not in (Kind.BULK, Kind.MANY):
        return {"asked": found.asked, "many": (), "sums": ()}
    named = [(f"{item['source']}/{item['intent_id']}", item.get("line")) for item in found.asked["items"]]
    many = [(name, line, found.seen[name]["books"]["verdict"]) for name, line in named]
    sums = [(format_amount(minor, currency), currency) for currency, minor in found.asked["sums"].items()]
    rest = {name: value for name, value in found.asked.items() if name not in ("items", "sums")}
    return {"asked": rest, "many": many, "sums": sums}


def place(asked: Asked) -> str:
    """The provider whose books are looked into."""
    with asked.read() as connection:
        found = proposals.maybe(connection, asked.number("number"))
        if found is None or found.kind not in (Kind.RESOLVE, Kind.BULK, Kind.MANY):
            return ""
        source, _, intent_id = found.subject.partition("/")
        many = found.kind is not Kind.RESOLVE  # the subject is the provider, or says that there are several
        return found.subject if many else views.provider_of(connection, source, intent_id) or ""


def approve(asked: Asked) -> Answer:
    """Agree: the books are looked at again, and it is done."""
    runtime = replace(asked.room.runtime, database=asked.once())
    number = asked.number("number")
    done = deciding.approve(runtime, number, asked.who.name, client=asked.room.broker)
    if done.token is not None:  # shown this once, so it is no address to go to
        return Html("token.html", {"sentence": done.sentence, "token": done.token, "here": "proposals"})
    undone = [f"{one.name} {one.said}" for one in done.each if one.state is None]
    if undone:
        more = f"; and {len(undone) - _NAMED} more" if len(undone) > _NAMED else ""
        said = f"{done.sentence}. Not decided: {'; '.join(undone[:_NAMED])}{more}."
        return Html("sentence.html", {"sentence": said, "in_english": True, "here": "proposals"}, 409)
    return Go(f"/proposals/{number}?said=approved")


def reject(asked: Asked) -> Answer:
    """Say no; whoever proposed it may take it back, whatever their role."""
    number, who = asked.number("number"), asked.who
    with asked.read() as connection:
        found = proposals.one(connection, number)
    if found.proposed_by != who.name and who.role not in MAY[Deed.APPROVE]:
        raise Refused(asked.say("Only an approver may reject another's proposal. Nothing was done."), 403)
    deciding.reject(asked.once(), number, by=who.name, reason=asked.text("reason"))
    return Go(f"/proposals/{number}?said=rejected")
