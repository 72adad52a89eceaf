"""Lanes: who may send how much, decided in one place for the whole fleet."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.database.engine import Connection, Row
from shared.database.statements import statements

_SQL = statements(__file__)


PROBE_EVERY_S = 60  # a halted lane tries one payment this often


@dataclass(frozen=True, slots=True)
class Lane:
    """A locked lane: what its row says now, by the database's clock."""

    provider: str
    running: bool
    resumed: bool  # it runs for the first time since it stood still: what was dispatched then is to be taken back
    may_probe: bool  # stopped, but one payment may be tried
    halted_by_send: bool  # reads may well be let in
    rate_tokens: float  # payments that the rate allows now; infinite without a rate


@dataclass(frozen=True, slots=True)
class Allowance:
    """May a read be made? Yes where wait_s is 0 and the lane is not stopped; else ask again after wait_s seconds.

    stopped: why a person has to see to the lane first; None: it is not paused, and not halted or free to be probed.
    probes: the lane is halted and nothing that is due probes it; a read that is let in may set it going.
    """

    wait_s: float
    stopped: str | None
    probes: bool = False


_FILLS = 0.9  # of the rate, in a second
_RESERVE = 0.08  # of the rate: what a look that is late finds gathered

# The token bucket, filled up to now: what the rate allows at this moment.
_TOKENS = """least(%(holds)s::float8,
    rate_tokens + greatest(extract(epoch FROM clock() - rate_at), 0) * %(fills)s::float8)"""

_TOKENS_LEFT = f"SELECT {_TOKENS} AS tokens FROM lanes WHERE provider = %(provider)s"

# NO KEY: an intake's inserts refer to the lane (a foreign key), and must neither wait for this lock nor hide the lane.
# From here on the transaction waits a second for a lock at most: one that somebody keeps costs the other lanes no more.
_LOCK = f"""
SELECT set_config('lock_timeout', '1s', true), l.running, l.resumed, l.halted_by_send,
    l.paused_at IS NULL AND NOT l.running AND coalesce(l.open_until <= clock(), true)
        AND (l.halted_at IS NULL OR coalesce(l.probe_at <= clock(), true)) AS may_probe,
    CASE WHEN %(fills)s::float8 IS NULL THEN 'Infinity'::float8
         ELSE {_TOKENS} END AS tokens
FROM lanes l WHERE provider = %(provider)s FOR NO KEY UPDATE SKIP LOCKED
"""

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
        {_TOKENS} AS tokens
    FROM lanes WHERE provider = %(provider)s FOR NO KEY UPDATE
), taken AS (
    UPDATE lanes l SET rate_tokens = lane.tokens - 1, rate_at = greatest(l.rate_at, clock()) FROM lane
    WHERE l.provider = lane.provider AND lane.tokens >= 1 AND lane.stopped IS NULL AND lane.open_for = 0
)
SELECT stopped, probes, greatest(open_for, (1 - tokens) / %(fills)s::float8, 0) AS wait_s FROM lane
"""

# The part of a statement that says what a send found. The breaker counts what is down, and opens; an answer closes it.
# An answer that refuses our credentials or funds halts the lane; a probe that is let in sets it going again.
SENT = """
lane AS (
    UPDATE lanes l SET
        failures = CASE %(signal)s WHEN 'down' THEN failures + 1 WHEN 'alive' THEN 0 ELSE failures END,
        open_until = CASE
            WHEN %(signal)s = 'down' AND (failures + 1 >= %(breaker_failures)s
                OR open_until IS NOT NULL AND probe_payment_id = %(id)s)
                THEN clock() + make_interval(secs => %(breaker_open_s)s)
            WHEN %(signal)s = 'alive' AND probe_payment_id = %(id)s THEN NULL
            ELSE open_until END,
        halted_at = CASE
            WHEN %(halt)s::text IS NOT NULL THEN coalesce(halted_at, clock())
            WHEN %(signal)s = 'alive' AND probe_payment_id = %(id)s AND (NOT halted_by_send OR %(to)s = 'succeeded')
            THEN NULL ELSE halted_at END,
        halted_reason = CASE
            WHEN %(halt)s::text IS NOT NULL THEN %(halt)s
            WHEN %(signal)s = 'alive' AND probe_payment_id = %(id)s AND (NOT halted_by_send OR %(to)s = 'succeeded')
            THEN NULL ELSE halted_reason END,
        halted_by_send = halted_by_send OR %(halt)s::text IS NOT NULL AND NOT %(unsent)s,
        probe_at = CASE WHEN %(halt)s::text IS NOT NULL
            THEN clock() + make_interval(secs => %(probe_every_s)s) ELSE probe_at END
    WHERE l.provider = %(provider)s AND (%(signal)s = 'down' OR %(halt)s::text IS NOT NULL
        OR %(signal)s = 'alive' AND (failures > 0 OR probe_payment_id = %(id)s))
    RETURNING %(halt)s::text IS NOT NULL AND l.halted_at = clock() AS halts, l.running
)
"""


def probed(probe: str) -> str:
    """The part of a statement that says what a probe which is no payment's send found: a check, a follow-up. It is one
    only while `probe` is its id. An answer shows that the provider is up and lets us in, so a lane that stopped for
    that runs again. Not one that a send was refused: it lets the next probe through, and where this one goes on to
    send, that is it.
    """
    return f"""
lane AS (
    UPDATE lanes l SET failures = CASE WHEN %(down)s THEN failures + 1 ELSE 0 END,
        open_until = CASE WHEN %(down)s THEN clock() + make_interval(secs => %(breaker_open_s)s) END,
        halted_at = CASE WHEN %(down)s OR halted_by_send THEN halted_at END,
        halted_reason = CASE WHEN %(down)s OR halted_by_send THEN halted_reason END,
        probe_at = CASE WHEN %(down)s OR NOT halted_by_send THEN probe_at
            WHEN %(sends)s THEN clock() + make_interval(secs => {PROBE_EVERY_S}) ELSE clock() END
    WHERE l.provider = %(provider)s AND {probe} = %(id)s AND NOT running AND (%(down)s OR NOT %(unread)s)
)
"""


def ensure(connection: Connection, providers: Sequence[str]) -> None:
    """Every known provider has a lane."""
    for provider in providers:
        connection.execute("INSERT INTO lanes (provider) VALUES (%s) ON CONFLICT DO NOTHING", (provider,))


def _bucket(rate_per_s: float | None) -> dict[str, float | None]:
    """How many tokens a lane's bucket holds, and how many a second fill it.

    What it holds and what comes in a second is one more than 0.98 of the rate, and the one that is too many comes 22 ms
    after that second: so in no second more than the rate is applied, also after a silence, while one request is no
    longer on its way than another by more than that. A rate of one or less needs no reserve.
    """
    if rate_per_s is None:
        return {"holds": 1, "fills": None}
    if rate_per_s <= 1:
        return {"holds": 1, "fills": (_FILLS + _RESERVE) * rate_per_s}
    return {"holds": 1 + _RESERVE * rate_per_s, "fills": _FILLS * rate_per_s}


def lock(connection: Connection, provider: str, rate_per_s: float | None) -> Lane | None:
    """Lock the lane's row until the transaction ends; None when another dispatcher is at it."""
    row = connection.execute(_LOCK, {"provider": provider, **_bucket(rate_per_s)}).fetchone()
    if row is None:
        return None
    resumed = row["running"] and row["resumed"]
    return Lane(provider, row["running"], resumed, row["may_probe"], row["halted_by_send"], row["tokens"])


def spend(connection: Connection, lane: Lane, sent: int) -> None:
    """Take what was dispatched from the lane's rate."""
    connection.execute(_SQL["spend"], {"provider": lane.provider, "tokens": lane.rate_tokens - sent})


def take(connection: Connection, provider: str, rate_per_s: float | None) -> Allowance:
    """Ask to make one read now. It counts against the lane's rate like a payment.

    Locks the lane's row for this one statement, if there is a rate.
    """
    given = {"provider": provider, **_bucket(rate_per_s)}
    row = connection.execute(_STANDS if rate_per_s is None else _TAKE, given).fetchone()
    if row is None:
        return Allowance(0, f"{provider} has no lane")
    return Allowance(row["wait_s"], row["stopped"], row["probes"] and row["stopped"] is None)


def probe(
    connection: Connection, provider: str, open_s: float, *, payment: int | None = None, follow_up: int | None = None
) -> None:
    """Let one payment, or one follow-up, through a stopped lane; its outcome says whether the lane runs again."""
    given = {"payment": payment, "follow_up": follow_up, "open_s": open_s, "halted_s": PROBE_EVERY_S}
    connection.execute(_SQL["probe"], given | {"provider": provider})


def halt(connection: Connection, provider: str, reason: str) -> bool:
    """Stop a lane whose credentials were refused; it probes every PROBE_EVERY_S. True when it was not halted before."""
    row = connection.execute(
        """UPDATE lanes SET halted_at = coalesce(halted_at, clock()), halted_reason = %s,
            probe_at = clock() + make_interval(secs => %s) WHERE provider = %s
        RETURNING halted_at = clock() AS halts""",
        (reason, PROBE_EVERY_S, provider),
    ).fetchone()
    return bool(row and row["halts"])


def let_in(connection: Connection, provider: str) -> None:
    """A read of the books was let in: a lane that halted because a login was refused, and that nothing else probes,
    runs again."""
    connection.execute(
        """UPDATE lanes SET halted_at = NULL, halted_reason = NULL
        WHERE provider = %s AND halted_at IS NOT NULL AND NOT halted_by_send AND probe_at <= clock()""",
        (provider,),
    )


def pause(connection: Connection, provider: str, by: str) -> bool:
    """Stop a lane until it is resumed. False when there is no such lane."""
    statement = "UPDATE lanes SET paused_at = coalesce(paused_at, clock()), paused_by = %s WHERE provider = %s"
    return connection.execute(statement, (by, provider)).rowcount == 1


def probe_soon(connection: Connection, provider: str) -> None:
    """A halted lane is probed at the next look: what halted it may have been mended."""
    connection.execute("UPDATE lanes SET probe_at = clock() WHERE provider = %s AND halted_at IS NOT NULL", (provider,))


def resume(connection: Connection, provider: str) -> bool:
    """Lift a pause; a halted or open lane probes with one payment at once. False when there is no such lane."""
    statement = """UPDATE lanes SET paused_at = NULL, paused_by = NULL, probe_at = clock(),
        open_until = CASE WHEN open_until IS NOT NULL THEN least(open_until, clock()) END  -- least() ignores nulls
        WHERE provider = %s"""
    return connection.execute(statement, (provider,)).rowcount == 1


def tokens(connection: Connection, provider: str, rate_per_s: float) -> float:
    """Payments that this lane's rate allows now. Reads without a lock."""
    row = connection.execute(_TOKENS_LEFT, {"provider": provider, **_bucket(rate_per_s)}).fetchone()
    return float(row["tokens"]) if row else 0.0


def standing(connection: Connection) -> list[Row]:
    """Each lane with why it stands still, without its payments: a row each."""
    return connection.execute(
        """SELECT provider, running, paused_at, paused_by, halted_at, halted_reason, open_until, failures,
            greatest(0, extract(epoch FROM clock() - coalesce(paused_at, halted_at)))::float8 AS stands_s
        FROM lanes ORDER BY provider"""
    ).fetchall()


def told(row: Mapping[str, Any]) -> tuple[str, datetime | None, str | None]:
    """A lane of `standing` or `overview` as it is told: paused, halted, open (the circuit breaker) or running; since
    when, where that is known; why. A pause says what else is wrong."""
    if row["paused_at"]:
        else_ = f"; also halted: {row['halted_reason']}" if row["halted_at"] else ""
        else_ += "; also the breaker is open" if row["open_until"] else ""
        return "paused", row["paused_at"], f"by {row['paused_by']}{else_}"
    if row["halted_at"]:
        return "halted", row["halted_at"], row["halted_reason"]
    if row["open_until"]:
        return "open", None, f"{row['failures']} failures in a row say that the provider is down"
    return "running", None, None


def locked(connection: Connection, provider: str) -> Row | None:
    """Why a lane stands still, for `told`; that stays so until the transaction ends."""
    statement = """SELECT paused_at, paused_by, halted_at, halted_reason, open_until, failures FROM lanes
        WHERE provider = %s FOR UPDATE"""
    return connection.execute(statement, (provider,)).fetchone()


def mark(row: Mapping[str, Any]) -> str:
    """Of what a lane stands still for: another text where it stands still for something else."""
    state, since, reason = told(row)
    whole = state if since is None else f"{state} {since.isoformat()} {reason}"
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


def overview(connection: Connection) -> list[Row]:
    """Each lane with why it stands still, and how many payments are in each state that is not final."""
    return connection.execute(
        """SELECT l.provider, l.running, l.paused_at, l.paused_by, l.halted_at, l.halted_reason, l.open_until,
            l.failures,
            coalesce(jsonb_object_agg(s.state, s.n) FILTER (WHERE s.state IS NOT NULL), '{}') AS states
        FROM lanes l LEFT JOIN (
            SELECT provider, state, count(*) AS n FROM payments
            WHERE due_at IS NOT NULL OR hold_reason IS NOT NULL OR state = 'parked' GROUP BY provider, state
        ) s USING (provider) GROUP BY l.provider ORDER BY l.provider"""
    ).fetchall()
