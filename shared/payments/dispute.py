"""Late evidence against a final state: the state stays, people are told.

The evidence and the dispute are one transaction, tried until PostgreSQL answers: nobody looks at a final payment again,
so what is not written here would be lost. Dying before its commit is dying before the evidence was recorded; an answer
to the commit that is lost has it written again, which changes nothing.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from shared import discrepancies
from shared.archive.recall import recall
from shared.database.engine import Connection
from shared.domain.answers import Answer
from shared.domain.payment import State
from shared.payments.store import dispute as store
from shared.payments.store import send as send_store
from shared.payments.store.send import Claim
from shared.runtime import Runtime, until_written
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert, get_logger

log = get_logger(__name__)


def dispute(runtime: Runtime, claim: Claim, answer: Answer | None = None) -> None:
    """An attempt succeeded after its payment was final: its end, and a discrepancy, an event and an alert where it is
    one. answer: the attempt's; None: it is recorded already."""
    keep = partial(send_store.end, claim=claim, answer=answer) if answer else None
    evidence = {"attempt": claim.attempt, "says": "succeeded"}
    dispute_evidence(runtime, claim.payment.id, evidence, attempt=claim.attempt, keep=keep)


def dispute_evidence(
    runtime: Runtime,
    payment_id: int,
    evidence: Mapping[str, Any],
    attempt: int | None = None,
    keep: Callable[[Connection], None] | None = None,
) -> None:
    """Evidence says that this final payment was applied; a discrepancy unless that is what its state says.

    attempt: the number of the one that succeeded late. keep: writes what showed the evidence, in the same transaction.
    A payment in the archive comes back, and stays while the discrepancy is open.
    """

    def write() -> str | None:
        with runtime.database.transaction() as connection:
            return _write(connection, payment_id, evidence, attempt, keep)

    category, _ = until_written(runtime, write)
    if category is not None:
        alert(Alert[category.upper()], "late evidence contradicts a final payment", payment_id=payment_id)


def _write(
    connection: Connection,
    payment_id: int,
    evidence: Mapping[str, Any],
    attempt: int | None,
    keep: Callable[[Connection], None] | None,
) -> str | None:
    row = store.find(connection, payment_id, attempt)
    if row is None:
        recall(connection, [payment_id])
        row = store.find(connection, payment_id, attempt)
    if row is None:
        return None
    if keep is not None:
        keep(connection)
    if row["state"] in (State.REFUSED, State.CANCELLED):
        category = "paid_there_failed_here"
    elif row["state"] == State.SUCCEEDED and row["successes"] > 1 and not row["resend_safe"]:
        category = "duplicate_at_provider"
    else:
        return None
    discrepancies.keep_late(connection, category, row["provider"], payment_id, evidence)
    return category
