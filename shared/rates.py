"""A lane's rate, for reads that are nobody's payment: they count against it all the same."""

from dataclasses import dataclass

from shared.database.engine import Connection


@dataclass(frozen=True, slots=True)
class Allowance:
    """May a read be made? Yes where wait_s is 0 and the lane is not stopped; else ask again after wait_s seconds.

    stopped: why a person has to see to the lane first; None: it is not paused, and not halted or free to be probed.
    probes: the lane is halted and nothing that is due probes it; a read that is let in may set it going.
    """

    wait_s: float
    stopped: str | None
    probes: bool = False


# An open breaker whose time is over lets reads through, and so does a halted lane whose probe has been due and was not
# made: at night there may be no payment to probe with.
_STANDING = """
    CASE WHEN paused_at IS NOT NULL THEN 'the lane is paused by ' || coalesce(paused_by, 'somebody')
         WHEN halted_at IS NOT NULL AND coalesce(probe_at > clock(), true)
         THEN 'the lane is halted: ' || coalesce(halted_reason, 'no reason was given')
    END AS stopped,
    halted_at IS NOT NULL AS probes,
    greatest(coalesce(extract(epoch FROM open_until - clock()), 0), 0)::float8 AS open_for
"""
_STANDS = f"""
SELECT stopped, probes, open_for AS wait_s FROM (SELECT {_STANDING} FROM lanes WHERE provider = %(provider)s) l
"""
# rate_at never goes back: a statement that waited for the lock has an older clock than the one before it.
_TAKE = f"""
WITH lane AS (
    SELECT provider, {_STANDING},
        least(greatest(%(rate)s::float8, 1),
              rate_tokens + greatest(extract(epoch FROM clock() - rate_at), 0) * %(rate)s::float8) AS tokens
    FROM lanes WHERE provider = %(provider)s FOR NO KEY UPDATE
), taken AS (
    UPDATE lanes l SET rate_tokens = lane.tokens - 1, rate_at = greatest(l.rate_at, clock()) FROM lane
    WHERE l.provider = lane.provider AND lane.tokens >= 1 AND lane.stopped IS NULL AND lane.open_for = 0
)
SELECT stopped, probes, greatest(open_for, (1 - tokens) / %(rate)s::float8, 0) AS wait_s FROM lane
"""


def take(connection: Connection, provider: str, rate_per_s: float | None) -> Allowance:
    """Ask to make one read now. It counts against the lane's rate like a payment.

    Locks the lane's row for this one statement, if there is a rate.
    """
    given = {"provider": provider, "rate": rate_per_s}
    row = connection.execute(_STANDS if rate_per_s is None else _TAKE, given).fetchone()
    if row is None:
        return Allowance(0, f"{provider} has no lane")
    return Allowance(row["wait_s"], row["stopped"], row["probes"] and row["stopped"] is None)
