"""demo: the whole product on made-up intents, at a provider that fails a third of the time; then the books compared."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli import output
from deploy.cli.failures import Failed

if TYPE_CHECKING:
    from deploy.cli.demo.comparison import Comparison
    from deploy.cli.following import Followed

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 60
OUTCOME_TIMEOUT_S = 60  # without news
_LOOK_S = 0.5
_LINE_S = 2.0

# Everything that waits, waits seconds where the product's defaults wait minutes.
_QUICK = {
    "HTTP__TOTAL_TIMEOUT_S": "3",
    "RETRY__BASE_S": "0.2",
    "RETRY__CAP_S": "2",
    "CHECK__LADDER_S": "[0, 1, 2, 4]",
    "LEASE__MARGIN_S": "2",
    "BREAKER__FAILURES": "100000",
    "BILLCENTER__SETTLE_WINDOW_S": "1",
}
# (operation, fault, rate, delay): of every request, about a third. What is applied late comes within the settle window.
_FAULTS: tuple[tuple[str, str, float, float | None], ...] = (
    ("settle", "error_500_after", 0.08, None),
    ("settle", "error_500_before", 0.07, None),
    ("settle", "reset_after", 0.05, None),
    ("settle", "error_504_after", 0.04, None),
    ("settle", "not_json_200", 0.04, None),
    ("settle", "hang_after", 0.03, None),
    ("settle", "truncated_200", 0.03, None),
    ("settle", "applied_late", 0.03, 0.5),
    ("settle", "error_429", 0.03, None),
    ("refund", "error_500_after", 0.12, None),
    ("refund", "error_500_before", 0.12, None),
    ("refund", "reset_after", 0.06, None),
    ("refund", "applied_late", 0.05, 0.5),
)


def demo(seed: Annotated[int, typer.Option(help="of the intents and of the faults")] = 7) -> None:
    """Settle made-up payments at a sandbox that misbehaves, watch, and compare the books. Leaves nothing behind."""
    begun_s = time.monotonic()
    home = Path(tempfile.mkdtemp(prefix="settlepipe-demo-"))
    output.note("starting PostgreSQL, Valkey, the workers and the sandbox …")
    try:
        with _stack(home) as stack:
            output.note(f"Flower, as long as this runs: {stack['flower_url']}")
            _set_faults(stack["sandbox_url"], seed)
            followed, found = _run(stack, seed)
            _print(found, followed)
    except KeyboardInterrupt:
        shutil.rmtree(home, ignore_errors=True)
        raise
    counts = followed.counts()
    seconds = time.monotonic() - begun_s
    if counts["undecided"] or not found.agrees:
        what = f"{counts['undecided']} intents have no outcome" if counts["undecided"] else "the books disagree"
        raise Failed(f"the demo failed: {what}; the logs are in {home}/logs")
    shutil.rmtree(home, ignore_errors=True)
    print(f"{counts.total()} intents, each with its outcome; nothing lost, nothing applied twice ({seconds:.0f} s)")


def _run(stack: Mapping[str, Any], seed: int) -> tuple["Followed", "Comparison"]:
    from deploy.cli.demo.comparison import compare, read_ledger
    from deploy.cli.demo.intents import intents
    from deploy.cli.following import Followed, follow
    from deploy.cli.submitting import INTAKE, batches
    from shared.messaging.broker import connect
    from shared.store import views
    from shared.store.engine import Database

    lines = intents(seed)
    output.note(f"submitting {len(lines)} intents; about a third of the requests will fail")
    client, database, followed = connect(stack["broker_url"]), Database(stack["database_url"], 1), Followed()
    try:
        with _display(database, followed, len(lines)) as show:
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
    from deploy.local.children import tied_to_parent

    environment = {name: value for name, value in os.environ.items() if not name.startswith("SETTLEPIPE_")}
    environment |= {f"SETTLEPIPE_{name}": value for name, value in _QUICK.items()} | {"SETTLEPIPE_HOME": str(home)}
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


def _set_faults(sandbox_url: str, seed: int) -> None:
    faults = [
        {"provider": "billcenter", "operation": operation, "fault": fault, "rate": rate, "seed": seed}
        | ({} if delay_s is None else {"delay_s": delay_s})
        for operation, fault, rate, delay_s in _FAULTS
    ]
    request = urllib.request.Request(f"{sandbox_url}/control/faults", json.dumps(faults).encode())  # noqa: S310
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310
        pass


@contextlib.contextmanager
def _display(database: Any, followed: "Followed", total: int) -> Iterator[Callable[[str], None]]:
    """Progress: live on a terminal, a line every two seconds elsewhere."""
    terminal = sys.stderr.isatty()
    shown_at = float("-inf")
    with contextlib.ExitStack() as stack:
        live: Any = None
        if terminal:
            from rich.live import Live

            live = stack.enter_context(Live(console=output.console(stderr=True), auto_refresh=False, transient=True))

        def show(_: str) -> None:
            nonlocal shown_at
            now = time.monotonic()
            if now - shown_at < (_LOOK_S if terminal else _LINE_S):
                return
            shown_at = now
            states = _states(database)
            if live is not None:
                live.update(_picture(followed, states, total), refresh=True)
            else:
                decided = followed.counts().total() - followed.counts()["undecided"]
                under_way = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
                output.note(f"{decided} of {total} decided; under way: {under_way or 'nothing'}")

        yield show


def _states(database: Any) -> dict[str, int]:
    from shared.store import lanes

    with database.connection() as connection:
        return {state: n for row in lanes.overview(connection) for state, n in row["states"].items()}


def _picture(followed: "Followed", states: Mapping[str, int], total: int) -> Any:
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    counts = followed.counts()
    decided = counts.total() - counts["undecided"]
    picture = Table.grid(padding=(0, 2))
    picture.add_row(f"{decided} of {total} decided", ProgressBar(total=total, completed=decided, width=40))
    for outcome, count in sorted(counts.items()):
        if outcome != "undecided":
            picture.add_row(outcome, str(count))
    for state, count in sorted(states.items()):
        if state != "parked":
            picture.add_row(f"{state} …", str(count))
    return picture


def _print(found: "Comparison", followed: "Followed") -> None:
    print("Intents:")
    output.table(("outcome", ">intents"), sorted(followed.counts().items()))
    print("Payments beside the sandbox's ledger:")
    output.table(("state", ">payments", ">applied at the provider"), found.rows)
    mistakes = (
        ("applied twice", found.twice),
        ("lost: succeeded here, not there", found.lost),
        ("refused here, applied there", found.failed_but_applied),
        ("applied with another amount", found.wrong_amount),
        ("applied there, unknown here", found.unknown),
    )
    output.table(("what must not be", ">count", "which"), ((w, len(n), ", ".join(n[:5])) for w, n in mistakes))
