"""The time that a database lost, as far as payments are concerned: who may have been sent in it, and under what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.database.engine import Connection, Row
from shared.database.statements import statements
from shared.domain.intent import Intent
from shared.domain.request import Request

_SQL = statements(__file__)


@dataclass(frozen=True, slots=True)
class Window:
    """While it is open, whatever is accepted counts as possibly sent since `since`.

    sent_until: by then no request of before is on the wire any more. opened_at: when people, or the machine, began it.
    """

    since: datetime
    sent_until: datetime
    opened_at: datetime


def window(connection: Connection) -> Window | None:
    """The window that is open now; None: none is."""
    row = connection.execute(_SQL["window"]).fetchone()
    return None if row is None else _window(row)


def open_window(
    connection: Connection,
    since: datetime,
    *,
    sending_s: float,
    window_s: float,
    by: str | None,
    reason: str,
    unbroken: bool,
) -> Window:
    """Open a window, and put into doubt whatever is not final.

    sending_s: how long a request of before may still be on the wire. by: None where no person asked for it.
    """
    given = {
        "since": since,
        "sending_s": sending_s,
        "window_s": window_s,
        "by": by,
        "reason": reason,
        "unbroken": unbroken,
    }
    row = connection.execute(_SQL["open"], given).fetchone()
    assert row is not None  # noqa: S101 - the store has its row
    opened = _window(row)
    doubt(connection, None, opened, frozen=True)
    return opened


def opened(connection: Connection) -> int:
    """How many payments that are not final may have been sent in a lost time."""
    row = connection.execute(_SQL["opened"]).fetchone()
    return int(row["n"]) if row else 0


def open_ones(connection: Connection) -> list[int]:
    """The numbers of the windows that are open, locked until the transaction ends."""
    return [int(row["id"]) for row in connection.execute(_SQL["open_ones"]).fetchall()]


def close(connection: Connection, numbers: Sequence[int], by: str) -> int:
    """Close these windows, which the caller has locked; how many that were."""
    return connection.execute(_SQL["close"], {"ids": list(numbers), "by": by}).rowcount


def doubt(connection: Connection, payment_ids: Sequence[int] | None, window: Window, *, frozen: bool) -> None:
    """These payments (None: all) that are not final may have been sent in the lost time. Safe to repeat.

    frozen: they were here before it; what was sent of them then is what is here now.
    """
    ids = None if payment_ids is None else list(payment_ids)
    given = {
        "ids": ids,
        "since": window.since,
        "opened_at": window.opened_at,
        "sent_until": window.sent_until,
        "frozen": frozen,
    }
    connection.execute(_SQL["doubt"], given)


def doubt_refund(connection: Connection, refund_id: int, settle_id: int) -> None:
    """Put a refund into doubt where other refunds of its settle may have been lost."""
    row = connection.execute(_SQL["settle_may_lack_refunds"], {"settle_id": settle_id}).fetchone()
    if row is not None and row["lacks"]:
        doubt(connection, [refund_id], _window(row), frozen=False)


def touched(connection: Connection, exclusive_key: str) -> bool:
    """May a payment under this key have been sent in a lost time? Then our own sum under it is not known, ever."""
    row = connection.execute(_SQL["touched"], {"key": exclusive_key}).fetchone()
    return bool(row and row["touched"])


def stands(
    connection: Connection, provider: str, kind: str, key: str, *, since: datetime, opened_at: datetime
) -> bool | None:
    """Do the rows of a provider's list under this key stand as they stood before the lost time? None: the list was
    not read since the window was opened."""
    given = {"provider": provider, "kind": kind, "key": key, "since": since, "opened_at": opened_at}
    row = connection.execute(_SQL["stands"], given).fetchone()
    return None if row is None else row["stands"]


def untold(connection: Connection, payment_id: int) -> Row | None:
    """A payment of which only the events stream told, locked, with `request_sha256`. None: it is in the archive."""
    return connection.execute(_SQL["untold"], {"id": payment_id}).fetchone()


def adopt(connection: Connection, intent: Intent, columns: Row, request: Request | None) -> None:
    """The intent of a payment of which only the stream told has come again: its content, and the request that it was
    sent with where that is known to be this one."""
    given: dict[str, Any] = columns | {
        "digest": intent.digest,
        "path": request.path if request else None,
        "body": request.body if request else None,
    }
    connection.execute(_SQL["adopt"], given)


def complete(connection: Connection, payment_id: int, built: Request, request: Request | None) -> None:
    """A final payment that had no request: what it stands under in the provider's books by the one that is built now,
    and the request that it was sent with where that is known to be this one."""
    given = {
        "id": payment_id,
        "exclusive_key": built.exclusive_key,
        "books_key": built.books_key,
        "path": request.path if request else None,
        "body": request.body if request else None,
    }
    connection.execute(_SQL["complete"], given)


def follow(connection: Connection, payment_id: int) -> None:
    """What follows this success, and upstream was told nothing of, may have been asked for: a person's."""
    connection.execute(_SQL["follow"], {"id": payment_id})


def came(connection: Connection, keys: Sequence[tuple[str, str]]) -> None:
    """The intents with these (source, intent_id) were accepted: nobody waits for them any more."""
    if keys:
        sources, ids = zip(*keys, strict=True)
        connection.execute(_SQL["came"], {"source": list(sources), "intent_id": list(ids)})


def _window(row: Row) -> Window:
    return Window(row["since"], row["sent_until"], row["opened_at"])
