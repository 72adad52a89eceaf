"""What each category means and what to do about it, for people who have never seen the product. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.domain.discrepancies import Category, ClosingCode
from shared.domain.words import mark


class Weight(StrEnum):
    """agrees: nothing to do. settled: it differed, and is closed. watch: mostly it resolves itself. act: somebody has
    to do something."""

    AGREES = "agrees"
    SETTLED = "settled"
    WATCH = "watch"
    ACT = "act"


@dataclass(frozen=True, slots=True)
class Words:
    """title: a few words. meaning, action: whole sentences."""

    weight: Weight
    title: str
    meaning: str
    action: str


WORDS: Mapping[Category, Words] = {
    Category.MATCHED: Words(
        Weight.AGREES,
        mark("Agrees"),
        mark("Our books and the provider's books say the same."),
        mark("Nothing."),
    ),
    Category.MISSING_AT_PROVIDER: Words(
        Weight.ACT,
        mark("Missing at the provider"),
        mark("We count this payment as made, but the provider's books don't show the money."),
        mark(
            "Send the provider the payment's reference and date, and ask where the money is. Until they have "
            "answered the customer's bill may still be open. Don't pay it a second time."
        ),
    ),
    Category.MISSING_LOCALLY: Words(
        Weight.ACT,
        mark("Missing in our books"),
        mark("The provider shows a payment under a reference that looks like ours, but we have no payment with it."),
        mark(
            "Tell the people who operate settlepipe: the database may have been restored from an old backup, or "
            "somebody else uses our access. Ask the provider who sent it and when."
        ),
    ),
    Category.AMOUNT_MISMATCH: Words(
        Weight.ACT,
        mark("Different amount"),
        mark(
            "The payment is in both books, with different amounts; or an invoice was paid less there in all than our "
            "payments on it come to, and no single payment explains it."
        ),
        mark(
            "Ask the provider to correct their entry, or have the rest paid or returned. Our amount is what the "
            "customer was charged."
        ),
    ),
    Category.STATUS_MISMATCH: Words(
        Weight.ACT,
        mark("Different outcome"),
        mark(
            "Both books know the payment, but not with the same outcome. The provider has it as something else than "
            "a payment (a correction, a transfer), under another account, or on an invoice that still counts as "
            "unpaid; or it is paid there and we did not know."
        ),
        mark(
            "Where it says closed: nothing, the provider's books were the proof that it is paid. Otherwise ask the "
            "provider what became of the money, and to book the payment."
        ),
    ),
    Category.PAID_THERE_FAILED_HERE: Words(
        Weight.ACT,
        mark("Paid there, failed here"),
        mark("We told the customer's side that this payment failed, but the provider has booked it as paid."),
        mark(
            "Find out whether the customer got the money back or has paid the bill again. Then either have the "
            "provider return the payment, or charge it to the customer after all."
        ),
    ),
    Category.DUPLICATE_AT_PROVIDER: Words(
        Weight.ACT,
        mark("Booked twice at the provider"),
        mark("The provider has booked the same payment of ours more than once. Each further booking is listed here."),
        mark("Ask the provider to reverse the further booking. The customer was charged once."),
    ),
    Category.REFUND_MISSING: Words(
        Weight.ACT,
        mark("Refund missing at the provider"),
        mark("We count this refund as made, but the provider's books still hold the money."),
        mark(
            "Ask the provider to carry out the refund. If the customer already has the money back, it is ours that "
            "is missing."
        ),
    ),
    Category.PAID_ELSEWHERE: Words(
        Weight.WATCH,
        mark("Paid by somebody else"),
        mark(
            "An account or invoice that we have paid also got money that did not come from us, such as a payment at "
            "another bank or at the counter."
        ),
        mark(
            "Where it says that it needs action, it has just the amount of payments of ours, which are named: it may "
            "be a payment whose outcome is not known, a second payment of the same bill, or a correction of ours. "
            "Ask the provider which it is before anything is paid or decided. Otherwise usually nothing."
        ),
    ),
    Category.LATE: Words(
        Weight.WATCH,
        mark("Booked on another day"),
        mark("The payment is in both books with the same amount, but the provider dates it outside of this day."),
        mark("Nothing, unless the two days fall into different months or years: then book it in the right one."),
    ),
    Category.STILL_UNKNOWN: Words(
        Weight.WATCH,
        mark("Outcome not known yet"),
        mark(
            "Nobody could say so far whether this payment was made: the provider's answer was lost or unclear, and "
            "the books don't show it. It counts as zero in both sums; its amount stands beside it."
        ),
        mark(
            "Where it says that it needs action, it waits for a person's decision, and nothing comes by itself: ask "
            "the provider, then the people who operate settlepipe enter the answer. Otherwise wait for the next "
            "report, and do the same if it is still here after two days."
        ),
    ),
}


def weight(category: str, state: str | None, evidence: Mapping[str, Any]) -> Weight:
    """Of one finding that is open. state: of its payment, as it was then."""
    if category == Category.STILL_UNKNOWN and state == "parked":
        return Weight.ACT
    if category == Category.PAID_ELSEWHERE and "payments" in evidence:
        return Weight.ACT
    return WORDS[Category(category)].weight


def words(category: str) -> Words:
    """The words of a category by its name, as the database has it."""
    return WORDS[Category(category)]


STATES: Mapping[str, str] = {
    "succeeded": mark("Paid"),
    "refused": mark("Refused"),
    "cancelled": mark("Cancelled"),
    "open": mark("No outcome yet"),
}

# The same in the chart of the day.
IN_HOUR: Mapping[str, str] = {
    "succeeded": mark("%(time)s: %(count)s paid"),
    "refused": mark("%(time)s: %(count)s refused"),
    "cancelled": mark("%(time)s: %(count)s cancelled"),
    "open": mark("%(time)s: %(count)s no outcome yet"),
}

_HERE: Mapping[str, str] = {
    "succeeded": mark("paid here"),
    "refused": mark("refused here"),
    "cancelled": mark("cancelled here"),
    "unknown": mark("outcome not known here"),
    "parked": mark("waits for a person's decision here"),
}


def here(state: str) -> str:
    """What a payment's state means to an accountant."""
    return _HERE.get(state, mark("on its way here"))


# What the provider says, in the words of checks and attempts.
SAYS: Mapping[str, str] = {"applied": mark("it is paid"), "succeeded": mark("it is paid")}

# What the keys of the evidence are called; any other is shown with its underscores as spaces.
EVIDENCE: Mapping[str, str] = {
    "finished_at": mark("ended here"),
    "sent_reference": mark("our reference"),
    "account": mark("account there"),
    "marker": mark("reference there"),
    "reference": mark("provider's number"),
    "at": mark("booked there"),
    "amount_minor": mark("amount there"),
    "currency": mark("currency there"),
    "kind": mark("kind of entry"),
    "status": mark("status there"),
    "says": mark("the provider says"),
    "amount_paid_minor": mark("paid on the invoice in all"),
    "net_minor": mark("of it by us"),
    "since_minor": mark("by us since then"),
    "difference_minor": mark("difference"),
    "payments": mark("could be"),
    "decided": mark("decided by a person"),
}

# Of what kind a discrepancy was that a person closed.
CODES: Mapping[str, str] = {
    ClosingCode.TIMING: mark("timing"),
    ClosingCode.FEE: mark("fee"),
    ClosingCode.PROVIDER_ERROR: mark("provider's error"),
    ClosingCode.OUR_ERROR: mark("our error"),
    ClosingCode.OTHER: mark("other reason"),
}

# Keys of the evidence that are shown as they are, and words of a workbook's cells: marked, so that they are translated.
PLAIN = (
    *(mark("source"), mark("intent id"), mark("operation"), mark("state"), mark("amount"), mark("day")),
    *(mark("settle"), mark("refund"), mark("accepted"), mark("dispatched"), mark("sending"), mark("waiting")),
    *(mark("unknown"), mark("parked"), mark("succeeded"), mark("refused"), mark("cancelled"), mark("yes"), mark("no")),
    *(mark("open"), mark("closed"), mark("new"), mark("correction"), mark("other"), mark("books")),
)
