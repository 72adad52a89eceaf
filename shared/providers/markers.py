"""Was it applied? Told by our marker in the provider's list of an account's payments.

For providers that promise nothing about a repeated request but give back a text of ours (ubill's `comment`, mtn's
`referenceId`). Matched by the marker alone, never by amount and date: those only ever keep a verdict from being given.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.answers import CheckResult, Verdict
from shared.domain.payment import Payment
from shared.providers.base import Books, Doubt

_OLD = timedelta(days=1)  # more than any two clocks and time zones that we mistake for each other differ


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the provider's list.

    marker: the text where our reference stands, as it comes. amount_minor: None where it could not be read.
    added: it is money added, not a correction or a transfer. at: aware; None where it could not be read.
    reference: the provider's own id of it.
    """

    marker: str | None
    amount_minor: int | None
    added: bool
    at: datetime | None
    reference: str | None = None


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
    own = [line for line in lines if line.marker == payment.sent_reference]
    evidence = {"lines": len(lines), "own": len(own)}
    if own:
        return _found(payment, own, evidence)
    missing = expected - {line.marker for line in lines if line.marker}
    if missing:  # what was given back once is not any more: the next success has to show it again
        books.unlearn(payment.provider, gives_back)
    unexplained = _unexplained(doubt, lines, books)
    evidence |= {"missing_successes": len(missing), "unexplained": len(unexplained)}
    open_ways = [
        said
        for said, is_open in (
            ("the settle window is not over", not doubt.window_passed),
            ("the list is not whole", not whole),
            (f"the list lacks {len(missing)} of our earlier successes", bool(missing)),
            ("it is not known to give our markers back", not books.knows(payment.provider, gives_back)),
            (f"{len(unexplained)} lines with this sum are not explained", bool(unexplained)),
        )
        if is_open
    ]
    if open_ways:
        return CheckResult(Verdict.INCONCLUSIVE, f"not listed, but {'; '.join(open_ways)}", evidence)
    return CheckResult(Verdict.NOT_APPLIED, "not listed, though it would be", evidence)


def learn(payment: Payment, lines: Sequence[Line], expected: Set[str], books: Books, gives_back: str) -> None:
    """Keep that markers are given back, if this success and all the earlier ones can be read back."""
    markers = {line.marker for line in lines}
    own = [line for line in lines if line.marker == payment.sent_reference]
    if len(own) == 1 and own[0].amount_minor == payment.amount_minor and expected <= markers:
        books.learn(payment.provider, gives_back)


def _found(payment: Payment, own: Sequence[Line], evidence: dict[str, int]) -> CheckResult:
    line = own[0]
    if len(own) > 1 or line.amount_minor != payment.amount_minor:
        said = f"its marker stands {len(own)} times" if len(own) > 1 else "its marker stands beside another sum"
        return CheckResult(Verdict.INCONCLUSIVE, f"{said}; a person has to look", evidence, for_person=True)
    if not line.added:
        return CheckResult(Verdict.INCONCLUSIVE, "its marker stands on a line that is no payment", evidence)
    return CheckResult(Verdict.APPLIED, "listed once, with its marker and its sum", evidence, line.reference)


def _unexplained(doubt: Doubt, lines: Sequence[Line], books: Books) -> list[Line]:
    """Lines that may be this payment with a lost or mangled marker."""
    alike = [line for line in lines if line.amount_minor in (None, doubt.payment.amount_minor)]
    others = books.ours({line.marker for line in alike if line.marker})
    return [line for line in alike if line.marker not in others and not _long_before(line, doubt.first_sent_at)]


def _long_before(line: Line, first_sent_at: datetime | None) -> bool:
    return line.at is not None and first_sent_at is not None and line.at < first_sent_at - _OLD
