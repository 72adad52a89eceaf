"""A body of intents, cut into its intents: each is read later as it would be alone, byte for byte. Pure."""

import json
import re

from shared.domain.codes import Code
from worker.web.problems import Fault, Problem

MOST = 1000  # intents in one body
_BLANKS = re.compile(r"[ \t\n\r]*")


def _nothing(_: str) -> None:
    """Numbers are read by whoever reads the intent."""


_SCANNER = json.JSONDecoder(parse_int=_nothing, parse_float=_nothing, parse_constant=_nothing)


def cut(body: bytes) -> list[bytes] | None:
    """The intents of a batch; None: it is none, so one intent. Raises Problem for a batch that is no list of 1 to MOST
    intents."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(Code.NOT_JSON, "the body is not UTF-8") from None
    at = _behind(text, 0, "{", '"intents"', ":", "[")
    if at is None:
        return None
    found: list[bytes] = []
    while (end := _behind(text, at, "]", "}")) is None:
        if found:
            following = _behind(text, at, ",")
            if following is None:
                raise Problem(Fault.BAD_BATCH, f"a comma, or the end, is missing behind intent {len(found) - 1}")
            at = following
        if len(found) == MOST:
            raise Problem(Fault.TOO_MANY_INTENTS, f"a batch holds at most {MOST} intents")
        begin = _blanks(text, at)
        try:
            _, at = _SCANNER.raw_decode(text, begin)
        except (json.JSONDecodeError, RecursionError):
            raise Problem(Fault.BAD_BATCH, f"intent {len(found)} is not JSON") from None
        found.append(text[begin:at].encode())
    if not found:
        raise Problem(Fault.BAD_BATCH, "the batch is empty")
    if _blanks(text, end) != len(text):
        raise Problem(Fault.BAD_BATCH, "something stands behind the list of intents")
    return found


def _behind(text: str, at: int, *words: str) -> int | None:
    """Where it goes on behind these words and the blanks around them; None: something else stands there."""
    for word in words:
        at = _blanks(text, at)
        if not text.startswith(word, at):
            return None
        at += len(word)
    return _blanks(text, at)


def _blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at
