"""What a person decides: locked, judged, kept and done in the caller's one transaction. Append only."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.archive.recall import recall
from shared.archive.twins import every
from shared.database import foreign
from shared.database.engine import Connection, Row
from shared.database.statements import statements
from shared.domain.answers import CheckResult
from shared.payments.store import check as check_store
from shared.payments.store.check import CheckClaim

_SQL = statements(__file__)


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's decision about one payment. action: e.g. `succeeded`, `resend`, `cancelled`, `receipt_issued`; `look`
    where it was shown what the books hold, and nothing more was done.

    although: why it is decided so in spite of what was shown. line: the provider's number of the line that is meant.
    """

    action: str
    reason: str
    by: str
    although: str | None = None
    line: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A locked payment. follow_ups: kind (`receipt`, `sms`) to the state of those that it has; asked_for: how
    often each was claimed."""

    id: int
    state: str
    possibly_sent: bool
    follow_ups: Mapping[str, str]
    asked_for: Mapping[str, int]
    checks: int
    attempts: int


_KEY = "SELECT payment_id FROM intent_keys WHERE source = %s AND intent_id = %s"

_FIND = f"""
SELECT p.id, p.provider, p.state FROM {every("payments")} p WHERE p.source = %s AND p.intent_id = %s
"""

_SEEN = f"""
SELECT {check_store.SEEN} FROM payments p JOIN lanes l USING (provider) WHERE p.id = %(id)s
"""


def find(connection: Connection, source: str, intent_id: str) -> tuple[int, str, str] | None:
    """(id, provider, state) of the payment of this intent, wherever it is kept; None when there is none."""
    row = connection.execute(_FIND, (source, intent_id)).fetchone()
    return None if row is None else (row["id"], row["provider"], row["state"])


def seen(connection: Connection, payment_id: int, window_s: float) -> tuple[CheckClaim, int] | None:
    """What a check has to know, and how often it was claimed; nothing is claimed by this. None: it is archived."""
    row = connection.execute(_SEEN, {"id": payment_id, "window_s": window_s}).fetchone()
    return None if row is None else (check_store.as_seen(row), row["attempts"])


def shown(connection: Connection, payment_id: int, by: str) -> Mapping[str, Any] | None:
    """What this person was last shown of the books when a decision of theirs was refused; None: nothing."""
    row = connection.execute(_SQL["shown"], {"id": payment_id, "by": by}).fetchone()
    return None if row is None else row["look"]


def decided_since(connection: Connection, source: str, intent_id: str, at: str) -> Row | None:
    """The last decision of a person about the payment since then (RFC 3339): action, by_whom, approved_by, reason."""
    given = {"source": source, "intent_id": intent_id, "at": at}
    return connection.execute(_SQL["decided_since"], given).fetchone()


def lock(connection: Connection, source: str, intent_id: str) -> Found | None:
    """The payment of this intent, locked until the transaction ends; None when there is none.

    One in the archive comes back, unless the caller decides nothing and rolls back.
    """
    given = (source, intent_id, source, intent_id)
    row = connection.execute(_SQL["lock"], given).fetchone()
    if row is None:
        recall(connection, [key["payment_id"] for key in connection.execute(_KEY, given[:2]).fetchall()])
        row = connection.execute(_SQL["lock"], given).fetchone()
    return None if row is None else Found(**row)


def keep(
    connection: Connection,
    payment_id: int,
    from_state: str,
    decision: Decision,
    look: Mapping[str, Any] | None = None,
    *,
    approved_by: str | None = None,
) -> None:
    """Write down who decided what, why, what they were shown, and who agreed."""
    connection.execute(
        """INSERT INTO resolutions (payment_id, action, from_state, reason, by_whom, although, line, look, approved_by)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s)""",
        (
            *(payment_id, decision.action, from_state, decision.reason, decision.by, decision.although, decision.line),
            None if look is None else json.dumps(look),
            approved_by,
        ),
    )


def looked(connection: Connection, payment_id: int, result: CheckResult) -> None:
    """Keep what a look for a person found among the payment's checks."""
    given = {"verdict": result.verdict.value, "evidence": foreign.json_text(check_store.kept(result))}
    connection.execute(_SQL["looked"], {"id": payment_id, "detail": foreign.text(result.detail), **given})


def applied(connection: Connection, payment_id: int, result: CheckResult) -> None:
    """The books show it: succeeded, from any state that is not final."""
    given = {"detail": foreign.text(result.detail), "reference": foreign.text(result.provider_reference)}
    connection.execute(_SQL["applied"], {"id": payment_id, "line": foreign.text(result.line), **given})


def take(connection: Connection, payment_id: int, line: str, by: str) -> str | None:
    """This line is evidence for this payment from now on, and for no other: None. Where it is another one's already,
    that payment's name."""
    given = {"id": payment_id, "line": line, "by": by}
    if connection.execute(_SQL["take"], given).rowcount == 1:
        return None
    row = connection.execute(_SQL["taken"], given).fetchone()
    return "another payment" if row is None else str(row["name"])


def finish(connection: Connection, payment_id: int, to: str, detail: str, line: str | None = None) -> None:
    """End it: `succeeded`, `refused` or `cancelled`. The database refuses what is not legal."""
    connection.execute(_SQL["finish"], {"id": payment_id, "to": to, "detail": detail, "line": line})


def resend(connection: Connection, payment_id: int, detail: str, deadline_s: float) -> None:
    """Due at once: a worker looks into the provider's books, and what they don't show as applied is sent once."""
    connection.execute(_SQL["resend"], {"id": payment_id, "detail": detail, "deadline_s": deadline_s})
