"""Alert rules for Prometheus: what of `Alert` the exporter's metrics can judge, and what only they can see.

`deploy/prometheus/rules.yml` and docs/alerts.md are generated from here. What happens to one payment, or in a log
alone, has no rule: match on the logs for that.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared.telemetry.alerts import Alert
from shared.telemetry.severity import Severity

RUNBOOK = "docs/alerts.md"
# Put before the path of a page, so that its link leads to your copy: an external label of Prometheus'.
_BASE = "{{ $externalLabels.runbooks }}"


class Gone(StrEnum):
    """What nobody is there to log: a process or a server that is away. As `Alert`: name, severity, meaning, action."""

    severity: Severity
    meaning: str
    action: str

    def __new__(cls, name: str, severity: Severity, meaning: str, action: str) -> "Gone":
        gone = str.__new__(cls, name)
        gone._value_ = name
        gone.severity, gone.meaning, gone.action = severity, meaning, action
        return gone

    METRICS_AWAY = (
        "metrics_away",
        Severity.WARNING,
        "The exporter of metrics can't be scraped: no other rule can say anything now.",
        "See that the process `metrics` runs, and its log; payments do not need it.",
    )
    DATABASE_AWAY = (
        "database_away",
        Severity.CRITICAL,
        "PostgreSQL does not answer the exporter. If it answers nobody, payments stand still; none is lost.",
        "See PostgreSQL's log and its machine, then `settlepipe doctor`. Everything goes on by itself when it is back.",
    )
    BROKER_AWAY = (
        "broker_away",
        Severity.CRITICAL,
        "Redis or Valkey does not answer the exporter. Nothing is taken in and no work is handed out.",
        "See the broker's log and its memory, then `settlepipe doctor`. Everything goes on by itself when it is back.",
    )
    NO_DISPATCHER = (
        "no_dispatcher",
        Severity.CRITICAL,
        "No dispatcher has judged the database for half a minute: no payment is handed out, no alert is raised.",
        "See that a dispatcher runs, and its log.",
    )
    NO_RELAY = (
        "no_relay",
        Severity.CRITICAL,
        "No relay has the turn: upstreams are told nothing.",
        "See that a relay runs, and its log.",
    )
    INTAKE_BEHIND = (
        "intake_behind",
        Severity.CRITICAL,
        "An intake stream has not been empty for long: no intake reads it, or too few do.",
        "See that an intake runs, and its log. Start more where their processor is busy.",
    )
    HTTP_FAILING = (
        "http_failing",
        Severity.CRITICAL,
        "For five minutes more than a tenth of what was asked for by HTTP ended in an error of ours. Upstreams can't"
        " hand in their intents, or people can't look. Nothing is lost: whoever got no 202 sends the same again.",
        "See the log of `web`, and whether PostgreSQL answers. A problem's code (docs/http.md) says what failed: start"
        " more where they are `busy`.",
    )
    NO_WORKER = (
        "no_worker",
        Severity.CRITICAL,
        "Payments of a lane wait, and no worker of it has shown a sign of life since.",
        "Start workers of the lane; see why the old ones ended.",
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """When it is told. expression: PromQL, true for each subject that it concerns; for_s: how long it has to be."""

    told: Alert | Gone
    expression: str
    for_s: int = 0


RULES = (
    Rule(Alert.STORE_HELD, "settlepipe_store_held == 1"),
    Rule(Alert.LANE_HALTED, 'settlepipe_lane_stopped{reason="halted"} == 1'),
    Rule(Alert.LANE_STANDS_STILL, "settlepipe_lane_stopped_seconds > 900"),
    Rule(Alert.PAYMENT_PARKED, 'settlepipe_payments{state="parked"} > 0'),
    Rule(Alert.PAYMENT_UNKNOWN_LONG, 'settlepipe_payments_oldest_seconds{state="unknown"} > 3600'),
    Rule(Alert.PAYMENT_HELD_LONG, 'settlepipe_payments_oldest_seconds{state="accepted"} > 86400'),
    Rule(Alert.EVENTS_LATE, "settlepipe_events_pending_oldest_seconds > 60", 60),
    Rule(Alert.WEBHOOK_DISABLED, "settlepipe_webhook_disabled == 1"),
    Rule(
        Alert.WEBHOOK_FAILING,
        "settlepipe_webhook_failing_seconds > 3600 or on (source, webhook) settlepipe_webhook_oldest_seconds > 3600",
    ),
    Rule(Alert.JOB_LATE, "settlepipe_scheduled_job_late_seconds > 3600"),
    Rule(Alert.DUPLICATE_AT_PROVIDER, 'settlepipe_discrepancies_open{category="duplicate_at_provider"} > 0'),
    Rule(Alert.PAID_THERE_FAILED_HERE, 'settlepipe_discrepancies_open{category="paid_there_failed_here"} > 0'),
    Rule(
        Alert.NEW_DISCREPANCIES,
        'settlepipe_discrepancies_open{category!~"duplicate_at_provider|paid_there_failed_here"} > 0',
    ),
    Rule(Gone.METRICS_AWAY, 'up{job="settlepipe"} == 0', 120),
    Rule(Gone.DATABASE_AWAY, "settlepipe_up == 0", 30),
    Rule(Gone.BROKER_AWAY, "settlepipe_broker_up == 0", 30),
    Rule(Gone.NO_DISPATCHER, "settlepipe_store_beat_age_seconds > 30", 30),
    Rule(Gone.NO_RELAY, "settlepipe_relay_active == 0", 60),
    Rule(Gone.INTAKE_BEHIND, "min_over_time(settlepipe_intake_stream_entries[10m]) > 0", 300),
    Rule(
        Gone.HTTP_FAILING,  # probes are no requests, and a look-up fails where a provider does
        'sum by (job) (rate(settlepipe_http_requests_total{status="5xx", route!~"/livez|/readyz|/v1/lookups.*"}[5m]))'
        ' / sum by (job) (rate(settlepipe_http_requests_total{route!~"/livez|/readyz|/v1/lookups.*"}[5m])) > 0.1',
        300,
    ),
    Rule(
        Gone.NO_WORKER,
        "settlepipe_lane_workers == 0 and on (provider) settlepipe_lane_due_payments > 0"
        " and on (provider) settlepipe_lane_stopped_seconds == 0",
        300,
    ),
)
JUDGED: Mapping[Alert | Gone, Rule] = {rule.told: rule for rule in RULES}


def annotations(rule: Rule, base: str = _BASE) -> Mapping[str, str]:
    """What goes with an alert: what it means, what to do, and where its page is."""
    page = f"{base}{RUNBOOK}#{rule.told.value}"
    return {"summary": rule.told.meaning, "action": rule.told.action, "runbook_url": page}


def written() -> str:
    """deploy/prometheus/rules.yml."""
    lines = [
        "# Generated from deploy/rules.py by `python -m deploy.docs`. A runbook's link begins with the external label",
        "# `runbooks` of your Prometheus: external_labels: {runbooks: https://wiki.example.org/settlepipe/}",
        "groups:",
        "  - name: settlepipe",
        "    rules:",
    ]
    for rule in RULES:
        lines += [f"      - alert: {rule.told.value}", f"        expr: {json.dumps(rule.expression)}"]
        lines += [f"        for: {rule.for_s}s"] if rule.for_s else []
        lines += ["        labels:", f"          severity: {rule.told.severity.value}", "        annotations:"]
        lines += [f"          {name}: {json.dumps(text)}" for name, text in annotations(rule).items()]
    return "\n".join(lines) + "\n"
