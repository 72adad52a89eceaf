"""The sandbox as a child process, for tests, demos and benchmarks."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0
_READY = "sandbox listens on "


@contextmanager
def running_sandbox() -> Iterator[str]:
    """Start it on a free port of 127.0.0.1 and yield `http://127.0.0.1:PORT`; stop it at the end.

    It also ends when this process dies, however it dies. Raises RuntimeError when it does not start.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.sandbox", "--port", "0", "--until-eof"],
        cwd=Path(__file__).resolve().parents[2],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    try:
        yield _url(process)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdin.close()


def _url(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None  # noqa: S101 - it is a pipe
    killer = threading.Timer(START_TIMEOUT_S, process.kill)
    killer.start()
    lines: list[str] = []
    for line in process.stderr:
        if line.startswith(_READY):
            killer.cancel()
            threading.Thread(target=_pass_on, args=(process.stderr,), daemon=True).start()
            return line.removeprefix(_READY).strip()
        lines.append(line)
    killer.cancel()
    raise RuntimeError("the sandbox did not start: " + ("".join(lines).strip() or "it said nothing"))


def _pass_on(stderr: IO[str]) -> None:
    """What it says later must neither be lost nor fill the pipe."""
    with stderr:
        for line in stderr:
            sys.stderr.write(line)
