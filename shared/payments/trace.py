"""trace: the steps of a payment as spans of its trace (shared/telemetry/traces.py)."""

import time
from collections.abc import Iterable

from shared.domain.answers import CheckResult
from shared.domain.payment import Payment, State
from shared.payments.admit import Admitted, Answer, Offer, Prepared
from shared.payments.store.accept import NewPayment
from shared.payments.store.check import CheckClaim
from shared.payments.store.send import Claim, Outcome
from shared.runtime import boot_time_s
from shared.telemetry import traces
from shared.telemetry.traces import FIRST, Call, Span, Traced


def traced(payment: Payment) -> dict[str, str]:
    """What its logs carry of its trace, where it has one."""
    if not (payment.traceparent or traces.on()):
        return {}
    return {"trace_id": traces.trace_id(payment.sent_reference, payment.traceparent)}


def accepted(answers: Iterable[tuple[Offer, Answer]], ready: Prepared, began: float) -> None:
    """New payments, from the moment their batch was taken (seconds of the epoch) until its commit."""
    if not traces.on():
        return
    now = time.time()
    for offer, answer in answers:
        row = ready[offer.key]
        if isinstance(answer, Admitted) and not answer.repeated and isinstance(row, NewPayment):
            operation = offer.intent.operation.value
            of = Traced(answer.payment_id, offer.intent.provider, operation, row.sent_reference, row.traceparent)
            traces.tell(Span(of, FIRST, began, now))


def attempted(claim: Claim, outcome: Outcome, state: State | None) -> None:
    """An attempt, from before its claim until its outcome was recorded, with its call in it."""
    if not traces.on():
        return
    answer = outcome.answer
    told: dict[str, str | int | None] = {
        "attempt": claim.attempt,
        "answer": answer.kind,
        "meaning": answer.meaning.value,
        "http_status": answer.http_status,
        "state": state.value if state else "final",
    }
    calls = (Call(_at(outcome.called_s), outcome.took_s),) if outcome.called_s else ()
    now = time.time()
    began = _at(outcome.begun_s) if outcome.begun_s else now
    failed = outcome.to is not State.SUCCEEDED
    traces.tell(Span(_of(claim.payment), "send", began, now, told, calls, failed))


def checked(claim: CheckClaim, result: CheckResult, begun_s: float) -> None:
    """A look into the provider's books, until its verdict. begun_s: boot time."""
    if traces.on():
        told: dict[str, str | int | None] = {"check": claim.number, "verdict": result.verdict.value}
        traces.tell(Span(_of(claim.payment), "check", _at(begun_s), time.time(), told))


def _of(payment: Payment) -> Traced:
    given = (payment.id, payment.provider, payment.operation.value)
    return Traced(*given, payment.sent_reference, payment.traceparent)


def _at(boot_s: float) -> float:
    """Seconds of the epoch of a boot time."""
    return time.time() - (boot_time_s() - boot_s)
