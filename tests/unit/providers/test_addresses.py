"""A name with several addresses: one that drops packets must not take the time of the others."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from shared.providers.http import Http
from shared.providers.raw_answers import Fault, HttpAnswer, HttpFault
from shared.settings.sections import HttpSettings
from tests.support.raw_server import answer, answering, raw_server

HOST = "several.invalid"
Address = tuple[str, int]
Named = Callable[..., None]


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Named:
    """Gives the name these addresses, in this order."""
    real = socket.getaddrinfo

    def name(*addresses: Address) -> None:
        def resolve(host: str, *args: int) -> list[object]:
            if host != HOST:
                return list(real(host, *args))
            if args[-1] == socket.AI_NUMERICHOST:
                raise socket.gaierror
            return [
                (socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port))
                for ip, port in addresses
            ]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)

    return name


@contextmanager
def dropping(family: socket.AddressFamily = socket.AF_INET) -> Iterator[Address]:
    """An address whose packets are dropped: the kernel's answer to a listener with a full queue."""
    with contextlib.ExitStack() as stack:
        ip = "::1" if family is socket.AF_INET6 else "127.0.0.1"
        listener = stack.enter_context(socket.create_server((ip, 0), family=family, backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket(family))
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname()[:2])
        yield (ip, listener.getsockname()[1])


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


@pytest.fixture
def refusing() -> Address:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return "127.0.0.1", port


def call(connect_timeout_s: float) -> tuple[HttpAnswer | HttpFault, float]:
    started = time.monotonic()
    limits = HttpSettings(connect_timeout_s=connect_timeout_s, total_timeout_s=30)
    outcome = Http(f"http://{HOST}", limits).call("POST", "/", body=b"{}")
    return outcome, time.monotonic() - started


def test_an_address_that_drops_packets_leaves_the_next_one_its_time(named: Named) -> None:
    with dropping() as first, dropping() as second, raw_server(answering(answer(200, b"{}"))) as server:
        named(first, second, ("127.0.0.1", server.port))
        outcome, took_s = call(connect_timeout_s=5)
    assert isinstance(outcome, HttpAnswer), outcome
    assert took_s < 2.5  # two head starts are half a second
    assert len(server.requests) == 1


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
def test_ipv6_that_drops_packets_leaves_ipv4_its_time(named: Named) -> None:
    with dropping(socket.AF_INET6) as broken, raw_server(answering(answer(200, b"{}"))) as server:
        named(broken, ("127.0.0.1", server.port))
        outcome, took_s = call(connect_timeout_s=5)
    assert isinstance(outcome, HttpAnswer), outcome
    assert took_s < 2.5


def test_a_refused_address_is_passed_over_at_once(named: Named, refusing: Address) -> None:
    with raw_server(answering(answer(200, b"{}"))) as server:
        named(*[refusing] * 10, ("127.0.0.1", server.port))
        outcome, took_s = call(connect_timeout_s=20)
    assert isinstance(outcome, HttpAnswer), outcome
    assert took_s < 2  # ten head starts would be 2.5


def test_a_short_connect_time_out_is_shared_as_well(named: Named) -> None:
    with dropping() as first, dropping() as second, raw_server(answering(answer(200, b"{}"))) as server:
        named(first, second, ("127.0.0.1", server.port))
        outcome, took_s = call(connect_timeout_s=0.3)
    assert isinstance(outcome, HttpAnswer), outcome
    assert took_s < 1


def test_all_addresses_together_have_the_connect_time_out(named: Named) -> None:
    with dropping() as first, dropping() as second:
        named(*[first, second] * 8)
        outcome, took_s = call(connect_timeout_s=0.4)
    assert isinstance(outcome, HttpFault)
    assert (outcome.kind, outcome.written) == (Fault.NOT_CONNECTED, False)
    assert 0.4 <= took_s < 1.4


def test_addresses_that_all_refuse_are_not_waited_for(named: Named, refusing: Address) -> None:
    named(refusing, refusing)
    outcome, took_s = call(connect_timeout_s=20)
    assert isinstance(outcome, HttpFault)
    assert (outcome.kind, outcome.written) == (Fault.NOT_CONNECTED, False)
    assert took_s < 2


def test_the_request_goes_to_one_of_the_addresses_that_answer(named: Named) -> None:
    with dropping() as first, raw_server(answering(answer(200, b"{}"))) as server:
        named(first, ("127.0.0.1", server.port), ("127.0.0.1", server.port))
        outcome, _ = call(connect_timeout_s=5)
    assert isinstance(outcome, HttpAnswer), outcome
    assert (len(server.requests), server.connections) == (1, 1)


def test_a_resolver_that_finds_very_many_addresses_opens_few_sockets(named: Named, refusing: Address) -> None:
    opened = 0
    real = socket.socket.connect_ex

    def counting(sock: socket.socket, address: Address) -> int:
        nonlocal opened
        opened += 1
        return real(sock, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect_ex", counting)
        named(*[refusing] * 1000)
        outcome, _ = call(connect_timeout_s=5)
    assert isinstance(outcome, HttpFault)
    assert opened <= 16


def test_an_address_that_is_not_allowed_is_passed_over_and_a_name_with_no_other_is_refused(named: Named) -> None:
    """Resolved once: what a resolver says a second time, of a name that was found good, is never asked for."""
    asked: list[str] = []

    def allows(address: str) -> bool:
        asked.append(address)
        return address == "127.0.0.1"

    http = Http(f"http://{HOST}", HttpSettings(total_timeout_s=5), allows=allows)
    with raw_server(answering(answer(200, b"{}"))) as server:
        port = int(server.url.rpartition(":")[2])
        named(("127.0.0.9", port), ("127.0.0.1", port))
        assert isinstance(http.call("POST", "/"), HttpAnswer)
    assert asked == ["127.0.0.9", "127.0.0.1"]
    named(("127.0.0.9", 1))
    outcome = http.call("POST", "/")
    assert isinstance(outcome, HttpFault)
    assert (outcome.written, outcome.detail) == (False, "AddressRefused")
