"""Who may what: a table over every route that there is. And what limits a caller meets."""

import contextlib
import http.client
import json
import re
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from deploy.cli.main import main
from shared.settings.web import WebSettings
from tests.support.certificate import self_signed
from tests.support.door import Client, Door, carried, door, intent, new_key, within
from worker.web.app import application
from worker.web.door import Door as Shared
from worker.web.problems import Fault

PUBLIC = {"/livez", "/readyz", "/openapi.json", "/asyncapi.json", "/schemas/{name}"}
GUARDED = {
    ("POST", "/v1/intents"),
    ("POST", "/v1/payments/{source}/{intent_id}/cancel"),
    ("GET", "/v1/payments"),
    ("GET", "/v1/payments/{source}/{intent_id}"),
    ("GET", "/v1/events"),
    ("GET", "/v1/events/stream"),
    ("GET", "/v1/lookups"),
    ("GET", "/v1/lookups/{provider}/{name}"),
}
NAMES = {"source": "shop", "intent_id": "mine", "provider": "mtn", "name": "bill"}


def routes() -> set[tuple[str, str]]:
    """(method, path) of every route of the app."""
    found: set[tuple[str, str]] = set()
    paths = application(Shared(WebSettings())).openapi()["paths"]
    for path, methods in paths.items():
        found |= {(method.upper(), path) for method in methods}
    return found


@pytest.fixture
def opened(database_url: str, broker_url: str, tmp_path: Path) -> Iterator[Door]:
    limits = {"WEB__BODY_BYTES": "20000", "WEB__BODY_S": "1", "WEB__STREAMS": "3", "WEB__STREAMS_OF_SOURCE": "2"}
    with door(database_url, broker_url, tmp_path, **limits, WEB__RATE_PER_S="40") as found:
        yield found


def test_every_route_is_in_the_table() -> None:
    app = application(Shared(WebSettings()))
    assert routes() == GUARDED | {("GET", path) for path in PUBLIC}
    flat = [route for route in app.router.routes if isinstance(route, APIRoute)]
    assert all((method, route.path) in routes() for route in flat for method in route.methods or ())


def test_no_route_tells_anything_to_who_has_no_key_of_the_source(
    opened: Door, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = opened.client("shop")
    assert shop.submit(intent("mine", metadata={"note": "a-made-up-secret"})).status == 202
    number, revoked = new_key(database_url, "shop")
    assert Client(opened.port, revoked).get("/v1/payments").status == 200
    monkeypatch.setenv("SETTLEPIPE_DATABASE_URL", database_url)
    assert main(["keys", "revoke", str(number), "--by", "Ann"]) == 0
    time.sleep(2.5)  # so long a key may be remembered
    nobodys = "settlepipe-key-" + "x" * 43
    for method, route in sorted(GUARDED):
        path = route.format(**NAMES)
        body = b"{}" if method == "POST" else None
        for key in (None, nobodys, revoked, revoked[:-1], "", "x" * 5000):
            answer = Client(opened.port, key).ask(method, path, body)
            assert (answer.status, answer.told["code"]) == (401, "no_key"), (method, path, key)
            assert answer.headers["www-authenticate"].startswith("Bearer")
        basic = Client(opened.port).ask(method, path, body, Authorization=f"Basic {shop.key}")
        assert basic.status == 401
    other = opened.client("other")
    time.sleep(1)  # its rate
    for method, route in sorted(GUARDED - {("GET", "/v1/events/stream")}):
        body = json.dumps(intent("mine")).encode() if route.endswith("intents") else b'{"reason": "mine now"}'
        answer = other.ask(method, route.format(**NAMES), body if method == "POST" else None)
        assert b"mine" not in answer.body, (method, route)
        assert b"a-made-up-secret" not in answer.body
        assert answer.status == (404 if "{name}" in route else 403 if method == "POST" or "{" in route else 200)
    assert shop.get("/v1/payments/shop/mine").told["state"] == "accepted"
    with streamed(opened, other, "/v1/events/stream?after=0") as told:
        assert told.read(b": settlepipe")
        shop.submit(intent("mine2"))
        other.submit(intent("theirs", source="other"))
        carried(database_url)
        assert b"mine" not in told.read(b"other/theirs")


def test_what_is_open_to_everybody_tells_of_nobody_and_of_no_other_host(opened: Door) -> None:
    nobody = opened.client(None)
    for path in (
        "/livez",
        "/readyz",
        "/openapi.json",
        "/asyncapi.json",
        "/schemas/intent",
        "/schemas/event",
        "/schemas/export",
    ):
        answer = nobody.get(path)
        assert answer.status == 200, path
        hosts = {word.split("/")[2] for word in answer.body.decode().split('"') if word.startswith(("http:", "https:"))}
        assert hosts <= {"json-schema.org"}
    document = nobody.get("/openapi.json").told
    assert document["openapi"].startswith("3.1")
    assert {"Intent", "Intent_mtn_target", "Taken", "BatchResult", "ProblemDocument", "Envelope_payment"} <= set(
        document["components"]["schemas"]
    )
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert named <= set(document["components"]["schemas"])
    assert nobody.get("/schemas/none").told["code"] == "not_found"
    assert nobody.get("/docs").told["code"] == "not_found"
    answer = nobody.ask("DELETE", "/v1/payments")
    assert (answer.status, answer.told["code"], answer.headers["allow"]) == (405, "bad_method", "GET")


def test_a_source_that_asks_for_too_much_is_asked_to_wait_and_nobody_else(opened: Door) -> None:
    shop, other = opened.client("shop"), opened.client("other")
    assert shop.submit(*(intent(f"r{number}") for number in range(40))).status == 207
    answer = shop.submit(*(intent(f"s{number}") for number in range(30)))
    assert (answer.status, answer.told["code"]) == (429, "too_fast")
    assert 1 <= int(answer.headers["retry-after"]) <= 2
    assert other.get("/v1/payments").status == 200
    within(5, lambda: shop.get("/v1/payments").status == 200)


def test_bodies_that_are_too_large_slow_or_cut_get_an_answer_or_an_end(opened: Door) -> None:
    shop = opened.client("shop")
    assert shop.post("/v1/intents", b" " * 20_001).told["code"] == "body_too_large"
    lines = ("POST /v1/intents HTTP/1.1", "Host: x", f"Authorization: Bearer {shop.key}")
    head = "\r\n".join([*lines, "Content-Type: application/json", ""])
    chunk = b"2000\r\n" + b" " * 0x2000 + b"\r\n"
    assert b"body_too_large" in said(opened, (head + "Transfer-Encoding: chunked\r\n\r\n").encode() + chunk * 3)
    assert b"body_late" in said(opened, (head + "Content-Length: 100\r\n\r\n{").encode())
    assert said(opened, (head + "Content-Length: 100\r\n\r\n{").encode(), cut=True) in (b"", b"body_late")
    answer = said(opened, b"\x16\x03\x01 no HTTP at all\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "not_http"
    assert b"head_too_large" in said(opened, f"{head}X-Long: {'x' * 300_000}".encode())
    started = time.monotonic()
    assert said(opened, head.encode()) == b"", "half a head"
    assert time.monotonic() - started < 30
    assert shop.get("/v1/payments").told["payments"] == []
    assert opened.one.alive


def test_an_offer_to_speak_another_protocol_is_answered_in_this_one(opened: Door) -> None:
    """As Java's client makes it with its first request, or with each."""
    shop = opened.client("shop")
    offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAA"
    whose = f"Host: x\r\nAuthorization: Bearer {shop.key}\r\n{offer}\r\n"
    bodies = [json.dumps(intent(f"u{number}")).encode() for number in range(2)]
    kind = "Content-Type: application/json\r\nContent-Length:"
    posts = [f"POST /v1/intents HTTP/1.1\r\n{whose}{kind} {len(body)}\r\n\r\n".encode() + body for body in bodies]
    look = f"GET /v1/payments HTTP/1.1\r\n{whose}\r\n".encode()
    whole = [look, *posts, look]
    halves = [part for request in whole for part in (request[:-5], request[-5:])]
    for parts in (whole, halves, [b"".join(whole)]):
        with socket.create_connection(("127.0.0.1", opened.port), timeout=60) as connection:
            answers = b""
            for part in parts:
                connection.sendall(part)
                time.sleep(0.05)
            while answers.count(b"HTTP/1.1 ") < len(whole) or not answers.endswith(b"}"):
                answers += connection.recv(65_536)
        assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"202", b"202", b"200"]
    assert b"not_http" in said(opened, b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n")


def test_requests_and_bodies_beyond_the_limit_are_refused_politely_and_probes_are_answered(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    limits = {"WEB__REQUESTS": "2", "WEB__BODY_BYTES": "50000", "WEB__BODIES_BYTES": "60000", "WEB__BODY_S": "20"}
    with door(database_url, broker_url, tmp_path, **limits) as opened:
        shop = opened.client("shop")
        assert shop.submit(intent("b1", metadata={"note": "x" * 45_000})).status == 202
        head = f"POST /v1/intents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shop.key}\r\n"
        half = (head + "Content-Type: application/json\r\nContent-Length: 49000\r\n\r\n").encode() + b" " * 40_000
        with held(opened, half, lambda: shop.post("/v1/intents", b" " * 30_000).told["code"] == "busy"):
            assert shop.get("/v1/payments").status == 200
            with hanging(opened, half):
                answer = within(4, lambda: one if (one := shop.get("/v1/payments")).status == 503 else None)
                assert (answer.told["code"], answer.headers["retry-after"]) == ("busy", "1")
                assert opened.client(None).get("/readyz").status == 200
        within(10, lambda: shop.submit(intent("b2", metadata={"note": "x" * 45_000})).status == 202)


def test_it_speaks_tls_with_a_certificate(database_url: str, broker_url: str, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    files = {"WEB__CERT_FILE": str(certificate), "WEB__KEY_FILE": str(key)}
    with door(database_url, broker_url, tmp_path, **files) as opened:
        context = ssl.create_default_context(cafile=certificate)
        with socket.create_connection(("127.0.0.1", opened.port)) as silent:  # no handshake keeps nobody waiting
            connection = http.client.HTTPSConnection("127.0.0.1", opened.port, timeout=60, context=context)
            connection.request("GET", "/readyz")
            assert connection.getresponse().status == 200
            connection.close()
            silent.sendall(b"")
        assert b"HTTP/1.1 2" not in said(opened, b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")


def test_streams_beyond_the_limit_are_refused_politely_and_a_place_is_given_back(opened: Door) -> None:
    shop, other = opened.client("shop"), opened.client("other")
    path = "/v1/events/stream"
    with streamed(opened, shop, path) as first, streamed(opened, shop, path) as second:
        assert first.read(b": settlepipe")
        assert second.read(b": settlepipe")
        answer = shop.get(path)
        assert (answer.status, answer.told["code"], answer.headers["retry-after"]) == (503, "too_many_streams", "5")
        with streamed(opened, other, path) as third:
            assert third.read(b": settlepipe")
            assert opened.client("third").get(path).told["code"] == "too_many_streams"
    within(10, lambda: _opens(opened, shop, path))


def test_a_stream_goes_on_behind_the_last_event_and_ends_with_its_key_or_the_process(
    opened: Door, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, key = new_key(database_url, "shop")
    shop = Client(opened.port, key)
    shop.submit(intent("e1"), intent("e2"))
    carried(database_url)
    with streamed(opened, shop, "/v1/events/stream?after=0") as told:
        text = told.read(b"shop/e2")
    first = text.partition(b"id: ")[2].partition(b"\n")[0].decode()
    with streamed(opened, shop, "/v1/events/stream", Last_Event_ID=first) as told:
        assert b"shop/e1" not in told.read(b"shop/e2"), "what was read is not told again"
        monkeypatch.setenv("SETTLEPIPE_DATABASE_URL", database_url)
        assert main(["keys", "revoke", str(number), "--by", "Ann"]) == 0
        told.wait_end()
    with streamed(opened, opened.client("shop"), "/v1/events/stream") as told:
        assert told.read(b": settlepipe")
        assert opened.one.stop() == 0
        told.wait_end()


def test_every_fault_has_a_status_of_an_error() -> None:
    assert all(400 <= fault.status < 600 and fault.says.endswith(".") for fault in Fault)


class Streamed:
    """A stream that is open, as bytes."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def read(self, until: bytes) -> bytes:
        """What comes until these bytes do."""
        found = b""
        while until not in found:
            part = self.connection.recv(65_536)
            assert part, found
            found += part
        return found

    def wait_end(self) -> None:
        """Wait until it ends."""
        with contextlib.suppress(ConnectionError):
            while self.connection.recv(65_536):
                pass


@contextlib.contextmanager
def streamed(opened: Door, client: Client, path: str, **headers: str) -> Iterator[Streamed]:
    given: dict[str, Any] = {"Authorization": f"Bearer {client.key}", **headers}
    lines = [f"GET {path} HTTP/1.1", "Host: x", *(f"{name.replace('_', '-')}: {text}" for name, text in given.items())]
    with socket.create_connection(("127.0.0.1", opened.port), timeout=60) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        yield Streamed(connection)


def _opens(opened: Door, client: Client, path: str) -> bool:
    with streamed(opened, client, path) as told:
        return b"200 OK" in told.read(b"\r\n\r\n")


@contextlib.contextmanager
def hanging(opened: Door, part: bytes) -> Iterator[socket.socket]:
    """A request of which only this much comes."""
    with socket.create_connection(("127.0.0.1", opened.port), timeout=60) as connection:
        connection.sendall(part)
        yield connection


@contextlib.contextmanager
def held(opened: Door, part: bytes, another_is_refused: Callable[[], bool]) -> Iterator[None]:
    """A request that hangs, and so another one is refused. Where that came first, the hanging one was: then anew."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with hanging(opened, part) as connection:
            while time.monotonic() < end and not select.select([connection], [], [], 0)[0]:
                if another_is_refused():
                    yield
                    return
    raise AssertionError("no other request was refused")


def said(opened: Door, request: bytes, *, cut: bool = False) -> bytes:
    """Everything that is answered, until the connection ends. cut: we say that nothing more comes."""
    with socket.create_connection(("127.0.0.1", opened.port), timeout=60) as connection:
        found = b""
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
            if cut:
                connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65_536):
                found += part
    return found
