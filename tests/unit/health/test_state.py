"""What a process says of itself, by a clock of the test's own."""

from dataclasses import dataclass, field

import pytest

from shared.database import version
from shared.database.version import Schema
from shared.health.state import BROKER, DATABASE, STALE_S, Health

HEAD = Schema.alone(version.known()[-1])


@dataclass
class Time:
    now_s: float = 1000.0
    told: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now_s

    def announce(self) -> None:
        self.told.append(self.now_s)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def health(time: Time) -> Health:
    made = Health(time, time.announce)
    made.expect("relay", 120, [DATABASE, BROKER])
    return made


def test_it_is_ready_when_all_is_there_and_announces_that_once(health: Health, time: Time) -> None:
    steps = (health.started, lambda: health.saw(DATABASE, HEAD), lambda: health.saw(BROKER))
    for step in steps:
        assert (health.ready()[0], time.told) == (False, [])
        step()
    assert (health.ready()[0], time.told) == (True, [1000.0])
    health.missed(BROKER, "TimeoutError")
    time.now_s += 1
    health.saw(BROKER)
    assert (health.ready()[0], time.told) == (True, [1000.0])


@pytest.mark.parametrize("silent", [DATABASE, BROKER])
def test_a_server_that_says_nothing_is_away_until_it_speaks(silent: str, health: Health, time: Time) -> None:
    health.started()
    health.saw(DATABASE, HEAD)
    health.saw(BROKER)
    time.now_s += STALE_S + 0.1
    other = BROKER if silent == DATABASE else DATABASE
    health.saw(other, HEAD)
    ready, told = health.ready()
    assert (ready, told[silent]) == (False, {"ok": False, "age_s": 6.1, "reason": "it says nothing"})
    assert told[other] == {"ok": True, "age_s": 0.0}
    health.saw(silent, HEAD)
    assert health.ready()[0]


def test_a_server_that_refuses_is_away_at_once(health: Health) -> None:
    health.started()
    health.saw(DATABASE, HEAD)
    health.saw(BROKER)
    health.missed(DATABASE, "OperationalError")
    assert health.ready() == (False, health.ready()[1])
    assert health.ready()[1][DATABASE] == {"ok": False, "age_s": 0.0, "reason": "OperationalError"}


@pytest.mark.parametrize("found", [None, Schema.alone(version.known()[0]), Schema.alone("9999")])
def test_another_schema_is_not_ready(found: Schema | None, health: Health, time: Time) -> None:
    health.started()
    health.saw(BROKER)
    health.saw(DATABASE, found)
    ready, told = health.ready()
    assert (ready, told["schema"], time.told) == (
        False,
        {"ok": False, "version": found and found.version, "code": HEAD.version},
        [],
    )


def test_its_loop_has_to_turn(health: Health, time: Time) -> None:
    time.now_s += 119
    assert health.live()[0]
    time.now_s += 1
    assert health.live() == (False, {"process": "relay", "live": False, "turned_s": 120.0, "limit_s": 120})
    health.turned()
    assert health.live()[0]


def test_whose_turn_it_is_is_told_and_changes_nothing(health: Health) -> None:
    assert "turn" not in health.ready()[1]
    before = health.ready()[0]
    health.has_turn(False)
    assert (health.ready()[1]["turn"], health.ready()[0]) == ("standing by", before)
    health.has_turn(True)
    assert health.ready()[1]["turn"] == "held"


def test_what_this_code_knows_is_what_alembic_runs() -> None:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - slow to import

    from shared.database import migrate  # noqa: PLC0415

    scripts = ScriptDirectory.from_config(migrate._config())
    assert scripts.get_current_head() == HEAD.version
    assert {script.revision for script in scripts.walk_revisions()} == set(version.known())
