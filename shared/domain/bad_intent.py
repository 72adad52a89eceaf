"""Why an intent can't be accepted: every mistake that was found in it, with its code and its place. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.codes import Code

MAX_REASON = 2000  # characters
MAX_MISTAKES = 100  # that are told one by one


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong. place: the field, `target.account_id`; empty: the whole. text: a sentence without any of
    the intent's values."""

    code: Code
    place: str
    text: str


class BadIntent(Exception):  # noqa: N818 - what it is, not that it is an error
    """An intent that can't be accepted. The message says why and holds none of its values.

    code: of several mistakes the first one's. subject: `source/intent_id` when both could be read, else None.
    """

    def __init__(self, code: Code, reason: str, subject: str | None = None, mistakes: Sequence[Mistake] = ()) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.subject = subject
        self.mistakes = tuple(mistakes) or (Mistake(code, "", reason),)


def bad(mistakes: Sequence[Mistake], subject: str | None) -> BadIntent:
    """What several mistakes, one at least, come to."""
    reason = "; ".join(mistake.text for mistake in mistakes)[:MAX_REASON]
    return BadIntent(mistakes[0].code, reason, subject, mistakes[:MAX_MISTAKES])
