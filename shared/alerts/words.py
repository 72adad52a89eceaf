"""What is told of an alert, and how each of the receivers' forms has it. Pure; no figure is about a person."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.telemetry.alerts import Alert

_COUNTS = ("payments", "discrepancies", "entries")
_LASTS = timedelta(minutes=10)  # an Alertmanager that hears nothing more of one for so long takes it for ended


@dataclass(frozen=True, slots=True)
class Word:
    """One alert as it is told. subject: the provider, job, stream or currency that it is about; empty: none.

    cleared_at: None while it stands. again: that it stands was told before.
    """

    id: int
    name: str
    subject: str
    figures: Mapping[str, Any]
    raised_at: datetime
    cleared_at: datetime | None
    again: bool = False

    @property
    def number(self) -> int:
        """How many payments (discrepancies, entries) it is about; 0 where nothing is counted."""
        return next((int(self.figures[name]) for name in _COUNTS if name in self.figures), 0)


def described(name: str) -> Mapping[str, str | None]:
    """Severity, meaning and action; nothing of an alert that another release raised."""
    which = Alert.__members__.get(name.upper())
    if which is None:
        return {"severity": None, "meaning": None, "action": None}
    return {"severity": which.severity.value, "meaning": which.meaning, "action": which.action}


def figures_text(figures: Mapping[str, Any]) -> str:
    """`payments=15 money=10.50GHS,1.00USD`."""
    return " ".join(f"{name}={_figure(value)}" for name, value in figures.items())


def _figure(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{amount}{currency}" for currency, amount in value.items())
    return str(value)


def plain_json(words: Sequence[Word], *, test: bool = False) -> bytes:
    """Our own form; docs/alerts.md describes it."""
    alerts = [
        {
            "id": word.id,
            "name": word.name,
            "subject": word.subject or None,
            "status": "standing" if word.cleared_at is None else "cleared",
            "again": word.again,
            "raised_at": _instant(word.raised_at),
            "cleared_at": _instant(word.cleared_at) if word.cleared_at else None,
            **described(word.name),
            "figures": word.figures,
        }
        for word in words
    ]
    return json.dumps({"version": 1, "test": test, "alerts": alerts}, ensure_ascii=False).encode()


def alertmanager_json(words: Sequence[Word], now: datetime) -> bytes:
    """The body of Alertmanager's `POST /api/v2/alerts`. What makes an alert the same one are its labels."""
    return json.dumps([_post(word, now) for word in words], ensure_ascii=False).encode()


def _post(word: Word, now: datetime) -> Mapping[str, Any]:
    told = described(word.name)
    labels = {"alertname": word.name, "service": "settlepipe", "severity": told["severity"] or "warning"}
    if word.subject:  # Alertmanager takes no empty value
        labels["subject"] = word.subject
    notes = {"summary": told["meaning"], "action": told["action"], "figures": figures_text(word.figures)}
    return {
        "labels": labels,
        "annotations": {name: text for name, text in notes.items() if text},
        "startsAt": _instant(word.raised_at),
        "endsAt": _instant(word.cleared_at or max(now, word.raised_at) + _LASTS),
    }


def subject_line(words: Sequence[Word], *, test: bool = False) -> str:
    """A mail's subject."""
    if test:
        return "settlepipe: a test"
    standing = [word for word in words if word.cleared_at is None]
    if len(words) == 1:
        return f"settlepipe: {_title(words[0])}"
    ended = len(words) - len(standing)
    return f"settlepipe: {len(standing)} {'stands' if len(standing) == 1 else 'stand'}, {ended} cleared"


def _title(word: Word) -> str:
    state = "cleared" if word.cleared_at else "still stands" if word.again else "stands"
    return " ".join(part for part in (word.name, word.subject, state) if part)


def text(words: Sequence[Word]) -> str:
    """A mail's text."""
    return "\n\n".join(_paragraph(word) for word in words) + "\n"


def _paragraph(word: Word) -> str:
    told = described(word.name)
    until = f" until {_instant(word.cleared_at)}" if word.cleared_at else ""
    lines = [
        f"{_title(word)} ({told['severity'] or 'unknown here'})",
        f"since {_instant(word.raised_at)}{until}",
        figures_text(word.figures),
        told["meaning"],
        f"What to do: {told['action']}" if told["action"] and not word.cleared_at else None,
    ]
    return "\n".join(line for line in lines if line)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
