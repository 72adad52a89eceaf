"""Ann proposes, Bob approves: what takes two people, on the flow's scripted providers."""

from collections.abc import Callable

from shared.decide.approve import Done, approve
from shared.domain.answers import CheckResult
from shared.domain.payment import State
from shared.domain.roles import Role
from shared.payments.look import look
from shared.payments.resolve import resolve
from shared.people import change, proposals
from shared.people.proposals import Proposal
from tests.support.flow import UNCLEAR, World

Found = CheckResult | BaseException | Callable[[], CheckResult]


def set_up(world: World) -> None:
    """Ann is an operator, Bob and Cat are approvers."""
    with world.runtime.database.transaction() as connection:
        for name, role in (("Bob", Role.APPROVER), ("Cat", Role.APPROVER), ("Ann", Role.OPERATOR)):
            change.add(connection, name, role, by="somebody")


def asked(
    world: World,
    payment_id: int,
    answer: str,
    found: Found = UNCLEAR,
    *,
    although: str | None = None,
    line: str | None = None,
    by: str = "Ann",
) -> State | Proposal:
    """Resolve it while the provider's books show this."""
    payment = world.payment(payment_id)
    world.providers[payment["provider"]].verdicts.append(found)
    looked = look(world.runtime, payment["source"], payment["intent_id"])
    return resolve(world.runtime, looked, answer, reason="asked at the biller", by=by, although=although, line=line)


def proposed(
    world: World,
    payment_id: int,
    answer: str,
    found: Found = UNCLEAR,
    *,
    although: str | None = None,
    line: str | None = None,
    by: str = "Ann",
) -> Proposal:
    """The same, where it takes two people."""
    made = asked(world, payment_id, answer, found, although=although, line=line, by=by)
    assert isinstance(made, Proposal)
    return made


def approved(world: World, made: Proposal, *found: Found, by: str = "Bob") -> Done:
    """Another person agrees while the provider's books show this."""
    world.careful.verdicts.extend(found)
    return approve(world.runtime, made.id, by)


def state_of(world: World, made: Proposal) -> str:
    """Where a proposal stands."""
    with world.runtime.database.connection() as connection:
        return proposals.one(connection, made.id).state
