"""Biller services' bank accounts: those that changed are confirmed, and of several one is chosen."""

from typing import Any

from shared.directory import views
from shared.directory.choose import choose as choose_account
from shared.directory.confirm import confirm as confirm_account
from shared.people.proposals import Proposal
from worker.web.rooms.answers import Answer, Asked, Go, Html, Refused
from worker.web.rooms.drawing import masked, sees

_ROWS = 100


def page(asked: Asked) -> Answer:
    """Those that wait for a person, or all of a service."""
    service = asked.query.get("service", "").strip()[:100]
    skip = asked.whole("skip", 5) or 0
    with asked.read() as connection:
        rows = views.to_decide(connection, service or None, _ROWS + 1, skip)
    plain = sees(asked.session)
    shown = [row if plain else {**row, "account": masked(row["account"])} for row in rows[:_ROWS]]
    given = {"rows": shown, "service": service, "following": skip + _ROWS if len(rows) > _ROWS else None}
    return Html("accounts.html", {**given, "here": "accounts"})


def confirm(asked: Asked) -> Answer:
    """Let payments go to an account that changed."""
    done = confirm_account(asked.once(), *_named(asked), **_words(asked), reason=asked.text("reason") or None)
    return Go(f"/accounts?said={'proposed' if isinstance(done, Proposal) else 'confirmed'}")


def choose(asked: Asked) -> Answer:
    """Say which of several accounts a service's bills are paid to."""
    done = choose_account(asked.once(), *_named(asked), **_words(asked), reason=asked.text("reason"))
    return Go(f"/accounts?said={'chosen' if done is None else 'proposed'}")


def _named(asked: Asked) -> tuple[str, str, str]:
    provider = asked.text("provider", 64)
    if provider not in asked.room.runtime.registrations:
        raise Refused(asked.say("There is no such provider."), 404)
    return provider, asked.text("service", 100), asked.text("account", 100)


def _words(asked: Asked) -> dict[str, Any]:
    given = {name: asked.text(name, 100) for name in ("bank_code", "khut_type") if name in asked.form}
    return {"by": asked.who.name, **given}
