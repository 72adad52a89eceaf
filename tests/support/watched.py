"""The expressions of rules and dashboards, and the metrics that they name."""

import asyncio
import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from starlette.types import Message

from deploy.docs import ROOT
from deploy.rules import RULES
from shared.metrics.families import FAMILIES
from shared.telemetry import counters
from worker.web import counts

BOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))


def boards() -> dict[str, dict[str, Any]]:
    """Every dashboard, by its file's name."""
    return {board.stem: json.loads(board.read_text("utf-8")) for board in BOARDS}


def expressions() -> Iterator[tuple[str, str]]:
    """Where it stands, and what it says."""
    yield from ((rule.told.value, rule.expression) for rule in RULES)
    for name, board in boards().items():
        for panel in board["panels"]:
            yield from ((f"{name}: {panel['title']}", target["expr"]) for target in panel["targets"])


def told() -> dict[str, set[str]]:
    """Every metric that the exporter and the processes tell, with its labels; without the prefix."""
    counters.attempt("watched", "settle", "succeeded", 1)
    counts.refused("watched")
    counts.not_let_in("watched")
    asyncio.run(_asked())
    counters.dispatched("watched", "send", 1)
    counters.entries(1, 1)
    counters.job("watched", "done", 1)
    counters.tick("sent", 0)
    found = {name: set(family.labels) for name, family in FAMILIES.items()}
    for family in text_string_to_metric_families(counters.page()):
        found |= {one.name.removeprefix("settlepipe_"): set(one.labels) for one in family.samples}
    return found


async def _asked() -> None:
    async def app(*_: object) -> None:
        raise ValueError("made-up")

    async def receive() -> Message:
        return {}

    async def send(_: Message) -> None:
        return

    with contextlib.suppress(ValueError):
        await counts.counted(app, {})({"type": "http"}, receive, send)


def metrics(expression: str) -> dict[str, set[str]]:
    """The metrics of ours that it names, each with the labels that it asks for."""
    found: dict[str, set[str]] = {}
    for name, labels in re.findall(r"\bsettlepipe_(\w+)(?:\{([^}]*)\})?", expression):
        found.setdefault(name, set()).update(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', labels))
    return found


def grouped(expression: str) -> set[str]:
    """The labels that it groups by, or joins on."""
    lists = re.findall(r"\b(?:by|on) \(([^)]*)\)", expression)
    return {label.strip() for one in lists for label in one.split(",")}
