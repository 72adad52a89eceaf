"""Run by test_at.py with the clock set: all the clocks there are say so."""

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import redis

from deploy.local.embedded import Servers

AT = datetime(2028, 2, 29, 23, 50, tzinfo=UTC)
NEAR = timedelta(minutes=10)


def near(moment: datetime) -> bool:
    return AT <= moment < AT + NEAR


def test_every_clock(servers: Servers) -> None:
    assert near(datetime.now(UTC))
    command = [sys.executable, "-c", "import time; print(time.time())"]
    child = subprocess.run(command, capture_output=True, check=True)
    assert near(datetime.fromtimestamp(float(child.stdout), UTC))
    with psycopg.connect(servers.database_url) as connection:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        assert near(row[0])
    with redis.Redis.from_url(servers.broker_url) as broker:
        assert near(datetime.fromtimestamp(broker.time()[0], UTC))
    assert time.localtime().tm_zone == "CET"


def test_a_time_out_of_postgresqls_comes_where_it_waits(servers: Servers) -> None:
    with psycopg.connect(servers.database_url) as connection:
        connection.execute("SET statement_timeout = '100ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(60)")


def test_what_is_measured_is_not_moved() -> None:
    begun = time.monotonic()
    time.sleep(0.2)
    assert 0.2 <= time.monotonic() - begun < 60


def test_every_length_can_be_slept() -> None:
    begun = time.monotonic()
    while time.monotonic() < begun + 1:  # by chance it ended beyond a second's end, which is no time
        time.sleep(0.0123456)
