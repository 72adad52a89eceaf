"""Lanes: who may send how much, decided in one place for the whole fleet."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.database.engine import Connection, Row

PROBE_EVERY_S = 60  # a halted lane tries one payment this often


@dataclass(frozen=True, slots=True)
class Lane:
    """A locked lane: what its row says now, by the database's clock."""

    provider: str
    running: bool
    may_probe: bool  # stopped, but one payment may be tried
    halted_by_send: bool  # reads may well be let in
    rate_tokens: float  # payments that the rate allows now; infinite without a rate


@dataclass(frozen=True, slots=True)
class Dispatched:
    """A claimed payment: to be sent, or (an unknown one) to be checked."""

    id: int
    check: bool


# NO KEY: an intake's inserts refer to the lane (a foreign key), and must neither wait for this lock nor hide the lane.
# From here on the transaction waits a second for a lock at most: one that somebody keeps costs the other lanes no more.
_LOCK = """
SELECT set_config('lock_timeout', '1s', true), l.running, l.resumed, l.halted_by_send,
    l.paused_at IS NULL AND NOT l.running AND coalesce(l.open_until <= clock(), true)
        AND (l.halted_at IS NULL OR coalesce(l.probe_at <= clock(), true)) AS may_probe,
    CASE WHEN %(rate)s::float8 IS NULL THEN 'Infinity'::float8
         ELSE least(greatest(%(rate)s::float8, 1),
                    rate_tokens + greatest(extract(epoch FROM clock() - rate_at), 0) * %(rate)s::float8) END AS tokens
FROM lanes l WHERE provider = %(provider)s FOR NO KEY UPDATE SKIP LOCKED
"""

# Workers dropped the messages of what was dispatched when the lane stopped. One that is being claimed at this moment
# (locked) has its sender.
_TAKE_BACK = """
WITH resumed AS (
    UPDATE lanes SET resumed = false WHERE provider = %(provider)s
), dropped AS (
    SELECT id FROM payments WHERE provider = %(provider)s AND due_at > clock()
        AND (state = 'dispatched' OR state = 'unknown' AND check_due) FOR UPDATE SKIP LOCKED
), follow_ups AS (
    UPDATE follow_ups SET due_at = clock()
    WHERE provider = %(provider)s AND state = 'dispatched' AND due_at > clock()
)
UPDATE payments p SET due_at = clock() FROM dropped WHERE p.id = dropped.id
"""

# A lease that ran out is an ambiguous attempt like any other, but for one whose baseline was not kept: the send comes
# after that, so nothing was sent. That says nothing of an earlier attempt.
_RECOVER = """
WITH late AS (
    SELECT id, attempts, reads_first AND baseline IS NULL AS unsent,
        NOT resend_safe AND (NOT (reads_first AND baseline IS NULL) OR ever_doubtful(id, attempts)) AS looks
    FROM payments
    WHERE provider = %(provider)s AND due_at <= clock() AND state = 'sending'
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), ended AS (
    UPDATE attempts a SET ended_at = clock(), meaning = 'not_sent', kind = 'lease_lost' FROM late
    WHERE late.unsent AND a.payment_id = late.id AND a.number = late.attempts
)
UPDATE payments p SET state = CASE WHEN looks THEN 'unknown' ELSE 'waiting' END,
    in_doubt = in_doubt OR looks OR NOT unsent, possibly_sent = possibly_sent OR NOT unsent, rung = 0,
    detail = 'no outcome was recorded before the lease ran out',
    due_at = clock() + make_interval(
        secs => CASE WHEN looks THEN %(check_s)s ELSE random() * %(base_s)s END)
FROM late WHERE p.id = late.id
RETURNING p.id, p.state
"""

_PARK_OVERDUE = """
WITH overdue AS (
    SELECT p.id FROM payments p JOIN lanes l USING (provider)
    WHERE p.provider = %(provider)s AND p.due_at <= clock() AND p.state = 'waiting' AND p.deadline <= lane_clock(l)
    ORDER BY p.due_at LIMIT %(limit)s FOR UPDATE OF p SKIP LOCKED
)
UPDATE payments p SET state = 'parked', due_at = NULL,
    detail = 'past its deadline: ' || coalesce(p.detail, 'no attempt went through')
FROM overdue WHERE p.id = overdue.id RETURNING p.id
"""

_UNCLAIMED = """
SELECT count(*) AS n FROM payments WHERE provider = %(provider)s AND state = 'dispatched' AND due_at > clock()
"""

# What may have been applied is looked at before it is sent again, however it came to wait.
_CLAIM_DUE = """
WITH due AS (
    SELECT id, state, exclusive_key, due_at,
        CASE WHEN state = 'unknown' THEN true WHEN resend_safe OR attempts = 0 THEN false
            ELSE ever_doubtful(id, 0) END AS looks
    FROM payments
    WHERE provider = %(provider)s AND due_at <= clock() AND state <> 'sending'
        AND (state = 'unknown' OR NOT %(checks_only)s)
        -- overdue, and not parked yet
        AND (state = 'waiting' AND deadline <= (SELECT lane_clock(l) FROM lanes l WHERE provider = %(provider)s))
            IS NOT TRUE
    ORDER BY due_at, id LIMIT %(room)s FOR UPDATE SKIP LOCKED
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY exclusive_key, state = 'accepted' ORDER BY due_at, id) AS place FROM due
), judged AS (
    SELECT id, state, looks, state = 'accepted' AND exclusive_key IS NOT NULL AND (place > 1 OR EXISTS (
        SELECT FROM payments b WHERE b.exclusive_key = ranked.exclusive_key
        AND b.state IN ('dispatched', 'sending', 'waiting', 'unknown', 'parked'))) AS busy
    FROM ranked
), taken AS (
    UPDATE payments p SET
        state = CASE WHEN busy THEN p.state WHEN looks THEN 'unknown' ELSE 'dispatched' END,
        in_doubt = in_doubt OR looks AND j.state <> 'unknown',
        hold_reason = CASE WHEN busy THEN 'invoice_busy' END,
        detail = CASE WHEN busy THEN 'another payment on the same invoice is under way' ELSE p.detail END,
        due_at = CASE WHEN NOT busy THEN clock() + make_interval(secs => %(lease_s)s) END,
        check_due = looks
    FROM judged j WHERE p.id = j.id
    RETURNING p.id, looks AS check, busy
)
SELECT id, "check", busy FROM taken ORDER BY id
"""

_SPEND = """
UPDATE lanes SET rate_tokens = %(tokens)s, rate_at = clock() WHERE provider = %(provider)s
"""

_PROBE = """
UPDATE lanes SET probe_payment_id = %(payment)s, probe_follow_up_id = %(follow_up)s,
    open_until = CASE WHEN open_until IS NOT NULL THEN clock() + make_interval(secs => %(open_s)s) END,
    probe_at = CASE WHEN halted_at IS NOT NULL THEN clock() + make_interval(secs => %(halted_s)s) END
WHERE provider = %(provider)s
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


def lock(connection: Connection, provider: str, rate_per_s: float | None) -> Lane | None:
    """Lock the lane's row until the transaction ends; None when another dispatcher is at it.

    What was dispatched before a lane stood still is due again at the first look after it.
    """
    row = connection.execute(_LOCK, {"provider": provider, "rate": rate_per_s}).fetchone()
    if row is None:
        return None
    if row["running"] and row["resumed"]:
        connection.execute(_TAKE_BACK, {"provider": provider})
    return Lane(provider, row["running"], row["may_probe"], row["halted_by_send"], row["tokens"])


def recover(connection: Connection, provider: str, base_s: float, check_s: float, limit: int = 500) -> list[Row]:
    """Take back what was being sent when its lease ran out; rows of id and new state."""
    given = {"provider": provider, "base_s": base_s, "check_s": check_s, "limit": limit}
    return connection.execute(_RECOVER, given).fetchall()


def park_overdue(connection: Connection, provider: str, limit: int = 500) -> list[int]:
    """Park what waits past its deadline."""
    rows = connection.execute(_PARK_OVERDUE, {"provider": provider, "limit": limit}).fetchall()
    return [row["id"] for row in rows]


def unclaimed(connection: Connection, provider: str) -> int:
    """How many payments are dispatched and not yet claimed by a sender."""
    row = connection.execute(_UNCLAIMED, {"provider": provider}).fetchone()
    assert row is not None  # noqa: S101 - count(*) always gives a row
    return int(row["n"])


def claim_due(
    connection: Connection, provider: str, room: int, lease_s: float, *, checks_only: bool = False
) -> list[Dispatched]:
    """Up to `room` payments that are due, in order of their due times, marked dispatched with a lease.

    Those whose exclusive key is taken are held as `invoice_busy` and not among them; nor is what waits past its
    deadline.
    """
    given = {"provider": provider, "room": room, "lease_s": lease_s, "checks_only": checks_only}
    rows = connection.execute(_CLAIM_DUE, given).fetchall()
    return [Dispatched(row["id"], row["check"]) for row in rows if not row["busy"]]


def spend(connection: Connection, lane: Lane, sent: int) -> None:
    """Take what was dispatched from the lane's rate."""
    connection.execute(_SPEND, {"provider": lane.provider, "tokens": lane.rate_tokens - sent})


def probe(
    connection: Connection, provider: str, open_s: float, *, payment: int | None = None, follow_up: int | None = None
) -> None:
    """Let one payment, or one follow-up, through a stopped lane; its outcome says whether the lane runs again."""
    given = {"payment": payment, "follow_up": follow_up, "open_s": open_s, "halted_s": PROBE_EVERY_S}
    connection.execute(_PROBE, given | {"provider": provider})


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


def resume(connection: Connection, provider: str) -> bool:
    """Lift a pause; a halted or open lane probes with one payment at once. False when there is no such lane."""
    statement = """UPDATE lanes SET paused_at = NULL, paused_by = NULL, probe_at = clock(),
        open_until = CASE WHEN open_until IS NOT NULL THEN least(open_until, clock()) END  -- least() ignores nulls
        WHERE provider = %s"""
    return connection.execute(statement, (provider,)).rowcount == 1


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
