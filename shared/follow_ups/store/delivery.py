"""What is told of the delivery of text messages: kept as it comes, told on once when it is final."""

from collections.abc import Sequence
from datetime import datetime

from shared.database.engine import Connection
from shared.database.statements import statements
from shared.domain.records import DeliveryReport
from shared.events.types import EventType, literal, written

_SQL = statements(__file__)


_TOLD = written(
    payment="p.id",
    id="p.id || '-' || p.event_seq",
    type=f"""CASE m.delivery WHEN 'delivered' THEN {literal(EventType.SMS_DELIVERED)}
        ELSE {literal(EventType.SMS_UNDELIVERED)} END""",
    subject="p.source || '/' || p.intent_id",
    data="""json_build_object('source', p.source, 'intent_id', p.intent_id, 'state', m.delivery,
        'detail', CASE m.status WHEN 4 THEN 'the provider reports an error' END,
        'code', CASE m.status WHEN 4 THEN 'provider_error' END,
        'answer', json_build_object('sms_id', m.sms_id, 'status', m.status, 'reported_at', utc_text(m.reported_at)))""",
    rows="FROM numbered p JOIN moved m ON m.payment_id = p.id",
)

_TELL = f"""
WITH moved AS (
    UPDATE follow_ups f SET delivery = CASE r.status WHEN 1 THEN 'delivered' ELSE 'undelivered' END
    FROM sms_reports r JOIN payments p ON p.notify ->> 'sms' = r.number
    WHERE r.sms_id = %(sms_id)s AND r.final AND f.kind = 'sms' AND f.reference = r.sms_id AND f.delivery IS NULL
        AND f.payment_id = p.id
    RETURNING f.payment_id, f.delivery, r.status, r.sms_id, r.reported_at
), numbered AS (
    UPDATE payments p SET event_seq = p.event_seq + 1 FROM moved m WHERE p.id = m.payment_id
    RETURNING p.id, p.event_seq, p.source, p.intent_id
)
{_TOLD}"""


def keep(connection: Connection, sms_id: str, reports: Sequence[DeliveryReport], reported_at: datetime | None) -> None:
    """Keep what is told of a message's numbers. reported_at: None for now. Safe to repeat, in any order."""
    newest = {report.number: report.status for report in reports}  # a number that is told twice counts once
    given = {
        "sms_id": sms_id,
        "number": list(newest),
        "status": list(newest.values()),
        "reported_at": reported_at,
    }
    connection.execute(_SQL["keep"], given)


def tell(connection: Connection, sms_id: str) -> bool:
    """Write the event of a follow-up's message whose report is final, once. False when there is nothing to tell (yet).

    Called after a report was committed and after a sending was: each in a statement of its own, so that whichever
    of the two is committed last sees the other.
    """
    return connection.execute(_TELL, {"sms_id": sms_id}).rowcount > 0


def unreported(connection: Connection, limit: int, younger_s: float) -> list[str]:
    """The provider's ids of sent messages without a final report, the newest first."""
    rows = connection.execute(_SQL["unreported"], {"limit": limit, "younger_s": younger_s}).fetchall()
    return [row["reference"] for row in rows]


def forget(connection: Connection, days: int, limit: int) -> int:
    """Delete up to `limit` reports that came longer ago than this; how many that was. What they told is kept with
    their messages."""
    return connection.execute(_SQL["forget"], {"days": days, "limit": limit}).rowcount
