"""The programs of docs/examples, run as their readers run them, and what they booked."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.support.programs import path_of
from tests.support.stack import ROOT, Stack

EXAMPLES = ROOT / "docs" / "examples"
NODE_MODULES = "/opt/settlepipe-tests/node/node_modules"
LANGUAGES = ("python", "node", "go", "java", "curl")
STREAMS = ("python", "node", "go")

Booked = Mapping[str, tuple[int, int]]


def command(language: str, what: str, folder: Path) -> list[str]:
    """What runs this example: `producer`, `consumer`. folder: where one may be built."""
    if language == "python":
        return [sys.executable, str(EXAMPLES / "python" / f"{what}.py")]
    if language == "node":
        return [path_of("node"), str(EXAMPLES / "node" / f"{what}.js")]
    if language == "java":
        return [path_of("java"), str(EXAMPLES / "java" / f"{what.capitalize()}.java")]
    if language == "curl":
        path_of("curl")
        return ["bash", str(EXAMPLES / "curl" / f"{what}.sh")]
    program = folder / f"go-{what}"
    if not program.exists():
        cache = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(folder / "go-cache")}
        built = [path_of("go"), "build", "-o", str(program), "."]
        subprocess.run(built, cwd=EXAMPLES / "go" / what, env={**os.environ, **cache}, check=True, timeout=400)
    return [str(program)]


def variables(up: Stack, source: str, key: str, **more: str) -> dict[str, str]:
    """What a reader of docs/examples has set."""
    told = up.told
    given = {"BROKER_URL": told["broker_url"], "WEB_URL": told["web_url"], "KEY": key, "SOURCE": source}
    return {**os.environ, "NODE_PATH": NODE_MODULES, **given, "GROUP": f"books-{source}", "CLAIM_MS": "300", **more}


@dataclass
class Consumer:
    """A consumer that is killed and started again, and its books."""

    language: str
    command: list[str]
    variables: dict[str, str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        with self.log.open("ab") as sink:
            # curl's is a shell with a child: they end together.
            self.process = subprocess.Popen(self.command, env=self.variables, stderr=sink, start_new_session=True)

    def kill(self) -> None:
        """SIGKILL, wherever it is."""
        if self.process is not None:
            assert self.process.poll() is None, self.log.read_text()
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def booked(self) -> Booked:
        """By type of event: how often, and what that came to in minor units."""
        books = self.variables["BOOKS"]
        if self.language in ("java", "curl"):
            return _of_file(Path(books))
        statement = "SELECT type, times, minor FROM books"
        try:
            if self.language == "python":
                with closing(sqlite3.connect(books, timeout=30)) as found:
                    rows = found.execute(statement).fetchall()
            else:
                with psycopg.connect(books) as connection:
                    rows = connection.execute(statement).fetchall()
        except (sqlite3.OperationalError, psycopg.errors.UndefinedTable):  # it has not begun yet
            return {}
        return {kind: (times, minor) for kind, times, minor in rows}


def _of_file(path: Path) -> Booked:
    if not path.exists():
        return {}
    rows = [line.split("\t", 2) for line in path.read_text("utf-8").split("\n")[:-1]]
    return sums(json.loads(event) for _, _, event in rows)


def sums(events: Iterator[Mapping[str, object]]) -> Booked:
    """What these events come to when each is booked once."""
    times: Counter[str] = Counter()
    minor: Counter[str] = Counter()
    for event in events:
        data = event["data"]
        assert isinstance(data, dict)
        times[str(event["type"])] += 1
        minor[str(event["type"])] += int(str(data.get("amount", "0")).replace(".", ""))
    return {kind: (times[kind], minor[kind]) for kind in times}


@contextmanager
def books_of(language: str, up: Stack, source: str, folder: Path) -> Iterator[str]:
    """Where this language's consumer keeps its books: a file, or a database of its own."""
    if language not in ("node", "go"):
        yield str(folder / f"{source}.books")
        return
    name, url = f"books_{language}", up.told["database_url"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}", query="sslmode=disable"))
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
