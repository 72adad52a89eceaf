"""Texts that a careless regular expression, or anything else that reads foreign text, takes quadratic time for."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from re import _parser as parser  # type: ignore[attr-defined]  # the standard library's own, undocumented
from typing import Any

LENGTH = 2_000
GROWN = 4
MOST = 9.0  # linear is GROWN times as long, quadratic 16 times
_CLASSES = {
    "CATEGORY_DIGIT": "0", "CATEGORY_NOT_DIGIT": "x", "CATEGORY_SPACE": " ", "CATEGORY_NOT_SPACE": "x",
    "CATEGORY_WORD": "a", "CATEGORY_NOT_WORD": "!",
}  # fmt: skip


def attacks(pattern: "re.Pattern[Any]") -> Iterator[tuple[str, str, str]]:
    """(what stands before, what is repeated, what stands behind): the pattern's own characters, each and in pairs, its
    literals, and these with one of the characters."""
    characters, literals = _pieces(pattern)
    repeated = {*characters, *literals}
    repeated |= {a + b for a in characters for b in characters}
    repeated |= {literal + character for literal in literals for character in characters}
    for text in sorted(repeated):
        yield "", text, ""
        yield "", text, "\x01"
    for literal in sorted(literals):
        for text in sorted(characters):
            yield literal, text, "\x01"


def grows_faster_than_linear(search: Callable[[str], object], before: str, repeated: str, behind: str) -> bool:
    """Does `search` take more than about GROWN times as long for a text of GROWN times the length?"""

    def of(length: int) -> str:
        return before + repeated * (length // len(repeated)) + behind

    quick_s = _quick_s()
    short = _seconds(search, of(LENGTH), quick_s)
    if short < quick_s:
        return False
    return _seconds(search, of(GROWN * LENGTH), short * MOST) > short * MOST


@cache
def _quick_s() -> float:
    """Of processor time: a third of what the simplest quadratic look at LENGTH characters takes on this machine."""
    return _seconds(re.compile("a*b").search, "a" * LENGTH, 0) / 3


def _seconds(search: Callable[[str], object], text: str, enough_s: float, times: int = 10) -> float:
    """The least processor time of several; the first that is below `enough_s` is enough."""
    least = float("inf")
    for _ in range(times):
        start = time.process_time()
        search(text)
        least = min(least, time.process_time() - start)
        if least < enough_s:
            break
    return least


def _pieces(pattern: "re.Pattern[Any]") -> tuple[set[str], set[str]]:
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    characters: set[str] = set()
    literals: set[str] = set()
    _collect(parser.parse(source, pattern.flags & ~re.UNICODE), characters, literals)
    return set(sorted(characters)[:12]) | {"x", "\\"}, literals


def _collect(items: Sequence[Any], characters: set[str], literals: set[str]) -> None:
    run = ""
    for op, argument in [*items, (None, None)]:
        if str(op) == "LITERAL":
            run += chr(argument)
            continue
        if len(run) > 1:
            literals.add(run)
        characters.update(run[:1] + run[-1:])
        run = ""
        for part in _below(str(op), argument, characters):
            _collect(part, characters, literals)


def _below(op: str, argument: Any, characters: set[str]) -> Iterator[Sequence[Any]]:
    match op:
        case "IN":
            for kind, value in argument:
                if str(kind) == "LITERAL":
                    characters.add(chr(value))
                elif str(kind) == "RANGE":
                    characters.add(chr(value[0]))
                elif str(kind) == "CATEGORY":
                    characters.add(_CLASSES[str(value)])
        case "NOT_LITERAL":
            characters.add(chr(argument))
        case "BRANCH":
            yield from argument[1]
        case "SUBPATTERN":
            yield argument[3]
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            yield argument[2]
        case "ASSERT" | "ASSERT_NOT":
            yield argument[1]
        case "ATOMIC_GROUP":
            yield argument
