"""Many open streams of events: those beyond the limits are refused politely, and nobody else is kept waiting."""

import contextlib
import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.door import Client, Door, carried, door, intent, within

pytestmark = [pytest.mark.only_large, pytest.mark.timeout(900)]
_REQUEST = "GET /v1/events/stream?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n"


@contextlib.contextmanager
def many(opened: Door, client: Client, count: int) -> Iterator[tuple[Counter[str], list[socket.socket]]]:
    """So many ask for a stream at once: what they were answered, and those that are open."""
    with contextlib.ExitStack() as held:
        asked = [held.enter_context(socket.create_connection(("127.0.0.1", opened.port), 60)) for _ in range(count)]
        for one in asked:
            one.sendall(_REQUEST.format(client.key).encode())
        found: Counter[str] = Counter()
        streams = []
        for one in asked:
            head = read(one, b"\r\n\r\n")
            status = head.split()[1].decode()
            found[status] += 1
            if status == "200":
                streams.append(one)
            else:
                assert b"retry-after: 5" in head.lower()
                told = read(one, b"}", head.partition(b"\r\n\r\n")[2]) if not head.endswith(b"}") else head
                assert json.loads(told.partition(b"{")[1] + told.partition(b"{")[2])["code"] == "too_many_streams"
        yield found, streams


def read(one: socket.socket, until: bytes, found: bytes = b"") -> bytes:
    while until not in found:
        part = one.recv(65_536)
        assert part, found
        found += part
    return found


def test_a_thousand_streams_are_told_and_more_are_refused_while_others_are_answered(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    limits = {"WEB__STREAMS": "1000", "WEB__STREAMS_OF_SOURCE": "600", "WEB__CONNECTIONS": "1400"}
    with door(database_url, broker_url, tmp_path, **limits) as opened:
        shop, other, third = (opened.client(name) for name in ("shop", "other", "third"))
        with many(opened, shop, 700) as (found, streams), many(opened, other, 500) as (more, others):
            assert found == {"200": 600, "503": 100}
            assert more == {"200": 400, "503": 100}
            assert third.get("/v1/events/stream").told["code"] == "too_many_streams"
            end = time.monotonic() + 6  # two turns of looking up the keys of a thousand
            answered = Counter(third.get("/v1/payments").status for _ in iter(lambda: time.monotonic() < end, False))
            assert set(answered) == {200}
            print(answered)
            assert answered[200] > 20
            assert shop.submit(intent("m1")).status == 202
            carried(database_url)
            for one in streams:
                assert b"shop/m1" in read(one, b"shop/m1")
            for one in others:
                one.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    assert b"shop/m1" not in one.recv(65_536)
        within(30, lambda: _all_open(opened, shop))  # all places are given back


def _all_open(opened: Door, client: Client) -> bool:
    with many(opened, client, 600) as (found, _):
        return found == {"200": 600}


def test_a_key_that_opens_too_many_keeps_nobody_else_out(database_url: str, broker_url: str, tmp_path: Path) -> None:
    """By the limits that are set by default."""
    with door(database_url, broker_url, tmp_path) as opened:
        shop, other = opened.client("shop"), opened.client("other")
        with many(opened, shop, 1000) as (found, _):
            assert found == {"200": 8, "503": 992}
            with many(opened, other, 2) as (theirs, _):
                assert theirs == {"200": 2}
            assert other.submit(intent("o1", source="other")).status == 202
