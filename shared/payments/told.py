"""An entry of a payment's history as people are told it: what it was, and what it says. Pure."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from shared.domain.words import Say, plain


def what(entry: Mapping[str, Any], say: Say = plain) -> str:
    """`attempt 2`, `event`. say: a text in the reader's language."""
    kind, number = entry["what"], entry.get("number")
    return say(kind) if number is None else f"{say(kind)} {number}"


def says(entry: Mapping[str, Any], say: Say = plain) -> str:
    """What came of it, in a line; what a provider or a person said stays as it is."""
    return "; ".join(itertools.chain(_told(entry, say), [] if entry.get("detail") is None else [str(entry["detail"])]))


def _asked(entry: Mapping[str, Any], say: Say) -> str:
    """What a person decided, or asked for where a look was all that came of it."""
    action = entry["action"]
    if action != "look":
        return say(action)
    asked = (entry["look"] or {}).get("asked")
    return say("a look was asked for, not done;") if asked is None else say("%(deed)s asked for, not done;", deed=asked)


def _told(entry: Mapping[str, Any], say: Say) -> Iterator[str]:
    match entry["what"]:
        case "attempt":
            meaning = entry["meaning"]
            yield say(meaning) if meaning else say("no outcome was recorded")
            if entry["http_status"]:
                yield f"HTTP {entry['http_status']}"
            if entry["request_sha256"]:
                yield say("request %(sha)s", sha=entry["request_sha256"][:12])
        case "check":
            verdict = entry["verdict"]
            yield say(verdict)
        case "resolution":
            deed, who = _asked(entry, say), entry["by"]
            yield say("%(deed)s by %(who)s: %(why)s", deed=deed, who=who, why=entry["reason"])
            if entry["although"]:
                yield say("although: %(why)s", why=entry["although"])
            if entry["line"]:
                yield say("line %(line)s", line=entry["line"])
        case "event":
            yield entry["type"].removeprefix("settlepipe.")
        case _:
            state = entry["state"]
            yield say(state)
