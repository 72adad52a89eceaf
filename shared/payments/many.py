"""many: parked payments chosen by what they have in common, and decided by one command: each on its own, by the very
verb, look and guard of a single decision, and told of on its own.

Once people are set up it is a proposal, whatever the answer, and another person has it done. Dying between two
payments leaves those before decided and those behind parked: the same proposal is approved again, and decides none of
them twice.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from shared.database.engine import Connection
from shared.domain.answers import Verdict
from shared.domain.money import format_amount
from shared.domain.payment import Operation, State
from shared.payments import agreed, guard, views
from shared.payments.look import Look, Unresolvable, look, told
from shared.payments.resolve import NotDecided, became, must_be_right, resolve
from shared.payments.store import resolve as store
from shared.people import proposals
from shared.people.proposals import Approval, Kind, Proposal, Void
from shared.people.prove import NotAllowed, set_up
from shared.runtime import Runtime

_TIRED = 3  # looks in a row that could not be made: the others at this provider would wait as long, each
_CHANGED = "none of its payments could be decided any more"


@dataclass(frozen=True, slots=True)
class Which:
    """What the payments have in common, as `payments` takes it. limit: so many of them at most, the oldest."""

    provider: str | None = None
    source: str | None = None
    code: str | None = None
    older_s: float | None = None
    least: Decimal | None = None
    limit: int | None = None

    @property
    def words(self) -> str:
        """For people."""
        older = None if self.older_s is None else f"{self.older_s:g} s"
        named = {"provider": self.provider, "source": self.source, "code": self.code, "older than": older}
        named |= {"at least": None if self.least is None else str(self.least)}
        return ", ".join(f"{name} {value}" for name, value in named.items() if value is not None) or "all"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one. state: it was decided, and what it is; None: it was not. said: the same in words.
    later: it may be decided at another time, as it is."""

    name: str
    state: State | None
    said: str
    later: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """items: those that the answer is for. applied: those that the books show, which succeed whatever the answer is.
    left_out: the name of each other one, and why. more: there are more than one command decides."""

    answer: str
    which: Which
    items: Sequence[Look]
    applied: Sequence[Look]
    left_out: Sequence[tuple[str, str]]
    more: bool

    @property
    def sums(self) -> Mapping[str, int]:
        """Of those that the answer is for, in minor units by currency; a refund takes away."""
        found: dict[str, int] = defaultdict(int)
        for one in self.items:
            found[one.claim.payment.currency] += signed_minor(one)
        return dict(found)

    @property
    def shown(self) -> str:
        """A digest of what would be decided, by which it is said that this was seen."""
        every = sorted((*self.items, *self.applied), key=lambda one: one.name)
        return agreed.shown(self.answer, [(one.name, signed_minor(one), one.attempts, _told(one)) for one in every])


def _told(found: Look) -> Mapping[str, Any]:
    """What the books show and leave open; each thing for itself, not how it is said."""
    return {name: value for name, value in told(found.result).items() if name != "detail"}


def signed_minor(found: Look) -> int:
    """A payment's sum; a refund's is below zero."""
    payment = found.claim.payment
    return -payment.amount_minor if payment.operation == Operation.REFUND else payment.amount_minor


def signed_amount(found: Look) -> str:
    """The same as an amount."""
    return format_amount(signed_minor(found), found.claim.payment.currency)


def plan(runtime: Runtime, answer: str, which: Which) -> Plan:
    """What the answer would come to, each payment looked at now; the oldest first. Reads only.

    Nobody decides here what a look could not be made for, or what takes an `although`: those are left out.
    """
    decision = must_be_right(answer, reason="-", by="-")
    most = min(which.limit or runtime.settings.people.bulk_most, runtime.settings.people.bulk_most)
    chosen: dict[str, Any] = {"provider": which.provider, "source": which.source, "code": which.code}
    chosen |= {"older_s": which.older_s, "least": which.least, "order": "age", "limit": most + 1}
    with runtime.database.connection() as connection:
        rows = [json.loads(row) for row in views.payments(connection, state=State.PARKED, **chosen)]
    items: list[Look] = []
    applied: list[Look] = []
    left_out: list[tuple[str, str]] = []
    unread: Counter[str] = Counter()
    for row in rows[:most]:
        found = _looked(runtime, row["source"], row["intent_id"], row["provider"], unread)
        if isinstance(found, Outcome):
            left_out.append((found.name, found.said))
        elif found.result.verdict is Verdict.APPLIED:
            applied.append(found)
        elif guard.against(found, decision) is not None:
            left_out.append((found.name, found.result.detail))
        else:
            items.append(found)
    return Plan(answer, which, items, applied, left_out, len(rows) > most)


def carry_out(runtime: Runtime, made: Plan, *, reason: str, by: str) -> tuple[Sequence[Outcome], Proposal | None]:
    """Do it, each payment looked at once more just before. Once people are set up that is a proposal; what the books
    show as applied succeeds at once, as by any look. Raises ValueError for a bad reason or name, HeldError."""
    words = must_be_right(made.answer, reason=reason, by=by)
    proposal = None
    with runtime.database.transaction() as connection:
        people = set_up(connection)
        if people and made.items:
            proposal = _propose(connection, made, words.reason, words.by)
    todo = made.applied if people else (*made.applied, *made.items)
    unread: Counter[str] = Counter()
    given: dict[str, Any] = {"reason": words.reason, "by": words.by}
    outcomes = [_decided(runtime, _named(one), made.answer, agreed.seen(one), unread, **given) for one in todo]
    return outcomes, proposal


def approved(runtime: Runtime, found: Proposal, approval: Approval) -> Sequence[Outcome]:
    """Do what was proposed, payment by payment. It ends as approved with the last one, stays open while some may be
    decided later, and is void where none can be. Raises what `proposals.agreed` does, HeldError."""
    with runtime.database.transaction() as connection:
        proposals.agreed(connection, approval)
    unread: Counter[str] = Counter()
    given: dict[str, Any] = {"reason": found.reason, "by": found.proposed_by, "approval": approval}
    outcomes = []
    for one in found.asked["items"]:
        then = found.seen[f"{one['source']}/{one['intent_id']}"]
        outcome = _before(runtime, one, found) or _decided(runtime, one, found.asked["answer"], then, unread, **given)
        if outcome.state is None:  # another approver, who goes through them at this moment, may have been there first
            outcome = _before(runtime, one, found) or outcome
        outcomes.append(outcome)
    try:
        _end(runtime, outcomes, approval)
    except (Void, NotAllowed):  # somebody ended it meanwhile
        if all(one.state is None for one in outcomes):
            raise
    return outcomes


def _end(runtime: Runtime, outcomes: Sequence[Outcome], approval: Approval) -> None:
    with runtime.database.transaction() as connection:
        found = proposals.agreed(connection, approval)
        if any(one.later for one in outcomes):
            return
        if any(one.state is not None for one in outcomes):
            proposals.done(connection, found, approval)
        else:
            proposals.void(connection, found.id, _CHANGED)


def _before(runtime: Runtime, one: Mapping[str, str], found: Proposal) -> Outcome | None:
    """What an approval of this proposal decided before it was cut off; None: nothing of this payment."""
    with runtime.database.connection() as connection:
        row = store.decided_since(connection, one["source"], one["intent_id"], found.proposed_at)
    words = (found.asked["answer"], found.proposed_by, found.reason)
    if row is None or row["approved_by"] is None or (row["action"], row["by_whom"], row["reason"]) != words:
        return None
    state = State.UNKNOWN if row["action"] == "resend" else State(row["action"])
    name = f"{one['source']}/{one['intent_id']}"
    return Outcome(name, state, f"was decided before, approved by {row['approved_by']}")


def _decided(
    runtime: Runtime,
    one: Mapping[str, str],
    answer: str,
    then: Mapping[str, Any],
    unread: Counter[str],
    *,
    reason: str,
    by: str,
    approval: Approval | None = None,
) -> Outcome:
    """Look at one, and decide it if it is as it was then."""
    found = _looked(runtime, one["source"], one["intent_id"], one["provider"], unread)
    if isinstance(found, Outcome):
        return found
    try:
        if found.result.verdict is Verdict.APPLIED:  # needs nobody: it is written as a check would write it
            why = reason if approval is None else f"the look for proposal {approval.number} shows it"
            resolve(runtime, found, State.SUCCEEDED.value, reason=why, by=by if approval is None else approval.by)
            return Outcome(found.name, State.SUCCEEDED, "is succeeded: the books show it")
        if approval is None:
            agreed.must_be_so(found, then)
        state = resolve(runtime, found, answer, reason=reason, by=by, approval=approval)
    except NotAllowed as error:  # somebody looks at it at this moment
        return Outcome(found.name, None, str(error), later=True)
    except (Void, NotDecided, Unresolvable) as error:
        return Outcome(found.name, None, str(error))
    if isinstance(state, Proposal):  # people were set up at this moment
        return Outcome(found.name, None, f"is proposal {state.id}: it takes two people")
    return Outcome(found.name, state, became(state))


def _looked(runtime: Runtime, source: str, intent_id: str, provider: str, unread: Counter[str]) -> Look | Outcome:
    """unread: of each provider, how many looks in a row could not be made."""
    name = f"{source}/{intent_id}"
    if unread[provider] >= _TIRED:
        said = f"nobody looked: {_TIRED} looks in a row at {provider} could not be made"
        return Outcome(name, None, said, later=True)
    try:
        found = look(runtime, source, intent_id)
    except Unresolvable as error:
        return Outcome(name, None, str(error))
    unread[provider] = unread[provider] + 1 if found.result.unread else 0
    if found.result.unread:
        return Outcome(name, None, f"nobody could look: {found.result.detail}", later=True)
    return found


def _named(found: Look) -> Mapping[str, str]:
    payment = found.claim.payment
    return {"source": payment.source, "intent_id": payment.intent_id, "provider": payment.provider}


def _propose(connection: Connection, made: Plan, reason: str, by: str) -> Proposal:
    asked: dict[str, Any] = {"answer": made.answer, "which": made.which.words}
    asked |= {"items": [_named(one) for one in made.items], "sums": dict(made.sums)}
    seen = {one.name: agreed.seen(one) for one in made.items}
    subject = made.which.provider or "parked payments"
    return proposals.propose(connection, Kind.MANY, subject, asked=asked, seen=seen, reason=reason, by=by)
