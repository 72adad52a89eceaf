"""Text and data that others wrote (a provider's answer), made fit for PostgreSQL before an outcome is recorded.

An outcome must never fail to be written because of what an answer holds.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

MAX_DETAIL = 500
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # NUL and halves of surrogate pairs


def text(value: str | None, limit: int = MAX_DETAIL) -> str | None:
    """At most `limit` characters; what PostgreSQL can't keep is replaced."""
    return None if value is None else _UNSTORABLE.sub("\ufffd", value[:limit])


def json_text(value: Mapping[str, Any]) -> str:
    """JSON that jsonb takes; what JSON lacks (Decimal, dates, infinity) as text."""
    return json.dumps(plain(value), ensure_ascii=False)


def plain(value: Any) -> Any:
    """What `json_text` writes, as data."""
    if isinstance(value, Mapping):
        return {_UNSTORABLE.sub("\ufffd", str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _UNSTORABLE.sub("\ufffd", str(value))
