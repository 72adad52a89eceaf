"""approve: another person agrees, and what was proposed is done, once.

The books are looked at again before; the deed and the note that it was approved are one transaction. Dying before its
commit changes nothing; after it there is nothing left to do, and a second approval finds it approved.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, NoReturn

import redis

from shared.database.engine import Database
from shared.directory.choose import choose
from shared.directory.confirm import Unconfirmable, confirm
from shared.domain.answers import Verdict
from shared.domain.payment import State
from shared.domain.roles import Role
from shared.domain.words import counted
from shared.messaging import broker
from shared.payments import bulk, many
from shared.payments.look import Look, Unresolvable, look
from shared.payments.many import Outcome
from shared.payments.resolve import NotDecided, became, resolve, resolve_follow_up
from shared.people import change, proposals
from shared.people.proposals import Approval, Kind, Proposal, Void
from shared.people.prove import NotAllowed
from shared.recovery import recover as recovery
from shared.recovery.recover import NotRecovered
from shared.runtime import Runtime
from shared.witness import Witnesses


@dataclass(frozen=True, slots=True)
class Done:
    """What was approved, and what it came to, in a sentence. token: of a person who was added. each: what came of each
    of many; some may not have been decided."""

    proposal: Proposal
    sentence: str
    token: str | None = None
    each: Sequence[Outcome] = ()


def approve(runtime: Runtime, number: int, by: str, *, client: "redis.Redis | None" = None) -> Done:
    """Do what was proposed under this number. client: of the broker, for a recovery.

    Raises NotAllowed in a sentence (it ended, it is void, it is this person's own); what the deed itself raises, of
    which nothing is done then.
    """
    with runtime.database.connection() as connection:
        found = proposals.one(connection, number)
    try:
        proposals.must_be_open(found)
        return _DO[found.kind](runtime, found, Approval(number, by), client)
    except (Void, NotDecided, Unresolvable) as error:
        _void(runtime.database, number, str(error))
        raise NotAllowed(f"proposal {number} is void: {error}; it was not done, propose anew") from None


def reject(database: Database, number: int, *, by: str, reason: str) -> Proposal:
    """Say no to it. Raises NotAllowed, ValueError."""
    with database.transaction() as connection:
        return proposals.reject(connection, number, by=by, reason=reason)


def _void(database: Database, number: int, why: str) -> None:
    """Raises NotAllowed where somebody else ended it meanwhile: what is different now may be its own deed."""
    with database.transaction() as connection:
        with suppress(Void):  # its time is over
            proposals.must_be_open(proposals.locked(connection, number))
        proposals.void(connection, number, why)


def _resolve(runtime: Runtime, found: Proposal, approval: Approval, _: object) -> Done:
    asked = found.asked
    looked = look(runtime, asked["source"], asked["intent_id"])
    must_be_readable(looked, found.seen)
    words = {"although": asked["although"], "line": asked["line"], "reason": found.reason, "by": found.proposed_by}
    try:
        state = resolve(runtime, looked, asked["answer"], **words, approval=approval)
    except Void as error:
        _keep_shown(runtime, approval, [looked], error)
    assert not isinstance(state, Proposal)  # noqa: S101 - it is approved
    return Done(found, f"{found.subject} {became(state)}")


def _keep_shown(runtime: Runtime, approval: Approval, looks: Sequence[Look], error: Void) -> NoReturn:
    """It is void. What a look showed as applied needs nobody: it is written, as a check would write it. Raises Void."""
    kept = []
    for one in looks:
        if one.result.verdict is Verdict.APPLIED:
            with suppress(Unresolvable):  # somebody else decided meanwhile
                why = f"the look for proposal {approval.number} shows it"
                resolve(runtime, one, State.SUCCEEDED.value, reason=why, by=approval.by)
                kept.append(one.name)
    raise Void(f"{error}; as the books show, {', '.join(kept)} succeeded" if kept else str(error)) from None


def must_be_readable(looked: Look, then: Mapping[str, Any]) -> None:
    """What could be read then and can't now is no reason to give it up: the proposal stays open."""
    if looked.result.unread and not then["books"]["unread"]:
        raise NotAllowed(f"nobody could look for {looked.name}: {looked.result.detail}; it stays proposed, try later")


def _follow_up(runtime: Runtime, found: Proposal, approval: Approval, _: object) -> Done:
    asked, by = found.asked, found.proposed_by
    named = (asked["source"], asked["intent_id"], asked["kind"], asked["answer"])
    resolve_follow_up(runtime.database, *named, reason=found.reason, by=by, approval=approval, seen=runtime.seen)
    return Done(found, f"the {asked['kind']} of {found.subject} is {asked['answer']}")


def _person(runtime: Runtime, found: Proposal, approval: Approval, _: object) -> Done:
    asked = found.asked
    with runtime.database.transaction() as connection:
        proposals.agreed(connection, approval)
        token = change.add(connection, asked["name"], Role(asked["role"]), by=found.proposed_by)
        proposals.done(connection, found, approval)
    return Done(found, f"{asked['name']} is set up, {asked['role']}", token)


def _account(
    decide: Callable[..., object], decided: str, runtime: Runtime, found: Proposal, approval: Approval, _: object
) -> Done:
    """decide: `confirm` or `choose`."""
    asked = found.asked
    named = (asked["provider"], asked["service"], asked["account"])
    given = {"bank_code": asked["bank"], "khut_type": asked["khut_type"], "reason": found.reason}
    try:
        decide(runtime.database, *named, by=found.proposed_by, **given, approval=approval)
    except Unconfirmable as error:
        raise Void(str(error)) from None
    return Done(found, f"the account of {found.subject} is {decided}; what was held for it goes")


def _recover(runtime: Runtime, found: Proposal, approval: Approval, client: "redis.Redis | None") -> Done:
    if client is None:
        raise NotAllowed("the broker has to be there for a recovery; nothing was changed")
    since = found.asked["since"]
    witnesses = Witnesses(runtime.settings.home, client)
    try:
        plan = recovery.plan(runtime, client, None if since is None else datetime.fromisoformat(since))
        done = recovery.recover(runtime, witnesses, plan, found.proposed_by, approval=approval)
    except NotRecovered as error:
        raise Void(str(error)) from None
    broker.ring(client)
    since = f"{done.since:%Y-%m-%dT%H:%M:%S.%fZ}"
    return Done(found, f"recovered, epoch {done.epoch}; now have every upstream resend its intents since {since}")


def _close_window(runtime: Runtime, found: Proposal, approval: Approval, _: object) -> Done:
    closed = recovery.close(runtime, found.proposed_by, approval=approval)
    return Done(found, f"{counted(closed, 'window is', 'windows are')} closed")


def _bulk(runtime: Runtime, found: Proposal, approval: Approval, _: object) -> Done:
    made = bulk.again(runtime, found)
    for item in made.items:
        must_be_readable(item.look, found.seen[item.look.name])
    try:
        bulk.approved(runtime, made, approval)
    except Void as error:
        _keep_shown(runtime, approval, [item.look for item in made.items], error)
    return Done(found, f"{counted(len(made.items), 'payment', 'payments')} of {made.provider} succeeded")


def _many(runtime: Runtime, found: Proposal, approval: Approval, _: object) -> Done:
    outcomes = many.approved(runtime, found, approval)
    count = sum(one.state is not None for one in outcomes)
    return Done(found, f"{count} of {counted(len(outcomes), 'payment', 'payments')} decided", each=outcomes)


_Do = Callable[[Runtime, Proposal, Approval, "redis.Redis | None"], Done]
_DO: Mapping[Kind, _Do] = {
    Kind.RESOLVE: _resolve,
    Kind.FOLLOW_UP: _follow_up,
    Kind.PERSON: _person,
    Kind.BULK: _bulk,
    Kind.MANY: _many,
    Kind.CONFIRM: partial(_account, confirm, "confirmed"),
    Kind.CHOOSE: partial(_account, choose, "chosen"),
    Kind.RECOVER: _recover,
    Kind.CLOSE_WINDOW: _close_window,
}
