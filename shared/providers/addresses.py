"""From a host's name to a connected socket, within a limit for all of it.

A name may have addresses that drop packets (an AAAA record where IPv6 is broken, the record of a machine that is
gone). So none of them has the whole time: by RFC 8305 the next one is tried when one has failed, or has said nothing
for a moment, and the first that answers is taken.
"""

import errno
import os
import queue
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

_HEAD_START_S = 0.25  # of one address before the next; the document's own recommendation
_MAX_ADDRESSES = 16
_RESOLVERS = threading.BoundedSemaphore(64)  # look-ups that hang in the system's resolver, at most
# Counts the time that a suspended machine slept: what is overdue by then must not go out any more.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now_s() -> float:
    """Seconds of a clock that never goes back and counts suspension where the system can."""
    return time.clock_gettime(_CLOCK)


def until(ends_s: float) -> float:
    """Seconds from now to then. Raises TimeoutError where there are none."""
    left = ends_s - now_s()
    if left <= 0:
        raise TimeoutError("no connection in time")
    return left


class AddressRefused(OSError):  # noqa: N818 - says what happened
    """The name has addresses, and none that a connection may go to."""


def connect(
    host: str, port: int, options: Sequence[Any], ends_s: float, allows: Callable[[str], bool] | None = None
) -> socket.socket:
    """A connected socket to the first address that answers. All addresses together have until `ends_s`.

    options: for `setsockopt`. allows: whether an address may be connected to; the name is resolved once, so none is
    connected to but one that was asked about. Raises OSError where none could be reached, TimeoutError where time was
    up.
    """
    found = _resolve(host, port, ends_s)
    if allows is not None and found:
        found = [one for one in found if allows(one[4][0])]
        if not found:
            raise AddressRefused("the name leads to no address that is allowed")
    waiting = deque(found[:_MAX_ADDRESSES])
    head_start_s = min(_HEAD_START_S, until(ends_s) / (len(waiting) + 1))
    failure = OSError("the name has no address")
    with selectors.DefaultSelector() as trying:
        try:
            while waiting or trying.get_map():
                limit_s = until(ends_s)
                if waiting:
                    try:
                        trying.register(_begin(waiting.popleft(), options), selectors.EVENT_WRITE)
                    except OSError as error:
                        failure = error
                        continue
                    limit_s = min(limit_s, head_start_s) if waiting else limit_s
                for key, _ in trying.select(limit_s):
                    sock = cast(socket.socket, key.fileobj)
                    trying.unregister(sock)
                    error_number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if not error_number:
                        return sock
                    sock.close()
                    failure = OSError(error_number, os.strerror(error_number))
        finally:
            for key in trying.get_map().values():
                cast(socket.socket, key.fileobj).close()
    raise failure


def _begin(found: Any, options: Sequence[Any]) -> socket.socket:
    """A socket that is connecting to what the resolver found. Raises OSError."""
    family, kind, protocol, _, address = found
    sock = socket.socket(family, kind, protocol)
    try:
        for option in options:
            sock.setsockopt(*option)
        sock.setblocking(False)
        error_number = sock.connect_ex(address)
        if error_number not in (0, errno.EINPROGRESS):
            raise OSError(error_number, os.strerror(error_number))
    except OSError:
        sock.close()
        raise
    return sock


def _resolve(host: str, port: int, ends_s: float) -> list[Any]:
    """getaddrinfo with a limit: the system's own takes as long as it likes, so a name is looked up in a thread."""
    try:
        return socket.getaddrinfo(host.strip("[]"), port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name
    if not _RESOLVERS.acquire(timeout=until(ends_s)):
        raise TimeoutError("too many look-ups hang in the resolver")
    answer: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()
    threading.Thread(target=_look_up, args=(host, port, answer.put), name="resolve", daemon=True).start()
    try:
        found = answer.get(timeout=until(ends_s))
    except queue.Empty:
        raise TimeoutError("the name was not resolved in time") from None
    if isinstance(found, OSError):
        raise found
    return found


def _look_up(host: str, port: int, put: Callable[[list[Any] | OSError], None]) -> None:
    try:
        put(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
    except OSError as error:
        put(error)
    except UnicodeError:
        put(socket.gaierror(socket.EAI_NONAME, "not a host name"))
    finally:
        _RESOLVERS.release()
