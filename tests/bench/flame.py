"""`make bench-flame`: where a lane's worker spends its interpreter's lock at full rate, as an SVG picture.

py-spy looks 200 times a second at which thread of one worker process holds the lock, and where: a thread that waits for
a provider, PostgreSQL or the broker does not. A box is a function, as wide as its share of these looks with all that it
calls, which stands below it; all threads together, begun where a thread's own work begins. A look does not stop the
worker: with stops, Celery's loop was in ten times the share of looks that its thread had of the processor time
(docs/measured.md). So a chain of calls may be torn, and one that begins nowhere is left out.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from tests.bench.contenders import Settlepipe, started
from tests.bench.full_rate import full_rate, warm_up
from tests.bench.world import PROVIDER, running, sizes
from tests.support.stack import descendants

PY_SPY = Path(sys.executable).with_name("py-spy")
LOOKS_PER_S = 200
LEAST = 0.005  # of all looks: what is narrower is not drawn
_WIDTH, _ROW, _TOP = 1000, 17, 48
_CHARACTER = 6.7  # the width of one in a box (monospace)
# Where a thread's own work begins: below these nothing is told that is the same for all.
_ROOTS = ("threading:Thread.run", "concurrent.futures.thread:_WorkItem.run", "celery.bootsteps:Blueprint.start")
_LEFT_OUT = ("contextlib:", "importlib.")
_INSTALLED = re.compile(r".*/(?:site-packages|python3\.\d+)/")
_ORIGINS = {
    "ours": ("settlepipe", ("shared.", "worker.")),
    "celery": ("Celery, kombu, redis", ("celery.", "kombu.", "redis.", "vine.", "amqp.", "billiard.")),
    "database": ("psycopg, SQLAlchemy", ("psycopg.", "psycopg_binary.", "sqlalchemy.")),
    "http": ("requests, urllib3, http, ssl", ("requests.", "urllib3.", "http.", "ssl:", "socket:", "email.")),
    "other": ("the standard library, structlog and others", ()),
}
_STYLE = """text { font: 11px sans-serif; fill: #1f2328 } .head { font: bold 13px sans-serif }
.boxes text { font-family: monospace }
rect { stroke: #ffffff; stroke-width: 0.5 }
.ours { fill: #7fd0bf } .celery { fill: #b9d98a } .database { fill: #9cc3ee }
.http { fill: #f2b880 } .other { fill: #d0d7de }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } rect { stroke: #0d1117 } .ours { fill: #1a6f5f } .celery { fill: #4d6b23 }
.database { fill: #2a5788 } .http { fill: #8a5520 } .other { fill: #444c56 } }"""


@dataclass(slots=True)
class Box:
    """A function in one chain of calls. looks: at it and at what it calls."""

    looks: int = 0
    calls: dict[str, "Box"] = field(default_factory=dict)


def folded(raw: str) -> Box:
    """What py-spy wrote as `raw` (`function (file);function (file) looks`, a line for each chain of calls) as one tree
    of `module:function`, without any folder of the machine. Raises ValueError where it holds nothing."""
    whole = Box()
    for line in raw.splitlines():
        chain, _, looks = line.rpartition(" ")
        names = [_named(call) for call in chain.split(";")]
        begin = max((place + 1 for place, name in enumerate(names) if name in _ROOTS), default=0)
        if not begin:
            continue  # torn
        box = whole
        box.looks += int(looks)
        for name in names[begin:]:
            if not name.startswith(_LEFT_OUT):
                box = box.calls.setdefault(name, Box())
                box.looks += int(looks)
    if not whole.looks:
        raise ValueError("py-spy saw nobody hold the interpreter's lock; is the worker at work?")
    return whole


def _named(call: str) -> str:
    """`module:function` of `function (file)`. Of a file outside Python's folders only its name is told."""
    function, _, file = call.removesuffix(")").partition(" (")
    file = _INSTALLED.sub("", file.removeprefix("<frozen ").removesuffix(">"))
    file = file.rpartition("/")[2] if file.startswith("/") else file
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return f"{module}:{function.replace('.<locals>', '')}"


def drawn(whole: Box, about: str) -> str:
    """The picture. about: where and of what it was taken."""
    boxes = list(_boxes(whole, whole.looks, 0.0, 0))
    height = _TOP + _ROW * (1 + max((row for row, _ in boxes), default=0)) + 24
    legend, x = list[str](), 0
    for origin, (name, _) in _ORIGINS.items():
        legend.append(f'<rect class="{origin}" x="{x}" y="24" width="12" height="12"/>')
        legend.append(f'<text x="{x + 16}" y="34">{escape(name)}</text>')
        x += 40 + round(5.8 * len(name))
    size = f'width="{_WIDTH}" height="{height}" viewBox="-4 0 {_WIDTH + 8} {height}"'
    head = "Who holds the interpreter's lock in a lane's worker, at full rate"
    lines = [f"<style>{_STYLE}</style>", f"<title>{head}</title>", f'<text class="head" x="0" y="14">{head}</text>']
    lines += [
        *legend,
        '<g class="boxes">',
        *(line for _, line in boxes),
        "</g>",
        f'<text x="0" y="{height - 6}">{escape(about)}</text>',
    ]
    body = "\n".join(lines)
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>\n{body}\n</svg>\n'


def _boxes(box: Box, whole: int, x: float, row: int) -> Iterator[tuple[int, str]]:
    """What a box calls, the widest first: row and element of each. whole: all looks; x: where the box begins."""
    for name, called in sorted(box.calls.items(), key=lambda of: (-of[1].looks, of[0])):
        share = called.looks / whole
        if share < LEAST:
            continue
        width, y = share * _WIDTH, _TOP + row * _ROW
        told = f"{escape(name)}: {share:.1%}"
        place = f'x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_ROW}"'
        line = f'<rect class="{origin(name)}" {place}><title>{told}</title></rect>'
        label = _label(name, width)
        yield row, line + (f'<text x="{x + 3:.1f}" y="{y + 12}">{escape(label)}</text>' if label else "")
        yield from _boxes(called, whole, x, row + 1)
        x += width


def _label(name: str, width: float) -> str:
    """A function's name, or its last part alone, where that fits into the box."""
    function = name.partition(":")[2]
    most = (width - 6) / _CHARACTER
    return next((text for text in (function, function.rpartition(".")[2]) if len(text) <= most), "")


def origin(name: str) -> str:
    """Whose function it is (`module:function`): a key of the legend."""
    return next((key for key, (_, begins) in _ORIGINS.items() if name.startswith(begins)), "other")


def recorded(seconds: int, count: int) -> str:
    """py-spy's chains of one of two workers, while the provider answers at once and `count` payments go out."""
    with running(2, 32) as world, started(Settlepipe(), world) as product, tempfile.TemporaryDirectory() as folder:
        warm_up(world, product, "flame")
        pid = _worker()
        load = threading.Thread(target=full_rate, args=(world, product, 0, count, "flame"), daemon=True)
        load.start()
        out = Path(folder) / "raw"
        command = [str(PY_SPY), "record", "--gil", "--nolineno", "--nonblocking", "--format", "raw", "--pid", str(pid)]
        command += ["--duration", str(seconds), "--rate", str(LOOKS_PER_S), "--output", str(out)]
        subprocess.run(command, check=True, timeout=seconds + 60, stdout=subprocess.DEVNULL)
        if not load.is_alive():
            raise RuntimeError(f"{count} payments were gone before {seconds} s were over; give more --payments")
        load.join()
        return out.read_text("utf-8")


def _worker() -> int:
    """The first of the lane's worker processes."""
    for pid in descendants(os.getpid()):
        if f"lane.{PROVIDER}".encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise RuntimeError("no worker of the lane runs")


def main() -> int:
    """Record, and write the picture on stdout."""
    parser = argparse.ArgumentParser(prog="make bench-flame", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seconds", type=int, default=20, help="that are looked at (20)")
    parser.add_argument("--payments", type=int, default=30_000, help="that go out meanwhile (30000)")
    parser.add_argument("--raw", type=Path, help="draw what py-spy wrote here before")
    arguments = parser.parse_args()
    try:
        raw = arguments.raw.read_text("utf-8") if arguments.raw else recorded(arguments.seconds, arguments.payments)
        whole = folded(raw)
    except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    sys.stdout.write(drawn(whole, f"{sizes(2, 32)}; {PROVIDER} answers at once; {whole.looks} looks, 200 a second"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
