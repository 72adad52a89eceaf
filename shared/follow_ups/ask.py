"""ask: follow-ups of a succeeded payment, a VAT receipt or a text message. Whatever becomes of one, the payment
stays as it is.

Where it can die, and what is true then:
  before it is about to be asked for    (built, logged in): nothing was asked; its lease runs out and it waits
  after that, before the outcome        nobody knows: its lease runs out and a person decides
What is in the way before the first byte, a database that went away among it, is recorded as waiting.
"""

import dataclasses

from shared.database.engine import AWAY
from shared.domain.answers import Answer, Meaning
from shared.domain.backoff import next_wait
from shared.domain.codes import Code
from shared.domain.request import Hold, Refusal, Request
from shared.follow_ups import delivery, lane
from shared.follow_ups.store import ask as store
from shared.follow_ups.store.ask import FollowUpClaim, FollowUpOutcome
from shared.providers.answer_codes import code_of
from shared.providers.base import Auth, FollowUp, LoginBusy, LoginRefused, LoginUnavailable
from shared.providers.credentials import waiting_at_most
from shared.runtime import STALE_S, Runtime, boot_time_s, until_written
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert, bound, get_logger
from shared.unclaim import once_more

log = get_logger(__name__)

_UNBUILT_WAIT_S = 300.0  # the directory lacks something: look again later
_UNOFFERED = {"receipt": "issues no receipts", "sms": "sends no text messages"}


def follow_up(runtime: Runtime, follow_up_id: int) -> None:
    """Ask for one follow-up, if it is still this message's to ask for."""
    if not runtime.gate.open:
        return
    begun_s = boot_time_s()

    def ask() -> FollowUpClaim | None:
        with runtime.database.connection() as connection:
            if runtime.gate.ended:  # it was asked to stop while it waited for a connection
                return None
            return store.claim(connection, follow_up_id, runtime.limits.lease_s, seen=runtime.seen)

    claim = once_more(ask)
    if claim is None:
        return
    with bound(payment_id=claim.payment.id, attempt=claim.attempt):
        connected = runtime.connected.get(claim.provider)
        if connected is None:  # switched off since it was dispatched
            detail = f"provider {claim.provider} is off"
            _record(runtime, claim, FollowUpOutcome("waiting", detail, wait_s=_UNBUILT_WAIT_S, code=Code.PROVIDER_OFF))
            return
        offered = connected.follow_ups.get(claim.kind)
        if offered is None:
            said = f"{claim.provider} {_UNOFFERED[claim.kind]}"
            _record(runtime, claim, FollowUpOutcome("refused", said, code=Code.NOT_SUPPORTED))
        elif offered.max_age_s is not None and claim.age_s > offered.max_age_s:
            _record(runtime, claim, FollowUpOutcome("refused", "it is too old to be sent", code=Code.TOO_OLD))
        elif answer := _ask(runtime, claim, offered, begun_s):
            _follow(runtime, claim, answer)


def end_unsendable(runtime: Runtime) -> None:
    """End follow-ups that no lane ends. A message that waited too long is refused: a lane that stands still, or whose
    provider is off, takes none. What was being asked for when its provider was switched off is a person's. A receipt
    waits until its lane runs again."""
    off = [name for name in runtime.registrations if name not in runtime.connected]
    with runtime.database.connection() as connection:
        lost = [pair for provider in off for pair in lane.end_lost(connection, provider)]
        refused = store.refuse_old(connection, runtime.settings.message_max_age_s)
    for follow_up_id, state in lost:
        log.warning("a follow-up's lease ran out", follow_up_id=follow_up_id, state=state)
    if refused:
        alert(
            Alert.MESSAGES_REFUSED,
            "text messages waited in vain: their provider is off, or its lane stands still",
            count=refused,
        )


def _ask(runtime: Runtime, claim: FollowUpClaim, offered: FollowUp, begun_s: float) -> Answer | None:
    """Ask once; None when there was nothing to ask, or it is no longer ours to ask."""
    try:
        ready = _ready(runtime, claim, offered)
    except Exception as error:
        return _in_the_way(claim, error)
    if ready is None:
        return None
    if boot_time_s() - begun_s > STALE_S:
        return Answer(kind="stale", meaning=Meaning.NOT_SENT, detail="the claim was too old to be used")
    if runtime.gate.ended:
        return Answer(kind="stops", meaning=Meaning.NOT_SENT, detail="its process stops")
    request, auth = ready
    try:
        answer = offered.send(request, auth)
    except Exception:  # a mistake in the adapter: a person looks
        alert(Alert.ADAPTER_FAILED, "the adapter failed on an answer", provider=claim.provider, kind=claim.kind)
        return Answer(kind="adapter_failed", meaning=Meaning.CHECK, detail="the adapter failed")
    if answer.http_status == 401:
        _forget(runtime, claim, auth)
    return answer


def _ready(runtime: Runtime, claim: FollowUpClaim, offered: FollowUp) -> tuple[Request, Auth] | None:
    """What it takes to ask; that it is about to be asked for is kept. None when it ended here, or its lease ran out."""
    built = claim.request or offered.build(claim.payment, runtime.directories[claim.provider])
    if isinstance(built, Refusal):
        _record(runtime, claim, FollowUpOutcome("refused", built.detail, code=built.code))
        return None
    if isinstance(built, Hold):
        _record(
            runtime,
            claim,
            FollowUpOutcome("waiting", built.detail, wait_s=_UNBUILT_WAIT_S, code=Code[built.reason.name]),
        )
        return None
    with waiting_at_most(STALE_S):
        auth = runtime.provider(claim.provider).authorise()
    with runtime.database.connection() as connection:
        return (built, auth) if store.begin(connection, claim, built) else None


def _in_the_way(claim: FollowUpClaim, error: Exception) -> Answer:
    """What was in the way before anything was asked for: it is tried again."""
    if isinstance(error, LoginRefused):
        return Answer(kind="login_refused", meaning=Meaning.NOT_SENT, detail=str(error))
    if isinstance(error, LoginUnavailable):
        down = not isinstance(error, LoginBusy)
        return Answer(kind="login_unavailable", meaning=Meaning.NOT_SENT, detail=str(error), provider_down=down)
    if isinstance(error, AWAY):
        detail = "the database did not answer before sending"
        return Answer(kind="database_away", meaning=Meaning.NOT_SENT, detail=detail)
    alert(Alert.ADAPTER_FAILED, "the adapter failed before it asked for anything", provider=claim.provider)
    return Answer(kind="adapter_failed", meaning=Meaning.NOT_SENT, detail="the adapter failed before sending")


def _forget(runtime: Runtime, claim: FollowUpClaim, auth: Auth) -> None:
    try:
        runtime.provider(claim.provider).forget(auth)
    except AWAY:
        log.warning("the refused token could not be marked as refused; PostgreSQL does not answer")
    except Exception as error:  # the answer is there, and must be recorded
        alert(Alert.ADAPTER_FAILED, "the refused token could not be marked as refused", reason=type(error).__name__)


def _follow(runtime: Runtime, claim: FollowUpClaim, answer: Answer) -> None:
    outcome = dataclasses.replace(_outcome(runtime, claim, answer), code=code_of(answer))
    begins = _record(runtime, claim, outcome)
    if outcome.to == "issued" and claim.kind == "sms" and outcome.reference is not None:
        _tell_early(runtime, outcome.reference)
    if begins:  # it was asked and said "not now": somebody has to do something
        alert(Alert.FOLLOW_UP_WAITS, "the provider takes it later only", kind=claim.kind, reason=answer.detail)
    if outcome.to == "parked":
        alert(Alert[f"{claim.kind}_parked".upper()], "nobody knows whether this was done; see `settlepipe payment`")


def _outcome(runtime: Runtime, claim: FollowUpClaim, answer: Answer) -> FollowUpOutcome:
    retry, down = runtime.settings.retry, answer.provider_down
    alive = answer.http_status is not None and not down and answer.meaning not in (Meaning.REAUTH, Meaning.HALT)
    match answer.meaning:
        case Meaning.SUCCEEDED:
            reference = answer.provider_reference
            return FollowUpOutcome("issued", answer.detail, dict(answer.facts), reference, alive=alive)
        case Meaning.REFUSED:
            return FollowUpOutcome("refused", answer.detail, alive=alive)
        case Meaning.NOT_SENT | Meaning.REAUTH:
            wait_s = next_wait(claim.attempt, retry.base_s, retry.cap_s, answer.retry_after_s)
            refusal = answer.refusal
            return FollowUpOutcome("waiting", answer.detail, wait_s=wait_s, alive=alive, down=down, refusal=refusal)
        case _:
            return FollowUpOutcome("parked", answer.detail or answer.kind, alive=alive, down=down)


def _tell_early(runtime: Runtime, sms_id: str) -> None:
    """A report may have come before the answer to its sending was recorded."""
    try:
        delivery.tell(runtime.database, sms_id)
    except AWAY:
        log.warning("PostgreSQL does not answer; an early report of delivery is told when reports are polled")


def _record(runtime: Runtime, claim: FollowUpClaim, outcome: FollowUpOutcome) -> bool:
    def write() -> bool:
        with runtime.database.connection() as connection:
            return store.record(connection, claim, outcome, runtime.limits.breaker_open_s)

    begins, _ = until_written(runtime, write)
    return begins
