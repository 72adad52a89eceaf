"""The bank accounts of biller services: kept beside the provider's list, with who confirmed which change.

An account is its number, its bank and its branch (khut_type). One that joins a service which had accounts before is a
change and waits for a person, unless it was first there or confirmed before.
"""

from typing import Any

from shared.database.engine import Connection, Row
from shared.database.statements import statements
from shared.events.types import EventType, literal, written

_SQL = statements(__file__)


KIND = "bank_accounts"  # the name of this list; its rows' data have account, bank_code, bank_name, khut_type

_SAME = """(a.provider, a.service, a.khut_type, a.account, a.bank_code)
    = (l.provider, l.service, l.khut_type, l.account, l.bank_code)"""

_CLOSE = f"""
UPDATE bank_accounts a SET closed_at = clock() WHERE a.provider = %(provider)s AND a.closed_at IS NULL
    AND NOT EXISTS (SELECT FROM listed_accounts l WHERE {_SAME})
"""

_RENAME = f"""
UPDATE bank_accounts a SET bank_name = l.bank_name FROM listed_accounts l
WHERE a.provider = %(provider)s AND a.closed_at IS NULL AND {_SAME} AND a.bank_name <> l.bank_name
"""

_TOLD = written(
    id="'a' || id || '-1'",
    type=literal(EventType.ACCOUNT_CHANGED),
    subject="provider || '/' || service",
    data="""json_build_object('provider', provider, 'biller_service', service, 'khut_type', nullif(khut_type, ''),
        'change', change, 'at', utc_text(since))""",
    rows="FROM joined WHERE to_confirm ORDER BY id",
)

# `changed` where the same row of the provider's list was another account until this very transaction.
_OPEN = f"""
WITH joined AS (
    INSERT INTO bank_accounts (provider, service, khut_type, account, bank_code, bank_name, change)
    SELECT l.provider, l.service, l.khut_type, l.account, l.bank_code, l.bank_name, CASE
        WHEN NOT EXISTS (SELECT FROM bank_accounts a WHERE (a.provider, a.service) = (l.provider, l.service))
            THEN 'first'
        WHEN EXISTS (SELECT FROM bank_accounts a WHERE {_SAME} AND NOT a.to_confirm) THEN 'returned'
        WHEN EXISTS (SELECT FROM directory_rows r WHERE r.provider = l.provider AND r.kind = %(kind)s
                     AND r.item_id = l.item_id AND r.key = l.service AND r.closed_at = clock()) THEN 'changed'
        ELSE 'added' END
    FROM listed_accounts l WHERE l.provider = %(provider)s
        AND NOT EXISTS (SELECT FROM bank_accounts a WHERE {_SAME} AND a.closed_at IS NULL)
    RETURNING *
), told AS (
    {_TOLD}
)
SELECT id, service, change FROM joined WHERE to_confirm ORDER BY id
"""


def follow(connection: Connection, provider: str) -> list[Row]:
    """Bring the accounts up to the provider's list, in the transaction that replaced it.

    Returns the changes that wait for a person (id, service, change); their events are in the outbox.
    """
    given = {"provider": provider, "kind": KIND}
    connection.execute(_CLOSE, given)
    connection.execute(_RENAME, given)
    return connection.execute(_OPEN, given).fetchall()


def find(
    connection: Connection, provider: str, service: str, account: str, *, bank_code: str | None, khut_type: str | None
) -> list[Row]:
    """Every time that this number was an account of the service, the oldest first; locked, as is the list.

    A refresh that goes on at the same time ends before this returns, or begins after the caller's transaction.
    """
    connection.execute("SELECT FROM directory_lists WHERE provider = %s AND kind = %s FOR UPDATE", (provider, KIND))
    given = {"provider": provider, "service": service, "account": account}
    return connection.execute(_SQL["find"], given | {"bank_code": bank_code, "khut_type": khut_type}).fetchall()


def branch(connection: Connection, provider: str, service: str, khut_type: str) -> dict[str, Any]:
    """What a choice is made among: the numbers of the branch's accounts that are `open`, and of the one `chosen` now,
    or None. The caller has locked the list with `find`."""
    given = {"provider": provider, "service": service, "khut_type": khut_type}
    row = connection.execute(_SQL["branch"], given).fetchone()
    assert row is not None  # noqa: S101 - an aggregate gives one row
    return {"open": row["open"], "chosen": row["chosen"]}


def choose(connection: Connection, number: int, by: str) -> None:
    """A person says that this open account is the one; no other of its branch is any more. It is confirmed with that.
    Whoever has a copy of the list reads it again."""
    given = {"id": number, "by": by, "kind": KIND}
    connection.execute(_SQL["unchoose"], given)
    connection.execute(_SQL["choose"], given)
    connection.execute(_SQL["confirm"], given)


def confirm(connection: Connection, number: int, by: str) -> None:
    """A person confirms this open account. Whoever has a copy of the list reads it again."""
    connection.execute(_SQL["confirm"], {"id": number, "by": by, "kind": KIND})
