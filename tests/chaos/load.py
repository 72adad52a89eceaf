"""The upstream of a run: payments of all providers at an even pace, some twice, some that can't be accepted."""

import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from tests.chaos.plan import Plan
from tests.chaos.world import Upstream, World
from tests.support import careful, intents
from tests.support.intents import Intent
from tests.support.stack import Stack, wait_until

SOURCE = "chaos"
TEACHER = "teach"
_PAUSE_S = 0.25  # about so long between two batches; longer where a batch would be less than a group
_TWICE = 0.05  # half of them at once, half with what is sent next
_BAD = 0.02
_REFUNDABLE = 5  # every so many of billcenter's
_TEACH_S = 10
_LOSES = frozenset({"flushed", "kill_valkey", "full"})  # strikes after which the broker may have forgotten something


def drawn(plan: Plan) -> Iterator[list[Intent]]:
    """The run's intents, in the groups in which they are sent."""
    rng, number = random.Random(plan.seed), 0
    count = 0
    while count < plan.payments:
        number += 1
        provider = rng.choice(plan.providers)
        if provider != "billcenter":
            group = [careful.INTENTS[provider](SOURCE, number)]
        elif number % _REFUNDABLE == 0:
            group = _refundable(number)
        else:
            group = [intents.settle(SOURCE, number)]
        if rng.random() < _BAD:
            group = [group[0] | {"intent_id": f"x{number}", "currency": "XXX"}]
        count += len(group)
        yield group


def _refundable(number: int) -> list[Intent]:
    """Two settles of one sum on an invoice that holds more, a refund of each, and one that is too much."""
    group = intents.refundable(SOURCE, number)
    like, refund = group[1] | {"intent_id": f"t{number}"}, group[2]
    other = refund | {"intent_id": f"q{number}", "refund_of": like["intent_id"]}
    return [*group[:2], like, refund, other, refund | {"intent_id": f"v{number}"}]


@contextmanager
def sending(world: World) -> Iterator[None]:
    """Send the plan's payments over the length of its weather; what is left of them at the end of the block."""
    upstream = world.upstream
    thread = threading.Thread(target=_send, args=(world, upstream), name="upstream", daemon=True)
    thread.start()
    try:
        yield
    finally:
        world.stop.set()
        thread.join()
    if upstream.failure is not None:
        raise upstream.failure


def _send(world: World, upstream: Upstream) -> None:
    rng, plan = random.Random(world.plan.seed), world.plan
    groups, late = list(drawn(plan)), list[Intent]()
    a_time = max(1, round(len(groups) * _PAUSE_S / plan.weather_s))
    starts = range(0, len(groups), a_time)
    try:
        for start in starts:
            batch = [one for group in groups[start : start + a_time] for one in group]
            upstream.sent |= {one["intent_id"]: one for one in batch}
            upstream.bad |= {one["intent_id"] for one in batch if one["currency"] == "XXX"}
            twice = [one for one in batch if rng.random() < _TWICE]
            world.stack.submit([*batch, *late, *twice[::2]])
            late = twice[1::2]
            if _stopped(world, plan.weather_s / len(starts)):
                break
    except BaseException as error:
        upstream.failure = error
    finally:
        upstream.done.set()


def _stopped(world: World, pause_s: float) -> bool:
    """Let the pause pass, and longer while the weather waits. True when nothing more is to be sent."""
    while not (stopped := world.stop.wait(pause_s)) and world.waits():
        pass
    return stopped


def again(world: World) -> int:
    """How many intents are nowhere. Those that a broker lost are sent once more, as its upstream does; no others are:
    what was on the stream has to become a payment."""
    lost = nowhere(world)
    if any(strike.kind in _LOSES for strike in world.plan.strikes):
        world.stack.submit(lost)
    return len(lost)


def nowhere(world: World) -> list[Intent]:
    """What was sent and was not taken in: it is neither a payment nor in quarantine."""
    sent = list(world.upstream.sent.items())
    known = {row["subject"] for row in world.stack.query(_KNOWN)}
    return [one for key, one in sent if f"{SOURCE}/{key}" not in known]


# A payment of which only the events stream told has no digest until its intent comes again.
_KNOWN = """
SELECT source || '/' || intent_id AS subject FROM intent_keys WHERE digest IS NOT NULL
UNION SELECT subject FROM quarantine WHERE subject IS NOT NULL
"""


def teach(stack: Stack, providers: Sequence[str]) -> None:
    """Pay in good weather until it is known what each provider's books show, as checks rest on that.

    Raises AssertionError where that does not come to be known in time.
    """
    facts = {"billcenter": "refund_lowers", "ubill": "gives_markers", "mtn": "gives_markers"}
    numbers = {name: iter(range(1, 1000)) for name in providers}

    def known() -> bool:
        rows = stack.query("SELECT provider, fact FROM provider_facts")
        wanted = [name for name in providers if not any(_is(row, name, facts) for row in rows)]
        for name in wanted:
            number = next(numbers[name])
            if name != "billcenter":
                stack.submit([careful.INTENTS[name](TEACHER, number, 500_000)])
            elif number == 1:
                stack.submit([intents.settle(TEACHER, 1), intents.refund(TEACHER, 1)])
        return not wanted

    wait_until(known, "it is known what the books show", _TEACH_S, pause_s=0.7)


def _is(row: Mapping[str, str], name: str, facts: Mapping[str, str]) -> bool:
    return row["provider"] == name and row["fact"].startswith(facts[name])
