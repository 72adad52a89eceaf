"""`make chaos-table`: many runs one after another, each under a seed of its own, and one table in Markdown of all.

What is done is kept in the folder after each run (a line of JSON each): the same command goes on where it was ended.
Exits with 1 at the first run that breaks an invariant; its seed is told, and `make chaos` replays it.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.chaos import plan as plans
from tests.chaos.kinds import chosen
from tests.chaos.plan import Plan
from tests.chaos.run import Result, run
from tests.chaos.table import Progress, table

PAYMENTS_A_RUN = 5_000
RUN_S = 90.0  # of weather
DRAIN_S = 300.0


def planned(seed: int, payments: int) -> Iterator[Plan]:
    """The runs that make up so many payments."""
    for number, left in enumerate(range(payments, 0, -PAYMENTS_A_RUN)):
        count = min(left, PAYMENTS_A_RUN)
        weather_s = RUN_S * count / PAYMENTS_A_RUN
        yield plans.draw(seed + number, weather_s, count, chosen(""), drain_s=DRAIN_S)


def series(todo: Sequence[Plan], kept: Path, once: Callable[[Plan], Result]) -> list[Mapping[str, Any]]:
    """The results of all, those that were kept included; ends behind the first that broke an invariant."""
    known = {one["seed"]: one for one in map(json.loads, kept.read_text().splitlines())} if kept.exists() else {}
    found = []
    for plan in todo:
        if plan.seed not in known:
            known[plan.seed] = once(plan).as_json()
            with kept.open("a") as file:
                file.write(json.dumps(known[plan.seed]) + "\n")
        found.append(known[plan.seed])
        if found[-1]["violations"]:
            break
    return found


def markdown(results: Sequence[Mapping[str, Any]]) -> str:
    """One table of all: what was paid and what became of it, then the faults by kind."""
    states, parked, struck = Counter[str](), Counter[str](), Counter[str]()
    for one in results:
        states.update(one["states"])
        parked.update(one["parked"])
        struck.update(one["struck"])

    def total(name: str) -> int:
        return sum(one[name] for one in results)

    drains = sorted(one["drain_s"] for one in results)
    rows = [
        ("payments", f"{total('payments'):,}"),
        *((state, f"{count:,}") for state, count in states.most_common()),
        ("**lost**", f"**{total('lost')}**"),
        ("**doubled**", f"**{total('doubled')}**"),
        ("invariants broken", str(sum(len(one["violations"]) for one in results))),
        ("sent more than once", f"{total('resent'):,} attempts"),
        ("events", f"{total('events'):,}"),
        (
            "payments a second, weather and drain",
            f"{total('payments') / max(1.0, total('whole_s') - total('start_s')):.0f}",
        ),
        ("time to drain", f"{drains[len(drains) // 2]:.0f} s in the median, {drains[-1]:.0f} s at most"),
        *((f"parked: {reason}", f"{count:,}") for reason, count in parked.most_common()),
    ]
    seeds = f"{results[0]['seed']} to {results[-1]['seed']}"
    lines = [f"| {len(results)} runs, seeds {seeds} | |", "|---|---|", *(f"| {name} | {what} |" for name, what in rows)]
    lines += ["", "| fault | times |", "|---|---|"]
    lines += [f"| {kind} | {count:,} |" for kind, count in sorted(struck.items()) if count]
    return "\n".join(lines)


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="make chaos-table", description=__doc__)
    parser.add_argument("--payments", type=int, default=100_000, help="in all")
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the others count on from it")
    parser.add_argument("--folder", type=Path, help="where it is kept; a new one in the usual place if not given")
    given = parser.parse_args()
    folder: Path = given.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.mkdir(exist_ok=True)
    progress = Progress(sys.stderr)

    def once(plan: Plan) -> Result:
        progress(f"seed {plan.seed}: {plan.payments} payments, {len(plan.strikes)} faults")
        result = run(plan, folder / f"run-{plan.seed}", progress)
        print(table(result), file=sys.stderr, flush=True)
        return result

    results = series(list(planned(given.seed, given.payments)), folder / "results.jsonl", once)
    print(markdown(results))
    return 1 if any(one["violations"] for one in results) else 0


if __name__ == "__main__":
    sys.exit(main())
