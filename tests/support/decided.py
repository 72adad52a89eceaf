"""What a person decides about a parked payment of the flow's scripted providers."""

from collections.abc import Callable

from shared.domain.answers import CheckResult
from shared.domain.payment import State
from shared.payments.look import look
from shared.payments.resolve import resolve
from tests.support.flow import UNCLEAR, World


def decide(
    world: World,
    payment_id: int,
    answer: str,
    found: CheckResult | BaseException | Callable[[], CheckResult] = UNCLEAR,
    *,
    although: str | None = None,
    line: str | None = None,
    by: str = "Ann",
) -> State:
    """Resolve it while the provider's books show this (or fail so). Raises as `look` and `resolve` do."""
    payment = world.payment(payment_id)
    world.providers[payment["provider"]].verdicts.append(found)
    looked = look(world.runtime, payment["source"], payment["intent_id"])
    state = resolve(world.runtime, looked, answer, reason="asked at the biller", by=by, although=although, line=line)
    assert isinstance(state, State), "nobody is set up"
    return state


def kept(world: World, payment_id: int) -> list[dict[str, object]]:
    """What is written down of people's decisions, in order."""
    return world.rows("SELECT * FROM resolutions WHERE payment_id = %s ORDER BY id", payment_id)
