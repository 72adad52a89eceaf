"""Intents that came by HTTP become payments by the same verb as the intake's; each has its answer."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from shared.domain.codes import Code
from shared.domain.intent import BadIntent, Intent, parse_intent
from shared.payments import trace
from shared.payments.admit import UNSTORED, Admitted, Answer, Offer, Refused, admit, halved, prepared
from shared.payments.valid import UNREAD
from shared.runtime import Runtime
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert, get_logger
from worker.web.problems import Fault, Problem

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """It is committed. repeated: it was before."""

    intent: Intent
    repeated: bool

    @property
    def document(self) -> Mapping[str, Any]:
        """As it is answered."""
        source, intent_id = self.intent.source, self.intent.intent_id
        return {
            "status": int(HTTPStatus.ACCEPTED),
            "id": intent_id,
            "source": source,
            "duplicate": self.repeated,
            "digest": self.intent.digest.hex(),
            "payment": _path(self.intent),
        }


@dataclass(frozen=True, slots=True)
class Given:
    """An intent as it came, by a key of this source. said: the Idempotency-Key that came with it: its id is what makes
    a repeat safe, and a key that is another one would promise something else."""

    source: str
    raw: bytes
    traceparent: str | None = None
    said: str | None = None


def take(runtime: Runtime, given: Sequence[Given]) -> list[Taken | Problem]:
    """What becomes of each, in their order. All that is taken is committed when it returns; when it raises (PostgreSQL
    is away, the store is held) some of it may be, and may be given again."""
    answers: list[Taken | Problem | None] = [None] * len(given)
    offers: dict[int, Offer] = {}
    for place, one in enumerate(given):
        try:
            offers[place] = Offer(read(runtime, one), one.traceparent)
        except Problem as problem:
            answers[place] = problem
    valid = list(offers.values())
    for place, answer in zip(offers, halved(lambda some: _admitted(runtime, some), valid, _unstored), strict=True):
        answers[place] = _answered(offers[place].intent, answer)
    new = sum(isinstance(one, Taken) and not one.repeated for one in answers)
    log.info("intents taken by HTTP", intents=len(given), accepted=new)
    return [one for one in answers if one is not None]


def read(runtime: Runtime, given: Given) -> Intent:
    """The intent, by the intake's own rule. Raises Problem with every mistake; for another source than the key's, for
    an Idempotency-Key that is not its id."""
    try:
        intent = parse_intent(given.raw, runtime.targets)
    except BadIntent as bad:
        mistakes = [{"code": str(one.code), "place": one.place, "detail": one.text} for one in bad.mistakes]
        raise Problem(bad.code, bad.reason, mistakes=mistakes) from None
    except Exception:  # a mistake in the validation must not stop the others
        alert(Alert.VALIDATION_FAILED, "an intent could not be read: a mistake in the validation")
        raise Problem(Code.INTERNAL_ERROR, UNREAD) from None
    if intent.source != given.source:
        detail = f"this key is of the source {given.source}; send the intent with that source's key"
        raise Problem(Fault.NOT_YOURS, detail)
    if given.said is not None and given.said.strip('"') != intent.intent_id:
        raise Problem(Fault.KEY_MISMATCH, "send the intent's id as Idempotency-Key, or leave it out")
    return intent


def _admitted(runtime: Runtime, offers: Sequence[Offer]) -> list[Answer]:
    if not offers:
        return []
    began, ready = time.time(), prepared(runtime, offers)
    with runtime.database.transaction() as connection:
        answers = admit(connection, runtime, offers, ready)
    trace.accepted(zip(offers, answers, strict=True), ready, began)
    return answers


def _unstored(_: Offer) -> Answer:
    return Refused(Code.INTERNAL_ERROR, UNSTORED)


def _answered(intent: Intent, answer: Answer) -> Taken | Problem:
    if isinstance(answer, Admitted):
        return Taken(intent, answer.repeated)
    if answer.before is None:
        return Problem(answer.code, answer.reason)
    before = answer.before.digest
    digests: dict[str, Any] = {"digest": intent.digest.hex(), "digest_before": None if before is None else before.hex()}
    return Problem(answer.code, answer.reason, payment=_path(intent), **digests)


def _path(intent: Intent) -> str:
    return f"/v1/payments/{intent.source}/{intent.intent_id}"
