"""What a webhook's receiver, and its name, may do to us: nothing but fail."""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.providers import connection, http
from tests.support.authority import Authority
from tests.support.flow import World
from tests.support.hooked import Hooked
from tests.support.raw_server import Connection, Script, raw_server
from tests.support.receiver import Receiver, receiving

pytestmark = pytest.mark.made_up_rows
NAME = "receiver.invalid"


@pytest.fixture
def hooked(world: World) -> Hooked:
    return Hooked(world)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


class Names:
    """A resolver that answers with these addresses, one after another, the last one for ever."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
        self.asked = 0
        real = socket.getaddrinfo

        def resolve(host: str, port: int, *args: int) -> list[object]:
            if host != NAME:
                return list(real(host, port, *args))
            if args[-1] == socket.AI_NUMERICHOST:
                raise socket.gaierror
            self.asked += 1
            address = addresses[min(self.asked, len(addresses)) - 1]
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)


def named(receiver: Receiver) -> Receiver:
    receiver.url = receiver.url.replace("127.0.0.1", NAME)
    return receiver


def test_a_name_is_resolved_once_and_what_it_says_then_is_connected_to(
    hooked: Hooked, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: good when it is looked at, another address when it is connected to."""
    names = Names(monkeypatch, "127.0.0.1", "127.0.0.66")
    hooked.settings = hooked.settings.model_copy(update={"allow_networks": ("127.0.0.1/32",)})
    hooked.hook(named(receiver))
    hooked.tell("a")
    assert (hooked.deliver(), names.asked) == (1, 1)
    hooked.tell("a")
    assert (hooked.deliver(), names.asked) == (0, 2), "the next connection asks anew, and goes nowhere"
    assert receiver.connections == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_a_name_that_leads_inside_is_not_connected_to(
    hooked: Hooked, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    Names(monkeypatch, address)
    hooked.settings = hooked.settings.model_copy(update={"allow_networks": ()})
    number = hooked.hook(named(receiver))
    connected: list[object] = []
    real = socket.socket.connect_ex

    def spied(sock: socket.socket, to: object) -> int:
        connected.append(to)
        return int(real(sock, to))  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect_ex", spied)
    hooked.tell("a")
    hooked.deliver()
    assert "no public address" in str(hooked.row(number)["failure"])
    assert (connected, receiver.connections) == ([], 0)


def test_over_tls_the_name_is_what_is_asked_for_and_proved(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Names(monkeypatch, "127.0.0.1")
    authority = Authority(tmp_path)
    hooked.settings = hooked.settings.model_copy(update={"allow_http": False, "ca_file": authority.ca})
    with (
        receiving(pair=authority.signed("good", NAME)) as good,
        receiving(pair=authority.signed("bad", "x.invalid")) as bad,
    ):
        first, second = hooked.hook(named(good)), hooked.hook(named(bad))
        hooked.tell("a")
        hooked.deliver()
        assert good.ids() == ["a-1"]
        assert good.taken[0].headers["host"].startswith(f"{NAME}:")
        assert (hooked.row(first)["delivered"], bad.got) == (1, [])
        assert "certificate" in str(hooked.row(second)["failure"])


def test_what_all_connections_to_a_receiver_verify_by_is_read_once(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read: list[str] = []

    def counting(authorities: str) -> ssl.SSLContext:
        read.append(authorities)
        return connection.verifying(authorities)

    monkeypatch.setattr(http, "verifying", counting)
    Names(monkeypatch, "127.0.0.1")
    authority = Authority(tmp_path)
    more = {"allow_http": False, "ca_file": authority.ca, "batch": 4}
    hooked.settings = hooked.settings.model_copy(update=more)
    with receiving(pair=authority.signed("good", NAME)) as good:
        hooked.hook(named(good))
        hooked.tell(*"abcdefgh")
        hooked.deliver()
        assert len(good.taken) == 8
        assert good.connections > 1
    assert read == [str(authority.ca)]


def dripping(head: bytes, drip: bytes) -> Script:
    def script(connection: Connection) -> None:
        connection.request()
        connection.send(head)
        with contextlib.suppress(OSError):
            while not connection.server.stopped.is_set():
                connection.send(drip)
                time.sleep(0.02)

    return script


def test_an_answer_that_drips_is_over_at_the_deadline(hooked: Hooked) -> None:
    hooked.settings = hooked.settings.model_copy(update={"timeout_s": 1.0})
    with raw_server(dripping(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n")) as server:
        number = hooked.hook(Receiver(f"{server.url}/hook", []))
        hooked.tell("a")
        began = time.monotonic()
        hooked.deliver()
        assert time.monotonic() - began < 10
        assert "time_out" in str(hooked.row(number)["failure"])


def test_of_a_huge_answer_the_status_counts_and_little_is_read(hooked: Hooked) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with raw_server(dripping(head, b"10000\r\n" + b"a" * 0x10000 + b"\r\n")) as server:
        hooked.hook(Receiver(f"{server.url}/hook", []))
        hooked.tell("a")
        assert hooked.deliver() == 1
    sizes = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n", b"a")
    with raw_server(sizes) as server:
        hooked.hook(Receiver(f"{server.url}/hook", []), "other")
        hooked.tell("other/a")
        assert hooked.deliver() == 1


def test_a_receiver_that_says_nothing_of_http_fails(hooked: Hooked) -> None:
    with raw_server(dripping(b"SSH-2.0-made-up\r\n", b"\r\n")) as server:
        number = hooked.hook(Receiver(f"{server.url}/hook", []))
        hooked.tell("a")
        assert hooked.deliver() == 0
        assert hooked.row(number)["failure"] is not None


def test_a_url_that_is_not_allowed_any_more_is_not_asked(hooked: Hooked, receiver: Receiver) -> None:
    number = hooked.hook(receiver)
    hooked.settings = hooked.settings.model_copy(update={"allow_http": False})
    hooked.tell("a")
    hooked.deliver()
    assert ("https" in str(hooked.row(number)["failure"]), receiver.connections) == (True, 0)
