"""What lets upstreams in by HTTP, source by source. By the verbs of `settlepipe keys`."""

from shared.people import keys as kept
from worker.web.rooms.answers import Answer, Asked, Go, Html

_ROWS = 200


def page(asked: Asked) -> Answer:
    """Every key there ever was, the revoked ones at the end. The keys themselves are kept nowhere."""
    with asked.read() as connection:
        rows = kept.listed(connection)
    skip = asked.whole("skip", 6) or 0
    following = skip + _ROWS if len(rows) > skip + _ROWS else None
    return Html("keys.html", {"rows": rows[skip : skip + _ROWS], "following": following, "here": "keys"})


def create(asked: Asked) -> Answer:
    """A new key of a source, shown this once."""
    source = asked.text("source", 100)
    with asked.once().transaction() as connection:
        number, key = kept.create(connection, source, by=asked.who.name)
    return Html("secret.html", {"kind": "key", "name": source, "number": number, "secret": key, "here": "keys"})


def revoke(asked: Asked) -> Answer:
    """It opens nothing any more, within seconds."""
    with asked.once().transaction() as connection:
        kept.revoke(connection, asked.number("number"), by=asked.who.name)
    return Go("/keys?said=key_revoked")
