"""What stands still, as Debian's Alertmanager takes it: it stands there, goes on standing, and is resolved."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from socket import create_server
from typing import Any

import pytest

from shared.database.engine import Connection, Database
from shared.domain.payment import State
from tests.support import lone
from tests.support.programs import path_of
from tests.support.stack import wait_until
from tests.support.stored import add_payment

CONFIG = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\nglobal: {resolve_timeout: 2s}\n"
FAST = {"judging._EVERY_S": 0.3, "telling._EVERY_S": 0.3}


@contextmanager
def alertmanager(folder: Path) -> Iterator[str]:
    (folder / "alertmanager.yml").write_text(CONFIG)
    with closing(create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    command = [path_of("prometheus-alertmanager"), f"--config.file={folder}/alertmanager.yml"]
    command += [f"--storage.path={folder}/kept", f"--web.listen-address=127.0.0.1:{port}", "--web.route-prefix=/am"]
    with (folder / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen([*command, "--cluster.listen-address="], stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}/am"
        wait_until(lambda: answers(url), "Alertmanager is ready", 60)
        yield url
    finally:
        process.terminate()
        process.wait(30)
        print((folder / "alertmanager.log").read_text()[-3000:])


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/-/ready", timeout=5).close()  # noqa: S310 - our own server
    except OSError:
        return False
    return True


def standing(url: str) -> list[Any]:
    with urllib.request.urlopen(f"{url}/api/v2/alerts?active=true", timeout=10) as answer:  # noqa: S310 - our own
        found: list[Any] = json.load(answer)
        return found


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    pool = Database(database_url, pool_size=1)
    with pool.connection() as one:
        yield one
    pool.dispose()


def test_an_alert_stands_there_until_it_is_cleared(
    connection: Connection, tmp_path: Path, database_url: str, broker_url: str
) -> None:
    add_payment(connection, "p1", State.PARKED)
    with alertmanager(tmp_path) as url:
        settings = {"ALERTS__ALERTMANAGER_URL": url, "ALERTS__EVENTS_S": "86400"}  # there is no relay
        with lone.running("scheduler.dispatcher", tmp_path, database_url, broker_url, FAST, **settings):
            (alert,) = wait_until(lambda: standing(url), "it stands there")
            assert alert["labels"] == {
                "alertname": "payment_parked",
                "service": "settlepipe",
                "severity": "warning",
                "subject": "billcenter",
            }
            assert "payments=1" in alert["annotations"]["figures"].split()
            assert "settlepipe inbox" in alert["annotations"]["action"]
            connection.execute("UPDATE alerts_told SET told_at = clock() - interval '61 s'")
            wait_until(lambda: standing(url)[0]["endsAt"] > alert["endsAt"], "it is told anew after a minute")
            assert standing(url)[0]["startsAt"] == alert["startsAt"]
            connection.execute("UPDATE payments SET state = 'refused', finished_at = clock()")
            wait_until(lambda: not standing(url), "it is resolved there", 60)
            ended = connection.execute("SELECT cleared_told_at FROM alerts_told").fetchall()
            assert [row["cleared_told_at"] is not None for row in ended] == [True]
