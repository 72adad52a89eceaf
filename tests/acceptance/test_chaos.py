"""A minute and a half of `make chaos`, start included: what is new breaks here first."""

import random
from pathlib import Path

from tests.chaos import plan as plans
from tests.chaos.kinds import chosen
from tests.chaos.run import run
from tests.chaos.table import table

WEATHER_S = 30.0
PAYMENTS = 120


def test_a_seeded_storm_loses_nothing_and_applies_nothing_twice(tmp_path: Path) -> None:
    """Another seed each time; `make chaos SEED=… MINUTES=0.5 PAYMENTS=120 ARGS=--lean` is the same plan."""
    seed = random.SystemRandom().randrange(1_000_000)
    plan = plans.draw(seed, WEATHER_S, PAYMENTS, chosen("", lean=True), lean=True)
    result = run(plan, tmp_path / "home", print)
    print(table(result), plans.written(plan.strikes), sep="\n")  # shown when the test fails
    assert result.violations == []
    assert result.lost == result.doubled == 0
    assert result.payments >= PAYMENTS - result.quarantined
    assert sum(result.struck.values()) > len(plan.strikes) / 2, "faults struck"
