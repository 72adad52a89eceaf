"""Was it applied? Told by our marker in the provider's list of an account's payments.

For providers that promise nothing about a repeated request but give back a text of ours (ubill's `comment`, mtn's
`referenceId`). Matched by the marker alone, never by amount and date: those only ever keep a verdict from being given.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.domain.answers import CheckResult, Verdict
from shared.domain.lines import keys
from shared.domain.money import format_amount
from shared.domain.payment import Payment
from shared.domain.words import counted
from shared.providers.base import Doubt
from shared.providers.ours import Books

_OLD = timedelta(days=1)  # more than any two clocks and time zones that we mistake for each other differ
_KNOWN_S = 5.0  # what is known is not asked of the database again for so long
_SHOWN = 100  # characters of each text of a line that a person is shown
_PAUSE_S = 1.0  # between two read-backs in one process


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the provider's list.

    marker: the text where our reference stands, as it comes. amount_minor: None where it could not be read.
    added: it is money added, not a correction or a transfer. at: aware; None where it could not be read.
    reference: the provider's own id of it. date: as it comes, for people.
    """

    marker: str | None
    amount_minor: int | None
    added: bool
    at: datetime | None
    reference: str | None = None
    date: str | None = None

    def shown(self, currency: str, key: str) -> dict[str, str | None]:
        """What a person needs to know it by. key: what it is called."""
        amount = None if self.amount_minor is None else f"{format_amount(self.amount_minor, currency)} {currency}"
        texts = {"number": self.reference or key, "amount": amount, "date": self.date, "reference": self.marker}
        return {name: text and text[:_SHOWN] for name, text in texts.items()}


def judge(
    doubt: Doubt, lines: Sequence[Line], expected: Set[str], books: Books, gives_back: str, *, whole: bool = True
) -> CheckResult:
    """The verdict on one payment.

    APPLIED: exactly one line of money added has its marker and its sum. NOT_APPLIED only where every way in which
    the payment could hide is closed: the settle window is over; nothing has its marker; this credential is known to
    give markers back (fact `gives_back`); the list holds all our earlier successes; no line with its sum is
    unexplained. The marker twice, or with another sum, is for a person. All else is INCONCLUSIVE.

    expected: references of our successes on that account, read *before* the list. whole: False where the answer
    itself shows that lines are left out.
    """
    payment = doubt.payment
    named = _named(lines)
    own = [(line, key) for line, key in named if line.marker == payment.sent_reference]
    evidence: dict[str, Any] = {"lines": len(lines), "own": len(own)}
    if own:
        return _found(payment, own, evidence)
    missing = expected - {line.marker for line in lines if line.marker}
    if missing:  # what was given back once is not any more: the next success has to show it again
        books.unlearn(payment.provider, gives_back)
    unexplained = _unexplained(doubt, named, books)
    evidence |= {"missing_successes": len(missing), "unexplained": len(unexplained), "whole": whole}
    open_ways = tuple(
        said
        for said, is_open in (
            ("the settle window is not over", not doubt.window_passed),
            ("the list is not whole", not whole),
            (f"the list lacks {len(missing)} of our earlier successes", missing),
            ("it is not known to give our markers back", not books.knows(payment.provider, gives_back)),
            (
                counted(len(unexplained), "line with this sum is", "lines with this sum are") + " not explained",
                unexplained,
            ),
        )
        if is_open
    )
    if open_ways:
        shown = _all_shown(unexplained, payment)
        detail = f"not listed, but {'; '.join(open_ways)}"
        candidates = tuple(_candidate(line, key) for line, key in unexplained)
        return CheckResult(Verdict.INCONCLUSIVE, detail, evidence, doubts=open_ways, shown=shown, candidates=candidates)
    return CheckResult(Verdict.NOT_APPLIED, "not listed, though it would be", evidence)


def confirm(
    result: CheckResult,
    payment: Payment,
    books: Books,
    gives_back: str,
    read: Callable[[Payment], Sequence[Line] | None],
    *,
    under: str = "",
) -> CheckResult:
    """Believe a NOT_APPLIED only if the list of another payment's account shows that one now.

    The last success is read back: a provider that has begun to leave out what is newest, or to drop markers, would
    leave it out as well. Where both are paid to one account this is a second look for the payment itself, and what it
    shows counts. Other verdicts stay as they are. read: the lines of that payment's list; None: unread. under: what the
    `books_key` of a success begins with that says something about these books; others are passed over.
    """
    if result.verdict is not Verdict.NOT_APPLIED:
        return result
    latest = books.latest_success(payment.provider, under)
    lines = read(latest) if latest else None
    if latest is None or lines is None:
        return CheckResult(
            Verdict.INCONCLUSIVE, "not listed, but no earlier success could be read back", result.evidence
        )
    own = [(line, key) for line, key in _named(lines) if line.marker == payment.sent_reference]
    if own:
        said, shown = "not listed at first, but listed a moment later", _all_shown(own, payment)
        return CheckResult(Verdict.INCONCLUSIVE, said, result.evidence, own=True, shown=shown)
    if any(line.marker == latest.sent_reference for line in lines):
        return result
    books.unlearn(payment.provider, gives_back)
    return CheckResult(Verdict.INCONCLUSIVE, "not listed, but neither is our last success", result.evidence)


def fact(*books: object) -> str:
    """The name of the fact that markers are given back. books: what decides whose books are read and how (base URL,
    credential, …): with any other it has to be shown again. The name holds no credential, only a digest."""
    digest = hashlib.sha256("\0".join(map(str, books)).encode()).hexdigest()
    return f"gives_markers_back:{digest[:12]}"


class Learner:
    """Reads a success back, once, to learn that markers are given back. Thread-safe.

    Best effort: one thread at a time, and for one fact at most one read-back a second; the others go on, and the next
    success tries again.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reading = threading.Lock()
        self._look_at: dict[str, float] = {}

    def learn(
        self, payment: Payment, books: Books, gives_back: str, books_key: str, read: Callable[[], Sequence[Line] | None]
    ) -> None:
        """Keep `gives_back`, if this success and all the earlier ones under `books_key` can be read back.

        read: the lines of the provider's list; None where it could not be read or is not whole.
        """
        if self._clock() < self._look_at.get(gives_back, 0.0) or not self._reading.acquire(blocking=False):
            return
        known = False
        try:
            known = books.knows(payment.provider, gives_back) or _read_back(payment, books, gives_back, books_key, read)
        finally:
            self._look_at[gives_back] = self._clock() + (_KNOWN_S if known else _PAUSE_S)
            self._reading.release()


def _read_back(
    payment: Payment, books: Books, gives_back: str, books_key: str, read: Callable[[], Sequence[Line] | None]
) -> bool:
    expected = books.succeeded(books_key)  # before the list: what succeeds meanwhile need not stand in it
    lines = read()
    if lines is None:
        return False
    own = [line for line in lines if line.marker == payment.sent_reference]
    once = len(own) == 1 and own[0].amount_minor == payment.amount_minor
    shown = once and expected <= {line.marker for line in lines}
    if shown:
        books.learn(payment.provider, gives_back)
    return shown


def _found(payment: Payment, own: Sequence[tuple[Line, str]], evidence: dict[str, Any]) -> CheckResult:
    (line, key), shown = own[0], _all_shown(own, payment)
    if len(own) > 1 or line.amount_minor != payment.amount_minor:
        said = f"its marker stands {len(own)} times" if len(own) > 1 else "its marker stands beside another sum"
        said = f"{said}; a person has to look"
        return CheckResult(Verdict.INCONCLUSIVE, said, evidence, for_person=True, own=True, shown=shown)
    if not line.added:
        said = "its marker stands on a line that is no payment"
        return CheckResult(Verdict.INCONCLUSIVE, said, evidence, own=True, shown=shown)
    return CheckResult(Verdict.APPLIED, "listed once, with its marker and its sum", evidence, line.reference, line=key)


def _named(lines: Sequence[Line]) -> list[tuple[Line, str]]:
    """Each with what it is called in this list."""
    content = [(line.reference, (line.marker, line.amount_minor, line.added, line.at, line.date)) for line in lines]
    return list(zip(lines, keys(content), strict=True))


def _candidate(line: Line, key: str) -> dict[str, Any]:
    at = None if line.at is None else line.at.isoformat()
    return {"line": key, "amount_minor": line.amount_minor, "at": at, "marker": line.marker and line.marker[:_SHOWN]}


def _all_shown(lines: Sequence[tuple[Line, str]], payment: Payment) -> tuple[dict[str, str | None], ...]:
    return tuple(line.shown(payment.currency, key) for line, key in lines)


def _unexplained(doubt: Doubt, lines: Sequence[tuple[Line, str]], books: Books) -> list[tuple[Line, str]]:
    """Lines that may be this payment with a lost or mangled marker."""
    alike = [one for one in lines if one[0].amount_minor in (None, doubt.payment.amount_minor)]
    others = books.ours({line.marker for line, _ in alike if line.marker})
    return [one for one in alike if one[0].marker not in others and not _long_before(one[0], doubt.first_sent_at)]


def _long_before(line: Line, first_sent_at: datetime | None) -> bool:
    return line.at is not None and first_sent_at is not None and line.at < first_sent_at - _OLD
