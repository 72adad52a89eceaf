"""An intent as upstreams write it: parsed strictly, normalised, and given the digest that tells "the same"."""

import hashlib
import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared.domain.cards import holds_card_data, names_card_data
from shared.domain.codes import Code, CodedError
from shared.domain.money import parse_amount
from shared.domain.payment import Operation
from shared.domain.spelling import mistake, mistakes

MAX_INTENT_BYTES = 64 * 1024
MAX_REASON = 2000  # characters
MAX_DEPTH = 32  # nested objects and lists; far above what any target or sensible metadata needs

MAX_DIGITS = 1000  # of one whole number; far above any that means something
MAX_AHEAD = timedelta(hours=24)  # of the database's clock: zones and clocks differ, but nobody has paid tomorrow
AHEAD = "paid_at is more than 24 hours ahead of the database's clock; send it again when that time has come"

T = TypeVar("T")

_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def _one_spelling(text: str) -> str:
    why = mistake(text)
    if why is not None:
        raise ValueError(why)
    return text


Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]


class BadIntent(Exception):  # noqa: N818 - what it is, not that it is an error
    """An intent that can't be accepted. The message says why and holds none of its values.

    code: of several mistakes the first one's. subject: `source/intent_id` when both could be read, else None.
    """

    def __init__(self, code: Code, reason: str, subject: str | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.subject = subject


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
    amount: str
    currency: str = Field(pattern="^[A-Z]{3}$")
    paid_at: str = Field(max_length=64)
    target: dict[str, Any] | None = None
    refund_of: Id | None = None
    receipt: _Receipt | None = None
    notify: _Notify | None = None
    metadata: dict[str, Any] | None = None


def parse_intent(raw: bytes, targets: Mapping[str, type[BaseModel]]) -> Intent:
    """The intent in `raw`. `targets` holds the target model of every known provider.

    Raises BadIntent for whatever is wrong with it; nothing else.
    """
    document = _load(raw)
    subject = _subject(document)
    if names_card_data(raw) and holds_card_data(document):
        raise BadIntent(
            Code.CARD_DATA, "card data is not accepted: leave cardNumber and cvv out, wherever they stand", subject
        )
    try:
        wire = Wire.model_validate(document)
        return _normalise(wire, targets)
    except ValidationError as error:
        raise BadIntent(_code(error), _sentences(error), subject) from None
    except CodedError as error:
        raise BadIntent(error.code, str(error), subject) from None


def _load(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_INTENT_BYTES:
        raise BadIntent(Code.TOO_LARGE, f"the intent has {len(raw)} bytes, the limit is {MAX_INTENT_BYTES}")
    try:
        document = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_int,
        )
        _walk(document)
    except UnicodeDecodeError:
        raise BadIntent(Code.NOT_JSON, "the intent is not UTF-8") from None
    except RecursionError:
        raise BadIntent(Code.NOT_JSON, "the intent is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise BadIntent(Code.NOT_JSON, f"the intent is not JSON: {error.msg} at character {error.pos}") from None
    except ValueError as error:
        raise BadIntent(Code.NOT_JSON, str(error)) from None
    if not isinstance(document, dict):
        raise BadIntent(Code.NOT_JSON, "the intent is not a JSON object")
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("the intent has a key twice")
    return document


def _constant(_name: str) -> NoReturn:
    raise ValueError("the intent holds NaN or Infinity, which JSON does not have")


def _int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"the intent holds a number of {len(text)} digits, the limit is {MAX_DIGITS}")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("the intent holds a number that is too large")
    return value


def _walk(document: object) -> None:
    """Refuse what PostgreSQL can't keep (NUL, lone surrogates) and nesting beyond the limit."""
    level: list[object] = [document]
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.keys())
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, str) and not _storable(item):
                raise ValueError("the intent holds a NUL character or half a surrogate pair")
        if not below:
            return
        level = below
    raise ValueError("the intent is nested too deeply")


def _storable(text: str) -> bool:
    if text.isascii():
        return "\0" not in text
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _subject(document: Mapping[str, Any]) -> str | None:
    source, intent_id = document.get("source"), document.get("intent_id")
    for value in (source, intent_id):
        if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", value):
            return None
    return f"{source}/{intent_id}"


def _normalise(wire: Wire, targets: Mapping[str, type[BaseModel]]) -> Intent:
    """Raises CodedError with every mistake that was found."""
    wrong: list[CodedError] = []

    def tried(read: Callable[[], T]) -> T | None:
        try:
            return read()
        except CodedError as error:
            wrong.append(error)
            return None

    operation = Operation(wire.operation)
    model = targets.get(wire.provider)
    if model is None:
        said = f"provider is not one of {', '.join(sorted(targets))}"
        wrong.append(CodedError(Code.UNKNOWN_PROVIDER, said))
    fields: dict[str, Any] = {
        "source": wire.source,
        "intent_id": wire.intent_id,
        "provider": wire.provider,
        "operation": operation,
        "amount_minor": tried(lambda: parse_amount(wire.amount, wire.currency)),
        "currency": wire.currency,
        "paid_at": tried(lambda: _instant(wire.paid_at)),
        "target": tried(lambda: _target(wire, operation, model)),
        "refund_of": wire.refund_of,
        "receipt": wire.receipt.model_dump(by_alias=True) if wire.receipt else None,
        "notify": wire.notify.model_dump() if wire.notify else None,
        "metadata": wire.metadata,
    }
    if wrong:
        raise CodedError(wrong[0].code, "; ".join(map(str, wrong))[:MAX_REASON])
    return Intent(**fields, digest=_digest(fields))


def _target(wire: Wire, operation: Operation, model: type[BaseModel] | None) -> dict[str, Any]:
    if operation is Operation.REFUND:
        if wire.refund_of is None or wire.target is not None:
            raise CodedError(Code.BAD_FIELD, "a refund names its settle in refund_of and has no target")
        return {}
    if wire.target is None or wire.refund_of is not None:
        raise CodedError(Code.BAD_FIELD, "a settle has a target and no refund_of")
    if model is None:
        return {}
    spelt = dict(mistakes(wire.target, "target"))
    wrong, code = [f"{where}: {why}" for where, why in spelt.items()], Code.BAD_FIELD
    try:
        target = model.model_validate(wire.target).model_dump(mode="json", exclude_none=True)
    except ValidationError as error:
        code = code if wrong else _code(error)
        wrong += [told for told in [_sentences(error, "target.", spelt)] if told]
    if wrong:
        raise CodedError(code, "; ".join(wrong))
    return target


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


def _code(error: ValidationError) -> Code:
    """Of the first mistake."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]["type"]
    return {"missing": Code.MISSING_FIELD, "extra_forbidden": Code.UNKNOWN_FIELD}.get(first, Code.BAD_FIELD)


def _sentences(error: ValidationError, prefix: str = "", without: Collection[str] = ()) -> str:
    """What is wrong, field by field, without the values (they can be personal). without: fields that are told of."""
    found = (
        (f"{prefix}{'.'.join(str(part) for part in e['loc'])}", e["msg"].removeprefix("Value error, "))
        for e in error.errors(include_url=False, include_input=False, include_context=False)
    )
    return "; ".join(f"{where}: {why}" for where, why in found if where not in without)[:MAX_REASON]
