"""ended: say once what an attempt came to: on the log, in this process's counters, in its payment's trace."""

from shared.domain.payment import State
from shared.payments import trace
from shared.payments.store.send import Claim, Outcome
from shared.telemetry import counters
from shared.telemetry.logs import get_logger

log = get_logger(__name__)


def ended(claim: Claim, outcome: Outcome, state: State | None) -> None:
    """Log what an attempt came to, and where that brought its payment; None: it was final."""
    answer, payment = outcome.answer, claim.payment
    log.info("attempt ended", meaning=answer.meaning.value, answer=answer.kind, state=state.value if state else "final")
    trace.attempted(claim, outcome, state)
    counters.attempt(payment.provider, payment.operation.value, answer.meaning.value, outcome.took_s)
