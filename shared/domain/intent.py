"""An intent as upstreams write it: parsed strictly, normalised, and given the digest that tells "the same"."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared.domain.bad_intent import MAX_REASON, BadIntent, Mistake, bad
from shared.domain.cards import holds_card_data, names_card_data
from shared.domain.codes import Code, CodedError
from shared.domain.intent_json import MAX_INTENT_BYTES, load
from shared.domain.money import parse_amount
from shared.domain.payment import Operation
from shared.domain.spelling import mistake, mistakes

__all__ = ["AHEAD", "ID", "MAX_AHEAD", "MAX_INTENT_BYTES", "MAX_REASON", "BadIntent", "Intent", "Wire", "parse_intent"]

MAX_AHEAD = timedelta(hours=24)  # of the database's clock: zones and clocks differ, but nobody has paid tomorrow
AHEAD = "paid_at is more than 24 hours ahead of the database's clock; send it again when that time has come"

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def _one_spelling(text: str) -> str:
    why = mistake(text)
    if why is not None:
        raise ValueError(why)
    return text


ID = r"[A-Za-z0-9._:-]{1,64}"  # of an intent, and of a source
Id = Annotated[str, Field(pattern=f"^{ID}$")]


@dataclass(frozen=True, slots=True)
class Intent:
    """A valid intent, normalised: amounts in minor units, times in UTC. digest: SHA-256 over those fields."""

    source: str
    intent_id: str
    provider: str
    operation: Operation
    amount_minor: int
    currency: str
    paid_at: datetime
    target: Mapping[str, Any]
    refund_of: str | None
    receipt: Mapping[str, Any] | None
    notify: Mapping[str, Any] | None
    metadata: Mapping[str, Any] | None
    digest: bytes


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


Identifier = Annotated[str, AfterValidator(_one_spelling)]


class _Receipt(_Strict):
    register_: Identifier = Field("", alias="register", max_length=32)
    email: Identifier = Field("", max_length=254, pattern=r"^([^@\s]+@[^@\s]+)?$")


class _Notify(_Strict):
    sms: str = Field(pattern=r"^[1-9][0-9]{6,14}$")


class Wire(_Strict):
    """An intent as it is written, before its target, amount and time are read."""

    intent_id: Id
    source: Id
    provider: str = Field(max_length=64)
    operation: str = Field(pattern="^(settle|refund)$")
    amount: str = Field(json_schema_extra={"pattern": r"^(0|[1-9][0-9]{0,14})(\.[0-9]+)?$"})  # parse_amount tells more
    currency: str = Field(pattern="^[A-Z]{3}$")
    paid_at: str = Field(max_length=64, json_schema_extra={"pattern": f"^{_RFC3339.pattern}$"})
    target: dict[str, Any] | None = None
    refund_of: Id | None = None
    receipt: _Receipt | None = None
    notify: _Notify | None = None
    metadata: dict[str, Any] | None = None


def parse_intent(raw: bytes, targets: Mapping[str, type[BaseModel]]) -> Intent:
    """The intent in `raw`. `targets` holds the target model of every known provider.

    Raises BadIntent for whatever is wrong with it, with every mistake that can be told; nothing else.
    """
    document = load(raw)
    subject = _subject(document)
    if names_card_data(raw) and holds_card_data(document):
        raise BadIntent(
            Code.CARD_DATA, "card data is not accepted: leave cardNumber and cvv out, wherever they stand", subject
        )
    try:
        wire = Wire.model_validate(document)
    except ValidationError as error:
        wrong = _mistakes(error)
        _, more = _content(document, targets, {mistake.place.partition(".")[0] for mistake in wrong})
        raise bad([*wrong, *more], subject) from None
    content, wrong = _content(document, targets, ())
    if wrong:
        raise bad(wrong, subject)
    fields: dict[str, Any] = {
        "source": wire.source,
        "intent_id": wire.intent_id,
        "provider": wire.provider,
        "operation": Operation(wire.operation),
        "currency": wire.currency,
        "refund_of": wire.refund_of,
        "receipt": wire.receipt.model_dump(by_alias=True) if wire.receipt else None,
        "notify": wire.notify.model_dump() if wire.notify else None,
        "metadata": wire.metadata,
        **content,
    }
    return Intent(**fields, digest=_digest(fields))


def _subject(document: Mapping[str, Any]) -> str | None:
    source, intent_id = document.get("source"), document.get("intent_id")
    for value in (source, intent_id):
        if not isinstance(value, str) or not re.fullmatch(ID, value):
            return None
    return f"{source}/{intent_id}"


def _content(
    document: Mapping[str, Any], targets: Mapping[str, type[BaseModel]], ill_formed: Collection[str]
) -> tuple[dict[str, Any], list[Mistake]]:
    """What the fields mean, and every mistake in that. ill_formed: those that can't be read, nor what rests on them."""
    found: dict[str, Any] = {}
    wrong: list[Mistake] = []
    model = None
    if "provider" not in ill_formed:
        model = targets.get(document["provider"])
        if model is None:
            said = f"provider is not one of {', '.join(sorted(targets))}"
            wrong.append(Mistake(Code.UNKNOWN_PROVIDER, "provider", said))
    try:
        if not {"amount", "currency"} & set(ill_formed):
            found["amount_minor"] = parse_amount(document["amount"], document["currency"])
    except CodedError as error:
        place = "currency" if error.code is Code.UNKNOWN_CURRENCY else "amount"
        wrong.append(Mistake(error.code, place, str(error)))
    try:
        if "paid_at" not in ill_formed:
            found["paid_at"] = _instant(document["paid_at"])
    except CodedError as error:
        wrong.append(Mistake(error.code, "paid_at", str(error)))
    if not {"operation", "target", "refund_of"} & set(ill_formed):
        found["target"], more = _target(document, model)
        wrong += more
    return found, wrong


def _target(document: Mapping[str, Any], model: type[BaseModel] | None) -> tuple[dict[str, Any], list[Mistake]]:
    target, refund_of = document.get("target"), document.get("refund_of")
    if document["operation"] == Operation.REFUND:
        if refund_of is None or target is not None:
            said, place = "a refund names its settle in refund_of and has no target", "refund_of"
            return {}, [Mistake(Code.BAD_FIELD, place if refund_of is None else "target", said)]
        return {}, []
    if target is None or refund_of is not None:
        said = "a settle has a target and no refund_of"
        return {}, [Mistake(Code.BAD_FIELD, "target" if target is None else "refund_of", said)]
    if model is None:
        return {}, []
    spelt = dict(mistakes(target, "target"))
    wrong = [Mistake(Code.BAD_FIELD, where, f"{where}: {why}") for where, why in spelt.items()]
    try:
        read = model.model_validate(target).model_dump(mode="json", exclude_none=True)
    except ValidationError as error:
        return {}, wrong + _mistakes(error, "target.", spelt)
    return read, wrong


def _instant(text: str) -> datetime:
    if _RFC3339.fullmatch(text) is None:
        raise CodedError(
            Code.BAD_TIME, "paid_at must be RFC 3339 with an offset, like 2026-11-21T03:24:12Z, to the microsecond"
        )
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CodedError(Code.BAD_TIME, "paid_at is not a time that exists") from None


def _digest(fields: Mapping[str, Any]) -> bytes:
    canonical = json.dumps(
        fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=lambda value: value.isoformat()
    )
    return hashlib.sha256(canonical.encode("ascii")).digest()


_CODES = {"missing": Code.MISSING_FIELD, "extra_forbidden": Code.UNKNOWN_FIELD}


def _mistakes(error: ValidationError, prefix: str = "", without: Collection[str] = ()) -> list[Mistake]:
    """What is wrong, field by field, without the values (they can be personal). without: fields that are told of."""
    found = []
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        where = f"{prefix}{'.'.join(str(part) for part in one['loc'])}"
        if where not in without:
            why = one["msg"].removeprefix("Value error, ")
            found.append(Mistake(_CODES.get(one["type"], Code.BAD_FIELD), where, f"{where}: {why}"))
    return found
