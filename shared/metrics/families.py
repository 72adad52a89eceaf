"""What is told: every family of metrics, and how what was read becomes their values.

All are gauges: each says how it is now. What is final is not counted: that would be a scan of everything that was ever
paid, and its rate is on the events stream.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from prometheus_client.core import GaugeMetricFamily

from shared.domain.payment import FINAL, State
from shared.metrics.store.counted import AT_RISK, Counted
from shared.metrics.store.standing import LaneStanding, Standing
from shared.metrics.streams import Lag

PREFIX = "settlepipe_"
OPEN_STATES = tuple(state for state in State if state not in FINAL)


@dataclass(frozen=True, slots=True)
class Family:
    """A gauge. name: without the prefix, with its base unit last. help: what a value says, in a phrase."""

    name: str
    labels: tuple[str, ...]
    help: str


# A value of a family, by its labels in their order.
Sample = tuple[str, tuple[str, ...], float]
Values = dict[tuple[str, ...], float]

_ALL = (
    Family("up", (), "1: PostgreSQL answered in time; 0: what it says is missing here"),
    Family("broker_up", (), "1: the broker answered in time; 0: what it says is missing here"),
    Family("payments", ("provider", "state"), "payments that are not final"),
    Family("payments_oldest_seconds", ("provider", "state"), "since the oldest of them was accepted; 0: there is none"),
    Family("payments_held", ("provider", "reason"), "accepted payments that wait for something, by what that is"),
    Family(
        "money_at_risk",
        ("provider", "currency"),
        "sum of the payments that are sending, unknown or parked, in the currency's units: they may have been applied",
    ),
    Family("money_at_risk_oldest_seconds", ("provider", "currency"), "since the oldest of those payments was accepted"),
    Family("lane_due_payments", ("provider",), "payments that the dispatcher may take now: the lane's backlog"),
    Family("lane_due_follow_ups", ("provider",), "receipts and messages that the dispatcher may take now"),
    Family(
        "lane_stopped",
        ("provider", "reason"),
        "1: the lane stands still because it is paused, halted or open (its breaker)",
    ),
    Family("lane_stopped_seconds", ("provider",), "how long the lane has stood still; 0: it runs"),
    Family("lane_failures", ("provider",), "failures in a row of the kind that opens the breaker"),
    Family("lane_rate_tokens", ("provider",), "payments that the rate allows now; only of lanes that have a rate"),
    Family(
        "lane_workers", ("provider",), "workers whose sign of life is there; each has one from its first message on"
    ),
    Family("intake_stream_entries", ("stream",), "intents on the stream that are not accepted yet"),
    Family("intake_pending_entries", ("stream",), "those of them that an intake has read"),
    Family("quarantine_entries", (), "entries that could not be accepted, replayed ones included"),
    Family("events_pending", (), "events that the relay has not written to the stream"),
    Family("events_pending_oldest_seconds", (), "age of the oldest of them; 0: there is none"),
    Family("relay_active", (), "1: a relay has the turn"),
    Family("webhook_delivered", ("source", "webhook"), "events that its receiver took, repeats included"),
    Family(
        "webhook_oldest_seconds",
        ("source", "webhook"),
        "age of the oldest event that it is to get and has not; 0: there is none, or it is disabled",
    ),
    Family(
        "webhook_failing_seconds",
        ("source", "webhook"),
        "since the first try of an event that it has not taken yet; 0: there is none, or it is disabled",
    ),
    Family("webhook_disabled", ("source", "webhook"), "1: it disabled itself, and a person has to enable it"),
    Family(
        "scheduled_job_late_seconds", ("name",), "since the oldest slot of the job that came and is not done; 0: none"
    ),
    Family("discrepancies_open", ("provider", "category"), "where the books differ and nobody has closed it"),
    Family("store_held", (), "1: the database lost time, and nothing goes on until somebody recovers it"),
    Family("store_epoch", (), "grows with each recovery"),
    Family("store_beat_age_seconds", (), "since a dispatcher last judged the database; grows where none runs"),
    Family("counted_age_seconds", (), "age of what is counted row by row (see docs/metrics.md)"),
    Family("counted_duration_seconds", (), "how long that took"),
)
FAMILIES: Mapping[str, Family] = MappingProxyType({family.name: family for family in _ALL})
# Of these the values are counted row by row, at a pace of their own.
COUNTED = frozenset(
    {
        *("payments", "payments_oldest_seconds", "payments_held", "money_at_risk", "lane_due_payments"),
        "money_at_risk_oldest_seconds",
        *("quarantine_entries", "events_pending", "discrepancies_open"),
    }
)


def of_counted(counted: Counted, lanes: Sequence[str]) -> Iterator[Sample]:
    """What was counted. Of each lane every open state has a value, so that an alert sees a zero."""
    number: Values = {(lane, state.value): 0.0 for lane in lanes for state in OPEN_STATES}
    oldest: Values = dict(number)
    due: Values = {(lane,): 0.0 for lane in lanes}
    held: Values = {}
    risk: Values = {}
    risk_oldest: Values = {}
    for one in counted.payments:
        kind, lane = (one.provider, one.state.value), (one.provider,)
        number[kind] = number.get(kind, 0) + one.payments
        oldest[kind] = max(oldest.get(kind, 0), one.oldest_s)
        due[lane] = due.get(lane, 0) + one.payments * one.due
        if one.hold_reason is not None:
            reason = (one.provider, one.hold_reason)
            held[reason] = held.get(reason, 0) + one.payments
        if one.state in AT_RISK:
            money = (one.provider, one.currency)
            risk[money] = risk.get(money, 0) + float(one.amount)
            risk_oldest[money] = max(risk_oldest.get(money, 0), one.oldest_s)
    told: Mapping[str, Values] = {
        "payments": number,
        "payments_oldest_seconds": oldest,
        "payments_held": held,
        "money_at_risk": risk,
        "money_at_risk_oldest_seconds": risk_oldest,
        "lane_due_payments": due,
    }
    for name, values in told.items():
        yield from ((name, labels, value) for labels, value in values.items())
    yield from (("discrepancies_open", (lane, category), n) for lane, category, n in counted.discrepancies)
    yield ("events_pending", (), counted.events_pending)
    yield ("quarantine_entries", (), counted.quarantined)


def of_standing(standing: Standing) -> Iterator[Sample]:
    """How lanes, relay and store stand."""
    yield ("store_held", (), standing.held)
    yield ("store_epoch", (), standing.epoch)
    yield ("store_beat_age_seconds", (), standing.beat_s)
    yield ("relay_active", (), standing.relay_active)
    yield ("events_pending_oldest_seconds", (), standing.oldest_event_s)
    for lane in standing.lanes:
        yield from _of_lane(lane)
    for one in standing.webhooks:
        labels = (one.source, str(one.number))
        yield ("webhook_delivered", labels, one.delivered)
        yield ("webhook_oldest_seconds", labels, one.oldest_s)
        yield ("webhook_failing_seconds", labels, one.failing_s)
        yield ("webhook_disabled", labels, one.gave_up)


def _of_lane(lane: LaneStanding) -> Iterator[Sample]:
    one = (lane.provider,)
    for reason in ("paused", "halted", "open"):
        yield ("lane_stopped", (lane.provider, reason), getattr(lane, reason))
    yield ("lane_stopped_seconds", one, max(0.0, lane.stopped_s))
    yield ("lane_failures", one, lane.failures)
    yield ("lane_workers", one, lane.workers)
    yield ("lane_due_follow_ups", one, lane.follow_ups_due)
    if lane.rate_tokens is not None:
        yield ("lane_rate_tokens", one, lane.rate_tokens)


def of_streams(lags: Sequence[Lag]) -> Iterator[Sample]:
    """How far the intake is behind."""
    for lag in lags:
        yield ("intake_stream_entries", (lag.stream,), lag.entries)
        yield ("intake_pending_entries", (lag.stream,), lag.pending)


def families(samples: Sequence[Sample]) -> Iterator[GaugeMetricFamily]:
    """As prometheus_client writes them, in the order of the table; one without a value is left out. Raises KeyError for
    a name that is not in it."""
    values: dict[str, list[Sample]] = {}
    for sample in samples:
        values.setdefault(FAMILIES[sample[0]].name, []).append(sample)
    for family in FAMILIES.values():
        if family.name in values:
            gauge = GaugeMetricFamily(PREFIX + family.name, family.help, labels=family.labels)
            for _, labels, value in sorted(values[family.name]):
                gauge.add_metric(labels, float(value))
            yield gauge
