"""What one read of a provider's books came to: its JSON, or why there is none. Pure.

Books are read row by row: what can't be read in one of them (`Odd`) is no reason not to read the others.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from shared.domain.records import UNREADABLE, BookLine
from shared.domain.reference import is_reference
from shared.providers.base import Auth, BooksUnread, LoginRefused
from shared.providers.raw_answers import Fault, HttpAnswer, HttpFault

# What a later read may find otherwise; an answer that is too large or not HTTP comes again.
_PASSING_FAULTS = frozenset({Fault.NOT_CONNECTED, Fault.TIME_OUT, Fault.RESET, Fault.SHORT_BODY})


_MAX_DIGITS = 100  # of a number
_WORDS = re.compile("[0-9a-z]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Odd:
    """What JSON or we can't tell the value of: a number out of all bounds, an object with a key that stands twice with
    different values. parts: what there is of it."""

    parts: object


def document(what: str, outcome: HttpAnswer | HttpFault) -> Any:
    """The JSON value of a 200, decimals as Decimal, `Odd` where there is none; None for a body that is no JSON. Raises
    BooksUnread for all else. what: for its message."""
    if isinstance(outcome, HttpFault):
        raise BooksUnread(f"{what}: {_FAULTS.get(outcome.kind, outcome.kind)}", passing=outcome.kind in _PASSING_FAULTS)
    if outcome.status != 200:
        passing = outcome.status in (401, 408, 429) or outcome.status >= 500
        raise BooksUnread(f"{what}: HTTP {outcome.status}", passing=passing, retry_after_s=outcome.retry_after_s)
    try:
        return json.loads(
            outcome.body.decode(),
            parse_int=_whole,
            parse_float=_decimal,
            parse_constant=Odd,
            object_pairs_hook=_object,
        )
    except (ValueError, RecursionError):
        return None


def _whole(text: str) -> int | Odd:
    return int(text) if len(text) <= _MAX_DIGITS else Odd(text)


def _decimal(text: str) -> Decimal | Odd:
    try:
        number = Decimal(text) if len(text) <= _MAX_DIGITS else None
    except ArithmeticError:  # an exponent that Decimal itself can't hold
        number = None
    return number if number is not None and abs(number.adjusted()) <= _MAX_DIGITS else Odd(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Odd:
    found = dict(pairs)
    return found if len(found) == len(pairs) or all(found[key] == value for key, value in pairs) else Odd(pairs)


def texts(value: object) -> Iterator[str]:
    """Every text that stands anywhere in a value of an answer."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from texts([*value.keys(), *value.values()])
    elif isinstance(value, Odd):
        yield from texts(value.parts)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts(part)


def reference_in(row: object) -> str | None:
    """The first text in the form of our references that stands anywhere in it."""
    words: Iterable[str] = (word for text in texts(row) for word in _WORDS.findall(text))
    return next((word for word in words if is_reference(word)), None)


def unreadable(row: object, account: str, currency: str, at: datetime | None, *, touched: bool) -> BookLine:
    """The line of a row that can't be read: told and never compared. Its marker is what may be a reference of ours."""
    return BookLine(UNREADABLE, account, reference_in(row), 0, currency, at, None, None, touched)


def let_in(provider: str, outcome: HttpAnswer | HttpFault, auth: Auth, *, key_alone: bool = False) -> None:
    """Raises LoginRefused where the answer shows that the credentials don't open these books: a 403; a 401 to a key
    that no login can renew, or to a token that was fetched because the one before was refused."""
    if isinstance(outcome, HttpFault) or outcome.status not in (401, 403):
        return
    if outcome.status == 403 or key_alone or auth.fresh_after_refusal:
        raise LoginRefused(
            f"{provider} lets no reads in (HTTP {outcome.status}); check the credentials and their rights"
        )


def unlike(what: str, why: str = "the answer is not as documented") -> BooksUnread:
    """The books came, but not in a form that can be trusted."""
    return BooksUnread(f"{what}: {why}")


_FAULTS = {
    Fault.TOO_LARGE: "the answer is larger than SETTLEPIPE_HTTP__MAX_BODY_BYTES; raise it",
    Fault.NOT_CONNECTED: "no connection",
    Fault.TIME_OUT: "no answer in time",
}
