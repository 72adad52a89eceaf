"""Times that a clock which ran ahead for a moment left behind: what would stand still until they come goes on.

Every wait that the flow writes has a longest length. What is due later than that was written by a clock that ran ahead:
it is due now, and a lease begins anew. The index on due times finds such rows at once, and as a rule finds none.
"""

from dataclasses import asdict, dataclass

from shared.database.engine import Connection

_SLACK_S = 60.0
_LIMIT = 500

# Nothing that a settle-or-not decision rests on changes here: an attempt keeps its end and its lease, from which the
# settle window is counted, and a deadline stays. A payment whose attempt seems to end in weeks becomes a person's.
_PAYMENTS = """
WITH ahead AS (
    SELECT id FROM payments WHERE provider = %(provider)s AND due_at > clock() + make_interval(secs => %(most_s)s)
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE payments p SET due_at = clock() + make_interval(
    secs => CASE WHEN p.state = 'sending' THEN %(lease_s)s
                 WHEN p.state = 'accepted' AND p.operation = 'refund' THEN %(window_s)s ELSE 0 END)
FROM ahead WHERE p.id = ahead.id RETURNING p.id
"""

_FOLLOW_UPS = """
UPDATE follow_ups SET due_at = clock() + make_interval(secs => CASE WHEN state = 'sending' THEN %(lease_s)s ELSE 0 END)
WHERE provider = %(provider)s AND due_at > clock() + make_interval(secs => %(most_s)s) RETURNING id
"""

_LANE = """
UPDATE lanes SET open_until = least(open_until, clock() + make_interval(secs => %(open_s)s)),
    probe_at = least(probe_at, clock() + make_interval(secs => %(probe_s)s)),
    stopped_at = least(stopped_at, clock()), rate_at = least(rate_at, clock())
WHERE provider = %(provider)s
    AND (open_until > clock() + make_interval(secs => %(open_s)s + %(slack_s)s)
         OR probe_at > clock() + make_interval(secs => %(probe_s)s + %(slack_s)s)
         OR stopped_at > clock() + make_interval(secs => %(slack_s)s)
         OR rate_at > clock() + make_interval(secs => %(slack_s)s))
RETURNING provider
"""


@dataclass(frozen=True, slots=True)
class Longest:
    """A lane's longest waits. most_s: a payment's or follow-up's, whatever it waits for. lease_s: a claim's.
    window_s: the settle window, which a refund may wait. open_s: an open breaker's. probe_s: a halted lane's.
    """

    most_s: float
    lease_s: float
    window_s: float
    open_s: float
    probe_s: float


def mend(connection: Connection, provider: str, longest: Longest) -> int:
    """Bring back what a lane has beyond its longest waits; how many rows. The caller holds the lane's lock."""
    given = {
        "provider": provider,
        "slack_s": _SLACK_S,
        "limit": _LIMIT,
        **asdict(longest),
        "most_s": longest.most_s + _SLACK_S,
    }
    return sum(len(connection.execute(statement, given).fetchall()) for statement in (_LANE, _PAYMENTS, _FOLLOW_UPS))
