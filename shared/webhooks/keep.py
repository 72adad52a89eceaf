"""keep: what people do about webhooks. Each in the caller's transaction, with its record in the audit.

Raises NotAllowed where there is no such webhook, or nothing to be done; ValueError for what is no source, URL or time.
"""

import re
import time
from datetime import datetime
from urllib.parse import urlsplit

from shared import audit
from shared.database.engine import Connection, Row
from shared.domain import webhooks
from shared.domain.intent import ID
from shared.events.feed import Horizon
from shared.people.prove import NotAllowed
from shared.settings.webhooks import WebhookSettings
from shared.webhooks import sign
from shared.webhooks.sign import Vault
from shared.webhooks.store import keep as store

MOST = 10  # of a source
_SETTLES_S = 10.0


def settled(connection: Connection) -> int:
    """Up to which event all are there. connection: in autocommit. Raises NotAllowed where that does not settle soon."""
    horizon, end = Horizon(), time.monotonic() + _SETTLES_S
    while time.monotonic() < end:
        found = horizon.look(connection)
        if found or horizon.settled:
            return found
        time.sleep(0.02)
    raise NotAllowed("somebody has been writing an event for long; try again, nothing was changed")


def add(
    connection: Connection,
    vault: Vault,
    settings: WebhookSettings,
    source: str,
    url: str,
    *,
    position: int,
    since: datetime | None,
    by: str,
) -> tuple[int, str]:
    """A new one: its number and its secret, which is shown nowhere again. It gets what comes behind `position`, or
    everything since a time."""
    if re.fullmatch(ID, source) is None:
        raise ValueError("a source must have 1 to 64 of A-Z a-z 0-9 . _ : -")
    webhooks.right_url(url, allow_http=settings.allow_http, networks=settings.allow_networks)
    if store.lock_source(connection, source) >= MOST:
        raise NotAllowed(f"{source} has {MOST} webhooks; remove those that nobody uses any more, nothing was changed")
    if since is not None:
        found = store.between(connection, since, None)
        position = found[0] - 1 if found else position
    number = store.add(connection, source, url, position, by)
    secret = sign.new_secret()
    store.keep_secret(connection, number, vault.locked(secret))
    audit.write(connection, "webhook.added", source, by=by, content={"webhook": number, "url": plain_url(url)})
    return number, secret


def rotate(connection: Connection, vault: Vault, number: int, *, overlap_s: float, by: str) -> tuple[str, str]:
    """A new secret: its source and the secret. What went before signs beside it for `overlap_s`."""
    found = _locked(connection, number)
    secret = sign.new_secret()
    store.rotate_out(connection, number, overlap_s)
    store.keep_secret(connection, number, vault.locked(secret))
    _write(connection, "webhook.rotated", found, by, overlap_s=overlap_s)
    return found["source"], secret


def replay(
    connection: Connection, number: int, since: datetime, until: datetime | None, *, by: str, reason: str | None = None
) -> int:
    """Have the events of a time delivered again, in their order, with the same ids; how many."""
    between = store.between(connection, since, until)  # takes long among many events: before anybody waits for us
    found = _locked(connection, number)
    count = store.replay(connection, number, *between) if between else 0
    told = {"since": since.isoformat(), "until": until.isoformat() if until else None, "events": count}
    _write(connection, "webhook.replayed", found, by, reason, **told)
    return count


def enable(connection: Connection, number: int, *, skip: bool, by: str, reason: str | None = None) -> tuple[str, int]:
    """It goes on at once, and what waits is tried for as long as if it had never been. skip: but what failed is left
    out for ever; how many events."""
    found = _locked(connection, number)
    skipped = store.enable(connection, number, skip=skip)
    _write(connection, "webhook.enabled", found, by, reason, skipped=skipped)
    return found["source"], skipped


def disable(connection: Connection, number: int, *, by: str, reason: str) -> str:
    """Nothing is sent until somebody enables it: its source. What comes meanwhile is sent then."""
    found = _locked(connection, number)
    if found["disabled_at"] is not None:
        raise NotAllowed(f"webhook {number} is disabled already, nothing was changed")
    store.disable(connection, number, reason, by)
    _write(connection, "webhook.disabled", found, by, reason)
    return str(found["source"])


def remove(connection: Connection, number: int, *, by: str, reason: str | None = None) -> str:
    """It is gone, with its secret and all that waited for it: its source."""
    found = _locked(connection, number)
    store.remove(connection, number)
    _write(connection, "webhook.removed", found, by, reason, url=plain_url(found["url"]))
    return str(found["source"])


def plain_url(url: str) -> str:
    """Without its query, which may hold a secret."""
    return urlsplit(url)._replace(query="").geturl()


def _locked(connection: Connection, number: int) -> Row:
    found = store.locked(connection, number)
    if found is None:
        raise NotAllowed(f"there is no webhook {number}; see `settlepipe webhooks`, nothing was changed")
    return found


def _write(
    connection: Connection, action: str, found: Row, by: str, reason: str | None = None, **content: object
) -> None:
    content = {"webhook": found["id"], **content}
    audit.write(connection, action, found["source"], by=by, reason=reason, content=content)
