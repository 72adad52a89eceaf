"""Why the books closed a discrepancy, in the reader's language: it is kept as an English sentence."""

import re
from datetime import date

from shared.discrepancies import BOOKS
from shared.domain.words import mark
from shared.languages import SOURCE
from shared.reconciliation.report.figures import Reader

_DAY = r"(?P<day>\d{4}-\d\d-\d\d)"
_REASONS = (
    mark("it was refused here, and the books as read for %(day)s don't contradict"),
    mark("it was cancelled here, and the books as read for %(day)s don't contradict"),
    mark("the books as read for %(day)s no longer show the further entry"),
    mark("the books as read for %(day)s agree"),
    mark("the payment with this reference is here now"),
    mark("the total as read for %(day)s agrees"),
    mark("the books as read for %(day)s no longer show this entry"),
    mark("the books of %(day)s show it as applied, so it succeeded"),
)
_FORMS = tuple((re.compile(re.escape(one).replace(re.escape("%(day)s"), _DAY)), one) for one in _REASONS)


def reason(by: str | None, text: str | None, reader: Reader) -> str | None:
    """What is kept as the reason, in the reader's words where the books gave it; what a person said stays as it is."""
    if by != BOOKS or text is None or reader.speaks == SOURCE:
        return text
    for form, said in _FORMS:
        if found := form.fullmatch(text):
            values = {"day": reader.day(date.fromisoformat(found["day"]))} if "day" in found.groupdict() else {}
            return reader.say(said, **values)
    return text
