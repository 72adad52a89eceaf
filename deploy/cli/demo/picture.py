"""What the demo shows: how far it is, and at its end the lanes beside the ledger."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from deploy.cli import output

if TYPE_CHECKING:
    from deploy.cli.demo.comparison import Comparison
    from deploy.cli.submit_wait import Followed
    from shared.database.engine import Database

_LOOK_S = 0.5
_LINE_S = 2.0
_Lanes = Mapping[str, Mapping[str, int]]  # lane to state to how many


@contextlib.contextmanager
def display(database: "Database", followed: "Followed", total: int) -> Iterator[Callable[[str], None]]:
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
            lanes = _under_way(database)
            if live is not None:
                live.update(_live(followed, lanes, total), refresh=True)
            else:
                waiting = ", ".join(f"{name} {sum(states.values())}" for name, states in lanes.items() if states)
                output.note(f"{_decided(followed)} of {total} decided; under way: {waiting or 'nothing'}")

        yield show


def result(found: "Comparison", followed: "Followed", faults: Mapping[str, int]) -> None:
    """The outcomes, each lane beside the ledger, and by name what must not be, where there is any.

    faults: how many requests of each provider were met by one.
    """
    output.titled("Intents", ("outcome", ">intents"), sorted(followed.counts().items()))
    states = sorted({state for lane in found.lanes.values() for state in lane.states}, reverse=True)
    columns = ("lane", *(f">{state}" for state in states), ">applied there", ">twice", ">lost", ">failed")
    output.titled(
        "Payments by lane, what was applied by the sandbox's ledger, requests that failed",
        columns,
        (
            (name, *(lane.states[state] for state in states), lane.applied, lane.twice, lane.lost, faults.get(name, 0))
            for name, lane in sorted(found.lanes.items())
        ),
    )
    if found.agrees:
        return
    mistakes = (
        ("applied twice", found.twice),
        ("lost: succeeded here, not there", found.lost),
        ("refused here, applied there", found.failed_but_applied),
        ("applied with another amount", found.wrong_amount),
        ("applied there, unknown here", found.unknown),
    )
    rows = ((what, len(names), ", ".join(names[:5])) for what, names in mistakes if names)
    output.titled("What must not be", ("what", ">count", "which"), rows)


def _decided(followed: "Followed") -> int:
    counts = followed.counts()
    return counts.total() - counts["undecided"]


def _under_way(database: "Database") -> _Lanes:
    from shared import lanes

    with database.connection() as connection:
        rows = lanes.overview(connection)
    return {row["provider"]: {s: n for s, n in row["states"].items() if s != "parked"} for row in rows}


def _live(followed: "Followed", lanes: _Lanes, total: int) -> Any:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    decided = _decided(followed)
    picture = Table.grid(padding=(0, 2))
    for outcome, count in sorted(followed.counts().items()):
        if outcome != "undecided":
            picture.add_row(outcome, str(count))
    for name, states in lanes.items():
        if not states:
            continue
        under_way = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        picture.add_row(f"{name} …", under_way)
    return Group(f"{decided} of {total} decided", ProgressBar(total=total, completed=decided, width=40), picture)
