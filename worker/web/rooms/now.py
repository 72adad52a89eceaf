"""Now: what stands, what is due, what is at risk, and what became of payments in the last day."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from shared import lanes
from shared.domain.payment import HoldReason
from shared.domain.words import Say, mark
from shared.metrics.read import AT_RISK, Open
from worker.web.rooms import charts
from worker.web.rooms.answers import Answer, Asked, Html
from worker.web.rooms.gathering import Seen
from worker.web.rooms.lanes import reason

# What somebody does about a lane that does not run.
_TO_DO = {
    "paused": mark("Resume it once the reason is gone."),
    "halted": mark("Correct the credentials or talk to the provider, then resume it; it tries one payment a minute."),
    "open": mark("Nothing: it tries one payment by itself, and goes on when that is answered."),
}
_NO_WORKER = mark("No worker serves it: start one (`settlepipe run worker --lane`).")
_PERSONS = (HoldReason.AMBIGUOUS_ACCOUNT.value, HoldReason.ACCOUNT_UNCONFIRMED.value)


@dataclass(frozen=True, slots=True)
class LaneRow:
    """state: paused, halted, open, idle (it has work and no worker) or running. to_do: None: nothing. late, oldest: in
    seconds."""

    provider: str
    state: str
    reason: str | None
    to_do: str | None
    due: int
    late: float | None
    open: int
    oldest: float | None
    risk: Mapping[str, Decimal]
    workers: int


def page(asked: Asked) -> Answer:
    """The whole page. With live=off it does not look again by itself."""
    return Html("now.html", {**_given(asked), "here": "now", "live": asked.query.get("live") != "off"})


def live(asked: Asked) -> Answer:
    """The part that changes."""
    return Html("now_live.html", {**_given(asked), "live": True})


def _given(asked: Asked) -> Mapping[str, Any]:
    seen = asked.room.now.get()
    if seen is None:
        return {"seen": None}
    payments = seen.counted.payments
    risky = [one for one in payments if one.state in AT_RISK]
    held = sum(one.payments for one in payments if one.hold_reason in _PERSONS or one.state == "parked")
    waits = held + sum(count for *_, count in seen.counted.discrepancies)
    waits += seen.counted.quarantine_waits + sum(count for _, count in seen.counted.accounts)
    return {
        "seen": seen,
        "rows": [_row(seen, row, asked.say) for row in seen.lanes],
        "due": sum(one.payments for one in payments if one.due),
        "late": _longest(one.due_s for one in payments if one.due),
        "open": sum(one.payments for one in payments),
        "risk": _sums(risky),
        "risky": sum(one.payments for one in risky),
        "waits": waits,
        "outcomes": charts.outcomes(seen.hours),
        "accepted": charts.accepted(seen.hours),
        "chart": charts,
        "totals": _totals(seen),
    }


def _row(seen: Seen, row: Mapping[str, Any], say: Say) -> LaneRow:
    provider = row["provider"]
    mine = [one for one in seen.counted.payments if one.provider == provider]
    state = lanes.told(row)[0]
    workers = next((one.workers for one in seen.standing.lanes if one.provider == provider), 0)
    count, to_do = sum(one.payments for one in mine), _TO_DO.get(state)
    if state == "running" and mine and not workers:
        state, to_do = "idle", _NO_WORKER
    return LaneRow(
        provider=provider,
        state=state,
        reason=reason(row, say),
        to_do=to_do,
        due=sum(one.payments for one in mine if one.due),
        late=_longest(one.due_s for one in mine if one.due),
        open=count,
        oldest=_longest(one.oldest_s for one in mine),
        risk=_sums([one for one in mine if one.state in AT_RISK]),
        workers=workers,
    )


def _sums(found: Sequence[Open]) -> Mapping[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for one in found:
        sums[one.currency] = sums.get(one.currency, Decimal()) + one.amount
    return dict(sorted(sums.items()))


def _longest(found: Iterable[float]) -> float | None:
    return max(found, default=None)


def _totals(seen: Seen) -> Mapping[str, int]:
    kinds = ("accepted", *charts.KINDS)
    return {kind: sum(getattr(hour, kind) for _, hour in seen.hours if hour) for kind in kinds}
