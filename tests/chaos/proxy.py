"""The links between the parts: a TCP proxy in a process of its own, `python -m tests.chaos.proxy`.

Its first line on stdin is {name: [listening port, server's port]}; each further one [pattern, mode] sets the mode of
the links whose names match, and is answered with `ok` when it holds. It ends with its stdin.

pass   bytes go through
slow   each piece waits a little, in both directions
cut    what is open is reset, and whatever connects
hole   nothing comes through and nobody is told: the connection is half open
deaf   what the part says arrives, what it is answered does not
early  before each answer stands an interim one (103)
late   each request is answered at once with a gateway's 504, and then with its own answer
A connection that lost a byte is reset when the mode ends: TCP loses none in the middle.
"""

import asyncio
import contextlib
import fnmatch
import json
import random
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

PASS = "pass"
MODES = (PASS, "slow", "cut", "hole", "deaf", "early", "late")
SLOW_S = 0.25  # a piece waits so long at most
_PIECE_BYTES = 65_536
_INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
_GATEWAY = b"HTTP/1.1 504 Gateway Time-out\r\nContent-Type: text/html\r\nContent-Length: 17\r\n\r\n<html>504</html>\n"
_METHODS = (b"POST ", b"PATCH ", b"GET ")


@dataclass
class _Link:
    name: str
    server_port: int
    mode: str = PASS
    pairs: "set[_Pair]" = field(default_factory=set)


@dataclass(eq=False)
class _Pair:
    """One connection: the part's end, and the server's."""

    part: asyncio.StreamWriter
    server: asyncio.StreamWriter
    broken: bool = False

    def abort(self) -> None:
        for writer in (self.part, self.server):
            sock = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):  # it has ended already
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


async def _serve(link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if link.mode == "cut":
        writer.transport.abort()
        return
    try:
        server_reader, server = await asyncio.open_connection("127.0.0.1", link.server_port)
    except OSError:
        writer.transport.abort()
        return
    pair = _Pair(writer, server)
    link.pairs.add(pair)
    try:
        await asyncio.gather(_pump(link, pair, reader, server, True), _pump(link, pair, server_reader, writer, False))
    except OSError:
        pair.abort()
    finally:
        link.pairs.discard(pair)
        for end in (writer, server):
            end.close()


async def _pump(
    link: _Link, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asks: bool
) -> None:
    while piece := await reader.read(_PIECE_BYTES):
        if link.mode == "slow":
            await asyncio.sleep(random.uniform(0, SLOW_S))
        if pair.broken or link.mode == "hole" or (link.mode == "deaf" and not asks):
            pair.broken = pair.broken or link.mode == "hole" or not asks
            if link.mode == PASS:
                pair.abort()
            continue
        if link.mode == "early" and not asks and piece.startswith(b"HTTP/1.1"):
            piece = _INTERIM + piece
        if link.mode == "late" and asks and piece.startswith(_METHODS):
            pair.part.write(_GATEWAY)
        writer.write(piece)
        await writer.drain()
    if not pair.broken and writer.can_write_eof():
        writer.write_eof()


def _set(links: Mapping[str, _Link], pattern: str, mode: str) -> None:
    for link in links.values():
        if fnmatch.fnmatch(link.name, pattern):
            link.mode = mode
            for pair in list(link.pairs):
                if mode == "cut" or pair.broken:
                    pair.abort()


async def _main() -> None:
    loop = asyncio.get_running_loop()
    ports = json.loads(sys.stdin.readline())
    links = {name: _Link(name, server) for name, (_, server) in ports.items()}
    for name, (port, _) in ports.items():
        await asyncio.start_server(partial(_serve, links[name]), "127.0.0.1", port, backlog=256)
    print("ok", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        _set(links, *json.loads(line))
        print("ok", flush=True)


class Links:
    """The proxy's process, and the word to it. Thread-safe."""

    def __init__(self, ports: Mapping[str, tuple[int, int]]) -> None:
        self.names = tuple(ports)
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.proxy"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._say(ports)

    def set(self, pattern: str, mode: str) -> None:
        """Set the mode of the links whose names match."""
        self._say([pattern, mode])

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=30)

    def _say(self, what: object) -> None:
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            print(json.dumps(what), file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline()
            assert answer == "ok\n", f"the proxy ended: {self._process.poll()}"


if __name__ == "__main__":
    asyncio.run(_main())
