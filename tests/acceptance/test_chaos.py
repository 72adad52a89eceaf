"""A minute and a half of `make chaos`, start included: what is new breaks here first."""

from pathlib import Path

from tests.chaos import plan as plans
from tests.chaos.kinds import chosen
from tests.chaos.run import run
from tests.chaos.table import table

SEED = 7
WEATHER_S = 30.0
PAYMENTS = 120


def test_a_seeded_storm_loses_nothing_and_applies_nothing_twice(tmp_path: Path) -> None:
    """The plan of `make chaos SEED=7 MINUTES=0.5 PAYMENTS=120 ARGS=--lean`. `.ci/run` and `make proof` draw others."""
    plan = plans.draw(SEED, WEATHER_S, PAYMENTS, chosen("", lean=True), lean=True)
    result = run(plan, tmp_path / "home", print)
    print(table(result), plans.written(plan.strikes), sep="\n")  # shown when the test fails
    assert result.violations == []
    assert result.lost == result.doubled == 0
    assert result.payments >= PAYMENTS - result.quarantined
    assert sum(result.struck.values()) > len(plan.strikes) / 2, "faults struck"
