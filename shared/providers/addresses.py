"""From a host's name to a connected socket, within a limit for all of it."""

import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

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


def connect(host: str, port: int, options: Sequence[Any], ends_s: float) -> socket.socket:
    """A connected socket to the first address that answers. All addresses together have until `ends_s`."""
    failure: OSError = OSError("the name has no address")
    for family, kind, protocol, _, address in _resolve(host, port, ends_s):
        sock = socket.socket(family, kind, protocol)
        try:
            for option in options:
                sock.setsockopt(*option)
            sock.settimeout(until(ends_s))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure


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
