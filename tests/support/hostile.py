"""A provider that keeps honest books and plays with two thirds of its answers.

A truth is an answer that a client may take; a lie contradicts it, and comes only where no client has any business to
take it: late, before its time, in a frame or a code that says two things. A client that believes one has a fault.
"""

import gzip
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.support.raw_server import Connection, answer

Said = tuple[int, bytes]
Game = Callable[[Connection, Said, Said], bool]  # False: the connection has ended
HTML = b"<html>log in</html>"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


class HostileProvider(Protocol):
    """A provider's books. lie: what would be believed if nothing were odd, and is not so."""

    def respond(self, head: str, body: bytes, rng: random.Random) -> tuple[Said, Said]:
        """The truth about this request, done or not done by then, and a lie."""
        ...


@dataclass
class Hostile:
    """The script of a raw server. played: how often each game was."""

    world: HostileProvider
    rng: random.Random
    played: dict[str, int] = field(default_factory=dict)

    def __call__(self, connection: Connection) -> None:
        while (request := connection.request()) is not None:
            head, _, body = request.partition(b"\r\n\r\n")
            truth, lie = self.world.respond(head.decode(), body, self.rng)
            name = self.rng.choice(list(GAMES)) if self.rng.random() < 2 / 3 else "clean"
            self.played[name] = self.played.get(name, 0) + 1
            if not GAMES.get(name, _clean)(connection, truth, lie):
                return


def _clean(connection: Connection, truth: Said, _lie: Said) -> bool:
    connection.send(answer(*truth))
    return True


def _sent(make: Callable[[Said, Said], bytes], *, ends: bool = False) -> Game:
    def game(connection: Connection, truth: Said, lie: Said) -> bool:
        connection.send(make(truth, lie))
        return not ends

    return game


def _late(first: bytes, wait_s: float = 0.02) -> Game:
    """A gateway's word, and what the server behind it says, after the client's next request."""

    def game(connection: Connection, _truth: Said, lie: Said) -> bool:
        connection.send(first)
        time.sleep(wait_s)
        connection.send(answer(*lie))
        return True

    return game


def _interim_then_late(connection: Connection, truth: Said, _lie: Said) -> bool:
    connection.send(HINTS)
    time.sleep(0.02)
    connection.send(answer(*truth))
    return True


def _in_pieces(connection: Connection, truth: Said, _lie: Said) -> bool:
    whole = b"HTTP/1.1 100 Continue\r\n\r\n" + HINTS + answer(*truth)
    for start in range(0, len(whole), 7):
        connection.send(whole[start : start + 7])
    return True


def _reset(connection: Connection, _truth: Said, _lie: Said) -> bool:
    connection.reset()
    return False


def _framed(lie: Said, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {lie[0]} X", *(header.replace("N", str(len(lie[1]))) for header in headers)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + lie[1]


def _twice(body: bytes) -> bytes:
    """The object with its first name twice, the other value first: who takes the last one believes it."""
    document = json.loads(body) if body else {"detail": "made up"}
    name = next(iter(document))
    return b"{" + json.dumps(name).encode() + b':"another",' + json.dumps(document).encode()[1:]


GAMES: Mapping[str, Game] = {
    "interim": _sent(lambda truth, lie: HINTS + answer(*truth)),
    "interim, then late": _interim_then_late,
    "in pieces": _in_pieces,
    "interim with a body": _sent(
        lambda truth, lie: b"HTTP/1.1 103 X\r\nContent-Length: 9\r\n\r\n" + answer(*lie)[:9] + answer(*lie)
    ),
    "101": _sent(lambda truth, lie: b"HTTP/1.1 101 X\r\n\r\n" + answer(*lie)),
    "504, then late": _late(answer(504, HTML)),
    "408, then late": _late(answer(408)),
    "500, then late": _late(answer(500, b"{}")),
    "302, then late": _late(answer(302, b"", "Location: /elsewhere")),
    "log-in page, then late": _late(answer(200, HTML)),
    "204, then late": _late(answer(204)),
    "103, then late lie": _late(HINTS + answer(503)),
    "second answer at once": _sent(lambda truth, lie: answer(*truth) + answer(*lie)),
    "empty member first": _sent(
        lambda truth, lie: answer(200, gzip.compress(b"") + gzip.compress(HTML), "Content-Encoding: gzip")
    ),
    "lie, then another member": _sent(
        lambda truth, lie: answer(lie[0], gzip.compress(lie[1] or b" ") + gzip.compress(HTML), "Content-Encoding: gzip")
    ),
    "lie with a tail in gzip": _sent(
        lambda truth, lie: answer(lie[0], gzip.compress(lie[1]) + b"tail", "Content-Encoding: gzip")
    ),
    "name twice": _sent(lambda truth, lie: answer(lie[0], _twice(lie[1]))),
    "UTF-16": _sent(lambda truth, lie: answer(lie[0], (lie[1] or b"{}").decode().encode("utf-16"))),
    "two lengths": _sent(lambda truth, lie: _framed(lie, "Content-Length: N", "Content-Length: 9")),
    "the length twice": _sent(lambda truth, lie: _framed(lie, "Content-Length: N, N")),
    "length beside chunks": _sent(
        lambda truth, lie: _framed((lie[0], b"0\r\n\r\n" + lie[1]), "Content-Length: N", "Transfer-Encoding: chunked")
    ),
    "a signed length": _sent(lambda truth, lie: _framed(lie, "Content-Length: +N")),
    "a hidden length": _sent(lambda truth, lie: _framed(lie, "no header", "Content-Length: N")),
    "a folded length": _sent(lambda truth, lie: _framed(lie, "X: y", " Content-Length: 9", "Content-Length: N")),
    "no end told": _sent(lambda truth, lie: b"HTTP/1.1 200 X\r\n\r\n", ends=True),
    "cut": _sent(lambda truth, lie: answer(lie[0], lie[1] + b" ")[:-1], ends=True),
    "reset": _reset,
}


@dataclass
class Billcenter:
    """applied: by our reference, what the provider calls it."""

    applied: dict[str, str | None] = field(default_factory=dict)
    paid: dict[str, str] = field(default_factory=dict)  # by invoice

    def respond(self, head: str, body: bytes, rng: random.Random) -> tuple[Said, Said]:
        if "settle_payment" not in head:
            return self._read(head)
        sent = json.loads(body)
        yes: Said = (200, rng.choice([b"", b'{"id": 7, "amount_paid": "100.00", "status": "PAID"}']))
        no: Said = (400, b'{"detail": "made up"}')
        if sent["payment_id"] in self.applied:
            known = f"payment_id {sent['payment_id']} already exists"
            return (400, json.dumps({"detail": known}).encode()), no
        if rng.random() < 0.5:
            return rng.choice([no, (500, b""), (429, b"")]), yes
        self.applied[sent["payment_id"]] = None
        self.paid[sent["invoice_code"]] = sent["paid_amount"]
        return yes, no

    def _read(self, head: str) -> tuple[Said, Said]:
        if "GET" not in head.split(maxsplit=1)[0]:
            raise AssertionError(head.split()[1])
        code = head.split("invoice_code=")[1].split("&", maxsplit=1)[0].split(maxsplit=1)[0]
        paid = self.paid.get(code, "0.00")
        return self._page(code, paid), self._page(code, "100.00" if paid == "0.00" else "0.00")

    def _page(self, code: str, paid: str) -> Said:
        row = {"id": 7, "invoice_code": code, "bs_customer_code": "300001", "amount_paid": paid}
        return 200, json.dumps({"count": 1, "results": [row]}).encode()


@dataclass
class Listing:
    """A provider that lists an account's payments with our marker. success, no, listed: the forms of its answers."""

    success: Callable[[str, str], dict[str, Any]]
    no: Said
    listed: Callable[[str, list[str]], dict[str, Any]]
    marker: Callable[[dict[str, Any]], str]
    account: Callable[[str, dict[str, Any] | None], str]
    applied: dict[str, str | None] = field(default_factory=dict)
    accounts: dict[str, list[str]] = field(default_factory=dict)

    def respond(self, head: str, body: bytes, rng: random.Random) -> tuple[Said, Said]:
        path = head.split()[1]
        if head.split(maxsplit=1)[0] == "GET":
            account = self.account(path, None)
            true = self.accounts.get(account, [])
            return self._list(account, true), self._list(account, [] if true else ["bhh3qve5wrypb2p08c9x"])
        sent = json.loads(body)
        marker, account = self.marker(sent), self.account(path, sent)
        strangers = f"stranger-{rng.randrange(10**6)}"
        lie: Said = (200, json.dumps(self.success(strangers, marker)).encode())
        if rng.random() < 0.5:
            return rng.choice([self.no, (500, b""), (429, b"")]), lie
        self.applied[marker] = f"A-{len(self.applied)}"
        self.accounts.setdefault(account, []).append(marker)
        return (200, json.dumps(self.success(self.applied[marker] or "", marker)).encode()), rng.choice([lie, self.no])

    def _list(self, account: str, markers: list[str]) -> Said:
        return 200, json.dumps(self.listed(account, markers)).encode()
