"""sign: a person puts their name under a day: one prepared it, another one reviewed it; again where it changed."""

import re
from datetime import date

import psycopg

from shared import audit
from shared.database.engine import Database
from shared.domain import decision
from shared.domain.discrepancies import SHORT, Signed, short
from shared.payments.look import Unresolvable
from shared.people.prove import set_up
from shared.reconciliation.store import signatures, to_sign
from shared.reconciliation.store.signatures import SignedDay, Version
from shared.telemetry.logs import get_logger

log = get_logger(__name__)


def sign(
    database: Database,
    provider: str,
    day: date,
    role: Signed,
    *,
    by: str,
    reason: str | None = None,
    books: str | None = None,
) -> str:
    """Sign a day that is over and was compared, as it is now; kept for ever, with what it comes to. The digest of that.

    What is different later is a correction in the statement of its period, and has the day signed again: a new version,
    prepared and reviewed anew, beside the earlier ones. Who reviews, reviews what was prepared: where the day changed
    between the two, it is prepared again. books: the digest of what the person saw, or its beginning; another one is
    refused. Once people are set up, the one who reviews is another one than who prepared: the database refuses the
    rest. Raises Unresolvable, ValueError.
    """
    by, reason = decision.by(by), None if reason is None else decision.reason(reason)
    if books is not None and re.fullmatch(r"[0-9a-f]{12,64}", books) is None:
        raise ValueError(f"the digest of the books has {SHORT} of 0-9 and a-f, as the day's page shows it")
    try:
        with database.transaction() as connection:
            run = signatures.known(connection, provider, day)
            if run is None or not run.compared:
                how = f"compare it with `settlepipe reconcile {provider} --date {day}` first"
                raise Unresolvable(f"{day} of {provider} was not compared; {how}, nothing was changed")
            if not run.over:
                raise Unresolvable(f"{day} was not over when it was compared; nothing was changed")
            to_sign.turn(connection, provider)
            there = signatures.of_day(connection, provider, day)
            if (why := _unsignable(there, role, by, books, alone=not set_up(connection))) is not None:
                raise Unresolvable(f"{why}; nothing was changed")
            version = _version(there, role)
            covered = signatures.sign(connection, provider, day, role, version, by=by, reason=reason)
            to_sign.note_day(connection, provider, day)
            content = {"version": version, "books": covered}
            audit.write(connection, f"day.{role}", f"{provider} {day}", by=by, reason=reason, content=content)
    except psycopg.errors.CheckViolation as error:
        raise Unresolvable(f"{error.diag.message_primary}; nothing was changed") from None
    log.info("day signed", provider=provider, day=day.isoformat(), signed_as=role.value, version=version)
    return covered


def _version(there: SignedDay, role: Signed) -> int:
    before = there.last.version if there.last else 0
    return before + 1 if role is Signed.PREPARED else before


def _unsignable(there: SignedDay, role: Signed, by: str, books: str | None, *, alone: bool) -> str | None:
    """Why this person can't sign the day as this; None: they can."""
    if books is not None and not there.books.startswith(books):
        return f"the books of this day are other ones now ({short(there.books)}): look at {there.day} again"
    if there.next is not role:
        return f"{there.day} of {there.provider} {_not_next(there, role)}"
    last = there.last
    if role is Signed.REVIEWED and last is not None and not alone and by.lower() == (last.prepared_by or "").lower():
        return f"{by} prepared {there.day}; another person has to review it"
    return None


def _not_next(there: SignedDay, role: Signed) -> str:
    """What a day is, that is not to be signed as this."""
    last = there.last
    if last is None:
        return "has to be prepared before it is reviewed"
    if there.next is None:
        return f"was {role} before, by {_by(last, role)}, and nothing about it has changed since"
    if role is Signed.PREPARED:
        return f"was prepared before, by {last.prepared_by}"
    latest = Signed.REVIEWED if last.reviewed_by else Signed.PREPARED
    return f"has changed since {_by(last, latest)} {latest} it, and has to be prepared again"


def _by(version: Version, role: Signed) -> str | None:
    return version.prepared_by if role is Signed.PREPARED else version.reviewed_by
