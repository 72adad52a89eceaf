"""Steps side by side: what one raises is said at a pace, rests it, and stops no other."""

import pytest
import redis
from kombu.exceptions import BatchPublishError

from scheduler.apart import Apart, told


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_step_that_fails_for_hours_is_said_every_five_minutes_and_alerts_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock, tries = Clock(), [0]
    apart = Apart(clock)

    def fail() -> None:
        tries[0] += 1
        raise redis.ResponseError("WRONGTYPE made up")

    for _ in range(7200):
        apart.run("lane", fail, provider="ubill")
        assert apart.run("other", lambda: None)
        clock.now_s += 0.5
    out = "".join(capsys.readouterr())
    assert tries[0] == 7200
    assert out.count("a step fails") == 12
    assert out.count("step_failing") == 1
    assert apart.run("lane", lambda: None)
    capsys.readouterr()
    apart.run("lane", fail)
    assert "a step fails" in "".join(capsys.readouterr()), "it is said anew"


def test_a_step_that_takes_long_to_fail_rests_as_long(capsys: pytest.CaptureFixture[str]) -> None:
    clock, tries = Clock(), [0]
    apart = Apart(clock)

    def wait_in_vain() -> None:
        tries[0] += 1
        clock.now_s += 5
        raise OSError

    end = clock.now_s + 100
    while clock.now_s < end:
        apart.run("lane", wait_in_vain)
        clock.now_s += 0.5
    assert 8 <= tries[0] <= 10, "half of the time is the others'"
    assert "".join(capsys.readouterr())


def test_what_the_broker_said_is_told_without_the_command() -> None:
    error = BatchPublishError("delivery is uncertain")
    error.__cause__ = redis.ResponseError(
        "Command # 1 (LPUSH lane.x {...}) of pipeline caused error: WRONGTYPE no list"
    )
    assert told(error) == "BatchPublishError: WRONGTYPE no list"
