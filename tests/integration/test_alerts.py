"""The dispatcher tells people of what stands still, and `settlepipe alerts` shows it."""

import json
from pathlib import Path

from shared.database.engine import Connection
from shared.domain.payment import State
from tests.integration.conftest import Run
from tests.support import lone
from tests.support.stack import wait_until
from tests.support.stored import add_payment

LONG = "86400"  # there is no relay, so events wait


def test_two_dispatchers_tell_of_a_parked_payment_once_and_of_its_end(
    run: Run, connection: Connection, tmp_path: Path, database_url: str, broker_url: str
) -> None:
    add_payment(connection, "p1", State.PARKED)
    place = (tmp_path, database_url, broker_url, {"judging._EVERY_S": 0.5})
    with (
        lone.running("scheduler.dispatcher", *place, ALERTS__EVENTS_S=LONG) as first,
        lone.running("scheduler.dispatcher", *place, ALERTS__EVENTS_S=LONG) as second,
    ):
        told = wait_until(lambda: first.alerts("payment_parked") + second.alerts("payment_parked"), "people are told")
        (standing,) = [json.loads(line) for line in run("alerts", "--json")[1].splitlines()]
        about = standing["name"], standing["subject"], standing["severity"]
        assert about == ("payment_parked", "billcenter", "warning")
        assert standing["figures"]["money"] == {"MNT": "100.00"}
        seen_at = standing["seen_at"]
        wait_until(lambda: _seen_at(run) != seen_at, "it is judged again")
        connection.execute("UPDATE payments SET state = 'refused', finished_at = clock()")
        wait_until(lambda: run("alerts", "--json")[1] == "", "it is cleared")
        told = first.alerts("payment_parked") + second.alerts("payment_parked")
        wait_until(lambda: first.said("an alert is cleared") + second.said("an alert is cleared"), "and that is said")
    assert [line["severity"] for line in told] == ["warning"]
    (over,) = [json.loads(line) for line in run("alerts", "--all", "--json")[1].splitlines()]
    assert over["cleared_at"] > over["raised_at"]


def _seen_at(run: Run) -> str:
    (row,) = [json.loads(line) for line in run("alerts", "--json")[1].splitlines()]
    return str(row["seen_at"])


def test_people_see_what_each_means_and_what_to_do(run: Run, connection: Connection) -> None:
    assert run("alerts")[:2] == (0, "nothing stands still\n")
    connection.execute(
        """INSERT INTO alerts (name, subject, figures) VALUES
        ('payment_parked', 'mtn', '{"payments": 15, "money": {"GHS": "10.50"}}'), ('of_another_release', '', '{}')"""
    )
    status, out, _ = run("alerts")
    assert status == 0
    assert "warning  payment_parked  mtn  money=10.50GHS payments=15" in out
    assert "settlepipe inbox --kind payment" in out
    assert "of_another_release" in out
