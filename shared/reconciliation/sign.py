"""sign: a person puts their name under a day: one prepared it, another one reviewed it."""

from datetime import date

import psycopg

from shared import audit
from shared.database.engine import Database
from shared.domain import decision
from shared.domain.discrepancies import Signed
from shared.payments.look import Unresolvable
from shared.people.prove import set_up
from shared.reconciliation.store import signatures
from shared.telemetry.logs import get_logger

log = get_logger(__name__)


def sign(database: Database, provider: str, day: date, role: Signed, *, by: str, reason: str | None = None) -> None:
    """Sign a day that is over and was compared, once for each role; kept for ever, with what it comes to now. What is
    different later is a correction in the statement of its period.

    Once people are set up, the one who reviews is another one than who prepared: the database refuses the rest. Raises
    Unresolvable, ValueError.
    """
    by, reason = decision.by(by), None if reason is None else decision.reason(reason)
    try:
        with database.transaction() as connection:
            run = signatures.known(connection, provider, day)
            if run is None or not run.compared:
                how = f"compare it with `settlepipe reconcile {provider} --date {day}` first"
                raise Unresolvable(f"{day} of {provider} was not compared; {how}, nothing was changed")
            if not run.over:
                raise Unresolvable(f"{day} was not over when it was compared; nothing was changed")
            there = {one.role: one for one in signatures.of_day(connection, provider, day)}
            if role in there:
                raise Unresolvable(
                    f"{day} of {provider} was {role} before, by {there[role].by_whom}; nothing was changed"
                )
            if role is Signed.REVIEWED and Signed.PREPARED not in there:
                raise Unresolvable(f"{day} of {provider} has to be prepared before it is reviewed; nothing was changed")
            if set_up(connection) and by.lower() in {one.by_whom.lower() for one in there.values()}:
                raise Unresolvable(f"{by} prepared {day}; another person has to review it, nothing was changed")
            signatures.sign(connection, provider, day, role, by=by, reason=reason)
            audit.write(connection, f"day.{role}", f"{provider} {day}", by=by, reason=reason)
    except psycopg.errors.CheckViolation as error:
        raise Unresolvable(f"{error.diag.message_primary}; nothing was changed") from None
    log.info("day signed", provider=provider, day=day.isoformat(), signed_as=role.value)
