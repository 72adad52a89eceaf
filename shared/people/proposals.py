"""proposals: what one person asked for, kept until another one agrees, and done in the transaction in which they do."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared import audit
from shared.database.engine import Connection
from shared.database.statements import statements
from shared.domain import decision
from shared.domain.roles import MAY, Deed
from shared.people.prove import NotAllowed

_SQL = statements(__file__)

OPEN_S = 86_400  # after that it is void


class Kind(StrEnum):
    """What is to be done."""

    RESOLVE = "resolve"
    FOLLOW_UP = "follow_up"
    BULK = "bulk"
    MANY = "many"
    CONFIRM = "confirm"
    CHOOSE = "choose"
    RECOVER = "recover"
    CLOSE_WINDOW = "close_window"
    PERSON = "person"


class Void(Exception):  # noqa: N818 - says what is so
    """What was proposed may not be done any more; the message says what is different, as half a sentence."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """asked: the words of the command. seen: what it rests on, as it was when it was proposed.

    state: open, approved, rejected or void. Times are RFC 3339, UTC.
    """

    id: int
    kind: Kind
    subject: str
    asked: Mapping[str, Any]
    seen: Mapping[str, Any]
    reason: str
    proposed_by: str
    proposed_at: str
    ends_at: str
    state: str
    ended_at: str | None = None
    ended_by: str | None = None
    ended_why: str | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody says yes to a proposal. by: who, as they proved to be."""

    number: int
    by: str


def propose(
    connection: Connection,
    kind: Kind,
    subject: str,
    *,
    asked: Mapping[str, Any],
    seen: Mapping[str, Any],
    reason: str,
    by: str,
) -> Proposal:
    """Keep what a person who is set up asks for. In the caller's transaction, as its last statement."""
    given = {"kind": kind, "subject": subject, "reason": reason, "by": by, "open_s": OPEN_S}
    given |= {"asked": json.dumps(asked), "seen": json.dumps(seen)}
    row = connection.execute(_SQL["propose"], given).fetchone()
    assert row is not None  # noqa: S101 - an insert returns its row
    found = one(connection, int(row["id"]))
    content = {"proposal": found.id, "kind": kind, "asked": asked}
    audit.write(connection, "proposal.made", subject, by=by, reason=reason, content=content)
    return found


def one(connection: Connection, number: int) -> Proposal:
    """The proposal with this number. Raises NotAllowed where there is none."""
    found = maybe(connection, number)
    if found is None:
        raise NotAllowed(f"there is no proposal {number}; see `settlepipe proposals`")
    return found


def maybe(connection: Connection, number: int) -> Proposal | None:
    """The same; None where there is none."""
    row = connection.execute(_SQL["one"], {"id": number}).fetchone()
    return None if row is None else _proposal(row)


def locked(connection: Connection, number: int) -> Proposal:
    """The same, and nobody else ends it until the caller's transaction does. Raises as `one` does."""
    connection.execute("SELECT FROM proposals WHERE id = %s FOR UPDATE", (number,))
    return one(connection, number)


def listed(connection: Connection, *, everything: bool = False) -> list[Proposal]:
    """Those that are open, or all; the oldest first."""
    rows = connection.execute(_SQL["listed"], {"everything": everything}).fetchall()
    return [_proposal(row) for row in rows]


def ended(connection: Connection, limit: int) -> list[Proposal]:
    """The last `limit` that ended, or whose time is over; the newest first."""
    return [_proposal(row) for row in connection.execute(_SQL["ended"], {"limit": limit}).fetchall()]


def agreed(connection: Connection, approval: Approval) -> Proposal:
    """Lock what is approved, as the first statement of the transaction that does it: it is open, and somebody else's.

    Raises NotAllowed: it is not open, or this person may not; Void: its time is over, or who proposed it was revoked.
    """
    found = locked(connection, approval.number)
    must_be_open(found)
    if found.proposed_by == approval.by:
        raise NotAllowed(f"proposal {found.id} is {approval.by}'s own; another person has to approve it")
    names = [found.proposed_by, approval.by]
    connection.execute("SELECT FROM people WHERE name = ANY(%s) ORDER BY name FOR SHARE", (names,))
    gone = """SELECT FROM people p JOIN proposals q ON q.proposed_by = p.name
        WHERE q.id = %s AND (p.revoked_at IS NOT NULL OR p.added_at > q.proposed_at)"""
    if connection.execute(gone, (found.id,)).fetchone() is not None:
        raise Void(f"{found.proposed_by}, who proposed it, was revoked")
    may = connection.execute(
        "SELECT FROM people WHERE name = %s AND role = ANY(%s) AND revoked_at IS NULL",
        (approval.by, [role.value for role in MAY[Deed.APPROVE]]),
    ).fetchone()
    if may is None:
        raise NotAllowed(f"{approval.by} may not approve any more; nothing was changed")
    return found


def must_be_open(found: Proposal) -> None:
    """Raises NotAllowed for one that ended, Void for one whose time is over."""
    if found.state == "void" and found.ended_at is None:
        raise Void("more than a day has passed")
    if found.state != "open":
        who = f" by {found.ended_by}" if found.ended_by else ""
        why = f": {found.ended_why}" if found.ended_why else ""
        raise NotAllowed(f"proposal {found.id} is {found.state}{who}{why}; nothing was changed")


def done(connection: Connection, found: Proposal | None, approval: Approval | None) -> None:
    """It was approved, and its deed is done, in this transaction. Its last statement. Nothing where nobody proposed
    it."""
    if found is None or approval is None:
        return
    connection.execute(_SQL["end"], {"id": found.id, "state": "approved", "by": approval.by, "why": None})
    content = {"proposal": found.id, "kind": found.kind, "proposed_by": found.proposed_by}
    audit.write(connection, "proposal.approved", found.subject, by=approval.by, content=content)


def reject(connection: Connection, number: int, *, by: str, reason: str) -> Proposal:
    """An approver says no, or whoever proposed it takes it back. In the caller's transaction. Raises NotAllowed."""
    reason = decision.reason(reason)
    found = locked(connection, number)
    try:
        must_be_open(found)
    except Void as error:
        raise NotAllowed(f"proposal {number} is void: {error}; nothing was changed") from None
    connection.execute(_SQL["end"], {"id": number, "state": "rejected", "by": by, "why": reason})
    content = {"proposal": number, "kind": found.kind, "proposed_by": found.proposed_by}
    audit.write(connection, "proposal.rejected", found.subject, by=by, reason=reason, content=content)
    return one(connection, number)


def void(connection: Connection, number: int, why: str) -> None:
    """It may not be done any more. Nothing where it ended meanwhile."""
    connection.execute(_SQL["end"], {"id": number, "state": "void", "by": None, "why": why})


def _proposal(row: Mapping[str, Any]) -> Proposal:
    return Proposal(**{**row, "kind": Kind(row["kind"])})
