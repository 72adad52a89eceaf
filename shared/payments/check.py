"""check: ask the provider's books whether an unknown payment was applied; nothing is resent before that.

NOT_APPLIED is believed only after the settle window and when no sender of ours can still be on the wire; then the
resend is claimed by the statement that records the verdict. APPLIED is believed at once.

Where it dies, the check's lease runs out and it is made again: nothing rests on a verdict that was not recorded. A
resend that did not go out leaves the payment unknown: the next one looks anew.
"""

from dataclasses import replace
from functools import partial

from shared.database.engine import Connection
from shared.database.rows import provider_of
from shared.domain.answers import CheckResult, Verdict
from shared.domain.backoff import next_wait
from shared.payments.dispute import dispute_evidence
from shared.payments.look import ask, believed, covers, told, vanished
from shared.payments.lost_time import Ruled, ruled
from shared.payments.send import EVIDENCE_FRESH_S, deliver, halt, must_be_named
from shared.payments.store import check as store
from shared.payments.store.check import CheckClaim
from shared.payments.store.send import unclaim
from shared.payments.trace import checked, traced
from shared.providers.base import LoginRefused
from shared.runtime import CHECK_READS, Runtime, boot_time_s, until_written
from shared.telemetry.logs import bound, get_logger
from shared.unclaim import claimed, once_more

log = get_logger(__name__)


def check(runtime: Runtime, payment_id: int, reference: str | None = None) -> None:
    """Check one unknown payment and do what follows: succeed, refuse, resend, wait or park.

    reference: the payment's, as the message names it; None: of an older version's message.
    """
    if not runtime.gate.open:
        return
    lease_s = runtime.limits.check_lease_s

    def due() -> CheckClaim | None:
        with runtime.database.connection() as connection:
            if runtime.gate.ended:  # it was asked to stop while it waited for a connection
                return None
            window_s = _window_s(runtime, payment_id, connection)
            return store.claim(connection, payment_id, lease_s, window_s, seen=runtime.seen, reference=reference)

    claim = once_more(due)
    if claim is None:
        if reference is not None and not runtime.gate.ended:
            must_be_named(runtime, payment_id, reference)
        return
    with bound(payment_id=payment_id, check=claim.number, **traced(claim.payment)):
        _follow(runtime, claim)


def _window_s(runtime: Runtime, payment_id: int, connection: Connection) -> float:
    provider = provider_of(connection, payment_id)
    return runtime.settings.provider(provider).settle_window_s if provider else 0.0


def _follow(runtime: Runtime, claim: CheckClaim) -> None:
    for _ in range(CHECK_READS):
        begun_s = boot_time_s()
        rule = ruled(runtime, claim, believed(claim, _ask(runtime, claim)))
        result = rule.result
        fresh = boot_time_s() - begun_s <= EVIDENCE_FRESH_S
        if fresh or not (result.verdict is Verdict.NOT_APPLIED or _to_be_sent(claim, rule)):
            break
    else:
        result = CheckResult(Verdict.INCONCLUSIVE, "the books take too long to read", provider_down=True, unread=True)
        rule = Ruled(result)
    log.info("checked", verdict=result.verdict.value, reason=result.detail)
    checked(claim, result, begun_s)
    if result.verdict is Verdict.APPLIED:
        _succeed(runtime, claim, result)
    elif _to_be_sent(claim, rule):
        _resend(runtime, claim, result, begun_s)
    elif result.verdict is Verdict.NOT_APPLIED and claim.last_refusal is not None and not claim.resend_asked:
        with runtime.database.connection() as connection:
            store.refused(connection, claim, result, runtime.limits)
    else:
        _wait(runtime, claim, _not_sent(claim, result))


def _to_be_sent(claim: CheckClaim, rule: Ruled) -> bool:
    result = rule.result
    if rule.by_promise and not claim.overdue:
        return True
    if not claim.resend_asked:
        return result.verdict is Verdict.NOT_APPLIED and claim.last_refusal is None and not claim.overdue
    now = told(result)
    if result.verdict is Verdict.NOT_APPLIED:
        return not vanished(claim.covered, now)
    return not _passes(claim, result) and not result.for_person and not result.own and covers(claim.covered, now)


def _passes(claim: CheckClaim, result: CheckResult) -> bool:
    """Is what is in the way of a verdict something that ends by itself?"""
    return result.unread or not claim.window_passed or claim.sender_alive


def _not_sent(claim: CheckClaim, result: CheckResult) -> CheckResult:
    """A resend that a person asked for and that is not made is that person's again, unless waiting may help."""
    if not claim.resend_asked or result.for_person or _passes(claim, result):
        return result
    detail = f"not sent again, the books show other than the person who decided saw: {result.detail}"
    return replace(result, detail=detail, for_person=True)


def _ask(runtime: Runtime, claim: CheckClaim) -> CheckResult:
    try:
        return ask(runtime, claim)
    except LoginRefused as error:
        halt(runtime, claim.payment.provider, str(error))
        return CheckResult(Verdict.INCONCLUSIVE, str(error), provider_down=True, unread=True)


def _succeed(runtime: Runtime, claim: CheckClaim, result: CheckResult) -> None:
    def write() -> bool:
        with runtime.database.connection() as connection:
            return store.applied(connection, claim, result, runtime.limits)

    moved, _ = until_written(runtime, write)
    if not moved and must_be_named(runtime, claim.payment.id, claim.payment.sent_reference):
        keep = partial(store.keep, claim=claim, result=result, limits=runtime.limits)
        dispute_evidence(runtime, claim.payment.id, result.evidence, keep=keep)


def _resend(runtime: Runtime, claim: CheckClaim, result: CheckResult, looked_s: float) -> None:
    begun_s, key, limits = boot_time_s(), runtime.worker_key, runtime.limits
    resend = claimed(
        runtime.lost,
        runtime.database,
        [claim.payment.id],
        lambda connection, token: (
            None  # it was asked to stop since it began to look
            if runtime.gate.ended
            else store.resend(connection, claim, result, key, limits, seen=runtime.seen, token=token)
        ),
        partial(unclaim, limits=limits),
    )
    if resend is not None:
        deliver(runtime, resend, begun_s, looked_s)
    elif claim.sender_alive:  # it climbs: one that never ends is a person's
        detail = "not sent again: the process that sent it has not ended; stop that worker, or wait for it"
        _wait(runtime, claim, CheckResult(Verdict.INCONCLUSIVE, detail, result.evidence))
    else:  # the lane or this process stops, or is losing its database
        _wait(runtime, claim, CheckResult(Verdict.INCONCLUSIVE, "it could not be sent again now", unread=True))


def _wait(runtime: Runtime, claim: CheckClaim, result: CheckResult) -> None:
    retry = runtime.settings.retry
    back_off_s = next_wait(claim.number, retry.base_s, retry.cap_s, result.retry_after_s)
    ladder_s = runtime.settings.check.ladder_s
    with runtime.database.connection() as connection:
        store.inconclusive(connection, claim, result, ladder_s, runtime.limits, back_off_s=back_off_s)
