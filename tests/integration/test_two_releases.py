"""Two releases on one database: migrations run under load, and each release works beside its neighbour's schema."""

import itertools
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from deploy.local.embedded import Servers
from shared.database import migrate, version
from shared.messaging import broker
from shared.messaging.intake_entry import INTAKE_FIELD
from shared.settings import PREFIX
from tests.support import by_itself, releases, role_urls
from tests.support.by_itself import ByItself
from tests.support.intents import settle
from tests.support.patience import PATIENCE
from tests.support.role_urls import Urls
from tests.support.sandbox import SandboxClient
from tests.support.stack import ROOT, STREAM, wait_until
from tests.support.workers import LANE, Lane, lane

pytestmark = [pytest.mark.only_large, pytest.mark.timeout(1500)]
EACH, RATE_PER_S, A_TIME = 300, 60, 6
FIRST, SECOND, THIRD, LAST = releases.numbered(4)
_BOTH = 'op.execute("ALTER TABLE {0} ADD COLUMN made_up text; ALTER TABLE archive.{0} ADD COLUMN made_up text")'
# What the code before doesn't fill is refused from then on: if it still ran, it would be noticed.
_FILLED = """
op.execute("DO $$ BEGIN EXECUTE format('ALTER TABLE payments ADD CHECK (made_up IS NOT NULL OR id <= %s) NOT VALID',"
    " (SELECT last_value FROM payment_ids)); END $$")
"""
# What the next release adds, under the code of this one; and what this one's code can't do once that is over.
MADE = (
    (FIRST, "pre", _BOTH.format("payments")),
    (SECOND, "pre", _BOTH.format("attempts") + '\nop.execute("ALTER TABLE lanes ADD COLUMN made_up text")'),
    (THIRD, "pre", 'concurrently.create_index("payments_made_up", "payments (made_up)")'),
    (LAST, "post", _FILLED),
)
ACCEPT = "shared/payments/store/accept.sql"
NEXT = {
    ACCEPT: (
        "path, body, body_sha256, exclusive_key, books_key, traceparent)",
        "path, body, body_sha256, exclusive_key, books_key, traceparent,\n    made_up)",
    )
}
FILLS = (
    "sha256(body), exclusive_key, books_key, traceparent\n",
    "sha256(body), exclusive_key, books_key, traceparent, 'filled'\n",
)


@pytest.fixture
def next_release(tmp_path: Path) -> Path:
    """The next release's code: its intake fills the column that its migrations add."""
    tree = releases.tree_with(tmp_path / "next", *MADE, changed=NEXT)
    accept = tree / ACCEPT
    assert accept.read_text().count(FILLS[0]) == 1
    accept.write_text(accept.read_text().replace(*FILLS))
    return tree


@pytest.fixture
def urls(servers: Servers) -> Iterator[Urls]:
    """The fleet only reads and writes rows; the owner migrates."""
    with role_urls.granted(servers.database_url, f"releases_{os.getpid()}") as found:
        migrate.upgrade(found.owner)
        yield found


class Load:
    """Intents on the stream, EACH for each phase, from a thread."""

    def __init__(self, running: Lane) -> None:
        self._lane, self._numbers, self.put = running, itertools.count(1), 0

    @contextmanager
    def phase(self, source: str) -> Iterator[None]:
        """EACH intents while the block runs, and all of them have succeeded at its end."""
        before = self._lane.counted("succeeded")
        thread = threading.Thread(target=self._feed, args=(source,))
        thread.start()
        yield
        thread.join()
        wait_until(lambda: self._lane.counted("succeeded") == before + EACH, f"{source}: all succeed", 90)

    def _feed(self, source: str) -> None:
        pause = threading.Event()
        with broker.connect(self._lane.broker_url) as client:
            for _ in range(0, EACH, A_TIME):
                for number in itertools.islice(self._numbers, A_TIME):
                    client.xadd(STREAM, {INTAKE_FIELD: json.dumps(settle(source, number)).encode()})
                    self.put += 1
                pause.wait(A_TIME / RATE_PER_S)


def test_each_release_works_beside_the_other_and_no_migration_is_noticed(
    urls: Urls, broker_url: str, sandbox: SandboxClient, tmp_path: Path, next_release: Path
) -> None:
    with lane(urls.runtime, broker_url, sandbox, tmp_path, concurrency=8) as running:
        settings = {name.removeprefix(PREFIX): value for name, value in running.environment.items() if PREFIX in name}
        settings |= {"INTAKE__BATCH": "50", "DATABASE_OWNER_URL": urls.owner}
        load = Load(running)
        with fleet(tmp_path, ROOT, settings) as old:
            with load.phase("before"):
                said = migrated(next_release, settings, "--pre")
            assert said == "the half pre is done\n"
            assert schema(running) == version.Schema(THIRD, releases.least(), LAST)
            assert [one.ask("/readyz")[0] for one in old.values()] == [200] * len(old), "they go on, and say so"
            with fleet(tmp_path, next_release, settings) as new:
                for one in old.values():
                    assert one.stop() == 0
                with load.phase("between"):
                    pass
                filled = "SELECT count(*) AS n FROM payments WHERE made_up = 'filled'"
                assert running.rows(filled)[0]["n"] == EACH, "it is the next release that works"
                with load.phase("after"):
                    said = migrated(next_release, settings, "--post")
                assert said == "the half post is done\n"
                assert [one.ask("/readyz")[0] for one in new.values()] == [200] * len(new)
        assert schema(running) == version.Schema(LAST, LAST, LAST)
        _refused(tmp_path, settings)
        _each_once(running, load.put)
        _nothing_told(tmp_path)


@contextmanager
def fleet(folder: Path, tree: Path, settings: Mapping[str, str]) -> Iterator[dict[str, ByItself]]:
    """A process of each sort that a payment passes through, up."""
    with ExitStack() as all_of_them:
        started = {
            name: all_of_them.enter_context(by_itself.running_of(tree, name, folder, *words, **settings))
            for name, words in {"intake": (), "dispatcher": (), "relay": (), "worker": ("--lane", LANE)}.items()
        }
        for one in started.values():
            one.wait_up()
        yield started


def migrated(tree: Path, settings: Mapping[str, str], half: str) -> str:
    done = subprocess.run(
        by_itself.command("db", "upgrade", half),
        cwd=tree,
        env=by_itself.environment(Path(settings["HOME"]), **settings),
        capture_output=True,
        text=True,
        timeout=120 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def schema(running: Lane) -> version.Schema:
    with running.runtime.database.connection() as connection:
        found = version.look(connection)
    assert found is not None
    return found


def _refused(folder: Path, settings: Mapping[str, str]) -> None:
    with by_itself.running("relay", folder, **settings) as late:
        assert late.process.wait(60 * PATIENCE) == 3
        assert "run the newer settlepipe" in late.log.read_text()
    late.log.unlink()


def _each_once(running: Lane, put: int) -> None:
    assert put == 3 * EACH
    states = running.rows("SELECT state, count(*) AS n FROM payments GROUP BY state")
    assert [(row["state"], row["n"]) for row in states] == [("succeeded", put)]
    asked = running.sandbox.by_reference()
    assert len(asked) == put
    assert {at["settle"]["applied"] for at in asked.values()} == {1}


def _nothing_told(folder: Path) -> None:
    """No process logged an error, or wrote one beside its log (Celery greets there)."""
    written = [line for log in folder.glob("*.log") for line in log.read_text().splitlines()]
    lines = [json.loads(line) for line in written if line.startswith("{")]
    assert len(lines) > 3 * EACH, "each attempt is on the log"
    assert [line for line in lines if line["level"] in ("error", "critical")] == []
    beside = [line for line in written if not line.startswith("{")]
    assert [line for line in beside if re.match(r"Traceback|[\w.]+(Error|Exception)\b", line)] == []
