"""discrepancies: the living list of what is open, carried on by each run, and what people do about it.

Each deed of a person's is one transaction, with its note and its record in the audit.
"""

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import Any

from shared import audit
from shared import discrepancies as store
from shared.database.engine import Connection, Database, Row
from shared.domain import decision
from shared.domain.discrepancies import ClosingCode, Reconciliation
from shared.payments.look import Unresolvable
from shared.people.prove import known, set_up
from shared.reconciliation import views
from shared.reconciliation.store import reports, to_sign
from shared.runtime import Runtime
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert, get_logger

log = get_logger(__name__)

EARLIEST, LATEST = date(2000, 1, 1), date(9998, 12, 31)  # of a date by which something is due


def update(runtime: Runtime, run: Reconciliation) -> int:
    """Open, keep or close discrepancies by what a compared run found; how many it was the first to find and left open.

    The same finding on two nights is one row: last_seen is when the books were last read with it. What this run looked
    at and did not find again is closed, by the reason that is so, or continues as another. What a person closed stays
    closed unless its figures change. People are alerted to each once. Comes after `evidence.use`. One transaction;
    done once for a comparison, whatever happened since; safe to repeat with the same result. People are told of signed
    days that it changed.
    """
    changed: Sequence[Row] = ()
    with runtime.database.transaction() as connection:
        if store.carry_on(connection, run, runtime.registrations[run.provider].zone):
            reports.keep_hours(connection, run)
            changed = to_sign.note(connection, run.provider)
    for row in changed:
        text = "a signed day came to something else since; it has to be signed again"
        alert(Alert.SIGNED_DAY_CHANGED, text, subject=row["subject"], **row["figures"])
    with runtime.database.connection() as connection:
        if count := store.unalerted(connection, run.id):
            text = "the provider's books differ from ours; see `settlepipe discrepancies`"
            alert(Alert.NEW_DISCREPANCIES, text, provider=run.provider, count=count)
            store.alerted(connection, run.id)
        return store.fresh(connection, run.id)


def close(
    database: Database,
    number: int,
    *,
    reason: str,
    by: str,
    code: ClosingCode = ClosingCode.OTHER,
    shown: str | None = None,
) -> None:
    """A person explains a discrepancy and closes it; kept for ever. shown: its `figures` as this person saw them; what
    a night found since nobody explained. Raises Unresolvable, ValueError."""
    reason, by = decision.reason(reason), _person(by)
    content = {"code": code.value}
    do = partial(store.close, number=number, reason=reason, by=by, code=code, shown=shown)
    _done(database, number, "closed", do, by=by, reason=reason, content=content, shown=shown)


def reopen(database: Database, number: int, *, reason: str, by: str) -> None:
    """A person opens one again that is closed. Raises as `close` does, also for one that continues as another one."""
    reason, by = decision.reason(reason), _person(by)
    do = partial(store.reopen, number=number, reason=reason, by=by)
    _done(database, number, "reopened", do, by=by, reason=reason)


def assign(
    database: Database, number: int, *, owner: str, due: date | None, by: str, reason: str | None = None
) -> None:
    """Somebody is in charge of one that is open, until a day. owner: somebody who is set up, once anybody is. Raises as
    `close` does."""
    by, owner = _person(by), decision.by(owner, "name of who is in charge")
    reason = None if reason is None else decision.reason(reason)
    if due is not None and not EARLIEST <= due <= LATEST:
        raise ValueError(f"the day by which it is due must lie between {EARLIEST} and {LATEST}")

    def do(connection: Connection) -> bool:
        if set_up(connection) and not known(connection, owner):
            raise Unresolvable(f"nobody is set up under the name {owner}; see `settlepipe people`, nothing was changed")
        return store.assign(connection, number, owner=owner, due=due, reason=reason, by=by)

    content = {"owner": owner, "due": due and due.isoformat()}
    _done(database, number, "assigned", do, by=by, reason=reason, content=content)


def comment(database: Database, number: int, *, text: str, by: str) -> None:
    """Somebody says something about one, open or closed; kept for ever. Raises as `close` does."""
    text, by = decision.reason(text, "comment"), _person(by)
    do = partial(store.comment, number=number, text=text, by=by)
    _done(database, number, "commented", do, by=by, reason=text)


def _person(by: str) -> str:
    by = decision.by(by)
    if by == store.BOOKS:
        raise ValueError(f"the name of who decides must be a person's, not {store.BOOKS}")
    return by


def _done(
    database: Database,
    number: int,
    deed: str,
    do: Callable[[Connection], bool],
    *,
    by: str,
    reason: str | None,
    content: dict[str, Any] | None = None,
    shown: str | None = None,
) -> None:
    with database.transaction() as connection:
        if do(connection):
            audit.write(connection, f"discrepancy.{deed}", str(number), by=by, reason=reason, content=content)
            log.info(f"discrepancy {deed}", discrepancy=number)
            return
        found = views.one(connection, number)
    if found is None:
        raise Unresolvable(f"there is no discrepancy {number}; see `settlepipe discrepancies`")
    if found["resolved_at"] is None and shown is not None and store.figures(found) != shown:
        raise Unresolvable(f"the figures of discrepancy {number} are others now: look at it again, nothing was changed")
    if found["resolved_at"] is None:
        raise Unresolvable(f"discrepancy {number} is open; nothing was changed")
    if found["continues_as"] is not None:
        raise Unresolvable(f"discrepancy {number} continues as number {found['continues_as']}; nothing was changed")
    raise Unresolvable(f"discrepancy {number} was closed before, by {found['resolved_by']}; nothing was changed")
