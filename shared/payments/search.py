"""Payments by whatever somebody has of one: an id, a reference, an account, an invoice. Reads only, so much at most.

Ids and our own references have an index, and are found however old they are. An account, an invoice or a provider's
reference is looked for among the newest NEWEST payments, and the parked ones: an index of each would be written with
every payment.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.archive.twins import every
from shared.database.engine import Connection
from shared.domain.payment import State

NEWEST = 20_000
_PARKED = 2_000
SHORTEST = 4  # characters of what is looked for among the newest
_ROW = "payment_row(ROW(p.*)::payments)::text AS row"

# One payment by `source/intent_id`; any source's by its intent_id alone, source by source in the key's own order.
_BY_KEY = f"""
WITH RECURSIVE sources AS (
    (SELECT source FROM intent_keys ORDER BY source LIMIT 1)
    UNION ALL
    SELECT (SELECT k.source FROM intent_keys k WHERE k.source > s.source ORDER BY k.source LIMIT 1) FROM sources s
    WHERE s.source IS NOT NULL
), found AS (
    SELECT payment_id FROM intent_keys WHERE source = %(source)s AND intent_id = %(intent_id)s
    UNION
    SELECT k.payment_id FROM (SELECT source FROM sources WHERE source IS NOT NULL LIMIT 1000) s
    JOIN intent_keys k ON k.source = s.source AND k.intent_id = %(word)s
)
SELECT p.id, {_ROW} FROM found JOIN {every("payments")} p ON p.id = found.payment_id
ORDER BY p.id DESC LIMIT %(limit)s
"""
_BY_REFERENCE = f"SELECT p.id, {_ROW} FROM {every('payments')} p WHERE p.sent_reference = %(word)s LIMIT %(limit)s"
# Which ones first, in an array: joined to the few that were found PostgreSQL would walk through all payments for them.
_AMONG_NEWEST = f"""
SELECT p.id, {_ROW} FROM payments p WHERE p.id = ANY(ARRAY(SELECT found.id FROM (
    SELECT n.id FROM (SELECT id, target, provider_reference FROM payments ORDER BY id DESC LIMIT {NEWEST}) n
    WHERE n.provider_reference = %(word)s OR strpos(n.target::text, %(word)s) > 0
    UNION
    SELECT n.id FROM (SELECT id, target FROM payments WHERE state = 'parked' ORDER BY provider, id LIMIT {_PARKED}) n
    WHERE strpos(n.target::text, %(word)s) > 0
) found ORDER BY found.id DESC LIMIT %(limit)s)) ORDER BY p.id DESC
"""
_NEWEST = f"""
SELECT p.id, {_ROW} FROM (SELECT * FROM payments WHERE id < %(before)s ORDER BY id DESC LIMIT %(scanned)s) p
WHERE (%(state)s::text IS NULL OR p.state = %(state)s) AND (%(provider)s::text IS NULL OR p.provider = %(provider)s)
ORDER BY p.id DESC LIMIT %(limit)s
"""

_EDGE = """
SELECT min(n.id) AS last, count(*) = %(scanned)s AS more FROM (
    SELECT id FROM payments WHERE id < %(before)s ORDER BY id DESC LIMIT %(scanned)s) n
"""


@dataclass(frozen=True, slots=True)
class Found:
    """Export rows, the newest first. before: what the next page is older than; None: that
    was all."""

    rows: Sequence[Mapping[str, Any]]
    before: int | None = None


def search(connection: Connection, word: str, limit: int, *, personal: bool) -> Found:
    """Up to `limit` payments that this word is of. personal: it may be an account's, or a part of one: whoever is shown
    no account may not find out by trying."""
    source, slash, intent_id = word.partition("/")
    given = {"word": word, "limit": limit, "source": source if slash else "", "intent_id": intent_id}
    found = {row["id"]: row["row"] for row in connection.execute(_BY_KEY, given).fetchall()}
    found |= {row["id"]: row["row"] for row in connection.execute(_BY_REFERENCE, given).fetchall()}
    if personal and not found and len(word) >= SHORTEST:
        found = {row["id"]: row["row"] for row in connection.execute(_AMONG_NEWEST, given).fetchall()}
    return Found([json.loads(found[number]) for number in sorted(found, reverse=True)[:limit]])


def newest(
    connection: Connection, *, before: int | None, state: State | None, provider: str | None, limit: int
) -> Found:
    """The newest payments, or those older than `before`. With a state or provider so many are looked at, and there may
    be none of them on this page and some on the next."""
    plain = state is None and provider is None
    scanned = limit if plain else NEWEST
    given = {"before": before or 2**62, "state": state, "provider": provider, "scanned": scanned, "limit": limit + 1}
    edge = connection.execute(_EDGE, given).fetchone()
    rows = connection.execute(_NEWEST, given).fetchall()
    following: int | None = None
    if len(rows) > limit:
        following = rows[limit - 1]["id"]
    elif edge is not None and edge["more"]:
        following = edge["last"]
    return Found([json.loads(row["row"]) for row in rows[:limit]], following)
