"""judge: what stands still, or is in question, by what was counted. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from shared.domain.discrepancies import Category
from shared.domain.payment import State
from shared.metrics.read import AT_RISK, Counted, Open, Standing
from shared.settings.alerting import AlertSettings
from shared.telemetry.alerts import Alert

# What an alert is about: its name, and a provider, job or currency; its figures as JSON has them.
About = tuple[Alert, str]
Figures = Mapping[str, Any]

# What a later night finds matched, or a check decides: it is told of as a payment that is unknown for long.
_ENDS_BY_ITSELF = frozenset({Category.LATE, Category.STILL_UNKNOWN})


@dataclass(slots=True)
class _Sum:
    payments: int = 0
    oldest_s: float = 0.0
    money: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def add(self, one: Open) -> None:
        self.payments += one.payments
        self.oldest_s = max(self.oldest_s, one.oldest_s)
        self.money[one.currency] += one.amount

    @property
    def figures(self) -> Figures:
        money = {currency: str(amount) for currency, amount in sorted(self.money.items())}
        return {"payments": self.payments, "oldest_s": round(self.oldest_s), "money": money}


@dataclass(frozen=True, slots=True)
class Broker:
    """How the broker stood when it answered last. full: how much of its memory is used and may be, in MB, while that is
    nearly all. late_s: of each intake stream, since its oldest entry that is not accepted came; 0: there is none."""

    full: tuple[int, int] | None = None
    late_s: Mapping[str, float] = field(default_factory=dict)


def judge(
    counted: Counted,
    standing: Standing,
    late_s: Mapping[str, float],
    limits: AlertSettings,
    broker: Broker = Broker(),
) -> Mapping[About, Figures]:
    """Everything that stands now. late_s: of each periodic job, seconds since its oldest slot that is not done."""
    found: dict[About, Figures] = {}
    for about, summed in _payments(counted, limits).items():
        found[about] = summed.figures
    found |= _lanes(counted, standing, limits)
    found |= _discrepancies(counted)
    found |= _broker(broker, limits)
    found |= _money(counted, limits)
    if standing.oldest_event_s > limits.events_s:
        found[Alert.EVENTS_LATE, ""] = {"oldest_s": round(standing.oldest_event_s), "events": counted.events_pending}
    for job, seconds in late_s.items():
        if seconds > limits.job_s:
            found[Alert.JOB_LATE, job] = {"late_s": round(seconds)}
    for provider, accounts in counted.accounts:
        found[Alert.ACCOUNT_WAITS, provider] = {"accounts": accounts}
    found |= _webhooks(standing, limits)
    if counted.quarantine_waits:
        found[Alert.QUARANTINE_WAITS, ""] = {"entries": counted.quarantine_waits}
    return found


def _webhooks(standing: Standing, limits: AlertSettings) -> Mapping[About, Figures]:
    found: dict[About, Figures] = {}
    for one in standing.webhooks:
        if one.gave_up:
            found[Alert.WEBHOOK_DISABLED, one.name] = {"because": one.because}
        elif max(one.failing_s, one.oldest_s) > limits.webhook_s:
            figures = {"failing_s": round(one.failing_s), "oldest_s": round(one.oldest_s)}
            found[Alert.WEBHOOK_FAILING, one.name] = figures
    return found


def _discrepancies(counted: Counted) -> Mapping[About, Figures]:
    found: dict[str, dict[str, int]] = {}
    for provider, category, number in counted.discrepancies:
        if category not in _ENDS_BY_ITSELF:
            figures = found.setdefault(provider, {"discrepancies": 0})
            figures["discrepancies"] += number
            figures[category] = number
    return {(Alert.DISCREPANCIES_OPEN, provider): figures for provider, figures in found.items()}


def _broker(broker: Broker, limits: AlertSettings) -> Mapping[About, Figures]:
    found: dict[About, Figures] = {}
    if broker.full is not None:
        used_mb, limit_mb = broker.full
        found[Alert.BROKER_NEARLY_FULL, ""] = {"used_mb": used_mb, "limit_mb": limit_mb}
    for stream, seconds in broker.late_s.items():
        if seconds > limits.intake_s:
            found[Alert.INTAKE_LATE, stream] = {"oldest_s": round(seconds)}
    return found


def _payments(counted: Counted, limits: AlertSettings) -> Mapping[About, _Sum]:
    sums: dict[About, _Sum] = defaultdict(_Sum)
    for one in counted.payments:
        if one.state is State.PARKED:
            sums[Alert.PAYMENT_PARKED, one.provider].add(one)
        elif one.state is State.UNKNOWN and one.oldest_s > limits.unknown_s:
            sums[Alert.PAYMENT_UNKNOWN_LONG, one.provider].add(one)
        elif one.hold_reason is not None and one.oldest_s > limits.held_s:
            sums[Alert.PAYMENT_HELD_LONG, f"{one.provider}/{one.hold_reason}"].add(one)
    return sums


def _lanes(counted: Counted, standing: Standing, limits: AlertSettings) -> Mapping[About, Figures]:
    found: dict[About, Figures] = {}
    due: dict[str, float] = defaultdict(float)
    for one in counted.payments:
        due[one.provider] = max(due[one.provider], one.due_s)
    for lane in standing.lanes:
        stopped = lane.paused or lane.halted or lane.open
        if lane.halted or (stopped and lane.stopped_s > limits.stopped_s):
            reasons = [name for name in ("paused", "halted", "open") if getattr(lane, name)]
            figures = {"stopped_s": round(lane.stopped_s), "because": " and ".join(reasons)}
            found[Alert.LANE_STANDS_STILL, lane.provider] = figures
        elif not stopped and due[lane.provider] > limits.due_s:
            figures = {"late_s": round(due[lane.provider]), "workers": lane.workers}
            found[Alert.PAYMENTS_DUE_LATE, lane.provider] = figures
    on = {lane.provider for lane in standing.lanes}
    for provider, seconds in due.items():
        if provider not in on and seconds > limits.due_s:  # switched off with payments that nobody looks at
            found[Alert.PAYMENTS_DUE_LATE, provider] = {"late_s": round(seconds), "workers": 0}
    return found


def _money(counted: Counted, limits: AlertSettings) -> Mapping[About, Figures]:
    at_risk: dict[str, Decimal] = defaultdict(Decimal)
    for one in counted.payments:
        if one.state in AT_RISK:
            at_risk[one.currency] += one.amount
    return {
        (Alert.MONEY_AT_RISK, currency): {"amount": str(at_risk[currency]), "above": str(most)}
        for currency, most in limits.money.items()
        if at_risk[currency] > most
    }
