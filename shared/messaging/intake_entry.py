"""The form of an intake stream's entry. The only module that knows it."""

import re
from collections.abc import Sequence

INTAKE_FIELD = b"intent"
TRACE_FIELD = b"traceparent"  # W3C Trace Context
_TRACE = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def known(names: Sequence[bytes], values: Sequence[bytes]) -> tuple[bytes | None, str | None]:
    """The intent, and the trace that it belongs to; no intent where there is any other field, or one that stands
    twice."""
    if sorted(names) not in ([INTAKE_FIELD], [INTAKE_FIELD, TRACE_FIELD]):
        return None, None
    fields = dict(zip(names, values, strict=True))
    return fields[INTAKE_FIELD], trace(fields.get(TRACE_FIELD, b""))


def trace(given: bytes) -> str | None:
    """A traceparent as it is kept; None for what is none."""
    return given.decode() if _TRACE.fullmatch(given) else None
