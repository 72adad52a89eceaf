"""The alert rules, as Prometheus' own programs judge them: each fires for what it is about, and for nothing else.

The last test breaks something under a real Prometheus that scrapes the real exporter.
"""

import contextlib
import json
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from deploy import docs, rules
from deploy.local.home import free_ports
from shared.metrics.families import FAMILIES
from shared.telemetry.alerts import Alert
from tests.integration.test_exporter import ALWAYS, Exporter, exporter
from tests.support.programs import path_of
from tests.support.stack import wait_until

# For each rule: the series, with the values of one that fires and of one that does not, at each minute of four hours.
ONE = 'settlepipe_{}{{provider="mtn"}}'
_HTTP = 'settlepipe_http_requests_total{{job="settlepipe-processes", status="{}", route="{}"}}'
SERIES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "store_held": {"settlepipe_store_held": ("1x240", "0x240")},
    "lane_halted": {
        'settlepipe_lane_stopped{provider="mtn", reason="halted"}': ("1x240", "0x240"),
        'settlepipe_lane_stopped{provider="mtn", reason="paused"}': ("0x240", "1x240"),
    },
    "lane_stands_still": {ONE.format("lane_stopped_seconds"): ("901x240", "900x240")},
    "payment_parked": {
        'settlepipe_payments{provider="mtn", state="parked"}': ("1x240", "0x240"),
        'settlepipe_payments{provider="mtn", state="unknown"}': ("9x240", "9x240"),
    },
    "payment_unknown_long": {
        'settlepipe_payments_oldest_seconds{provider="mtn", state="unknown"}': ("3601x240", "3600x240"),
    },
    "payment_held_long": {
        'settlepipe_payments_oldest_seconds{provider="mtn", state="accepted"}': ("86401x240", "86400x240"),
    },
    "events_late": {"settlepipe_events_pending_oldest_seconds": ("61x240", "60x240")},
    "webhook_disabled": {'settlepipe_webhook_disabled{source="shop", webhook="1"}': ("1x240", "0x240")},
    "webhook_failing": {
        'settlepipe_webhook_failing_seconds{source="shop", webhook="1"}': ("3601x240", "3600x240"),
        'settlepipe_webhook_oldest_seconds{source="shop", webhook="1"}': ("9x240", "9x240"),
    },
    "job_late": {'settlepipe_scheduled_job_late_seconds{name="reconcile-mtn"}': ("3601x240", "3600x240")},
    "duplicate_at_provider": {
        'settlepipe_discrepancies_open{provider="mtn", category="duplicate_at_provider"}': ("1x240", "0x240"),
    },
    "paid_there_failed_here": {
        'settlepipe_discrepancies_open{provider="mtn", category="paid_there_failed_here"}': ("1x240", "0x240"),
    },
    "new_discrepancies": {
        'settlepipe_discrepancies_open{provider="mtn", category="missing_there"}': ("1x240", "0x240"),
    },
    "metrics_away": {'up{job="settlepipe"}': ("0x240", "1x240")},
    "database_away": {"settlepipe_up": ("0x240", "1x240")},
    "broker_away": {"settlepipe_broker_up": ("0x240", "1x240")},
    "no_dispatcher": {"settlepipe_store_beat_age_seconds": ("31x240", "30x240")},
    "no_relay": {"settlepipe_relay_active": ("0x240", "1x240")},
    "intake_behind": {'settlepipe_intake_stream_entries{stream="s"}': ("1x240", "1x235 0 1x4")},
    "http_failing": {
        'up{job="settlepipe-processes"}': ("1x240", "1x240"),
        _HTTP.format("2xx", "/v1/intents"): ("0+60x240", "0+60x240"),
        _HTTP.format("5xx", "/v1/intents"): ("0+12x240", "0+5x240"),
        _HTTP.format("5xx", "/readyz"): ("0+60x240", "0+60x240"),
        _HTTP.format("2xx", "/livez"): ("0+600x240", "0+600x240"),
    },
    "no_worker": {
        ONE.format("lane_workers"): ("0x240", "0x240"),
        ONE.format("lane_due_payments"): ("5x240", "5x240"),
        ONE.format("lane_stopped_seconds"): ("0x240", "60x240"),
    },
}


def _promtool(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([path_of("promtool"), *words], capture_output=True, text=True, timeout=120, check=False)


def _judged(rule: rules.Rule, folder: Path, series: Mapping[str, str], told: list[dict[str, Any]]) -> tuple[int, str]:
    test = {
        "rule_files": [str(docs.RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "alert_rule_test": [{"eval_time": "239m", "alertname": rule.told.value, "exp_alerts": told}],
            }
        ],
    }
    file = folder / "test.json"  # JSON is YAML
    file.write_text(json.dumps(test))
    done = _promtool("test", "rules", str(file))
    return done.returncode, done.stdout + done.stderr


def _labels(name: str) -> dict[str, str]:
    """Those of a series that is in an alert."""
    inside = name.partition("{")[2].rstrip("}")
    return dict(part.strip().replace('"', "").split("=") for part in inside.split(",") if part)


def test_promtool_finds_nothing_wrong_with_the_rules(tmp_path: Path) -> None:
    done = _promtool("check", "rules", str(docs.RULES))
    assert (done.returncode, f"{len(rules.RULES)} rules found" in done.stdout) == (0, True), done
    broken = tmp_path / "rules.yml"
    broken.write_text(docs.RULES.read_text("utf-8").replace("== 1", "=== 1"))
    assert _promtool("check", "rules", str(broken)).returncode != 0


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.told.value)
def test_a_rule_fires_for_what_it_is_about(rule: rules.Rule, tmp_path: Path) -> None:
    series = SERIES[rule.told.value]
    labels = _labels(next(iter(series))) | {"severity": rule.told.severity.value}
    told = {"exp_labels": labels, "exp_annotations": dict(rules.annotations(rule, base=""))}
    fires = {name: values for name, (values, _) in series.items()}
    assert _judged(rule, tmp_path, fires, [told]) == (0, f"Unit Testing:  {tmp_path}/test.json\n  SUCCESS\n\n")
    assert _judged(rule, tmp_path, fires, [])[0] != 0, "promtool would say so"


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.told.value)
def test_a_rule_is_silent_for_all_else(rule: rules.Rule, tmp_path: Path) -> None:
    silent = {name: values for name, (_, values) in SERIES[rule.told.value].items()}
    assert _judged(rule, tmp_path, silent, []) == (0, f"Unit Testing:  {tmp_path}/test.json\n  SUCCESS\n\n")


class Prometheus:
    """A real one, that scrapes the exporter every second and judges the rules as often."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self._url}/{path}", timeout=10) as answer:  # noqa: S310 - our own
            return json.load(answer)["data"]

    def names(self) -> set[str]:
        """Every metric that it has."""
        with contextlib.suppress(OSError):
            return set(self.get("label/__name__/values"))
        return set()

    def firing(self) -> set[tuple[str, str]]:
        """The alerts, each with its lane."""
        found = [one for one in self.get("alerts")["alerts"] if one["state"] == "firing"]
        return {(one["labels"]["alertname"], one["labels"].get("provider", "")) for one in found}


@contextlib.contextmanager
def prometheus(folder: Path, scraped: Exporter) -> Iterator[Prometheus]:
    (port,) = free_ports(1)
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s", "external_labels": {"runbooks": "x/"}},
        "rule_files": [str(docs.RULES)],
        "scrape_configs": [
            {"job_name": "settlepipe", "static_configs": [{"targets": [f"127.0.0.1:{scraped.port}"]}]},
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(configuration))
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                path_of("prometheus"),
                *(f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"),
                *(f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"),
            ],
            stdout=log,
            stderr=log,
        )
        try:
            yield Prometheus(port)
        finally:
            process.kill()
            process.wait()
            print((folder / "prometheus.log").read_text()[-3000:])  # shown when the test fails


def test_a_real_prometheus_sees_a_lane_that_is_halted_and_that_it_runs_again(
    tmp_path: Path, database_url: str, broker_url: str
) -> None:
    halted = (Alert.LANE_HALTED.value, "mtn")
    with (
        exporter(tmp_path, database_url, broker_url) as scraped,
        prometheus(tmp_path, scraped) as watching,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        always = {f"settlepipe_{name}" for name in ALWAYS}
        assert always < {f"settlepipe_{name}" for name in FAMILIES}
        wait_until(lambda: always <= watching.names(), "it has every metric of the exporter's", 60)
        assert halted not in watching.firing()

        connection.execute("INSERT INTO lanes (provider) VALUES ('mtn') ON CONFLICT DO NOTHING")
        halt = (
            "UPDATE lanes SET halted_at = now(), halted_reason = 'made up', stopped_at = now() WHERE provider = 'mtn'"
        )
        connection.execute(halt)
        wait_until(lambda: halted in watching.firing(), "its alert fires", 60)
        assert (Alert.LANE_HALTED.value, "ubill") not in watching.firing()

        connection.execute("UPDATE lanes SET halted_at = NULL, halted_reason = NULL, stopped_at = NULL")
        wait_until(lambda: halted not in watching.firing(), "it is over", 60)
        wait_until(lambda: ("no_relay", "") in watching.firing(), "no relay runs, and it is told", 90)
