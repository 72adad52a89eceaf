"""Which of our payments a night's comparison looks at.

In scope is what was possibly sent and ended in the period, or had not ended when it was compared and came before the
period's end; and whatever an open discrepancy is about, unless it arose on a later day. What ended while the books were
being read is another night's.
"""

from shared.archive.twins import every
from shared.domain.discrepancies import Reconciliation

PAYMENTS = every("payments")
# What a payment stands under in the provider's books: its key without the provider's name.
ACCOUNT = "coalesce(substr(coalesce(p.books_key, p.exclusive_key), length(p.provider) + 2), '')"
SENT = """(p.state IN ('succeeded', 'sending', 'unknown') OR p.possibly_sent OR p.in_doubt
    OR p.attempts > 0 AND p.finished_at IS NOT NULL)"""
# A night that is made up for has nothing of what arose after its day.
ARISEN = "coalesce(d.first_day <= %(day)s, true)"
_OPEN = f"""SELECT d.payment_id FROM discrepancies d
    WHERE d.provider = %(provider)s AND d.resolved_at IS NULL AND {ARISEN}"""
IN_SCOPE = f"""
    p.provider = %(provider)s AND coalesce(p.finished_at, p.created_at) < %(started_at)s
    AND ({SENT} AND (p.finished_at >= %(from)s AND p.finished_at < %(to)s
            OR p.finished_at IS NULL AND p.created_at < %(to)s)
        OR coalesce(p.finished_at, p.created_at) < %(to)s AND p.id IN ({_OPEN} AND d.payment_id IS NOT NULL))
"""


def given(run: Reconciliation) -> dict[str, object]:
    """What the statements about a run are given."""
    return {
        "run": run.id,
        "provider": run.provider,
        "day": run.day,
        "from": run.period_from,
        "to": run.period_to,
        "started_at": run.started_at,
        "prefix": f"{run.provider}:",
    }
