"""Strikes on messages and on time: what comes again, in another order, and a database whose clock jumps."""

import contextlib
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from celery import Celery

from shared.messaging import queues, tasks
from tests.chaos.plan import PROVIDERS, Draws, Strike
from tests.chaos.world import World

_EVERY_S = 0.05
_ANOTHERS = 0.2
_NAMES = "SELECT id, sent_reference, provider FROM payments ORDER BY id DESC LIMIT 200"
_CLOCK = "CREATE OR REPLACE FUNCTION clock() RETURNS timestamptz LANGUAGE sql STABLE AS"


@contextmanager
def repeated(world: World, strike: Strike) -> Iterator[None]:
    """Copies of what stands on the lanes' queues come again, later and in another order."""
    rng, seen = random.Random(world.plan.seed), dict[str, list[bytes]]()
    with contextlib.suppress(redis.RedisError), world.stack.broker() as broker:
        for _ in range(round(strike.length_s / _EVERY_S)):
            for name in world.plan.providers:
                queue = queues.lane_queue(name)
                seen.setdefault(queue, []).extend(broker.lrange(queue, 0, -1))
                for message in rng.sample(seen[queue], min(3, len(seen[queue]))):
                    broker.rpush(queue, message)
            if world.stop.wait(_EVERY_S):
                break
    yield


@contextmanager
def published(world: World, strike: Strike) -> Iterator[None]:
    """Messages to send and to check any payment, whatever its state: nobody asked for them."""
    rng = random.Random(world.plan.seed)
    with contextlib.closing(tasks.celery_app(world.stack.told["broker_url"])) as app:
        for _ in range(round(strike.length_s)):
            with contextlib.suppress(Exception):  # a server is away; kombu has errors of its own
                _publish(world, app, rng)
            if world.stop.wait(1):
                break
    yield


def _publish(world: World, app: Celery, rng: random.Random) -> None:
    with world.postgres() as connection:
        rows = connection.execute(_NAMES).fetchall()
    for name in world.plan.providers:
        named = [(number, _named(rng, reference, rows)) for number, reference, of in rows if of == name]
        rng.shuffle(named)
        tasks.publish(app, name, [(tasks.SEND, named[:25]), (tasks.CHECK, named[25:50])])


def _named(rng: random.Random, reference: str, rows: Sequence[tuple[Any, ...]]) -> str:
    """The payment's own reference, or now and then another one's: such a message names nothing."""
    return rng.choice(rows)[1] if rng.random() < _ANOTHERS else reference


@contextmanager
def clock(world: World, strike: Strike) -> Iterator[None]:
    """The database's clock jumps, and jumps back. value: by how many seconds."""
    world.insist(f"{_CLOCK} $$ SELECT now() + interval '{float(strike.value)} s' $$")
    try:
        yield
    finally:
        world.insist(f"{_CLOCK} $$ SELECT now() $$")


# What is applied late, and a clock that jumps over the settle window, never come together: see docs/chaos.md.
_LEAD_S = 4.5

KINDS = {
    "repeated": (Draws(lambda rng, _: ("queues", ""), 2, 4), repeated),
    "published": (Draws(lambda rng, _: ("queues", ""), 2, 4), published),
    "clock": (
        Draws(
            lambda rng, _: ("clock", str(rng.choice((-30, -10, 8, 15)))),
            2,
            4,
            keys=lambda where: ("clock", *(f"late {name}" for name in PROVIDERS)),
            lead_s=_LEAD_S,
        ),
        clock,
    ),
}
