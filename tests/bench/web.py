"""`make bench-web`: how many intents a second one process of the HTTP door commits, in batches and one by one.

Everything is durable: an embedded PostgreSQL with its own settings, one `python -m worker.web`, and a client in a
process of its own whose requests are written beforehand. What is measured is from the first byte sent to the whole
answer.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from deploy.local.embedded import Servers
from deploy.local.home import free_ports
from shared.database import migrate
from shared.settings import PREFIX
from tests.bench.processor import of_s as processor_s
from tests.bench.servers import own_servers
from tests.support.by_itself import KEY, LANE
from tests.support.door import Client, intent, new_key, within

ROOT = Path(__file__).parents[2]
_CHILD = "--send"


@contextmanager
def running_door(servers: Servers, home: Path) -> Iterator[tuple[int, int]]:
    """One door, ready: its port and its process."""
    (port,) = free_ports(1)
    settings = {
        "DATABASE_URL": servers.database_url,
        "BROKER_URL": servers.broker_url,
        "HOME": str(home),
        **LANE,
        "SECRET_KEYS": json.dumps([KEY]),
        "REFERENCE_KEY": KEY,
        "LOG_LEVEL": "WARNING",
        "WEB__PORT": str(port),
        "WEB__RATE_PER_S": "1000000",
    }
    bare = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    given = bare | {PREFIX + name: value for name, value in settings.items()}
    process = subprocess.Popen([sys.executable, "-m", "worker.web"], env=given, cwd=ROOT)
    try:
        within(60, lambda: _ready(port))
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


def _ready(port: int) -> bool:
    try:
        return Client(port).get("/readyz").status == 200
    except OSError:
        return False


def send(port: int, key: str, name: str, *, requests: int, size: int, connections: int) -> None:
    """Send so many requests of so many intents over these connections, and print each one's time as JSON."""
    shares = [
        [_request(key, [intent(f"{name}-{line}-{number}-{n}") for n in range(size)]) for number in range(requests)]
        for line in range(connections)
    ]
    took: list[float] = []
    gate = threading.Barrier(connections + 1)

    def run(share: Sequence[bytes]) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            gate.wait()
            for request in share:
                began = time.perf_counter()
                connection.sendall(request)
                _answer(connection)
                took.append(time.perf_counter() - began)

    threads = [threading.Thread(target=run, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    gate.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    json.dump({"whole_s": time.perf_counter() - began, "took_s": took}, sys.stdout)


def _request(key: str, intents: Sequence[dict[str, object]]) -> bytes:
    body = json.dumps(intents[0] if len(intents) == 1 else {"intents": list(intents)}).encode()
    lines = ("POST /v1/intents HTTP/1.1", "Host: x", f"Authorization: Bearer {key}", "Content-Type: application/json")
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def _answer(connection: socket.socket) -> None:
    """Read one whole answer. Raises RuntimeError for one that says anything but 202 or 207."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += connection.recv(1 << 18)
    head, _, body = found.partition(b"\r\n\r\n")
    if head[9:12] not in (b"202", b"207"):
        raise RuntimeError(head.decode("latin-1"))
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(1 << 18)


def measure(port: int, key: str, name: str, *, requests: int, size: int, connections: int) -> tuple[str, ...]:
    """One row of the table: a client's process sends it all."""
    words = [str(word) for word in (port, key, name, requests, size, connections)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.web", _CHILD, *words], cwd=ROOT, capture_output=True, check=True, text=True
    )
    found = json.loads(done.stdout)
    took = sorted(found["took_s"])
    rate = requests * connections * size / found["whole_s"]
    p99 = took[min(len(took) - 1, int(len(took) * 0.99))]
    return (f"{size}", f"{connections}", f"{rate:,.0f}", f"{statistics.median(took) * 1e3:.1f}", f"{p99 * 1e3:.1f}")


def main() -> None:
    """Measure, and print the table."""
    if sys.argv[1:2] == [_CHILD]:
        given_port, key, name, *numbers = sys.argv[2:]
        requests, size, connections = map(int, numbers)
        send(int(given_port), key, name, requests=requests, size=size, connections=connections)
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--intents", type=int, default=20_000, help="of the row with batches; a tenth of it one by one")
    given = parser.parse_args()
    table = Table("intents a request", "connections", "intents/s", "median ms", "p99 ms", "door's processor, µs each")
    with own_servers() as (servers, home):
        migrate.upgrade(servers.database_url)
        _, key = new_key(servers.database_url, "shop")
        with running_door(servers, home / "home") as (port, pid):
            measure(port, key, "warm", requests=3, size=100, connections=2)
            for size, connections in ((100, 4), (100, 1), (1000, 2), (1, 16), (1, 64), (1, 1)):
                requests = max(3, given.intents // (size if size > 1 else 10) // connections)
                name = f"{size}x{connections}"
                before = processor_s(pid)
                row = measure(port, key, name, requests=requests, size=size, connections=connections)
                each_s = (processor_s(pid) - before) / (requests * size * connections)
                table.add_row(*row, f"{each_s * 1e6:,.0f}")
            with psycopg.connect(servers.database_url) as connection:
                count = connection.execute("SELECT count(*) FROM payments").fetchone()
    Console().print(table)
    print(f"{count[0] if count else 0} payments are in the database")


if __name__ == "__main__":
    main()
