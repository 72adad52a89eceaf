"""`python -m tests.bench.chart FILE`: what `make bench ARGS=--json` found, as an SVG picture on stdout.

A bar is a contender's median, the line across its end the lowest and the highest round. One picture for each time that
the provider takes; light and dark as the reader's screen is.
"""

import json
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

NAMES = {
    "settlepipe": "settlepipe",
    "ubill": "settlepipe, one by one",
    "naive": "the usual way",
    "plain": "the POST alone",
    "procrastinate": "procrastinate",
    "dbos": "DBOS",
}
_WIDTH, _ROW, _LABEL, _FIGURE = 720, 26, 170, 60
_STYLE = """text { font: 13px sans-serif; fill: #1f2328 } .head { font-weight: bold }
.ours { fill: #1a7f6b } .other { fill: #9aa4ad } .spread { stroke: #1f2328; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .ours { fill: #2fb39a } .other { fill: #6b7680 } .spread { stroke: #e6edf3 } }"""


def drawn(found: Mapping[str, Any]) -> str:
    """The picture. found: what `python -m tests.bench --json` printed."""
    lines, y = list[str](), 8
    for latency_s in sorted({result["latency_s"] for result in found["results"]}):
        results = [result for result in found["results"] if result["latency_s"] == latency_s]
        head = "at once" if latency_s == 0 else f"after {latency_s * 1000:.0f} ms"
        lines.append(f'<text class="head" x="0" y="{y + 14}">payments a second, the provider answers {head}</text>')
        y += 24
        lines += _bars(results, y)
        y += _ROW * len(results) + 16
    lines.append(f'<text x="0" y="{y + 6}">{escape(found["machine"])}; median, lowest and highest round</text>')
    size = f'width="{_WIDTH}" height="{y + 16}" viewBox="-8 0 {_WIDTH + 16} {y + 16}"'
    title = "<title>Payments a second: settlepipe beside others</title>"
    body = "\n".join([f"<style>{_STYLE}</style>", title, *lines])
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>\n{body}\n</svg>\n'


def _bars(results: Sequence[Mapping[str, Any]], y: int) -> Iterator[str]:
    scale = (_WIDTH - _LABEL - _FIGURE) / max(max(result["rates"]) for result in results)

    def x(rate: float) -> float:
        return _LABEL + float(rate * scale)

    for result in results:
        rates, name = result["rates"], result["contender"]
        median, middle = statistics.median(rates), y + _ROW / 2
        ours = "ours" if name in ("settlepipe", "ubill") else "other"
        yield f'<text x="0" y="{middle + 4:.0f}">{escape(NAMES[name])}</text>'
        yield f'<rect class="{ours}" x="{_LABEL}" y="{y + 4}" width="{x(median) - _LABEL:.1f}" height="{_ROW - 8}"/>'
        ends = f'x1="{x(min(rates)):.1f}" x2="{x(max(rates)):.1f}" y1="{middle:.0f}" y2="{middle:.0f}"'
        yield f'<line class="spread" {ends}/>'
        yield f'<text x="{x(max(rates)) + 6:.1f}" y="{middle + 4:.0f}">{median:.0f}</text>'
        y += _ROW


if __name__ == "__main__":
    sys.stdout.write(drawn(json.loads(Path(sys.argv[1]).read_text("utf-8"))))
