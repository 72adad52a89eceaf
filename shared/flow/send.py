"""send: claim a dispatched payment, call its provider once, record what came of it.

Where it can die, and what is true then:
  before the claim      the payment is dispatched; its lease runs out and it is dispatched again
  after the claim       an attempt without an end; the lease runs out and it counts as ambiguous
  after the call        the same: what the provider did is found by the resend or by the check
  after the record      nothing is left to do; the message may be redelivered, the claim refuses it
"""

import dataclasses
import random
import time

from shared.domain.answers import Answer, Meaning, leaves_doubt, next_state
from shared.domain.backoff import next_wait
from shared.domain.payment import FINAL, State
from shared.flow.disputes import dispute
from shared.flow.runtime import Runtime, boot_time_s
from shared.providers.base import Auth, LoginRefused, LoginUnavailable, Provider
from shared.store import attempts, lanes
from shared.store.attempts import Claim, Outcome
from shared.store.engine import AWAY
from shared.telemetry.logs import alert, bound, get_logger

log = get_logger(__name__)

STALE_S = 5.0  # a claim older than this (a frozen process or database) is not sent


def send(runtime: Runtime, payment_id: int) -> None:
    """Send one payment, if it is still this message's to send. What can't be claimed is left alone."""
    if not runtime.gate.open:
        return
    begun_s = boot_time_s()
    with runtime.database.connection() as connection:
        claim = attempts.claim(connection, payment_id, runtime.worker_key, runtime.limits)
    if claim is not None:
        deliver(runtime, claim, begun_s)


def deliver(runtime: Runtime, claim: Claim, begun_s: float) -> None:
    """Use a claim: one call, its outcome recorded. begun_s: boot time from before the claim was issued."""
    with bound(payment_id=claim.payment.id, attempt=claim.attempt):
        outcome = _attempt(runtime, claim, begun_s)
        _record(runtime, claim, outcome)
        if outcome.to is State.SUCCEEDED:
            _learn(runtime, claim)


class _NotSent(Exception):  # noqa: N818
    """Something before the first byte was in the way; the message says what."""


def _attempt(runtime: Runtime, claim: Claim, begun_s: float) -> Outcome:
    try:
        auth, begun_s = _ready(runtime, claim, begun_s)
        if boot_time_s() - begun_s > STALE_S:
            raise _NotSent(f"the claim was older than {STALE_S:.0f} s when it could be used")
    except LoginRefused as error:
        return _outcome(runtime, claim, Answer("login_refused", Meaning.HALT, detail=str(error)), sent=False)
    except (_NotSent, LoginUnavailable) as error:
        down = isinstance(error, LoginUnavailable)
        answer = Answer("not_sent", Meaning.NOT_SENT, detail=str(error), provider_down=down)
        return _outcome(runtime, claim, answer, sent=False)
    except Exception:  # a mistake in the adapter before anything was sent: said, and tried again
        alert("adapter_failed", "the adapter failed before it sent anything", provider=claim.payment.provider)
        answer = Answer("adapter_failed", Meaning.NOT_SENT, detail="the adapter failed before sending", listed=False)
        return _outcome(runtime, claim, answer, sent=False)
    return _outcome(runtime, claim, _call(runtime, claim, auth), sent=True)


def _ready(runtime: Runtime, claim: Claim, begun_s: float) -> tuple[Auth, float]:
    """What the call needs, and since when the claim is good: reading the baseline renews it."""
    provider = runtime.provider(claim.payment.provider)
    rule = runtime.registrations[claim.payment.provider].operations[claim.payment.operation]
    try:
        auth = provider.authorise()
        if not rule.needs_baseline or claim.payment.baseline is not None:
            return auth, begun_s
        if boot_time_s() - begun_s > STALE_S:
            raise _NotSent("the log-in took too long for this claim")
        baseline = provider.baseline(claim.payment, auth)
        if baseline is None:
            raise _NotSent("the provider's books could not be read before sending")
        begun_s = boot_time_s()
        with runtime.database.connection() as connection:
            if not attempts.save_baseline(connection, claim, baseline, runtime.limits.lease_s):
                raise _NotSent("the lease ran out before sending")
    except AWAY:
        raise _NotSent("the database did not answer before sending") from None
    return auth, begun_s


def _call(runtime: Runtime, claim: Claim, auth: Auth) -> Answer:
    provider = runtime.provider(claim.payment.provider)
    try:
        answer = provider.send(claim.payment, auth)
    except Exception:  # a mistake in the adapter: what the provider did is unknown, and must stay so
        alert(
            "adapter_failed",
            "the adapter failed on an answer; its payment stays unknown",
            provider=claim.payment.provider,
        )
        return Answer(kind="adapter_failed", meaning=Meaning.CHECK, detail="the adapter failed", listed=False)
    if not answer.listed:
        alert(
            "unlisted_answer",
            "an answer that the adapter's table does not list",
            provider=claim.payment.provider,
            kind=answer.kind,
            status=answer.http_status,
        )
    if answer.http_status == 401:
        wrong_credentials = _forget(provider, auth)
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
        return False


def _outcome(runtime: Runtime, claim: Claim, answer: Answer, *, sent: bool) -> Outcome:
    meaning, settings, doubt = answer.meaning, runtime.settings, claim.payment.in_doubt
    if sent:
        to = next_state(meaning, resend_safe=claim.resend_safe, in_doubt=doubt)
        doubt = doubt or leaves_doubt(meaning, resend_safe=claim.resend_safe)
    else:
        to = State.WAITING
    back_off_s = next_wait(claim.attempt, settings.retry.base_s, settings.retry.cap_s, answer.retry_after_s)
    wait_s = back_off_s if to is State.WAITING else settings.check.ladder_s[0]
    if meaning is Meaning.REAUTH:
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
        halt=(answer.detail or answer.kind) if meaning is Meaning.HALT else None,
        again_s=back_off_s if meaning is Meaning.REAUTH else None,
    )


def halt(runtime: Runtime, provider: str, reason: str) -> None:
    """Stop a lane that was not let in, and tell people. (An attempt's own outcome halts it with its record.)"""
    with runtime.database.connection() as connection:
        lanes.halt(connection, provider, reason)
    _alert_halt(provider, reason)


def _alert_halt(provider: str, reason: str) -> None:
    """Tell people that a lane stands still until its cause is mended."""
    text = "the lane is halted; mend the cause, then `settlepipe lanes resume`"
    alert("lane_halted", text, provider=provider, reason=reason)


def _learn(runtime: Runtime, claim: Claim) -> None:
    """Let the adapter see what an explicit success did to the books, where later checks rest on it."""
    connected = runtime.connected[claim.payment.provider]
    rule = runtime.registrations[claim.payment.provider].operations[claim.payment.operation]
    if connected.learn is None or not rule.learns:
        return
    try:
        payment = claim.payment
        if rule.needs_baseline:  # kept after the claim
            with runtime.database.connection() as connection:
                payment = attempts.current(connection, payment.id)
        connected.learn(payment, runtime.books, runtime.provider(payment.provider).authorise())
    except Exception as error:  # best effort: the payment's outcome is recorded already
        log.warning("nothing could be learnt from this success", reason=type(error).__name__)


def _record(runtime: Runtime, claim: Claim, outcome: Outcome) -> None:
    """Write the outcome; while PostgreSQL does not answer, try again and claim nothing new."""
    try:
        moved = _write(runtime, claim, outcome)
    except AWAY:
        with runtime.gate.closed():
            moved = _write_until_done(runtime, claim, outcome)
    if outcome.halt:
        _alert_halt(claim.payment.provider, outcome.halt)
    if not moved and outcome.answer.meaning is Meaning.SUCCEEDED:
        dispute(runtime, claim)
    log.info(
        "attempt ended",
        meaning=outcome.answer.meaning.value,
        answer=outcome.answer.kind,
        state=outcome.to.value,
    )


def _write(runtime: Runtime, claim: Claim, outcome: Outcome) -> bool:
    with runtime.database.connection() as connection:
        return attempts.record(connection, claim, outcome, runtime.limits)


def _write_until_done(runtime: Runtime, claim: Claim, outcome: Outcome) -> bool:
    tries = 0
    while True:
        time.sleep(min(2.0, 0.1 * 2**tries) * random.uniform(0.5, 1))  # noqa: S311 - jitter, not a secret
        try:
            return _write(runtime, claim, outcome)
        except AWAY:
            tries = min(tries + 1, 10)
            log.warning("PostgreSQL does not answer; the outcome is kept and written when it does")
