"""lost_time: what may follow from a look at a payment that may have been sent in a time that the database lost.

The store has forgotten what was sent then. So each such payment has an attempt 0, which may have been applied, and is
looked up before anything is sent. Only what proves it is believed: our reference in the books; and a provider's
promise, for exactly the same request.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from shared.directory import refresh
from shared.domain.answers import CheckResult, Verdict
from shared.domain.payment import Operation
from shared.payments.store import lost_time as store
from shared.payments.store.check import CheckClaim
from shared.providers.base import RefreshFailed
from shared.runtime import Runtime

_REFUND = "a refund may have been made in the time that the database lost"
_DRAWN = "its reference was drawn, or may have been then: that the books do not show it proves nothing"
_OTHER = "what may have been sent in the time that the database lost was another request"
_CHANGED = "what its request is made from has changed since the time that the database lost began"
_UNREAD = "the provider's lists have not been read since the database lost time"


@dataclass(frozen=True, slots=True)
class Ruled:
    """What a look comes to. by_promise: it is sent without a verdict, because the same request is promised to be
    safe."""

    result: CheckResult
    by_promise: bool = False


def ruled(runtime: Runtime, claim: CheckClaim, result: CheckResult) -> Ruled:
    """What follows from a look for a worker; the look itself for a payment that no lost time is about."""
    doubt = _doubt(claim, result)
    if claim.lost is None or _decides(result) or doubt is not None:
        return Ruled(doubt or result)
    if not claim.resend_safe or claim.attempts > 0:  # what was sent since is judged like any other
        return Ruled(result)
    stands = claim.lost["frozen"] or _stands(runtime, claim)
    if stands is None:
        return Ruled(CheckResult(Verdict.INCONCLUSIVE, _UNREAD, result.evidence, unread=True))
    if not stands:
        return Ruled(_persons(claim, result, _CHANGED))
    return Ruled(result, by_promise=True)


def doubted(claim: CheckClaim, result: CheckResult) -> CheckResult:
    """The same look for a person, who may know more."""
    return _doubt(claim, result) or result


def _decides(result: CheckResult) -> bool:
    return result.verdict is Verdict.APPLIED or result.unread


def _doubt(claim: CheckClaim, result: CheckResult) -> CheckResult | None:
    """Why what the books do not show is no proof here; None: it is, or nothing was read."""
    if claim.lost is None or _decides(result):
        return None
    if claim.payment.operation is Operation.REFUND:
        return _persons(claim, result, _REFUND)
    if claim.lost["drawn"] and not (claim.resend_safe and claim.lost["frozen"]):
        return _persons(claim, result, _DRAWN)
    if claim.resend_safe and claim.other_request:
        return _persons(claim, result, _OTHER)
    return None


def _persons(claim: CheckClaim, result: CheckResult, why: str) -> CheckResult:
    """Only a person can settle it. Who has asked for a resend knew that."""
    doubts = (*result.doubts, why)
    detail = f"{why} ({result.detail})"
    inconclusive = replace(result, verdict=Verdict.INCONCLUSIVE, detail=detail, doubts=doubts)
    return replace(inconclusive, for_person=not claim.resend_asked)


def _stands(runtime: Runtime, claim: CheckClaim) -> bool | None:
    """Does what the request is made from stand as it did before? None: nobody can say now."""
    payment, lost = claim.payment, claim.lost
    rests_on = runtime.registrations[payment.provider].rests_on
    if rests_on is None or lost is None:
        return True
    kind, key = rests_on(payment)
    since, opened_at = datetime.fromisoformat(lost["since"]), datetime.fromisoformat(lost["opened_at"])
    with runtime.database.connection() as connection:
        stands = store.stands(connection, payment.provider, kind, key, since=since, opened_at=opened_at)
    if stands is None:
        try:
            refresh.refresh(runtime, payment.provider, kind)
        except RefreshFailed:
            return None
        with runtime.database.connection() as connection:
            stands = store.stands(connection, payment.provider, kind, key, since=since, opened_at=opened_at)
    return stands
