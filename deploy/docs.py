"""The parts of the documents that are generated: settings, states, the alerts' runbook, the metrics, the rules.

`python -m deploy.docs` writes them between their markers; a test fails when they are behind the code.
"""

import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from deploy import rules
from deploy.rules import JUDGED, Gone
from shared.domain.codes import Code
from shared.domain.payment import FINAL, TRANSITIONS
from shared.metrics.families import COUNTED, FAMILIES
from shared.metrics.families import PREFIX as PREFIX_OF_METRICS
from shared.settings import PREFIX, Settings
from shared.settings.sections import ProviderSettings
from shared.telemetry.alerts import Alert
from worker.web.problems import Fault

ROOT = Path(__file__).parent.parent
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"


def settings_table() -> str:
    """Every setting with its default, in the order of the settings object; what all providers share stands once."""
    rows = ["| setting | default | what it is |", "|---|---|---|"]
    rows += [f"| `{name}` | {default} | {text} |" for name, default, text in _settings(Settings)]
    return "\n".join(rows)


def _settings(model: type[BaseModel], path: str = PREFIX) -> Iterator[tuple[str, str, str]]:
    shared_shown = False
    for name, field in model.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, ProviderSettings):
            if not shared_shown:
                yield from _fields(ProviderSettings, f"{PREFIX}<PROVIDER>__")
                shared_shown = True
            own = section.model_fields.keys() - ProviderSettings.model_fields.keys()
            yield from _fields(section, f"{path}{name.upper()}__", own)
        elif isinstance(section, type) and issubclass(section, BaseModel):
            yield from _fields(section, f"{path}{name.upper()}__")
        else:
            yield f"{path}{name.upper()}", _default(field.get_default(call_default_factory=True)), _text(field)


def _fields(model: type[BaseModel], path: str, only: set[str] | None = None) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        if only is not None and name not in only:
            continue
        shown, section = (field.alias or name).upper(), field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            yield from _fields(section, f"{path}{shown}__")
        else:
            yield f"{path}{shown}", _default(field.get_default(call_default_factory=True)), _text(field)


def _text(field: Any) -> str:
    return str(field.description or "").replace("|", "\\|")


def _default(value: Any) -> str:
    if value is None or value in ("", ()):
        return "unset"
    if isinstance(value, SecretStr):
        return "unset"
    if isinstance(value, bool | Mapping | tuple):
        return f"`{json.dumps(value)}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def metrics_table() -> str:
    """Every family of metrics."""
    rows = ["| metric | labels | a value says |", "|---|---|---|"]
    for family in FAMILIES.values():
        labels = ", ".join(f"`{label}`" for label in family.labels) or "-"
        star = " *" if family.name in COUNTED else ""
        rows.append(f"| `{PREFIX_OF_METRICS}{family.name}`{star} | {labels} | {family.help} |")
    return "\n".join(rows)


def state_diagram() -> str:
    """The legal transitions as a mermaid diagram."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> accepted"]
    for state, successors in TRANSITIONS.items():
        lines += [f"    {state} --> {successor}" for successor in successors_in_order(successors)]
        if state in FINAL:
            lines.append(f"    {state} --> [*]")
    return "\n".join([*lines, "```"])


def successors_in_order(successors: frozenset[Any]) -> list[Any]:
    """In the order of the table, so that the document does not change from run to run."""
    return [state for state in TRANSITIONS if state in successors]


def codes_table() -> str:
    """Every code, what it means and what an upstream does."""
    rows = ["| code | it means | what an upstream does |", "|---|---|---|"]
    return "\n".join(rows + [f"| `{code}` | {code.meaning} | {code.action} |" for code in Code])


def problems_table() -> str:
    """Every code of the HTTP door's own."""
    rows = ["| code | status | it says |", "|---|---|---|"]
    return "\n".join(rows + [f"| `{fault}` | {fault.status.value} | {fault.says} |" for fault in Fault])


def runbook() -> str:
    """A section for each alert: what it means, where to look, what to do."""
    return "\n" + "\n\n".join(_page(alert) for alert in Alert) + "\n"


def watched() -> str:
    """The same for what only metrics can see."""
    return "\n" + "\n\n".join(_page(gone) for gone in Gone) + "\n"


def _page(alert: Alert | Gone) -> str:
    rule = JUDGED.get(alert)
    logs = f'`"alert":"{alert.value}"` on the logs' + (", `settlepipe alerts`." if rule is None else ", or")
    metric = f"`{rule.expression}`" + (f" for {rule.for_s} s" if rule.for_s else "") + "." if rule else ""
    look = metric if isinstance(alert, Gone) else f"{logs} {metric}".rstrip()
    said = (f"**{alert.severity.value}**: {alert.meaning}", f"**Look:** {look}", f"**Do:** {alert.action}")
    return "\n\n".join((f"## {alert}", *(_wrapped(text) for text in said)))


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


GENERATED: Mapping[tuple[str, str], Callable[[], str]] = {
    ("README.md", "settings"): settings_table,
    ("docs/payments.md", "states"): state_diagram,
    ("docs/alerts.md", "alerts"): runbook,
    ("docs/alerts.md", "watched"): watched,
    ("docs/metrics.md", "metrics"): metrics_table,
    ("docs/codes.md", "codes"): codes_table,
    ("docs/http.md", "problems"): problems_table,
}


def current(document: str, name: str, text: str, content: str) -> str:
    """`text` with the part called `name` made anew. Raises ValueError when its markers are missing."""
    begin, end = f"<!-- generated: {name} -->", "<!-- end -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"{document} has no part between {begin} and {end}")
    return pattern.sub(lambda _: f"{begin}\n{content}\n{end}", text, count=1)


def main() -> None:
    """Write every generated part."""
    for (document, name), generate in GENERATED.items():
        path = ROOT / document
        path.write_text(current(document, name, path.read_text("utf-8"), generate()), "utf-8")
        print(f"{document}: {name}", file=sys.stderr)
    RULES.write_text(rules.written(), "utf-8")


if __name__ == "__main__":
    main()
