"""`make chaos`: the product on real servers under a seeded plan of faults, judged by the sandbox's ledger alone.

Exits with 1 when an invariant was broken; the plan is then shortened to the fewest faults that still break one.
"""

import argparse
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos import plan as plans
from tests.chaos.kinds import chosen
from tests.chaos.plan import Plan
from tests.chaos.run import Result, run
from tests.chaos.shrink import shrink
from tests.chaos.table import Progress, table

_SHRINK_S = 1800.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="what the plan is drawn from")
    parser.add_argument("--payments", type=int, help="how many; 300 a minute where it is not given")
    parser.add_argument("--minutes", type=float, default=2.0, help="of weather")
    parser.add_argument("--kinds", default="", help="these kinds or groups of faults alone, with commas between them")
    parser.add_argument("--providers", default=",".join(plans.PROVIDERS), help="with commas between them")
    parser.add_argument("--strikes", type=int, help="how many faults; one each 2 s where it is not given")
    parser.add_argument("--plan", type=Path, help="a file with strikes, a line each, in place of the drawn ones")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the product")
    parser.add_argument("--lean", action="store_true", help="no second dispatcher, relay, beat and intake; no jobs")
    parser.add_argument(
        "--drain", type=float, default=plans.DRAIN_S, help="seconds after the weather until all is done"
    )
    parser.add_argument("--workers", type=int, default=1, help="of each lane")
    parser.add_argument("--no-shrink", action="store_true", help="tell the first failure and stop")
    parser.add_argument("--home", type=Path, help="the folder for it; a new one in the usual place if not given")
    parser.add_argument("--json", action="store_true", help="the result as one JSON object")
    return parser.parse_args()


def _plan(given: argparse.Namespace) -> Plan:
    weather_s = given.minutes * 60
    options = {"settings": dict(one.split("=", 1) for one in given.set), "lean": given.lean, "drain_s": given.drain}
    drawn = plans.draw(
        given.seed,
        weather_s,
        given.payments or round(given.minutes * 300),
        chosen(given.kinds, lean=given.lean),
        providers=given.providers.split(","),
        strikes=0 if given.plan else given.strikes,
        **options,
    )
    return plans.with_strikes(drawn, plans.read(given.plan.read_text())) if given.plan else drawn


def main() -> int:
    """The exit status."""
    given = _arguments()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # the parts would compile everything at each start
    plan = _plan(given)
    folder = given.home or Path(tempfile.mkdtemp(prefix="chaos-"))
    progress = Progress(sys.stderr)
    progress(f"seed {plan.seed}: {plan.payments} payments, {len(plan.strikes)} faults")

    def once(one: Plan) -> Result:
        return run(one, folder / f"run-{time.monotonic_ns()}", progress, workers=given.workers)

    result = once(plan)
    print(json.dumps(result.as_json()) if given.json else table(result), flush=True)
    if not result.violations:
        shutil.rmtree(folder)
        return 0
    print(f"\nThe plan of seed {plan.seed}; what is left of the run is in {folder}\n{plans.written(plan.strikes)}")
    if not given.no_shrink:
        least = shrink(plan, lambda one: bool(once(one).violations), _SHRINK_S, progress)
        print(f"\nThe fewest faults that still break it\n{plans.written(least.strikes)}")
    # Whole, and last: of a log that was cut the end is what is left.
    print("\nBROKEN\n" + "\n".join(result.violations), flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
