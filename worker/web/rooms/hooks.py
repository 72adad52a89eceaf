"""Where a source's events are posted to. By the verbs of `settlepipe webhooks`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shared.database.engine import Connection, Row
from shared.domain.roles import Deed
from shared.domain.webhooks import Verdict
from shared.webhooks import keep, send, views
from shared.webhooks.sign import Vault
from worker.web.rooms.answers import Answer, Asked, Go, Html, Refused
from worker.web.rooms.drawing import may

_WAITING = 50


def page(asked: Asked) -> Answer:
    """Every webhook, by its source, and how it stands."""
    with asked.read() as connection:
        rows = [_shown(asked, row) for row in views.listed(connection)]
    return Html("webhooks.html", {"rows": rows, "here": "webhooks"})


def one(asked: Asked) -> Answer:
    """One, with the events that wait because they, or one before them, could not be delivered."""
    return _one(asked, None)


def _one(asked: Asked, tried: Mapping[str, Any] | None) -> Answer:
    number = asked.number("number")
    with asked.read() as connection:
        row = _row(asked, connection, number)
        waiting = views.waiting(connection, number, _WAITING)
    return Html("webhook.html", {"row": _shown(asked, row), "waits": waiting, "tried": tried, "here": "webhooks"})


def _row(asked: Asked, connection: Connection, number: int) -> Row:
    rows = views.listed(connection, number)
    if not rows:
        raise Refused(asked.say("There is no such webhook."), 404)
    return rows[0]


def place(_: Asked) -> str:
    """At receivers, and among all events, which may be many."""
    return "webhooks"


def add(asked: Asked) -> Answer:
    """Have a source's events posted there from now on: its secret, shown this once."""
    source, url, since = asked.text("source", 100), asked.text("url", 2000), _moment(asked, "since")
    settings, vault = asked.room.runtime.settings.webhooks, _vault(asked)
    with asked.read() as connection:
        position = keep.settled(connection)
    with asked.once().transaction() as connection:
        given: Mapping[str, Any] = {"position": position, "since": since, "by": asked.who.name}
        number, secret = keep.add(connection, vault, settings, source, url, **given)
    return _secret(source, number, secret)


def rotate(asked: Asked) -> Answer:
    """A new secret, shown this once; the old one signs beside it for a while."""
    number, overlap_s = asked.number("number"), asked.room.runtime.settings.webhooks.overlap_s
    with asked.once().transaction() as connection:
        source, secret = keep.rotate(connection, _vault(asked), number, overlap_s=overlap_s, by=asked.who.name)
    return _secret(source, number, secret)


def _secret(source: str, number: int, secret: str) -> Answer:
    given = {"kind": "webhook", "name": source, "number": number, "secret": secret}
    return Html("secret.html", {**given, "here": "webhooks"})


def test(asked: Asked) -> Answer:
    """Post a test event from here, signed as all others, and show what was answered."""
    number = asked.number("number")
    with asked.read() as connection:
        row = _row(asked, connection, number)
        kept = views.secrets(connection, number)
    vault = _vault(asked)
    receiver = send.receiver(row["url"], asked.room.runtime.settings.webhooks)
    event_id, body = send.test_event(row["source"], number)
    attempt = receiver.post(event_id, body, [vault.opened(secret) for secret in kept])
    return _one(asked, {"id": event_id, "delivered": attempt.verdict is Verdict.DELIVERED, "said": attempt.said})


def replay(asked: Asked) -> Answer:
    """Have the events of a time delivered again, with the same ids, before what comes next."""
    since, until = _moment(asked, "since"), _moment(asked, "until")
    if since is None:
        raise ValueError("say since when; nothing was changed")
    with asked.once().transaction() as connection:
        keep.replay(connection, asked.number("number"), since, until, by=asked.who.name, reason=_why(asked))
    return _go(asked, "replays")


def enable(asked: Asked) -> Answer:
    """It goes on at once. skip: what failed is left out for ever."""
    with asked.once().transaction() as connection:
        skip = asked.form.get("skip") == "yes"
        keep.enable(connection, asked.number("number"), skip=skip, by=asked.who.name, reason=_why(asked))
    return _go(asked, "enabled")


def disable(asked: Asked) -> Answer:
    """Nothing is posted until somebody enables it."""
    reason = asked.text("reason")
    if not reason:
        raise ValueError("say why; nothing was changed")
    with asked.once().transaction() as connection:
        keep.disable(connection, asked.number("number"), by=asked.who.name, reason=reason)
    return _go(asked, "disabled")


def remove(asked: Asked) -> Answer:
    """It is gone, with its secret and what waits for it."""
    with asked.once().transaction() as connection:
        keep.remove(connection, asked.number("number"), by=asked.who.name, reason=_why(asked))
    return Go("/webhooks?said=removed")


def _go(asked: Asked, said: str) -> Answer:
    return Go(f"/webhooks/{asked.number('number')}?said={said}")


def _why(asked: Asked) -> str | None:
    return asked.text("reason") or None


def _shown(asked: Asked, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Its URL without what may be a secret, for who does not set it."""
    state = "disabled" if row["disabled_at"] else "failing" if row["failing_since"] else "on"
    url = row["url"] if may(asked.session, Deed.WEBHOOKS) else keep.plain_url(row["url"])
    return {**row, "url": url, "state": state}


def _moment(asked: Asked, name: str) -> datetime | None:
    """A time that was typed, in UTC."""
    text = asked.text(name, 30)
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    except ValueError:
        said = asked.say("A time is written like 2026-11-21T03:24, in UTC; nothing was changed.")
        raise Refused(said, 422) from None


def _vault(asked: Asked) -> Vault:
    try:
        return Vault(asked.room.runtime.settings.secret_keys)
    except ValueError:
        said = asked.say("SETTLEPIPE_SECRET_KEYS of this process is no list of keys; nothing was changed.")
        raise Refused(said) from None
