"""look: what a provider's books say of one payment, for a check and for a person who decides.

Reads only. No transaction is open meanwhile; each read ends within the HTTP deadline.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.database import foreign
from shared.domain.answers import MAX_SHOWN, CheckResult, Verdict
from shared.domain.payment import State
from shared.payments.lost_time import doubted
from shared.payments.store import resolve as resolve_store
from shared.payments.store.check import CheckClaim
from shared.providers.base import Doubt, LoginRefused, LoginUnavailable
from shared.runtime import Runtime
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert


class Unresolvable(Exception):  # noqa: N818 - says what is so
    """The payment is not in a state in which this may be decided. Nothing was changed; the message says why."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look for a person at a parked payment.

    claim: the payment as it was when the look began; its `number` is of the last check before.
    attempts: how often it had been claimed. result: as a check would judge it. off: no worker of this provider would
    look either.
    """

    claim: CheckClaim
    attempts: int
    result: CheckResult
    off: bool = False

    @property
    def name(self) -> str:
        """SOURCE/INTENT_ID."""
        return f"{self.claim.payment.source}/{self.claim.payment.intent_id}"


def look(runtime: Runtime, source: str, intent_id: str) -> Look:
    """Look into the provider's books for a parked payment. Raises Unresolvable when it is not parked."""
    with runtime.database.connection() as connection:
        found = resolve_store.find(connection, source, intent_id)
        if found is None:
            raise Unresolvable(f"there is no payment {source}/{intent_id}; look for it with `settlepipe payments`")
        payment_id, provider, state = found
        must_be_parked(source, intent_id, state)
        seen = resolve_store.seen(connection, payment_id, runtime.settings.provider(provider).settle_window_s)
    if seen is None:
        raise Unresolvable(f"{source}/{intent_id} was decided meanwhile, nothing was changed")
    claim, attempts = seen
    if provider not in runtime.connected:
        said = f"{provider} is off here; set SETTLEPIPE_{provider.upper()}__BASE_URL as its workers have it"
        return Look(claim, attempts, CheckResult(Verdict.INCONCLUSIVE, said, unread=True), off=True)
    try:
        result = ask(runtime, claim)
    except LoginRefused as error:  # its lane goes on: the fleet's own credentials may be others than these
        result = CheckResult(Verdict.INCONCLUSIVE, str(error), unread=True)
    return Look(claim, attempts, doubted(claim, believed(claim, result)))


def must_be_parked(source: str, intent_id: str, state: str) -> None:
    """Raises Unresolvable for any other state."""
    if state != State.PARKED:
        raise Unresolvable(f"{source}/{intent_id} is {state}; only a parked payment is resolved, nothing was changed")


def ask(runtime: Runtime, claim: CheckClaim) -> CheckResult:
    """The adapter's own verdict. Raises LoginRefused; all else that goes wrong is `unread`."""
    provider = runtime.provider(claim.payment.provider)
    doubt = Doubt(claim.payment, claim.exclusive_key, claim.last_refusal, claim.window_passed, claim.first_sent_at)
    try:
        return provider.check(doubt, runtime.books, provider.authorise())
    except LoginRefused:
        if runtime.is_current(claim.payment.provider, provider):
            raise
        said = "the books were not opened with credentials that were replaced meanwhile"
        return CheckResult(Verdict.INCONCLUSIVE, said, unread=True)
    except LoginUnavailable as error:
        return CheckResult(Verdict.INCONCLUSIVE, str(error), provider_down=True, unread=True)
    except Exception:  # a mistake in the adapter proves nothing about the payment
        alert(
            Alert.ADAPTER_FAILED,
            "the adapter failed on an answer; its payment stays unknown",
            provider=claim.payment.provider,
        )
        return CheckResult(Verdict.INCONCLUSIVE, "the adapter failed while it checked", unread=True, broken=True)


def believed(claim: CheckClaim, result: CheckResult) -> CheckResult:
    """A NOT_APPLIED counts only when nothing of ours can still be on its way."""
    if result.verdict is not Verdict.NOT_APPLIED:
        return result
    if not claim.window_passed:
        detail = "not applied so far; the settle window is not over"
    elif claim.sender_alive:
        detail = "not applied so far; the process that sent it has not ended"
    else:
        return result
    return CheckResult(Verdict.INCONCLUSIVE, detail, result.evidence, shown=result.shown)


def told(result: CheckResult) -> Mapping[str, Any]:
    """What a look shows, in the form that is kept and compared: plain JSON, the lines in an order of their own."""
    lines = sorted(({k: v for k, v in line.items() if v is not None} for line in result.shown), key=_key)
    doubts = result.doubts or ((result.detail,) if result.verdict is Verdict.INCONCLUSIVE else ())
    kept: Mapping[str, Any] = {
        "verdict": result.verdict.value,
        "detail": result.detail,
        "unread": result.unread,
        "doubts": list(doubts),
        "lines": lines[:MAX_SHOWN],
        "left_out": max(len(lines) - MAX_SHOWN, 0),
    }
    plain: Mapping[str, Any] = foreign.plain(kept)
    return plain


def covers(shown: Mapping[str, Any] | None, now: Mapping[str, Any]) -> bool:
    """Was all of `now` shown then? The same verdict, the very same lines, and no doubt that was not told."""
    return (
        shown is not None
        and (shown["verdict"], shown["unread"]) == (now["verdict"], now["unread"])
        and _counted(shown) == _counted(now)
        and not shown["left_out"]
        and not now["left_out"]
        and set(now["doubts"]) <= set(shown["doubts"])
    )


def vanished(shown: Mapping[str, Any] | None, now: Mapping[str, Any]) -> bool:
    """Is something that was shown then not there any more? Then one of the two looks was wrong."""
    return shown is not None and bool(_counted(shown) - _counted(now))


def same_books(then: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Does a look show what an earlier one showed? The same verdict, the very same lines, and no other doubt; what was
    left out nobody can compare. Where neither could be made, why does not matter."""
    alike = then["verdict"] == now["verdict"] and then["unread"] == now["unread"]
    whole = not then["left_out"] and not now["left_out"]
    doubts = now["unread"] or set(now["doubts"]) <= set(then["doubts"])
    return alike and whole and doubts and _counted(then) == _counted(now)


def _counted(look: Mapping[str, Any]) -> Counter[tuple[tuple[str, str], ...]]:
    return Counter(_key(line) for line in look["lines"])


def _key(line: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(line.items()))
