"""notify: follow-ups of a succeeded payment. A VAT receipt; whatever becomes of it, the payment stays as it is."""

import contextlib
import time

from shared.domain.answers import Answer, Meaning
from shared.domain.backoff import next_wait
from shared.domain.request import Hold, Refusal, Request
from shared.flow.runtime import Runtime, boot_time_s
from shared.flow.send import STALE_S
from shared.providers.base import FollowUps, LoginRefused, LoginUnavailable
from shared.store import receipts
from shared.store.engine import AWAY
from shared.store.receipts import ReceiptClaim
from shared.telemetry.logs import alert, bound, get_logger

log = get_logger(__name__)

_UNBUILT_WAIT_S = 300.0  # the directory lacks something: look again later


def receipt(runtime: Runtime, payment_id: int) -> None:
    """Ask for one payment's receipt, if it is still this message's to ask for."""
    if not runtime.gate.open:
        return
    begun_s = boot_time_s()
    with runtime.database.connection() as connection:
        claim = receipts.claim(connection, payment_id, runtime.limits.lease_s)
    if claim is None:
        return
    with bound(payment_id=payment_id, attempt=claim.attempt):
        follow_ups = runtime.connected[claim.payment.provider].follow_ups
        if follow_ups is None:
            _record(runtime, claim, "refused", f"{claim.payment.provider} issues no receipts")
            return
        request = _frozen(runtime, claim, follow_ups)
        if request is not None:
            answer = _ask(runtime, claim, follow_ups, request, begun_s)
            _follow(runtime, claim, answer)


def _frozen(runtime: Runtime, claim: ReceiptClaim, follow_ups: FollowUps) -> Request | None:
    if claim.request is not None:
        return claim.request
    built = follow_ups.build_receipt(claim.payment, runtime.directories[claim.payment.provider])
    if isinstance(built, Refusal):
        _record(runtime, claim, "refused", built.detail)
        return None
    if isinstance(built, Hold):
        _record(runtime, claim, "waiting", built.detail, wait_s=_UNBUILT_WAIT_S)
        return None
    with runtime.database.connection() as connection:
        return built if receipts.freeze(connection, claim, built) else None


def _ask(runtime: Runtime, claim: ReceiptClaim, follow_ups: FollowUps, request: Request, begun_s: float) -> Answer:
    provider = runtime.provider(claim.payment.provider)
    try:
        auth = provider.authorise()
    except LoginRefused as error:
        return Answer(kind="login_refused", meaning=Meaning.NOT_SENT, detail=str(error))
    except AWAY:
        return Answer(
            kind="database_away", meaning=Meaning.NOT_SENT, detail="the database did not answer before sending"
        )
    except LoginUnavailable as error:
        return Answer(kind="login_unavailable", meaning=Meaning.NOT_SENT, detail=str(error))
    if boot_time_s() - begun_s > STALE_S:
        return Answer(kind="stale", meaning=Meaning.NOT_SENT, detail="the claim was too old to be used")
    try:
        answer = follow_ups.send_receipt(request, auth)
    except Exception:  # a mistake in the adapter: a person looks
        alert("adapter_failed", "the adapter failed on a receipt's answer", provider=claim.payment.provider)
        return Answer(kind="adapter_failed", meaning=Meaning.CHECK, detail="the adapter failed")
    if answer.http_status == 401:
        provider.forget(auth)
    return answer


def _follow(runtime: Runtime, claim: ReceiptClaim, answer: Answer) -> None:
    retry = runtime.settings.retry
    match answer.meaning:
        case Meaning.SUCCEEDED:
            _record(runtime, claim, "issued", answer.detail, answer=dict(answer.facts))
        case Meaning.REFUSED:
            _record(runtime, claim, "refused", answer.detail)
        case Meaning.NOT_SENT | Meaning.REAUTH:
            wait_s = next_wait(claim.attempt, retry.base_s, retry.cap_s, answer.retry_after_s)
            _record(runtime, claim, "waiting", answer.detail, wait_s=wait_s)
        case _:
            alert("receipt_parked", "nobody knows whether this receipt was issued; see `settlepipe payment`")
            _record(runtime, claim, "parked", answer.detail or answer.kind)


def _record(
    runtime: Runtime,
    claim: ReceiptClaim,
    to: str,
    detail: str | None,
    *,
    answer: dict[str, object] | None = None,
    wait_s: float | None = None,
) -> None:
    with contextlib.ExitStack() as stack:
        while True:
            try:
                with runtime.database.connection() as connection:
                    receipts.record(connection, claim, to, detail=detail, answer=answer, wait_s=wait_s)
                return
            except AWAY:
                stack.enter_context(runtime.gate.closed())
                log.warning("PostgreSQL does not answer; the receipt's outcome is kept and written when it does")
                time.sleep(1)
