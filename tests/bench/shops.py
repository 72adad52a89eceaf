"""Where a payment comes in: what a shop does at that moment, with each of two pipelines.

Its connections are open already. settlepipe: one XADD. The usual way: its row, committed, then the message.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import psycopg
import redis

from tests.bench.contenders import STREAM, CeleryApp, Contender
from tests.bench.world import BenchStack, intent, wire_body

Pay = Callable[[int], None]
"""Hands over the payment of this number. It is the pipeline's when this returns."""

_INSERT = "INSERT INTO bench_naive_payments (id, body, state) VALUES (%s, %s, 'accepted')"


def shop(world: BenchStack, contender: Contender, run: str, count: int) -> AbstractContextManager[Pay]:
    """A shop of so many payments, numbered from 0. What is written into them was made before."""
    if isinstance(contender, CeleryApp):
        return _of_celery(world, contender, run, count)
    return _of_stream(world, run, count)


@contextmanager
def _of_stream(world: BenchStack, run: str, count: int) -> Iterator[Pay]:
    lines = [json.dumps(intent(run, number)) for number in range(count)]
    with redis.Redis.from_url(world.broker_url) as client:
        client.ping()

        def pay(number: int) -> None:
            client.xadd(STREAM, {"intent": lines[number]})

        yield pay


@contextmanager
def _of_celery(world: BenchStack, app: CeleryApp, run: str, count: int) -> Iterator[Pay]:
    """One commit and one producer's message: no pool is asked, no engine, no session."""
    module = app.module(world)
    bodies = [json.dumps(wire_body(run, number)) for number in range(count)]
    with (
        psycopg.connect(world.database_url, autocommit=True) as connection,
        module.app.connection_for_write() as broker,
        broker.channel() as channel,
    ):
        producer = module.app.amqp.Producer(channel)

        def pay(number: int) -> None:
            name = f"{run}-{number}"
            connection.execute(_INSERT, (name, bodies[number]))
            module.settle.apply_async((name,), producer=producer, queue=module.QUEUE)

        yield pay
