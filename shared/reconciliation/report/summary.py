"""summary.json: the report's sums for programs. Amounts are text with the currency's places, times RFC 3339."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from shared.domain.money import format_amount
from shared.reconciliation.report.picture import Picture, Sums
from shared.reconciliation.report.words import WORDS, Weight
from shared.reconciliation.store.reports import Change


def summary(picture: Picture, written_at: datetime) -> dict[str, Any]:
    """What the file holds: of the run's own day, and under `carried` what it changed about the sums of earlier days.

    verdict: `act`, `watch`, `settled`, `agrees` or `nothing` (to compare); `complete` says whether it is about all of
    the books; `unreadable` how many rows of others in them could not be read.
    """
    run, weighed = picture.run, picture.weighed()
    return {
        "provider": run.provider,
        "title": picture.provider_title,
        "day": run.day.isoformat(),
        "zone": picture.zone,
        "period_from": _text(run.period_from),
        "period_to": _text(run.period_to),
        "complete": run.complete and not run.unread,
        "missing": run.missing,
        "unread": run.unread,
        "unreadable": run.unreadable,
        "lines": run.lines,
        "verdict": verdict(weighed),
        "entries": {str(weight): count for weight, count in weighed.items()},
        "new": picture.fresh,
        "open": picture.open,
        "sums": [_sums(one) for one in picture.sums],
        "carried": [_change(change) for change in picture.changes],
        "open_by_age": [
            {"age": bucket.title, "entries": bucket.counts, "in_question": _amounts(bucket.minor)}
            for bucket in picture.buckets
        ],
        "hours": picture.hours,
        "times": {
            "started_at": _text(run.started_at),
            "fetched_at": _text(run.fetched_at),
            "compared_at": _text(run.compared_at),
            "written_at": _text(written_at),
        },
    }


def as_bytes(summary: Mapping[str, Any]) -> bytes:
    """The file."""
    return (json.dumps(summary, ensure_ascii=False, indent=2) + "\n").encode()


def verdict(weighed: Mapping[Weight, int]) -> str:
    """The gravest weight of which there is something; `nothing` where there is none."""
    return next((str(weight) for weight in reversed(Weight) if weighed[weight]), "nothing")


def _sums(one: Sums) -> dict[str, Any]:
    categories: Sequence[Mapping[str, Any]] = [
        {
            "category": total.category,
            "title": WORDS[total.category].title,
            "entries": total.count,
            "our_books": format_amount(total.local_minor, one.currency),
            "provider_books": format_amount(total.provider_minor, one.currency),
        }
        for total in one.totals
    ]
    return {
        "currency": one.currency,
        "our_books": format_amount(one.local_minor, one.currency),
        "provider_books": format_amount(one.provider_minor, one.currency),
        "difference": format_amount(one.difference_minor, one.currency),
        "categories": categories,
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "currency": change.currency,
        "entries": change.count,
        "our_books": format_amount(change.local_minor, change.currency),
        "provider_books": format_amount(change.provider_minor, change.currency),
    }


def _amounts(minor: Mapping[str, int]) -> dict[str, str]:
    return {currency: format_amount(amount, currency) for currency, amount in minor.items()}


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")
