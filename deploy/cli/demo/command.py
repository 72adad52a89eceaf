"""demo: the whole product on made-up intents, at providers that fail a third of the time; then the books compared."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli import output
from deploy.cli.demo import picture
from deploy.cli.failures import Failed
from shared.domain.broker_keys import INTAKE
from shared.domain.words import counted

if TYPE_CHECKING:
    from deploy.cli.demo.comparison import Comparison
    from deploy.cli.submit_wait import Followed

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 60
OUTCOME_TIMEOUT_S = 60  # without news


def demo(seed: Annotated[int, typer.Option(help="of the intents and of the faults")] = 7) -> None:
    """Settle made-up payments at sandboxes that misbehave, watch, and compare the books. Leaves nothing behind."""
    from deploy.cli.demo import weather

    begun_s = time.monotonic()
    home = Path(tempfile.mkdtemp(prefix="settlepipe-demo-"))
    output.note("starting PostgreSQL, Valkey, the workers and the sandbox …")
    try:
        with _stack(home) as stack:
            output.note(f"Flower, as long as this runs: {stack['flower_url']}")
            weather.set_faults(stack["sandbox_url"], seed)
            followed, found = _run(stack, seed)
            picture.result(found, followed, weather.struck(stack["sandbox_url"]))
    except KeyboardInterrupt:
        shutil.rmtree(home, ignore_errors=True)
        raise
    counts = followed.counts()
    seconds = time.monotonic() - begun_s
    if counts["undecided"] or not found.agrees:
        what = (
            counted(counts["undecided"], "intent has no outcome", "intents have no outcome")
            if counts["undecided"]
            else "the books disagree"
        )
        raise Failed(f"the demo failed: {what}; the logs are in {home}/logs")
    shutil.rmtree(home, ignore_errors=True)
    every = counted(counts.total(), "intent")
    print(f"{every}, each with its outcome; nothing lost, nothing applied twice ({seconds:.0f} s)")


def _run(stack: Mapping[str, Any], seed: int) -> tuple["Followed", "Comparison"]:
    from deploy.cli.demo.comparison import compare, read_ledger
    from deploy.cli.demo.intents import intents
    from deploy.cli.submit import batches
    from deploy.cli.submit_wait import Followed, follow
    from shared.database.engine import Database
    from shared.messaging.broker import connect
    from shared.payments import views

    lines = intents(seed)
    output.note(f"submitting {counted(len(lines), 'intent')}; about a third of the requests will fail")
    client, database, followed = connect(stack["broker_url"]), Database(stack["database_url"], 1), Followed()
    try:
        with picture.display(database, followed, len(lines)) as show:
            follow(client, INTAKE, followed, batches(lines), timeout_s=OUTCOME_TIMEOUT_S, show=show)
        with database.connection() as connection:
            rows = [json.loads(row) for row in views.export(connection)]
        return followed, compare(rows, read_ledger(stack["sandbox_url"]))
    finally:
        client.close()
        database.dispose()


@contextlib.contextmanager
def _stack(home: Path) -> Iterator[dict[str, Any]]:
    """Run `up --sandbox` as a child, nothing of the caller's settings in it; its stack.json. Raises Failed."""
    from deploy.cli.demo import weather
    from deploy.local.children import tied_to_parent

    environment = {name: value for name, value in os.environ.items() if not name.startswith("SETTLEPIPE_")}
    settings = {**weather.QUICK, "HOME": str(home)}
    environment |= {f"SETTLEPIPE_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "deploy.cli.main", "up", "--sandbox"]
    before = signal.signal(signal.SIGTERM, _interrupt)
    with (home / "up.log").open("wb") as log:
        up = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches the demo alone, which stops it in order
            preexec_fn=tied_to_parent(signal.SIGTERM),  # noqa: PLW1509 - one thread, one C call
        )
    try:
        _wait_ready(up, home)
        yield json.loads((home / "stack.json").read_text())
    finally:
        signal.signal(signal.SIGTERM, before)
        output.note("stopping …")
        up.terminate()
        try:
            up.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            up.kill()
            up.wait()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _wait_ready(up: "subprocess.Popen[bytes]", home: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not (home / "stack.json").exists():
        if up.poll() is not None or time.monotonic() > deadline:
            raise Failed(f"the stack did not start; see {home}/up.log and {home}/logs, and run `settlepipe doctor`")
        time.sleep(0.1)
