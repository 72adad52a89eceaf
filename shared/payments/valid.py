"""What an intent's bytes and the settings alone tell of it: those of the intake's rules that need no server."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from shared.domain.codes import Code
from shared.domain.intent import BadIntent, Intent, parse_intent
from shared.domain.payment import Operation
from shared.domain.request import Refusal
from shared.providers.base import Registration

UNREAD = "it could not be read: a mistake in the validation"


def intent_of(
    raw: bytes, stream: str, sources: Mapping[str, Sequence[str]], targets: Mapping[str, type[BaseModel]]
) -> Intent:
    """The intent in `raw`, as it is read from `stream`. sources: which of them each stream may bring.

    Raises BadIntent, with every mistake that can be told; nothing else, but for a mistake of ours.
    """
    intent = parse_intent(raw, targets)
    allowed = sources.get(stream, [])
    if "*" not in allowed and intent.source not in allowed:
        subject = f"{intent.source}/{intent.intent_id}"
        raise BadIntent(Code.SOURCE_NOT_ALLOWED, "this source may not use this stream", subject)
    return intent


def misfit(registration: Registration, operation: Operation, currency: str, *, on: bool) -> Refusal | None:
    """Why a payment of this kind can never be sent to this provider: it is off (`on`), or takes no such operation or
    currency."""
    if not on:
        return Refusal(f"provider {registration.name} is off: no base URL is set", Code.PROVIDER_OFF)
    if operation not in registration.operations:
        said = f"{operation} is not documented for {registration.name}, so it is not supported"
        return Refusal(said, Code.NOT_SUPPORTED)
    if registration.currency and currency != registration.currency:
        return Refusal(f"{registration.name} takes {registration.currency}, not {currency}", Code.CURRENCY_MISMATCH)
    return None
