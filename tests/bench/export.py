"""`make bench-export`: how long `settlepipe export` takes for three million payments, and whether its memory is flat.

An embedded PostgreSQL with its own settings but for the buffers, filled by size_filled with finished payments; nothing
else runs. What is measured is the whole command, its start included, whose output is read from a pipe as fast as it
comes. Beside it stand the processor's time of the command and of PostgreSQL: on a machine that others use these say
more. Memory is the command's own, behind the first tenth and at the most.
"""

import argparse
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import memory
from tests.bench.rooms import postgres
from tests.bench.servers import installed, own_servers
from tests.bench.size_filled import fill

FORMS = ("jsonl", "csv")
AIM_S, AIM_ROWS = 25.0, 3_000_000
ROOT = Path(__file__).parents[2]
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Measured:
    """One export of all. Processor times are whole, memory is in MB."""

    form: str
    whole_s: float
    command_s: float
    postgres_s: float
    early_mb: float
    most_mb: float


def measure(database_url: str, form: str, rows: int) -> Measured:
    """Export once. Raises RuntimeError where it fails, or has another number of lines."""
    lines, early_mb, most_mb = 0, 0.0, 0.0
    with postgres(database_url) as postgres_s:
        before_s, command_before_s, began = postgres_s(), _commands_s(), time.perf_counter()
        command = [sys.executable, "-m", "deploy.cli.main", "export", "--format", form]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
            assert process.stdout is not None
            for number, block in enumerate(iter(lambda: process.stdout.read(_BLOCK), b"")):  # type: ignore[union-attr]
                lines += block.count(b"\n")
                if number % 10 == 0 and process.poll() is None:
                    now_mb = memory.of([process.pid]).own
                    early_mb = now_mb if lines < rows / 10 else early_mb
                    most_mb = max(most_mb, now_mb)
        whole_s = time.perf_counter() - began
        used_s, command_s = postgres_s() - before_s, _commands_s() - command_before_s
    if process.returncode or lines != rows + (form == "csv"):
        raise RuntimeError(f"the export ended with {process.returncode} and {lines} lines of {rows}")
    return Measured(form, whole_s, command_s, used_s, early_mb, most_mb)


def _commands_s() -> float:
    """Processor time of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(rows: int, found: list[Measured]) -> Table:
    """Of at most 80 columns."""
    made = Table(title=f"export of {rows:,} payments", width=80)
    made.add_column("")
    for name in ("s", "rows/s", "command, s", "PostgreSQL, s", "MB early", "MB at most"):
        made.add_column(name, justify="right")
    for one in found:
        times = (f"{one.whole_s:.1f}", f"{rows / one.whole_s:,.0f}", f"{one.command_s:.1f}", f"{one.postgres_s:.1f}")
        made.add_row(one.form, *times, f"{one.early_mb:.1f}", f"{one.most_mb:.1f}")
    return made


def main() -> int:
    """Fill, measure, print the table; 1 where the aim for three million is missed by each round of a form."""
    parser = argparse.ArgumentParser(prog="make bench-export", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--payments", type=int, default=AIM_ROWS, help=f"in the database ({AIM_ROWS})")
    parser.add_argument("--rounds", type=int, default=2, help="of each form (2)")
    parser.add_argument("--buffers", default="2GB", help="of PostgreSQL (2GB)")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    options = (f"shared_buffers={arguments.buffers}", "max_wal_size=4GB")
    with (
        own_servers(options) as (servers, home),
        installed(servers.database_url, servers.broker_url, home / "home"),
    ):
        fill(servers.database_url, arguments.payments, 0, console.print)
        found = [
            measure(servers.database_url, form, arguments.payments) for _ in range(arguments.rounds) for form in FORMS
        ]
    console.print(table(arguments.payments, found))
    slow = [form for form in FORMS if min(one.whole_s for one in found if one.form == form) > AIM_S]
    if slow and arguments.payments >= AIM_ROWS:
        print(f"bench: {' and '.join(slow)} took more than the aim of {AIM_S:.0f} s", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
