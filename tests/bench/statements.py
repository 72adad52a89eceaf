"""`make bench-statements`: what each statement of a payment's way costs, alone and for several payments at once, and
how PostgreSQL goes about it.

The product's own functions, called one after the other in this process on an installation of its own, with billcenter's
lists read from the sandbox; nobody is asked for a payment. Costs are processor time, which other load changes least:
this process's (the client's side) and PostgreSQL's, for each payment or event.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

import psycopg
from rich.console import Console
from rich.table import Table

from deploy.local.running import connected
from shared.database import leases, locks
from shared.domain.answers import Answer, Meaning
from shared.domain.payment import State
from shared.events import outbox
from shared.messaging.intake_stream import Entry
from shared.payments import dispatch, lots
from shared.payments.accept import accept
from shared.payments.store import lots as lots_store
from shared.payments.store import send as send_store
from shared.payments.store.send import Claim, Outcome
from shared.runtime import Runtime
from shared.settings import load_settings
from shared.start import start
from tests.bench.contenders import STREAM, Settlepipe, started
from tests.bench.rooms import postgres
from tests.bench.world import PROVIDER, intent, running
from tests.support.plans import STATEMENT, heard, nodes

LOTS = (1, 8, 16)
WRITTEN = (1, 8, 16, 32)
READ, CARRIED = 500, 500
Item = TypeVar("Item")
OK = Answer("ok", Meaning.SUCCEEDED, http_status=200, facts={"id": "1"})
SUCCESS = Outcome(OK, State.SUCCEEDED, None, in_doubt=False, possibly_sent=True, signal="alive", took_s=0.001)


@dataclass
class Cost:
    """What a verb took, for `count` payments (or events) in all; said: its statements, with what each was given."""

    verb: str
    at_once: int
    count: int = 0
    own_s: float = 0.0
    postgres_s: float = 0.0
    said: dict[str, Any] = field(default_factory=dict)


class Measuring:
    """Costs by verb and size, and the statements that were heard."""

    def __init__(self, postgres_s: Callable[[], float]) -> None:
        self._postgres_s, self._of = postgres_s, dict[tuple[str, int], Cost]()

    @contextmanager
    def cost(self, verb: str, at_once: int) -> Iterator[Cost]:
        """The block does this, and adds to the count for how many."""
        cost = self._of.setdefault((verb, at_once), Cost(verb, at_once))
        postgres_s, own_s = self._postgres_s(), time.process_time()
        with heard(partial(_keep, cost.said)):
            yield cost
        cost.own_s += time.process_time() - own_s
        cost.postgres_s += self._postgres_s() - postgres_s

    @property
    def costs(self) -> Sequence[Cost]:
        return list(self._of.values())


def _keep(said: dict[str, Any], _: "psycopg.Cursor[Any]", query: str, given: Any) -> None:
    if STATEMENT.match(query):
        said[query] = given


def _batched(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]


def accepted(runtime: Runtime, measuring: Measuring, count: int) -> None:
    """So many payments, READ in a transaction."""
    for numbers in _batched(range(count), READ):
        raws = [json.dumps(intent("statements", number)).encode() for number in numbers]
        entries = [Entry(STREAM, b"%d-0" % place, raw, {b"intent": raw}) for place, raw in enumerate(raws)]
        with measuring.cost("accept", READ) as cost:
            assert accept(runtime, entries) == len(entries)
            cost.count += len(entries)


def sent(runtime: Runtime, measuring: Measuring, count: int) -> None:
    """Dispatch, claim and record them, in lots of each size in turn."""
    done, turn = 0, 0
    while done < count:
        with measuring.cost("dispatch", runtime.settings.provider(PROVIDER).in_flight) as cost:
            batches = dispatch.dispatch(runtime, PROVIDER, lambda: 0, tidy=False).messages
        names = [(name[0], name[1]) for _, found in batches for name in found if not isinstance(name, int)]
        assert names, "nothing is due"
        cost.count += len(names)
        lot, written = LOTS[turn % len(LOTS)], WRITTEN[turn % len(WRITTEN)]
        claims = [claim for some in _batched(names, lot) for claim in _claimed(runtime, measuring, some, lot)]
        for ended in _batched(claims, written):
            _written(runtime, measuring, ended, written)
        done, turn = done + len(names), turn + 1


def _claimed(runtime: Runtime, measuring: Measuring, names: Sequence[tuple[int, str]], lot: int) -> Sequence[Claim]:
    with measuring.cost("claim", lot) as cost:
        cost.count += len(names)
        if lot > 1:
            return [one.claim for one in lots.claim(runtime, names)]
        ((payment_id, reference),) = names
        given = (payment_id, runtime.worker_key, runtime.limits, uuid4())
        with runtime.database.connection() as connection:
            claim = send_store.claim(connection, *given, seen=runtime.seen, reference=reference)
    assert claim is not None
    return [claim]


def _written(runtime: Runtime, measuring: Measuring, claims: Sequence[Claim], at_once: int) -> None:
    with measuring.cost("succeed", at_once) as cost, runtime.database.connection() as connection:
        cost.count += len(claims)
        if at_once == 1:
            assert send_store.record(connection, claims[0], SUCCESS, runtime.limits)
            return
        ended = [(claim, SUCCESS) for claim in claims]
        written = lots_store.succeeded(connection, PROVIDER, ended, runtime.seen)
    assert len(written.moved) == len(claims)


def carried(runtime: Runtime, measuring: Measuring) -> None:
    """Every event, as a relay reads and notes it."""
    with runtime.database.connection() as connection:
        lease = leases.take(connection, locks.RELAY, 600, above=outbox.newest_turn(connection))
        assert lease is not None
        turn = outbox.begin(connection, lease.number)
        assert turn is not None
        while True:
            with measuring.cost("relay", CARRIED) as cost:
                events = outbox.pending(connection, CARRIED)
                if events:
                    assert outbox.carried(connection, events, "1-1", turn.number)
            cost.count += len(events)
            if not events:
                return


def plans(runtime: Runtime, costs: Sequence[Cost]) -> Iterator[tuple[str, Sequence[str]]]:
    """How each verb's statements find their rows, for the largest size of it: the nodes that read a table."""
    for verb in dict.fromkeys(cost.verb for cost in costs):
        largest = max((cost for cost in costs if cost.verb == verb), key=lambda cost: cost.at_once)
        found = list[str]()
        with runtime.database.connection() as connection:
            for query, given in largest.said.items():
                row = connection.execute(f"EXPLAIN (FORMAT JSON) {query}".encode(), given).fetchone()
                assert row is not None
                found += [_read(node) for node in nodes(row["QUERY PLAN"]) if "Relation Name" in node]
        yield verb, list(dict.fromkeys(filter(None, found)))


def _read(node: Mapping[str, Any]) -> str:
    kind = node["Node Type"]
    if kind == "ModifyTable":
        return f"{node['Operation'].lower()} {node['Relation Name']}"
    by = f" by {node['Index Name']}" if "Index Name" in node else ""
    return f"{kind.lower()} of {node['Relation Name']}{by}"


def tables(costs: Sequence[Cost], found: Mapping[str, Sequence[str]]) -> Iterator[Table]:
    """Costs, then plans; of at most 80 columns."""
    shown = Table(title="processor time of a payment (relay: an event), in ms", width=78)
    shown.add_column("verb")
    for name in ("at once", "client", "PostgreSQL", "both"):
        shown.add_column(name, justify="right")
    for cost in sorted(costs, key=lambda one: (list(found).index(one.verb), one.at_once)):
        own_ms, postgres_ms = (1e3 * seconds / cost.count for seconds in (cost.own_s, cost.postgres_s))
        shown.add_row(
            cost.verb, str(cost.at_once), f"{own_ms:.3f}", f"{postgres_ms:.3f}", f"{own_ms + postgres_ms:.3f}"
        )
    yield shown
    how = Table(title="how its rows are found", width=78)
    how.add_column("verb")
    how.add_column("", overflow="fold")
    for verb, reads in found.items():
        how.add_row(verb, "; ".join(reads))
    yield how


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="make bench-statements", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--payments", type=int, default=30_000, help="in all (30000)")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    with running(1, 1) as world:
        product = Settlepipe()
        with started(product, world):
            pass  # its tables and lists
        os.environ.update(product.environment(world))
        runtime = start(connected(load_settings()), sends=True, pool_size=2, lanes_served=[PROVIDER])
        with postgres(world.database_url) as postgres_s:
            measuring = Measuring(postgres_s)
            accepted(runtime, measuring, arguments.payments)
            sent(runtime, measuring, arguments.payments)
            carried(runtime, measuring)
        for shown in tables(measuring.costs, dict(plans(runtime, measuring.costs))):
            console.print(shown)


if __name__ == "__main__":
    main()
