"""docs/examples does what it promises: producers that send until they know, and consumers that book each event exactly
once in effect, though they are killed in the middle, told everything again, and miss what left the stream."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shared.messaging.events_stream import EVENTS
from tests.support import audit, intents
from tests.support.door import new_key
from tests.support.examples import LANGUAGES, STREAMS, Booked, Consumer, books_of, command, sums, variables
from tests.support.stack import Stack, wait_until

pytestmark = pytest.mark.timeout(900)
MANY = 60
TIMEOUT_S = 120


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("built")


def wanted(up: Stack, source: str) -> Booked:
    """What the source's events on the stream come to, each once."""
    unique = {event["id"]: event for event in up.events() if event["subject"].startswith(f"{source}/")}
    return sums(iter(unique.values()))


@contextmanager
def consuming(language: str, up: Stack, source: str, folder: Path, built: Path, **more: str) -> Iterator[Consumer]:
    with books_of(language, up, source, folder) as books:
        given = variables(up, source, new_key(up.told["database_url"], source)[1], BOOKS=books, **more)
        consumer = Consumer(language, command(language, "consumer", built), given, folder / "consumer.log")
        consumer.start()
        try:
            yield consumer
        finally:
            print(consumer.log.read_text())  # shown when the test fails
            consumer.kill()


def handled(consumer: Consumer) -> int:
    return sum(times for times, _ in consumer.booked().values())


def _handled(consumer: Consumer, least: int) -> bool:
    return handled(consumer) >= least


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_producer_sends_until_it_knows_and_tells_what_has_to_be_corrected(
    up: Stack, source: str, language: str, tmp_path: Path, built: Path
) -> None:
    asked = [intents.settle(source, number) for number in range(3)]
    given = variables(up, source, new_key(up.told["database_url"], source)[1])
    run = command(language, "producer", built)

    def produce(*some: intents.Intent) -> tuple[int, str]:
        """The last one's exit status, and what was said of it."""
        lines = [json.dumps(one) + "\n" for one in some]
        for number, text in enumerate(lines if language == "curl" else ["".join(lines)]):
            file = tmp_path / f"intents-{number}"
            file.write_text(text)
            command_line = [*run, *([str(file)] if language == "curl" else [])]
            with file.open() as sent, (tmp_path / "said").open("w+") as said:
                done = subprocess.run(command_line, env=given, stdin=sent, stderr=said, timeout=TIMEOUT_S, check=False)
        return done.returncode, (tmp_path / "said").read_text()

    for _ in range(2):  # the same again is told to have been accepted, too
        assert produce(*asked) == (0, "")
    rows = up.query("SELECT intent_id FROM payments WHERE source = %s", source)
    assert {row["intent_id"] for row in rows} == {one["intent_id"] for one in asked}
    wrong = intents.settle(source, 7, amount="1.001")
    status, said = produce(wrong)
    assert status == 1
    assert "too_precise" in said
    audit.wait_ended(up, source, asked)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_consumer_that_is_killed_books_each_event_once(
    up: Stack, source: str, language: str, tmp_path: Path, built: Path
) -> None:
    asked = [intents.settle(source, number) for number in range(MANY)]
    with consuming(language, up, source, tmp_path, built) as consumer:
        for begin in range(0, MANY, 20):
            up.submit(asked[begin : begin + 20])
            wait_until(partial(_handled, consumer, handled(consumer) + 5), "some are booked", TIMEOUT_S)
            consumer.kill()
            consumer.start()
        audit.wait_ended(up, source, asked)
        wait_until(lambda: consumer.booked() == wanted(up, source), "all are booked", TIMEOUT_S)
        if language in STREAMS:
            with up.broker() as broker:
                group = consumer.variables["GROUP"]
                broker.execute_command("XGROUP", "SETID", EVENTS, group, "0")  # everything is told again
                wait_until(lambda: _idle(broker, group), "all is read again", TIMEOUT_S)
        else:
            consumer.kill()
            consumer.start()
        last = [intents.settle(source, MANY)]
        up.submit(last)
        audit.wait_ended(up, source, last)
        wait_until(lambda: consumer.booked() == wanted(up, source), "the last one is booked", TIMEOUT_S)


@pytest.mark.parametrize("language", STREAMS)
def test_a_consumer_that_missed_what_left_the_stream_reads_it_by_http(
    up: Stack, source: str, language: str, tmp_path: Path, built: Path
) -> None:
    with consuming(language, up, source, tmp_path, built) as consumer:
        _begun(up, source, consumer)
        expected = _missed(up, source, consumer)
        consumer.start()
        wait_until(lambda: consumer.booked() == expected, "all are booked", TIMEOUT_S)


@pytest.mark.parametrize("language", STREAMS)
def test_a_consumer_that_missed_something_waits_for_what_a_transaction_holds_back(
    up: Stack, source: str, language: str, tmp_path: Path, built: Path
) -> None:
    with consuming(language, up, source, tmp_path, built) as consumer:
        _begun(up, source, consumer)
        with psycopg.connect(up.told["database_url"]) as held, up.broker() as broker:
            held.execute(
                "INSERT INTO events (event_id, type, subject, data)"
                " VALUES (%s, 'settlepipe.payment.accepted', 'nobody/1', '{}')",
                (f"held-{source}",),
            )
            expected = _missed(up, source, consumer)  # told by the stream alone: by HTTP nothing is meanwhile
            before, began = consumer.booked(), time.monotonic()
            consumer.start()
            wait_until(lambda: _read_since(broker, consumer, began), "it reads the stream", TIMEOUT_S)
            while time.monotonic() < began + 5:
                assert consumer.booked() == before, "it went past what is not told yet"
            held.rollback()
        wait_until(lambda: consumer.booked() == expected, "all are booked", TIMEOUT_S)


def test_a_consumer_without_http_has_it_replayed(up: Stack, source: str, tmp_path: Path, built: Path) -> None:
    since = datetime.now(UTC).isoformat()
    with consuming("python", up, source, tmp_path, built, WEB_URL="") as consumer:
        _begun(up, source, consumer)
        expected = _missed(up, source, consumer)
        consumer.start()
        wait_until(lambda: consumer.log.read_text().count("events were missed") == 2, "it says so", TIMEOUT_S)
        assert consumer.booked() != expected
        assert up.command("events", "replay", "--since", since).returncode == 0
        wait_until(lambda: consumer.booked() == expected, "all are booked", TIMEOUT_S)


def _begun(up: Stack, source: str, consumer: Consumer) -> None:
    """A consumer that has booked the first of its events."""
    first = [intents.settle(source, number) for number in range(5)]
    up.submit(first)
    audit.wait_ended(up, source, first)
    wait_until(lambda: consumer.booked() == wanted(up, source), "the first are booked", TIMEOUT_S)


def _missed(up: Stack, source: str, consumer: Consumer) -> Booked:
    """It is away while events come and leave the stream; what all of its events come to."""
    away = [intents.settle(source, number + 100) for number in range(5)]
    consumer.kill()
    up.submit(away)
    audit.wait_ended(up, source, away)
    audit.check_events(up, source)
    expected = wanted(up, source)
    with up.broker() as broker:
        (last,) = broker.xrevrange(EVENTS, count=1)
        broker.xtrim(EVENTS, minid=last[0], approximate=False)
    assert consumer.booked() != expected
    return expected


def _read_since(broker: Any, consumer: Consumer, began: float) -> bool:
    (found,) = broker.xinfo_consumers(EVENTS, consumer.variables["GROUP"])
    return bool(found["idle"] < (time.monotonic() - began) * 1000)


def _idle(broker: Any, group: str) -> bool:
    """Has the group read everything, and nothing in hand?"""
    (found,) = [one for one in broker.xinfo_groups(EVENTS) if one["name"].decode() == group]
    last = broker.xinfo_stream(EVENTS)["last-generated-id"]
    return bool(found["pending"] == 0 and found["last-delivered-id"] == last)
