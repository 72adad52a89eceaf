"""notify: follow-ups of a succeeded payment, a VAT receipt or a text message. Whatever becomes of one, the payment
stays as it is."""

import contextlib
import time

from shared.domain.answers import Answer, Meaning
from shared.domain.backoff import next_wait
from shared.domain.request import Hold, Refusal, Request
from shared.flow import delivery
from shared.flow.runtime import Runtime, boot_time_s
from shared.flow.send import STALE_S
from shared.providers.base import FollowUp, LoginRefused, LoginUnavailable
from shared.store import follow_ups
from shared.store.engine import AWAY
from shared.store.follow_ups import FollowUpClaim
from shared.telemetry.logs import alert, bound, get_logger

log = get_logger(__name__)

_UNBUILT_WAIT_S = 300.0  # the directory lacks something: look again later
_UNOFFERED = {"receipt": "issues no receipts", "sms": "sends no text messages"}


def follow_up(runtime: Runtime, follow_up_id: int) -> None:
    """Ask for one follow-up, if it is still this message's to ask for."""
    if not runtime.gate.open:
        return
    begun_s = boot_time_s()
    with runtime.database.connection() as connection:
        claim = follow_ups.claim(connection, follow_up_id, runtime.limits.lease_s)
    if claim is None:
        return
    with bound(payment_id=claim.payment.id, attempt=claim.attempt):
        connected = runtime.connected.get(claim.provider)
        if connected is None:  # switched off since it was dispatched
            _record(runtime, claim, "waiting", f"provider {claim.provider} is off", wait_s=_UNBUILT_WAIT_S)
            return
        offered = connected.follow_ups.get(claim.kind)
        if offered is None:
            _record(runtime, claim, "refused", f"{claim.provider} {_UNOFFERED[claim.kind]}")
        elif offered.max_age_s is not None and claim.age_s > offered.max_age_s:
            _record(runtime, claim, "refused", "it is too old to be sent")
        elif request := _frozen(runtime, claim, offered):
            _follow(runtime, claim, _ask(runtime, claim, offered, request, begun_s))


def end_unsendable(runtime: Runtime) -> None:
    """End follow-ups that no lane ends. A message that waited too long is refused: a lane that stands still, or whose
    provider is off, takes none. What was being asked for when its provider was switched off is a person's. A receipt
    waits until its lane runs again."""
    off = [name for name in runtime.registrations if name not in runtime.connected]
    with runtime.database.connection() as connection:
        lost = [pair for provider in off for pair in follow_ups.park_lost(connection, provider)]
        refused = follow_ups.refuse_old(connection, runtime.settings.message_max_age_s)
    for follow_up_id, kind in lost:
        log.warning("a follow-up without an outcome is parked", follow_up_id=follow_up_id, kind=kind)
    if refused:
        alert(
            "messages_refused",
            "text messages waited in vain: their provider is off, or its lane stands still",
            count=refused,
        )


def _frozen(runtime: Runtime, claim: FollowUpClaim, offered: FollowUp) -> Request | None:
    if claim.request is not None:
        return claim.request
    built = offered.build(claim.payment, runtime.directories[claim.provider])
    if isinstance(built, Refusal):
        _record(runtime, claim, "refused", built.detail)
        return None
    if isinstance(built, Hold):
        _record(runtime, claim, "waiting", built.detail, wait_s=_UNBUILT_WAIT_S)
        return None
    with runtime.database.connection() as connection:
        return built if follow_ups.freeze(connection, claim, built) else None


def _ask(runtime: Runtime, claim: FollowUpClaim, offered: FollowUp, request: Request, begun_s: float) -> Answer:
    provider = runtime.provider(claim.provider)
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
        answer = offered.send(request, auth)
    except Exception:  # a mistake in the adapter: a person looks
        alert("adapter_failed", "the adapter failed on a follow-up's answer", provider=claim.provider, kind=claim.kind)
        return Answer(kind="adapter_failed", meaning=Meaning.CHECK, detail="the adapter failed")
    if answer.http_status == 401:
        provider.forget(auth)
    return answer


def _follow(runtime: Runtime, claim: FollowUpClaim, answer: Answer) -> None:
    retry = runtime.settings.retry
    match answer.meaning:
        case Meaning.SUCCEEDED:
            reference = answer.provider_reference
            _record(runtime, claim, "issued", answer.detail, answer=dict(answer.facts), reference=reference)
            if claim.kind == "sms" and reference is not None:
                _tell_early(runtime, reference)
        case Meaning.REFUSED:
            _record(runtime, claim, "refused", answer.detail)
        case Meaning.NOT_SENT | Meaning.REAUTH:
            if answer.refusal:  # it was asked and said "not now": somebody has to do something
                alert("follow_up_waits", "the provider takes it later only", kind=claim.kind, reason=answer.detail)
            wait_s = next_wait(claim.attempt, retry.base_s, retry.cap_s, answer.retry_after_s)
            _record(runtime, claim, "waiting", answer.detail, wait_s=wait_s)
        case _:
            alert(f"{claim.kind}_parked", "nobody knows whether this was done; see `settlepipe payment`")
            _record(runtime, claim, "parked", answer.detail or answer.kind)


def _tell_early(runtime: Runtime, sms_id: str) -> None:
    """A report may have come before the answer to its sending was recorded."""
    try:
        delivery.tell(runtime.database, sms_id)
    except AWAY:
        log.warning("PostgreSQL does not answer; an early report of delivery is told when reports are polled")


def _record(
    runtime: Runtime,
    claim: FollowUpClaim,
    to: str,
    detail: str | None,
    *,
    answer: dict[str, object] | None = None,
    reference: str | None = None,
    wait_s: float | None = None,
) -> None:
    with contextlib.ExitStack() as stack:
        while True:
            try:
                with runtime.database.connection() as connection:
                    follow_ups.record(
                        connection, claim, to, detail=detail, answer=answer, reference=reference, wait_s=wait_s
                    )
                return
            except AWAY:
                stack.enter_context(runtime.gate.closed())
                log.warning("PostgreSQL does not answer; the follow-up's outcome is kept and written when it does")
                time.sleep(1)
