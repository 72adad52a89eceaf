"""Rules and dashboards: they ask for metrics and labels that the exporter has, and a rule has its page."""

from typing import Any

import pytest

from deploy import docs, rules
from shared.metrics.families import FAMILIES
from shared.settings import Settings
from shared.telemetry.alerts import Alert
from tests.support.watched import boards, expressions, grouped, metrics, told
from tests.unit.deploy.test_docs import _headings

BOARDS = boards()
PANELS = [pytest.param(panel, id=f"{name}-{panel['id']}") for name, one in BOARDS.items() for panel in one["panels"]]
TOLD = told()
UIDS = {"payments", "lanes", "fleet", "jobs", "nights"}


def test_the_file_of_rules_is_current() -> None:
    assert docs.RULES.read_text("utf-8") == rules.written(), "run `python -m deploy.docs`"


@pytest.mark.parametrize(("place", "expression"), list(expressions()))
def test_what_an_expression_names_is_told(place: str, expression: str) -> None:
    named = metrics(expression)
    assert named or place == "metrics_away"
    labels = {label for name in named for label in TOLD[name]}
    assert set().union(*named.values(), grouped(expression)) <= labels | {"job"}
    for name, asked in named.items():
        assert asked <= TOLD[name], name


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.told.value)
def test_a_rule_leads_to_its_page(rule: rules.Rule) -> None:
    page, _, anchor = rules.annotations(rule, base="")["runbook_url"].partition("#")
    assert anchor in _headings(docs.ROOT / page)


def test_the_rules_have_the_limits_that_the_settings_have() -> None:
    limits = Settings().alerts
    for alert, limit_s in (
        (Alert.LANE_STANDS_STILL, limits.stopped_s),
        (Alert.PAYMENT_UNKNOWN_LONG, limits.unknown_s),
        (Alert.PAYMENT_HELD_LONG, limits.held_s),
        (Alert.EVENTS_LATE, limits.events_s),
        (Alert.JOB_LATE, limits.job_s),
        (Alert.WEBHOOK_FAILING, limits.webhook_s),
    ):
        assert rules.JUDGED[alert].expression.endswith(f" > {limit_s:g}"), alert


def test_every_metric_is_on_a_dashboard() -> None:
    shown = {name for place, expression in expressions() if ": " in place for name in metrics(expression)}
    assert set(FAMILIES) - shown == set()
    mine = {name for name in TOLD.keys() - FAMILIES.keys() if not name.endswith(("_count", "_sum"))}
    assert len(mine) == 14, "of each process"
    assert mine - shown == set()
    page = (docs.ROOT / "docs" / "metrics.md").read_text("utf-8")
    assert {name for name in mine if f"`settlepipe_{name.removesuffix('_bucket')}`" not in page} == set()


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_as_grafana_wants_it(name: str) -> None:
    board = BOARDS[name]
    assert board["uid"] == f"settlepipe-{name}"
    assert board["schemaVersion"] >= 36
    assert [one["name"] for one in board["templating"]["list"]] == ["datasource"]
    ids = [panel["id"] for panel in board["panels"]]
    assert sorted(set(ids)) == ids
    cells = [cell for panel in board["panels"] for cell in _cells(panel["gridPos"])]
    assert len(set(cells)) == len(cells), "no two panels lie on each other"


def test_there_is_one_for_each_thing_that_people_look_at() -> None:
    assert set(BOARDS) == UIDS


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_has_what_it_needs(panel: dict[str, Any]) -> None:
    assert panel["type"] in ("stat", "timeseries")
    assert panel["title"]
    assert panel["fieldConfig"]["defaults"]["unit"] in ("short", "s")
    seconds = panel["fieldConfig"]["defaults"]["unit"] == "s"
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert [target["refId"] for target in panel["targets"]] == ["A", "B"][: len(panel["targets"])]
    for target in panel["targets"]:
        assert target["legendFormat"]
        assert seconds == all(name.endswith(("_seconds", "_seconds_bucket")) for name in metrics(target["expr"])), (
            "its unit is its metric's"
        )


def _cells(place: dict[str, int]) -> list[tuple[int, int]]:
    assert 0 <= place["x"] < place["x"] + place["w"] <= 24
    return [
        (x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])
    ]
