"""Every event has its type in the enum, and one function writes what the database's triggers don't."""

import re
from pathlib import Path

from shared.domain.payment import State
from shared.events.types import EventType
from tests.support.stack import ROOT

SCHEMA = (ROOT / "shared/database/schema.sql").read_text()
CODE = [path for root in ("shared", "scheduler", "worker", "deploy") for path in (ROOT / root).rglob("*")]
READ = {path: path.read_text() for path in CODE if path.suffix in (".py", ".sql") and "migrations" not in path.parts}


def places(pattern: str) -> set[str]:
    return {str(path.relative_to(ROOT)) for path, text in READ.items() if re.search(pattern, text)}


def test_events_are_written_by_one_function_and_the_triggers() -> None:
    told_once = {"shared/recovery/store/finals.sql"}  # by another database, and put back to the byte
    assert places("INSERT INTO events") - told_once == {"shared/events/types.py", "shared/database/schema.sql"}


def test_a_type_is_named_in_the_enum_and_nowhere_else() -> None:
    types = "|".join(re.escape(event) for event in EventType)
    named = places(f"""['"]({types})['"]""")
    assert named == {"shared/events/types.py", "shared/database/schema.sql"}


def test_the_states_that_the_trigger_tells_are_types() -> None:
    (states,) = re.findall(r"NEW\.state IN \(([^)]*'parked'[^)]*)\)", SCHEMA)
    told = {f"settlepipe.payment.{state}" for state in re.findall(r"'(\w+)'", states)}
    assert told <= set(EventType)
    assert {State(name.rpartition(".")[2]) for name in told} == set(State) - {
        State.ACCEPTED,
        State.DISPATCHED,
        State.SENDING,
        State.WAITING,
    }


def test_every_kind_of_follow_up_has_its_types() -> None:
    ask = Path(ROOT / "shared/follow_ups/store/ask.py").read_text()
    assert "'settlepipe.' || e.kind || '.' || e.told" in ask
    for kind, told in (("receipt", "issued"), ("sms", "sent")):
        assert {f"settlepipe.{kind}.{state}" for state in (told, "refused", "parked")} <= set(EventType)
