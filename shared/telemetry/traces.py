"""Traces, where OpenTelemetry's variables ask for them and the extra `traces` is installed; else nothing, for nothing.

One trace a payment: the one that came with its intent (`traceparent`, W3C Trace Context), else one made from its
reference, so that every process names the same without asking. In it stand `accept`, each attempt (`send`, with the
provider's `call` in it), each `check`, and each event as it goes out. The span of `accept` is the others' parent; its
id is made from the reference, too. No amount, account, reference or text of a provider's stands in a span.

Spans are made when what they tell is over, and given to OpenTelemetry's own queue: it is bounded, and a collector that
hangs loses spans, never a payment's time. https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

import hashlib
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

FIRST = "accept"  # the span that the others stand below
VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@dataclass(frozen=True, slots=True)
class Traced:
    """What a payment's trace is made of. reference: its own at the provider; it never stands in a span."""

    payment_id: int
    provider: str
    operation: str
    reference: str
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Call:
    """A call to the provider inside a span: when it began (seconds of the epoch), and how long it took."""

    began: float
    took_s: float


@dataclass(frozen=True, slots=True)
class Span:
    """What a payment's step was. began, ended: seconds of the epoch. attributes: without those of None."""

    of: Traced
    name: str
    began: float
    ended: float
    attributes: Mapping[str, str | int | None] = field(default_factory=dict)
    calls: tuple[Call, ...] = ()
    failed: bool = False


_log = logging.getLogger(__name__)
_tell: Callable[[Span], None] | None = None


def asked_for() -> bool:
    """Do OpenTelemetry's variables name a collector? OTEL_SDK_DISABLED=true turns it off all the same."""
    return os.environ.get("OTEL_SDK_DISABLED", "").lower() != "true" and any(os.environ.get(one) for one in VARIABLES)


def told_by(tell: Callable[[Span], None]) -> None:
    """From now on this process's spans are told by this (shared/telemetry/otel.py)."""
    global _tell  # noqa: PLW0603 - one process has one collector, as OpenTelemetry has it
    _tell = tell


def on() -> bool:
    """Is anybody told? Ask before anything is made for a span."""
    return _tell is not None


def tell(span: Span) -> None:
    """Have it go to the collector, some time. Does nothing where nobody is told. Never raises."""
    if _tell is not None:
        try:
            _tell(span)
        except Exception as error:  # whatever a sampler or an exporter does: no payment waits for it
            _log.warning("a span could not be told (%s)", type(error).__name__)


def trace_id(reference: str, traceparent: str | None) -> str:
    """Of this payment's trace, as 32 hexadecimal digits: what its logs carry."""
    return traceparent[3:35] if traceparent else _made(reference)[:32]


def span_id(reference: str) -> str:
    """Of the span that the payment's others stand below, as 16 hexadecimal digits."""
    return _made(reference)[32:48]


def _made(reference: str) -> str:
    return hashlib.sha256(f"settlepipe trace {reference}".encode()).hexdigest()
