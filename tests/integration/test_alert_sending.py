"""The dispatcher sends what stands still to real servers; one that hangs or fails holds up nothing else."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from shared.database.engine import Connection
from shared.domain.payment import State
from tests.integration.conftest import Run
from tests.support import lone
from tests.support.certificate import self_signed
from tests.support.mail_server import PASSWORD, USER, mail_server
from tests.support.stack import wait_until
from tests.support.stored import add_payment

FAST = {"judging._EVERY_S": 0.3, "telling._EVERY_S": 0.3}
LONG = "86400"  # there is no relay, so events wait


@dataclass
class Hook:
    """What a receiver of ours heard. status: what it answers; None: nothing, for as long as the test lasts."""

    status: int | None = 200
    port: int = 0
    bodies: list[Any] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def words(self) -> list[tuple[str, str]]:
        return [(alert["name"], alert["status"]) for body in self.bodies for alert in body["alerts"]]


@contextmanager
def hook(status: int | None = 200) -> Iterator[Hook]:
    heard = Hook(status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            heard.logins.append(self.headers.get("Authorization", ""))
            if heard.status is None:
                heard.over.wait()
                return
            self.send_response(heard.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    heard.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield heard
    finally:
        heard.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_two_dispatchers_send_what_stands_and_its_end_once_without_whose_it_is(
    connection: Connection, tmp_path: Path, database_url: str, broker_url: str
) -> None:
    add_payment(connection, "p1", State.PARKED)
    secret = "00712345678"
    connection.execute("UPDATE payments SET target = %s, detail = %s", (json.dumps({"account": secret}), secret))
    with hook() as heard:
        url = f"http://told:made-up@127.0.0.1:{heard.port}/hook?key=1"
        place = (tmp_path, database_url, broker_url, FAST)
        with (
            lone.running("scheduler.dispatcher", *place, ALERTS__WEBHOOK_URL=url, ALERTS__EVENTS_S=LONG),
            lone.running("scheduler.dispatcher", *place, ALERTS__WEBHOOK_URL=url, ALERTS__EVENTS_S=LONG),
        ):
            wait_until(lambda: heard.words, "it is told")
            connection.execute("UPDATE payments SET state = 'refused', finished_at = clock()")
            wait_until(lambda: ("payment_parked", "cleared") in heard.words, "its end is told")
    assert heard.words == [("payment_parked", "standing"), ("payment_parked", "cleared")]
    assert set(heard.logins) == {"Basic " + base64.b64encode(b"told:made-up").decode()}
    told = json.dumps(heard.bodies)
    assert "p1" not in told
    assert secret not in told
    assert heard.bodies[0]["alerts"][0]["figures"]["money"] == {"MNT": "100.00"}


def test_a_receiver_that_hangs_and_one_that_fails_hold_up_neither_judging_nor_the_others(
    run: Run, connection: Connection, tmp_path: Path, database_url: str, broker_url: str
) -> None:
    add_payment(connection, "p1", State.PARKED)
    with hook(None) as hanging, hook(500) as failing:
        settings = {
            "ALERTS__WEBHOOK_URL": f"http://127.0.0.1:{hanging.port}",
            "ALERTS__ALERTMANAGER_URL": f"http://127.0.0.1:{failing.port}",
            "ALERTS__SEND_TIMEOUT_S": "60",
            "ALERTS__EVENTS_S": LONG,
        }
        with lone.running("scheduler.dispatcher", tmp_path, database_url, broker_url, FAST, **settings) as dispatcher:
            wait_until(lambda: hanging.bodies and failing.bodies, "both were asked")
            connection.execute("UPDATE payments SET state = 'refused', finished_at = clock()")
            wait_until(lambda: run("alerts")[1] == "nothing stands still\n", "it is judged all the same")
            add_payment(connection, "p2", State.PARKED)
            wait_until(lambda: "payment_parked" in run("alerts")[1], "and again")
            wait_until(lambda: len(failing.bodies) > 1, "what failed is tried again", 60)
            failing.status = 200
            wait_until(lambda: "sending" not in run("alerts")[1], "it is told when that is mended", 60)
            assert next(line["reason"] for line in dispatcher.said("could not be sent")) == "it answered 500"
            beat = connection.execute("SELECT beat FROM store").fetchone()
            wait_until(lambda: connection.execute("SELECT beat FROM store").fetchone() != beat, "it dispatches")
    assert len(hanging.bodies) == 1, "still waited for"


def test_a_test_is_sent_by_each_way_and_what_each_answered_is_said(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("alerts", "test")[0] == 1
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with hook() as heard, hook(500) as failing, mail_server(certificate) as box:
        for name, value in {
            "WEBHOOK_URL": f"http://127.0.0.1:{heard.port}/x",
            "ALERTMANAGER_URL": f"http://127.0.0.1:{failing.port}",
            "MAIL__HOST": "127.0.0.1",
            "MAIL__PORT": str(box.port),
            "MAIL__USERNAME": USER,
            "MAIL__PASSWORD": PASSWORD,
            "MAIL__FROM": "s@example.com",
            "MAIL__TO": "a@example.com,b@example.com",
        }.items():
            monkeypatch.setenv(f"SETTLEPIPE_ALERTS__{name}", value)
        status, out, err = run("alerts", "test")
    assert out.splitlines() == [
        "webhook: it answered 200",
        "alertmanager: FAILED: it answered 500",
        "mail: the server took it",
    ]
    assert status == 1
    assert err.splitlines()[-1] == "settlepipe: 1 of 3 did not take it"
    assert heard.bodies[0]["test"] is True
    assert box.mails[0]["Subject"] == "settlepipe: a test"
    assert box.over_tls == [True]


def test_a_mail_says_what_stands_and_what_to_do(
    connection: Connection, tmp_path: Path, database_url: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    add_payment(connection, "p1", State.PARKED)
    with mail_server(certificate, at_once=True) as box:
        settings = {
            "ALERTS__MAIL__HOST": "127.0.0.1",
            "ALERTS__MAIL__PORT": str(box.port),
            "ALERTS__MAIL__TLS": "implicit",
            "ALERTS__MAIL__FROM": "settlepipe@example.com",
            "ALERTS__MAIL__TO": "night@example.com",
            "ALERTS__EVENTS_S": LONG,
        }
        with lone.running("scheduler.dispatcher", tmp_path, database_url, broker_url, FAST, **settings):
            wait_until(lambda: box.mails, "it is mailed")
            connection.execute("UPDATE payments SET state = 'refused', finished_at = clock()")
            wait_until(lambda: len(box.mails) > 1, "its end, too")
    assert box.mails[0]["Subject"] == "settlepipe: payment_parked billcenter stands"
    assert "settlepipe inbox --kind payment" in box.mails[0].get_content()
    assert "payments=1" in box.mails[0].get_content()
    assert box.mails[1]["Subject"] == "settlepipe: payment_parked billcenter cleared"
