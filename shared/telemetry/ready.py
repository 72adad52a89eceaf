"""How a process says that it is up: READY=1 on NOTIFY_SOCKET, systemd's protocol, which `settlepipe up` speaks too.

Source: sd_notify(3), https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

import contextlib
import os
import socket


def announce_ready() -> None:
    """Tell whoever started this process that it is up. Does nothing when nobody asked; never raises."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(1)
        sender.sendto(b"READY=1", address.replace("@", "\0", 1) if address.startswith("@") else address)
