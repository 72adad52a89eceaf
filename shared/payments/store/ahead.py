"""Times that a clock which ran ahead for a moment left behind: what would stand still until they come goes on.

Every wait that the flow writes has a longest length. What is due later than that was written by a clock that ran ahead:
it is due now, and a lease begins anew. The index on due times finds such rows at once, and as a rule finds none.
"""

from dataclasses import asdict, dataclass

from shared.database.engine import Connection
from shared.database.statements import statements

_SQL = statements(__file__)


_SLACK_S = 60.0
_LIMIT = 500


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
    return sum(
        len(connection.execute(statement, given).fetchall())
        for statement in (_SQL["lane"], _SQL["payments"], _SQL["follow_ups"])
    )
