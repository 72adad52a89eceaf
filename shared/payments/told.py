"""An entry of a payment's history as people are told it: what it was, and what it says. Pure."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any


def what(entry: Mapping[str, Any]) -> str:
    """`attempt 2`, `event`."""
    number = entry.get("number")
    return str(entry["what"]) if number is None else f"{entry['what']} {number}"


def says(entry: Mapping[str, Any]) -> str:
    """What came of it, in a line."""
    return "; ".join(itertools.chain(_told(entry), [] if entry.get("detail") is None else [str(entry["detail"])]))


def _asked(entry: Mapping[str, Any]) -> str:
    """What a person decided, or asked for where a look was all that came of it."""
    look = entry["look"] or {}
    return f"{look.get('asked', 'a look was')} asked for, not done;" if entry["action"] == "look" else entry["action"]


def _told(entry: Mapping[str, Any]) -> Iterator[str]:
    match entry["what"]:
        case "attempt":
            yield entry["meaning"] or "no outcome was recorded"
            if entry["http_status"]:
                yield f"HTTP {entry['http_status']}"
            if entry["request_sha256"]:
                yield f"request {entry['request_sha256'][:12]}"
        case "check":
            yield entry["verdict"]
        case "resolution":
            yield f"{_asked(entry)} by {entry['by']}: {entry['reason']}"
            if entry["although"]:
                yield f"although: {entry['although']}"
            if entry["line"]:
                yield f"line {entry['line']}"
        case "event":
            yield entry["type"].removeprefix("settlepipe.")
        case _:
            yield entry["state"]
