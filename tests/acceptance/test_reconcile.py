"""A night's comparison from end to end: books changed behind the product's back are found, and named once."""

import csv
import json
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from deploy.local.postgres import binaries_folder
from scheduler.schedule import jobs_of
from scheduler.slots import latest
from shared.domain.words import counted
from shared.messaging.queues import JOBS_QUEUE
from shared.messaging.tasks import TICK, celery_app
from tests.support import books, stack
from tests.support.books import Scene
from tests.support.mail_server import Mailbox, mail_server
from tests.support.stack import ROOT, Row, Stack, wait_until

PROVIDERS = ("billcenter", "ubill", "mtn")
CLOCK = (
    "CREATE TABLE test_clock AS SELECT interval '0' AS shift, now() AS began",
    """CREATE OR REPLACE FUNCTION clock() RETURNS timestamptz LANGUAGE sql STABLE AS
    $$ SELECT now() + shift FROM public.test_clock $$""",
)
# At the time of day at which the world began, however long its tests take: no midnight comes between two commands.
TOMORROW = "UPDATE test_clock SET began = began + interval '1 day', shift = began + interval '1 day' - now()"
POSTGRES = binaries_folder()
MIDNIGHTS_UTC_H = (0, 16, 20)  # of the three providers' time zones
NEEDED = timedelta(minutes=4)

pytestmark = [pytest.mark.timeout(900), pytest.mark.only_large]


@dataclass
class SpoiltBooks:
    """The running product with everything spoilt. dump: of its database, before the first test."""

    scene: Scene
    box: Mailbox
    dump: bytes

    @property
    def up(self) -> Stack:
        return self.scene.up

    def reconcile(self, *given: str, what: str = "all") -> tuple[int, list[dict[str, Any]]]:
        """Run the command: (exit status, what it printed)."""
        done = subprocess.run(
            [sys.executable, "-m", "deploy.cli.main", "reconcile", what, "--json", *given],
            env={**self.up.environment, "SETTLEPIPE_LOG_LEVEL": "INFO", "LANG": "C"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        print(done.stderr)  # shown when the test fails
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    def copy(self, name: str) -> dict[str, str]:
        """A copy of the database as it was before the first test, a day later; the environment for commands on it."""
        url = self.up.told["database_url"]
        there = urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name}")
            connection.execute(f"CREATE DATABASE {name}")
        command = [POSTGRES / "psql", "-q", "-v", "ON_ERROR_STOP=1", there]
        subprocess.run(command, input=self.dump, check=True, capture_output=True, timeout=400)
        with psycopg.connect(there, autocommit=True) as connection:
            connection.execute(TOMORROW)
        return {**self.up.environment, "SETTLEPIPE_DATABASE_URL": there, "LANG": "C"}

    def sleep_until_tomorrow(self) -> None:
        """The database's clock: the servers of the providers stay in today."""
        self.up.query(f"{TOMORROW} RETURNING shift")

    def listed(self, *, everything: bool = False) -> list[Row]:
        """The list of discrepancies, each with what it is about."""
        return self.up.query(
            """SELECT d.*, coalesce(p.intent_id, d.account) AS about FROM discrepancies d
            LEFT JOIN payments p ON p.id = d.payment_id WHERE %s OR d.resolved_at IS NULL ORDER BY d.id""",
            everything,
        )

    def counted(self) -> "Counter[tuple[str, str, str]]":
        return Counter((row["provider"], row["category"], row["about"]) for row in self.listed())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpoiltBooks]:
    """Its tests leave the providers' books as they are."""
    with running_world(tmp_path_factory.mktemp("books")) as world:
        yield world


@pytest.fixture
def own_world(tmp_path: Path) -> Iterator[SpoiltBooks]:
    """One whose books a test may change."""
    with running_world(tmp_path) as world:
        yield world


@contextmanager
def running_world(folder: Path) -> Iterator[SpoiltBooks]:
    away_from_midnight()
    with mail_server() as box:
        up = stack.start(
            folder / "home",
            workers=1,
            JOBS_TICK_S="36000",  # no night of its own: the tests say when
            CHECK__LADDER_S=json.dumps([0, 0.3, 0.6]),
            UBILL__SETTLE_WINDOW_S="0.5",
            MTN__SETTLE_WINDOW_S="0.5",
            REPORT__SMTP_URL=f"smtp+plain://127.0.0.1:{box.port}",
            REPORT__FROM="Books <books@example.com>",
            REPORT__TO="a@example.com, b@example.com",
        )
        try:
            with psycopg.connect(up.told["database_url"], autocommit=True) as connection:
                for statement in CLOCK:
                    connection.execute(statement)
            scene = Scene(up)
            books.pay_everything(scene)
            books.spoil(scene)
            command = [POSTGRES / "pg_dump", up.told["database_url"]]
            yield SpoiltBooks(scene, box, subprocess.run(command, capture_output=True, check=True, timeout=400).stdout)
        finally:
            assert up.stop() == 0


def away_from_midnight() -> None:
    """The payments and the changed lines are of one day in each zone."""

    def far() -> bool:
        now = datetime.now(UTC)
        soon = now + NEEDED
        return not any(now.hour != soon.hour == hour for hour in MIDNIGHTS_UTC_H)

    wait_until(far, "it is not just before a midnight", NEEDED.total_seconds() + 10, pause_s=1)


def summaries(told: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["provider"]: one for one in told}


def stays(provider: str, category: str, about: str) -> bool:
    """What `repair` does not undo: somebody else's lines, and the refund that nobody knows about."""
    return (
        category in ("paid_elsewhere", "missing_locally") and provider != "billcenter"
    ) or about == "billcenter.nobody.back"


def minor(text: str) -> int:
    return int(text.replace(".", ""))


def check_sums(world: SpoiltBooks, told: list[dict[str, Any]]) -> None:
    """The categories add up to both sums; ours is what we know to have paid."""
    for one in told:
        (sums,) = one["sums"]
        for side in ("our_books", "provider_books"):
            assert sum(minor(category[side]) for category in sums["categories"]) == minor(sums[side])
        assert minor(sums["our_books"]) - minor(sums["provider_books"]) == minor(sums["difference"])
        ours = world.up.query(
            """SELECT sum(CASE operation WHEN 'settle' THEN amount_minor ELSE -amount_minor END)::bigint AS net
            FROM payments WHERE provider = %s AND state = 'succeeded'
                AND NOT EXISTS (SELECT FROM checks c WHERE c.payment_id = id AND c.evidence ? 'reconciliation')""",
            one["provider"],
        )
        assert minor(sums["our_books"]) == ours[0]["net"]


def events(world: SpoiltBooks) -> list[Row]:
    return [event for event in world.up.events() if event["type"] == "settlepipe.reconciliation.done"]


def check_told(world: SpoiltBooks, told: list[dict[str, Any]]) -> None:
    """One event and one mail for each provider, with what the command printed."""
    wait_until(lambda: len(events(world)) == len(PROVIDERS), "the events are on the stream", 20)
    for event, one in zip(events(world), told, strict=True):
        assert event["subject"] == f"{one['provider']}/{one['day']}"
        assert event["id"].startswith("r")
        assert event["data"] == {name: value for name, value in one.items() if name != "report"}
    assert [mail["Subject"].partition(" ")[0] for mail in world.box.mails] == list(PROVIDERS)
    for mail, one in zip(world.box.mails, told, strict=True):
        assert f"{counted(one['new'], 'new discrepancy', 'new discrepancies')}, {one['open']} open" in mail["Subject"]
        for kind in ("plain", "html"):
            body = mail.get_body((kind,))
            assert body is not None
            text = body.get_content()
            assert one["report"] in text
            assert all(category["title"] in text.replace("&#x27;", "'") for category in one["sums"][0]["categories"])
    assert world.box.recipients == [["a@example.com", "b@example.com"]] * len(PROVIDERS)


def check_reports(world: SpoiltBooks, told: list[dict[str, Any]]) -> None:
    """The files name each discrepancy once, and each payment once."""
    for one in told:
        folder = Path(one["report"]).parent
        assert folder == world.up.home / "reports" / one["day"] / one["provider"]
        with (folder / "discrepancies.csv").open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        named = Counter(
            (row["category"], row["intent_id"] or row["account"].removeprefix("'"))
            for row in rows
            if row["resolved_by"] != "books"
        )
        assert named == {key[1:]: n for key, n in world.scene.expected.items() if key[0] == one["provider"]}
        with (folder / "payments.csv").open(encoding="utf-8-sig", newline="") as file:
            paid = Counter(row["intent_id"] for row in csv.DictReader(file))
        assert paid == dict.fromkeys((i for i in world.scene.references if i.startswith(one["provider"])), 1)
        assert (folder / "report.html").read_text().startswith("<!doctype html>")
    assert (world.up.home / "reports" / "index.html").exists()


COMMAND = [sys.executable, "-m", "deploy.cli.main", "reconcile", "all", "--json", "--out"]


def files(folder: Path) -> dict[str, bytes]:
    """Every file of these reports, without the times that each has in one place."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            if path.suffix == ".xlsx":  # has the rows of the CSV files, and times in it
                continue
            text = re.sub(b"<!-- times -->.*?<!-- /times -->", b"", path.read_bytes(), flags=re.DOTALL)
            found[str(path.relative_to(folder))] = re.sub(rb'"times": \{.*?\}', b"", text, flags=re.DOTALL)
    return found


def ranked(folder: Path, environment: dict[str, str]) -> dict[str, str]:
    """`files` with each discrepancy's number as its place among all numbers given: a number that a killed run drew is
    never given again, so those after it are higher."""
    with psycopg.connect(environment["SETTLEPIPE_DATABASE_URL"]) as connection:
        given = [number for (number,) in connection.execute("SELECT id FROM discrepancies ORDER BY id")]
    place = {str(number): f"<{rank}>" for rank, number in enumerate(given)}
    found = {}
    for name, content in files(folder).items():
        text = content.decode()
        if name.endswith(".html"):
            text = _NUMBERED.sub(lambda match: match[1] + place[match[2]], text)
        elif name.endswith(("discrepancies.csv", "carried.csv")):
            rows = list(csv.DictReader(text.removeprefix("\ufeff").splitlines(keepends=True)))
            named = ("number", "continues_as")
            text = str([row | {column: row[column] and place[row[column]] for column in named} for row in rows])
        found[name] = text
    return found


_NUMBERED = re.compile(r'(id="d|href="#d|>No\. |discrepancies close )(\d+)')
_PROGRESS = "SELECT provider, state, lines FROM reconciliations ORDER BY id"


def kill_often(environment: dict[str, str], out: Path, rng: random.Random) -> list[str]:
    """Start the command, kill it a moment after it got a step further, and again, until all is done; the states that
    kills struck in."""
    struck = []
    with psycopg.connect(environment["SETTLEPIPE_DATABASE_URL"], autocommit=True) as connection:
        seen = connection.execute(_PROGRESS).fetchall()
        while len(seen) < len(PROVIDERS) or any(state != "done" for _, state, _ in seen):
            with subprocess.Popen([*COMMAND, out], env=environment, cwd=ROOT) as running:

                def further(running: "subprocess.Popen[bytes]" = running, before: list[Any] = seen) -> bool:
                    return connection.execute(_PROGRESS).fetchall() != before or running.poll() is not None

                wait_until(further, "the run gets a step further", 30, pause_s=0.001)
                time.sleep(0 if len(seen) < 2 else rng.uniform(0, 0.4))
                running.kill()
            seen = connection.execute(_PROGRESS).fetchall()
            struck.append(seen[-1][1])
    return struck


@pytest.mark.parametrize("seed", ["one", "two", "three"])
def test_a_run_killed_again_and_again_ends_in_the_same_report(world: SpoiltBooks, tmp_path: Path, seed: str) -> None:
    calm, killed = world.copy("calm"), world.copy("killed")
    world.box.clear()
    for provider in PROVIDERS:
        world.scene.control(provider, "options", latency_s=0.02)
    reference = subprocess.run([*COMMAND, tmp_path / "calm"], env=calm, cwd=ROOT, check=False, timeout=400)
    assert reference.returncode == 3
    with psycopg.connect(killed["SETTLEPIPE_DATABASE_URL"]) as connection:  # as a kill between two statements leaves it
        connection.execute("SELECT nextval(pg_get_serial_sequence('discrepancies', 'id')) FROM generate_series(1, 12)")
    struck = kill_often(killed, tmp_path / "killed", random.Random(seed))
    print(struck)
    assert {"fetching", "compared"} <= set(struck), "of the first provider every step was cut"
    ended = subprocess.run([*COMMAND, tmp_path / "killed"], env=killed, cwd=ROOT, check=False, timeout=400)
    assert ended.returncode == 3
    assert files(tmp_path / "killed").keys() == files(tmp_path / "calm").keys()
    assert ranked(tmp_path / "killed", killed) == ranked(tmp_path / "calm", calm)
    assert len({mail["Message-ID"] for mail in world.box.mails}) == len(PROVIDERS), "a repeated mail is known by its id"
    for provider in PROVIDERS:
        world.scene.control(provider, "options", latency_s=0)


def test_three_nights(own_world: SpoiltBooks) -> None:
    world = own_world
    assert world.reconcile("--date", "2099-01-01", what="ubill") == (1, []), "the day is not over"

    world.sleep_until_tomorrow()
    status, told = world.reconcile()
    assert status == 3
    assert [one["provider"] for one in told] == list(PROVIDERS)
    assert all(one["complete"] and one["new"] == one["open"] for one in told)
    assert world.counted() == world.scene.expected
    first = world.listed()
    check_sums(world, told)
    check_told(world, told)
    check_reports(world, told)
    settled = world.up.query(
        """SELECT intent_id, state, c.verdict FROM payments p JOIN checks c ON c.payment_id = p.id
        WHERE c.evidence ? 'reconciliation' ORDER BY intent_id"""
    )
    applied = {"state": "succeeded", "verdict": "applied"}
    assert settled == [{"intent_id": f"{name}.applied", **applied} for name in ("mtn", "ubill")]

    status, again = world.reconcile()
    assert status == 3, "they are as new as they were"
    assert again == told
    assert world.listed() == first
    assert (len(events(world)), len(world.box.mails)) == (len(PROVIDERS), len(PROVIDERS)), "told once"

    world.sleep_until_tomorrow()
    status, told = world.reconcile()
    assert status == 0, "nothing is new"
    assert [one["new"] for one in told] == [0, 0, 0]
    second = world.listed()
    same = ("id", "identity", "category", "first_seen")
    stayed = [row for row in first if row["category"] != "late"]  # that is about one night only
    assert [[row[name] for name in same] for row in second] == [[row[name] for name in same] for row in stayed]
    assert all(new["last_seen"] > old["last_seen"] for new, old in zip(second, stayed, strict=True))

    books.repair(world.scene)
    world.sleep_until_tomorrow()
    status, told = world.reconcile()
    assert status == 0
    left = world.counted()
    assert set(left) == {key for key in world.scene.expected if stays(*key)}
    nobody = world.up.query("SELECT state FROM payments WHERE intent_id IN ('ubill.nobody', 'mtn.nobody')")
    assert [row["state"] for row in nobody] == ["succeeded", "succeeded"]
    closed = [row for row in world.listed(everything=True) if row["resolved_at"] is not None]
    assert {row["resolved_by"] for row in closed} == {"books"}
    assert len(closed) + len(world.listed()) == len(world.listed(everything=True))


def test_books_that_could_not_be_read_whole_are_read_on_and_told_again(world: SpoiltBooks) -> None:
    world.sleep_until_tomorrow()
    world.reconcile(what="ubill")  # from now on nothing is new
    world.sleep_until_tomorrow()
    world.box.clear()
    before = world.up.query("SELECT count(*) AS n FROM events WHERE type = 'settlepipe.reconciliation.done'")[0]["n"]
    wait_until(lambda: len(events(world)) == before, "what was told before is on the stream", 20)
    reads = {"provider": "ubill", "operation": "payments", "fault": "error_500_before"}
    world.up.sandbox.set_faults(reads)
    status, (part,) = world.reconcile(what="ubill")
    assert (status, part["complete"]) == (1, False)
    assert "HTTP 500" in part["missing"]
    assert world.reconcile(what="ubill")[0] == 1, "still not"
    world.up.sandbox.clear_faults()
    status, (whole,) = world.reconcile(what="ubill")
    assert (status, whole["complete"], whole["missing"]) == (0, True, None)
    wait_until(lambda: len(events(world)) == before + 2, "it is told of the part and of the whole", 20)
    assert [event["data"]["complete"] for event in events(world)[before:]] == [False, True]
    first, second = (event["id"] for event in events(world)[before:])
    assert (first.removesuffix("-1"), first[-2:], second[-2:]) == (second.removesuffix("-2"), "-1", "-2")
    assert ["a part of the books" in mail["Subject"] for mail in world.box.mails] == [True, False]


def test_the_nights_come_by_themselves(world: SpoiltBooks) -> None:
    world.sleep_until_tomorrow()
    now = world.up.query("SELECT clock() AS now")[0]["now"]
    # The newest night of each provider: where it is past midnight already, that is a day later than elsewhere.
    nights = {job.name: latest(job.when, now) for job in jobs_of(PROVIDERS) if job.name.startswith("reconcile-")}
    assert len(nights) == len(PROVIDERS)
    jobs = celery_app(world.up.told["broker_url"])

    def compared() -> bool:
        jobs.send_task(TICK, queue=JOBS_QUEUE)
        rows = world.up.query("SELECT job, slot FROM job_runs WHERE state = 'done' AND outcome LIKE '____-__-__: %%'")
        return nights.items() <= {(row["job"], row["slot"]) for row in rows}

    try:
        wait_until(compared, "each provider's night is done", 60, pause_s=1)
    finally:
        print(world.up.query("SELECT * FROM job_runs"))
