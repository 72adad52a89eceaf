"""Who started a process and hears its READY=1, as a supervisor does."""

import contextlib
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Notified:
    """Has the process that got `address` as its NOTIFY_SOCKET said that it is up?"""

    def __init__(self, address: Path) -> None:
        self.address, self._heard = address, False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(address))

    @property
    def heard(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._heard |= b"READY=1" in self._socket.recv(4096).split(b"\n")
        return self._heard

    def close(self) -> None:
        self._socket.close()


@contextmanager
def notified() -> Iterator[Notified]:
    """Not in a test's own folder: the path of a socket can't be longer than about 100 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="notify-"))
    made = Notified(folder / "s")
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)
