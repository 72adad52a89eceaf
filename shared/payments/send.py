"""send: claim a dispatched payment, call its provider once, record what came of it.

Where it can die, and what is true then:
  before the claim      the payment is dispatched; its lease runs out and it is dispatched again
  claim, answer lost    the process ends the attempt as not sent, by the claim's token (unclaim)
  after the claim       an attempt without an end; the lease runs out and it counts as ambiguous
  after the call        the same: what the provider did is found by the resend or by the check
  after the record      nothing is left to do; the message may be redelivered, the claim refuses it
A success whose payment is final by then is recorded with its dispute, in one transaction.
"""

import dataclasses
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from shared import lanes
from shared.database.engine import AWAY
from shared.domain.answers import Answer, Meaning, leaves_doubt, next_state
from shared.domain.backoff import next_wait
from shared.domain.payment import FINAL, State
from shared.payments.dispute import dispute
from shared.payments.ended import ended
from shared.payments.store import send as store
from shared.payments.store.send import Claim, Outcome, Recorded
from shared.payments.trace import traced
from shared.providers.base import Auth, LoginBusy, LoginRefused, LoginUnavailable, Provider
from shared.providers.credentials import waiting_at_most
from shared.runtime import STALE_S, Runtime, boot_time_s, until_written
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert, bound, get_logger
from shared.unclaim import claimed

log = get_logger(__name__)

EVIDENCE_FRESH_S = 10.0  # nothing is sent on a look into the books that began longer ago


Put = Callable[[Claim, Outcome, bool], "Future[bool]"]
"""Has a plain success written, at once or with others, and says whether it is (recorder.Recorder.put)."""


def send(runtime: Runtime, payment_id: int, reference: str | None = None, put: Put | None = None) -> float:
    """Send one payment, if it is still this message's to send. What can't be claimed is left alone.

    reference: the payment's, as the message names it; None: of an older version's message. put: writes its success
    together with others'; None: it is written here. How many seconds the call took; 0: none was made.
    """
    if not runtime.gate.open:
        return 0.0
    begun_s, key, limits = boot_time_s(), runtime.worker_key, runtime.limits
    claim = claimed(
        runtime.lost,
        runtime.database,
        [payment_id],
        lambda connection, token: (
            None  # it was asked to stop while it waited for a connection
            if runtime.gate.ended
            else store.claim(connection, payment_id, key, limits, token, seen=runtime.seen, reference=reference)
        ),
        partial(store.unclaim, limits=limits),
    )
    if claim is not None:
        return deliver(runtime, claim, begun_s, put=put)
    if reference is not None and not runtime.gate.ended:
        must_be_named(runtime, payment_id, reference)
    return 0.0


def must_be_named(runtime: Runtime, payment_id: int, reference: str) -> bool:
    """Is this the payment that is meant? Where its id is another's, people are told: what names it is of a time that
    the database lost, and changes nothing. That its lane stands still is noted, for what else its message names."""
    with runtime.database.connection() as connection:
        found = store.named(connection, payment_id, reference)
    if found is None:
        return True
    if found["stands"]:
        runtime.stops.saw(found["provider"], boot_time_s())
    if found["another"]:
        alert(Alert.ANOTHER_PAYMENT, "what came names a payment that is not this one any more", payment_id=payment_id)
    return not found["another"]


def deliver(
    runtime: Runtime, claim: Claim, begun_s: float, looked_s: float | None = None, *, put: Put | None = None
) -> float:
    """Use a claim: one call, its outcome recorded. begun_s: boot time from before the claim was issued; looked_s: from
    before the look into the books that the claim rests on, if it does; put, and what is returned: as in `send`."""
    outcome = attempted(runtime, claim, begun_s, looked_s)
    if not (put is not None and outcome.plainly_succeeded and put(claim, outcome, True).result()):
        record(runtime, claim, outcome)
    if outcome.to is State.SUCCEEDED:
        with bound(payment_id=claim.payment.id, attempt=claim.attempt):
            _learn(runtime, claim)
    return outcome.took_s


def give_back(runtime: Runtime, claim: Claim, why: str) -> None:
    """End a claim that was not used: its payment is due at once."""
    answer = Answer("not_sent", Meaning.NOT_SENT, detail=f"given back before it was sent: {why}")
    outcome = _outcome(runtime, claim, answer, sent=False)
    record(runtime, claim, dataclasses.replace(outcome, wait_s=0.0))


class _NotSent(Exception):  # noqa: N818
    """Something before the first byte was in the way; the message says what."""


def attempted(runtime: Runtime, claim: Claim, begun_s: float, looked_s: float | None = None) -> Outcome:
    """Make a claim's one call. What came of it, still to be recorded. Never raises for what the call does."""
    with bound(payment_id=claim.payment.id, attempt=claim.attempt, **traced(claim.payment)):
        return dataclasses.replace(_attempt(runtime, claim, begun_s, looked_s), begun_s=begun_s)


def _attempt(runtime: Runtime, claim: Claim, begun_s: float, looked_s: float | None) -> Outcome:
    try:
        provider = runtime.provider(claim.payment.provider)
        auth, begun_s = _ready(runtime, claim, provider, begun_s)
        now_s = boot_time_s()
        if now_s - begun_s > STALE_S:
            raise _NotSent(f"the claim was older than {STALE_S:.0f} s when it could be used")
        if looked_s is not None and now_s - looked_s > EVIDENCE_FRESH_S:
            raise _NotSent(f"the look into the books was older than {EVIDENCE_FRESH_S:.0f} s when it could be used")
        if runtime.gate.ended:
            raise _NotSent("given back before it was sent: its process stops")
    except LoginRefused as error:  # the lane halts, and nothing was sent
        answer = Answer("login_refused", Meaning.NOT_SENT, detail=str(error))
        halts = str(error) if runtime.is_current(claim.payment.provider, provider) else None
        return _outcome(runtime, claim, answer, sent=False, halt=halts)
    except (_NotSent, LoginUnavailable) as error:
        down = isinstance(error, LoginUnavailable) and not isinstance(error, LoginBusy)
        answer = Answer("not_sent", Meaning.NOT_SENT, detail=str(error), provider_down=down)
        return _outcome(runtime, claim, answer, sent=False)
    except Exception:  # a mistake in the adapter before anything was sent: said, and tried again
        alert(Alert.ADAPTER_FAILED, "the adapter failed before it sent anything", provider=claim.payment.provider)
        answer = Answer("adapter_failed", Meaning.NOT_SENT, detail="the adapter failed before sending", listed=False)
        return _outcome(runtime, claim, answer, sent=False)
    answer = _call(runtime, claim, provider, auth)
    outcome = _outcome(runtime, claim, answer, sent=True)
    return dataclasses.replace(outcome, took_s=boot_time_s() - now_s, called_s=now_s)


def _ready(runtime: Runtime, claim: Claim, provider: Provider, begun_s: float) -> tuple[Auth, float]:
    """What the call needs, and since when the claim is good: reading the baseline renews it."""
    rule = runtime.registrations[claim.payment.provider].operations[claim.payment.operation]
    try:
        with waiting_at_most(STALE_S):
            auth = provider.authorise()
        if not rule.reads_first or claim.payment.baseline is not None:
            return auth, begun_s
        if boot_time_s() - begun_s > STALE_S:
            raise _NotSent("the log-in took too long for this claim")
        baseline = provider.baseline(claim.payment, auth)
        if baseline is None:
            raise _NotSent("the provider's books could not be read before sending")
        begun_s = boot_time_s()
        with runtime.database.connection() as connection:
            if not store.save_baseline(connection, claim, baseline, runtime.limits.lease_s):
                raise _NotSent("the lease ran out before sending")
    except AWAY:
        raise _NotSent("the database did not answer before sending") from None
    return auth, begun_s


def _call(runtime: Runtime, claim: Claim, provider: Provider, auth: Auth) -> Answer:
    try:
        answer = provider.send(claim.payment, auth)
    except Exception:  # a mistake in the adapter: what the provider did is unknown, and must stay so
        text = "the adapter failed on an answer; its payment stays unknown"
        alert(Alert.ADAPTER_FAILED, text, provider=claim.payment.provider)
        return Answer(kind="adapter_failed", meaning=Meaning.CHECK, detail="the adapter failed", listed=False)
    if not answer.listed:
        text = "an answer that the adapter's table does not list"
        alert(Alert.UNLISTED_ANSWER, text, provider=claim.payment.provider, kind=answer.kind, status=answer.http_status)
    if answer.http_status == 401:
        wrong_credentials = _forget(provider, auth)
        if not runtime.is_current(claim.payment.provider, provider):  # as it would be, but the lane goes on
            meaning = Meaning.RESEND if answer.meaning is Meaning.HALT else answer.meaning
            return dataclasses.replace(answer, meaning=meaning, detail="refused with credentials that were replaced")
        if wrong_credentials and answer.meaning is Meaning.REAUTH:
            detail = "two tokens in a row were refused; check the credentials, then `settlepipe lanes resume`"
            return dataclasses.replace(answer, meaning=Meaning.HALT, detail=detail)
    return answer


def _forget(provider: Provider, auth: Auth) -> bool:
    """This token got a 401; True when the credentials must be wrong. Where the database is away the fleet learns of
    it from the next 401."""
    try:
        return provider.forget(auth)
    except AWAY:
        log.warning("the refused token could not be marked as refused; PostgreSQL does not answer")
    except Exception as error:  # the answer is there, and must be recorded
        alert(Alert.ADAPTER_FAILED, "the refused token could not be marked as refused", reason=type(error).__name__)
    return False


def _outcome(runtime: Runtime, claim: Claim, answer: Answer, *, sent: bool, halt: str | None = None) -> Outcome:
    meaning, settings, doubt = answer.meaning, runtime.settings, claim.payment.in_doubt
    if sent:
        to = next_state(meaning, resend_safe=claim.resend_safe, in_doubt=doubt)
        doubt = doubt or leaves_doubt(meaning)
    else:
        to = State.WAITING
    back_off_s = next_wait(claim.attempt, settings.retry.base_s, settings.retry.cap_s, answer.retry_after_s)
    wait_s = back_off_s if to is State.WAITING else settings.check.ladder_s[0]
    if meaning is Meaning.REAUTH or (runtime.gate.ended and not sent):  # another process may send it at once
        wait_s = 0.0
    if answer.provider_down:
        signal = "down"
    else:
        signal = "alive" if sent and answer.http_status is not None and meaning is not Meaning.REAUTH else "none"
    return Outcome(
        answer=answer,
        to=to,
        wait_s=None if to in FINAL else wait_s,
        in_doubt=doubt and to is not State.SUCCEEDED,
        possibly_sent=sent and meaning is not Meaning.NOT_SENT,
        signal=signal,
        halt=(answer.detail or answer.kind) if meaning is Meaning.HALT else halt,
        again_s=back_off_s if meaning is Meaning.REAUTH else None,
    )


def halt(runtime: Runtime, provider: str, reason: str) -> None:
    """Stop a lane that was not let in, and tell people. (An attempt's own outcome halts it with its record.)"""
    with runtime.database.connection() as connection:
        halts = lanes.halt(connection, provider, reason)
    if halts:
        _alert_halt(provider, reason)


def _alert_halt(provider: str, reason: str) -> None:
    """Tell people, once, that a lane stands still until its cause is mended."""
    text = "the lane is halted; mend the cause, then `settlepipe lanes resume`"
    alert(Alert.LANE_HALTED, text, provider=provider, reason=reason)


def _learn(runtime: Runtime, claim: Claim) -> None:
    """Let the adapter see what an explicit success did to the books, where later checks rest on it."""
    connected = runtime.connected[claim.payment.provider]
    rule = runtime.registrations[claim.payment.provider].operations[claim.payment.operation]
    if connected.learn is None or not rule.learns:
        return
    try:
        payment = claim.payment
        if rule.reads_first:  # kept after the claim
            with runtime.database.connection() as connection:
                payment = store.current(connection, payment.id)
        connected.learn(payment, runtime.books, runtime.provider(payment.provider).authorise())
    except Exception as error:  # best effort: the payment's outcome is recorded already
        log.warning("nothing could be learnt from this success", reason=type(error).__name__)


def record(runtime: Runtime, claim: Claim, outcome: Outcome) -> None:
    """Write the outcome; while PostgreSQL does not answer, try again and claim nothing new."""
    with bound(payment_id=claim.payment.id, attempt=claim.attempt, **traced(claim.payment)):
        _record(runtime, claim, outcome)


def _record(runtime: Runtime, claim: Claim, outcome: Outcome) -> None:
    recorded, unsure = until_written(runtime, lambda: _write(runtime, claim, outcome))
    if not recorded.goes_on:
        runtime.stops.saw(claim.payment.provider, boot_time_s())
    if outcome.halt and (recorded.halts or unsure):  # what halted it may have been told to nobody
        _alert_halt(claim.payment.provider, outcome.halt)
    payment = claim.payment
    if not recorded:
        named, _ = until_written(runtime, lambda: must_be_named(runtime, payment.id, payment.sent_reference))
        if named and outcome.answer.meaning is Meaning.SUCCEEDED:
            dispute(runtime, claim, outcome.answer)
    ended(claim, outcome, recorded.state)


def _write(runtime: Runtime, claim: Claim, outcome: Outcome) -> Recorded:
    try:
        with runtime.database.connection() as connection:
            return store.record(connection, claim, outcome, runtime.limits)
    except AWAY:
        raise
    except Exception as error:
        return _write_plainly(runtime, claim, outcome, error)


def _write_plainly(runtime: Runtime, claim: Claim, outcome: Outcome, error: Exception) -> Recorded:
    """An outcome that PostgreSQL refuses is written without the provider's own words. Where that is refused too, the
    attempt ends all the same: a payment whose sender seems to be on the wire is never sent again."""
    alert(Alert.OUTCOME_REFUSED, "PostgreSQL refuses an outcome", reason=type(error).__name__, kind=outcome.answer.kind)
    answer = dataclasses.replace(outcome.answer, detail=None, provider_reference=None, facts={})
    try:
        with runtime.database.connection() as connection:
            return store.record(connection, claim, dataclasses.replace(outcome, answer=answer), runtime.limits)
    except AWAY:
        raise
    except Exception:
        with runtime.database.connection() as connection:
            store.end(connection, claim, answer)
        raise
