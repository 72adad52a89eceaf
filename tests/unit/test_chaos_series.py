"""Many runs of chaos, one table."""

from pathlib import Path

from tests.chaos import series
from tests.chaos.plan import Plan
from tests.chaos.run import Result


def once(plan: Plan) -> Result:
    return Result(
        plan.seed,
        payments=plan.payments,
        states={"succeeded": plan.payments - 1, "parked": 1},
        parked={"the books can't tell": 1},
        drain_s=float(plan.seed),
        struck={"kill_worker": 2, "flushed": 0},
    )


def test_the_runs_make_up_what_is_asked_for_each_by_a_seed_of_its_own() -> None:
    plans = list(series.planned(7, 12_000))
    assert [plan.payments for plan in plans] == [5_000, 5_000, 2_000]
    assert [plan.seed for plan in plans] == [7, 8, 9]
    assert plans[2].weather_s < plans[1].weather_s
    assert all(plan.strikes for plan in plans)


def test_the_table_adds_up_all_runs(tmp_path: Path) -> None:
    table = series.markdown(series.series(list(series.planned(7, 12_000)), tmp_path / "kept", once))
    for row in (
        "| 3 runs, seeds 7 to 9 | |",
        "| payments | 12,000 |",
        "| succeeded | 11,997 |",
        "| **lost** | **0** |",
        "| parked: the books can't tell | 3 |",
        "| time to drain | 8 s in the median, 9 s at most |",
        "| kill_worker | 6 |",
    ):
        assert row in table.splitlines()
    assert "flushed" not in table


def test_what_is_done_is_not_done_again_and_a_broken_run_is_the_last(tmp_path: Path) -> None:
    plans, done = list(series.planned(1, 20_000)), []

    def broken_at_three(plan: Plan) -> Result:
        done.append(plan.seed)
        result = once(plan)
        result.violations = ["made up"] if plan.seed == 3 else []
        return result

    series.series(plans[:2], tmp_path / "kept", broken_at_three)
    found = series.series(plans, tmp_path / "kept", broken_at_three)
    assert done == [1, 2, 3]
    assert [one["seed"] for one in found] == [1, 2, 3]
    assert "| invariants broken | 1 |" in series.markdown(found)
