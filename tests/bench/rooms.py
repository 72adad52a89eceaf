"""`make bench-rooms`: how long each page of the control room takes with a million open payments.

An embedded PostgreSQL with its own settings, filled by a few statements; one `python -m worker.web`, and somebody who
is in. What is measured of a view is from the request's first byte to the page's last one, by one reader. Beside it
stands the processor's time that PostgreSQL spent on each: on a machine that others use it says more. A page that looks
into a provider's books, or makes a file, is left out. Below are the statements of commands that list the same.
"""

import argparse
import http.client
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from deploy.local.embedded import Servers
from shared.alerts.views import listed
from shared.database import migrate
from shared.database.engine import Connection, Database, driver_url
from shared.domain.roles import Role
from shared.inbox import Order, waiting
from shared.metrics.read import at_risk
from shared.payments import views
from tests.bench.processor import of_s as processor_s
from tests.bench.rooms_filled import fill
from tests.bench.servers import own_servers
from tests.bench.web import running_door
from tests.support.room import inside, set_up
from tests.support.stack import descendants
from worker.web.rooms.table import PAGES, Page

_DAY = (datetime.now(UTC) - timedelta(days=5)).date().isoformat()
# Of each page the views that are measured; of one whose path holds no variable and that is not here, the plain one.
# What is gathered in the background comes last, so that no other view is measured beside it.
_VIEWS: Mapping[str, Sequence[str]] = {
    "/search": ("/search", "/search?state=parked", "/search?q=ord-77", "/search?q=made-up-77", "/search?q=nowhere"),
    "/payments/{source}/{intent_id}": ("/payments/{parked}", "/payments/{paid}"),
    "/inbox": ("/inbox", "/inbox?order=money", "/inbox?kind=payment", "/inbox?kind=hold", "/inbox?skip=10000"),
    "/proposals/{number}": ("/proposals/10",),
    "/quarantine": ("/quarantine", "/quarantine?all=yes"),
    "/quarantine/{number}": ("/quarantine/7",),
    "/discrepancies": ("/discrepancies", "/discrepancies?which=all", "/discrepancies?skip=1000"),
    "/discrepancies/{number}": ("/discrepancies/7",),
    "/days/{provider}/{day}": (f"/days/mtn/{_DAY}",),
    "/accounts": ("/accounts", "/accounts?service=140"),
    "/webhooks/{number}": ("/webhooks/1",),
}
_LAST = ("/", "/now")


@dataclass(frozen=True, slots=True)
class Measured:
    """A view, or what a command reads. first_ms: of the first time; database_ms: PostgreSQL's processor time for each;
    size_bytes: of the page."""

    name: str
    first_ms: float
    median_ms: float
    p99_ms: float
    database_ms: float
    size_bytes: int


def paths(pages: Sequence[Page], count: int) -> list[str]:
    """A view of each page that reads PostgreSQL alone, and of some more than one."""
    seen = [page.path for page in pages if page.method == "GET" and not page.open and page.looks is None]
    seen.sort(key=lambda path: path in _LAST)
    name = f"{('shop', 'bank', 'wallet')[count // 2 // 100 * 100 % 3]}/ord-{count // 2 // 100 * 100}"
    paid = f"{('shop', 'bank', 'wallet')[(count + 5) % 3]}/ord-{count + 5}"
    return [view.format(parked=name, paid=paid) for path in seen for view in _VIEWS.get(path, (path,))]


def measured(name: str, look: Callable[[], int], times: int, database_s: Callable[[], float]) -> Measured:
    """One look, and then so many. look: gives how many bytes there were."""
    began = time.perf_counter()
    size = look()
    first_s = time.perf_counter() - began
    before, took = database_s(), []
    for _ in range(times):
        began = time.perf_counter()
        look()
        took.append((time.perf_counter() - began) * 1e3)
    took.sort()
    spent_ms = (database_s() - before) / times * 1e3
    return Measured(name, first_s * 1e3, statistics.median(took), took[int(len(took) * 0.99)], spent_ms, size)


def rooms(servers: Servers, home: Path, count: int, times: int) -> Iterator[Measured]:
    """Each page, by somebody who may see all of it."""
    with running_door(servers, home) as (port, _), postgres(servers.database_url) as database_s:
        cookies = inside(port, "ann").cookies
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

        def look(path: str) -> int:
            line.request("GET", path, headers=headers)
            answer = line.getresponse()
            body = answer.read()
            if answer.status != 200 and not (answer.status == 303 and path.startswith("/search")):
                raise RuntimeError(f"{path}: {answer.status} {body[-500:]!r}")
            return len(body)

        look("/me")
        for path in paths(PAGES, count):
            yield measured(path, lambda path=path: look(path), times, database_s)  # type: ignore[misc]
        line.close()


def commands(database_url: str, times: int) -> Iterator[Measured]:
    """What commands that list read."""
    database = Database(database_url, pool_size=1)
    reads: Mapping[str, Callable[[Connection], object]] = {
        "inbox: 51": lambda c: waiting(c, limit=51),
        "inbox --order money: 51": lambda c: waiting(c, limit=51, order=Order.MONEY),
        "inbox --provider mtn: 51": lambda c: waiting(c, limit=51, provider="mtn"),
        "the money at risk below them": at_risk,
        "payments: 51": lambda c: list(views.payments(c, limit=51)),
        "payments parked: 51": lambda c: list(views.payments(c, state="parked", limit=51)),
        "payments parked, --order age: 51": lambda c: list(views.payments(c, state="parked", order="age", limit=51)),
        "payments parked, --order money: 51": lambda c: list(
            views.payments(c, state="parked", order="money", limit=51)
        ),
        "alerts": lambda c: listed(c, everything=False),
    }
    try:
        with postgres(database_url) as database_s:
            for name, read in reads.items():

                def look(read: Callable[[Connection], object] = read) -> int:
                    with database.connection() as connection:
                        read(connection)
                    return 0

                yield measured(name, look, times, database_s)
    finally:
        database.dispose()


@contextmanager
def postgres(database_url: str) -> Iterator[Callable[[], float]]:
    """The processor time of that server's processes so far, in seconds."""
    with psycopg.connect(driver_url(database_url), autocommit=True) as connection:
        row = connection.execute("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int").fetchone()
        assert row is not None
        yield lambda: sum(processor_s(pid) for pid in descendants(row[0]))


def table(title: str, found: Sequence[Measured]) -> Table:
    """Of at most 80 columns, in ms; the pages' size in kB."""
    made = Table(title=f"{title}, in ms", width=80)
    made.add_column("", overflow="fold")
    for name in ("first", "median", "p99", "postgres", "kB"):
        made.add_column(name, justify="right")
    for one in found:
        figures = (one.first_ms, one.median_ms, one.p99_ms, one.database_ms)
        size = f"{one.size_bytes / 1000:.1f}" if one.size_bytes else ""
        made.add_row(one.name, *(f"{figure:,.1f}" for figure in figures), size)
    return made


def main() -> None:
    """Fill, measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="make bench-rooms", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--open", type=int, default=1_000_000, help="open payments (1000000), 10000 at least")
    parser.add_argument("--times", type=int, default=20, help="views of each page behind the first (20)")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each in place of the tables")
    given = parser.parse_args()
    with own_servers() as (servers, home):
        migrate.upgrade(servers.database_url)
        there = fill(servers.database_url, given.open)
        set_up(servers.database_url, {"ann": Role.APPROVER, "bob": Role.APPROVER})
        pages = list(rooms(servers, home / "home", given.open, given.times))
        read = list(commands(servers.database_url, given.times))
    if given.json:
        for one in (*pages, *read):
            print(json.dumps(asdict(one)))
        return
    console = Console(highlight=False)
    console.print(table("each page of the control room", pages))
    console.print(table("what commands read", read))
    console.print(f"{there['open']:,} open payments, {there['parked']:,} parked, {there['finished']:,} finished today")


if __name__ == "__main__":
    main()
