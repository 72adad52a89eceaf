"""`python -m deploy.sandbox --port N [--host 127.0.0.1]`: run the sandbox until SIGTERM or SIGINT."""

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Sequence

from deploy.sandbox.server import Sandbox

_BACKLOG = 1024


async def serve(host: str, port: int, until_eof: bool) -> None:
    """Listen until told to stop, then stop at once: open connections are cut."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if until_eof:
        loop.add_reader(sys.stdin.fileno(), _stop_at_eof, stop)
    server = await loop.create_server(Sandbox().factory, host, port, backlog=_BACKLOG)
    shown = f"[{host}]" if ":" in host else host
    print(f"sandbox listens on http://{shown}:{server.sockets[0].getsockname()[1]}", file=sys.stderr, flush=True)
    await stop.wait()
    server.close()


def _stop_at_eof(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        stop.set()


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.sandbox", description="the providers' APIs, with faults")
    parser.add_argument("--port", type=int, required=True, help="0 chooses a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--until-eof", action="store_true", help="stop when standard input ends (the parent died)")
    arguments = parser.parse_args(given)
    # The ledger only grows: collecting it again and again would cost more than it could ever free.
    gc.set_threshold(50_000, 50, 100)
    try:
        asyncio.run(serve(arguments.host, arguments.port, arguments.until_eof))
    except OSError as error:
        print(f"the sandbox can't listen on {arguments.host}:{arguments.port}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
