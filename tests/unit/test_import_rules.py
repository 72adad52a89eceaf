"""The import rules hold, and each of them fails when somebody breaks it."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import grimp
import pytest
from importlinter import api
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.independence import IndependenceContract
from importlinter.contracts.layers import LayersContract
from importlinter.contracts.protected import ProtectedContract

from tests.support.stack import ROOT

CONFIGURED = api.read_configuration(str(ROOT / "pyproject.toml"))
SESSION: Mapping[str, Any] = CONFIGURED["session_options"]
RULES: Mapping[str, Mapping[str, Any]] = {rule["name"]: rule for rule in CONFIGURED["contracts_options"]}
KINDS: Mapping[str, Any] = {
    "acyclic_siblings": AcyclicSiblingsContract,
    "forbidden": ForbiddenContract,
    "independence": IndependenceContract,
    "layers": LayersContract,
    "protected": ProtectedContract,
}
# An import that breaks each rule: who, whom.
BREAKS = {
    "Processes stand on shared, the command line on the processes": ("shared.lanes", "worker.tasks"),
    "Inside shared, data flows one way, from the ground up": ("shared.follow_ups.ask", "shared.payments.send"),
    "The statements of payments are called by payments": ("scheduler.jobs", "shared.payments.store.send"),
    "The statements of reconciliation are called by reconciliation": (
        "deploy.cli.main",
        "shared.reconciliation.store.runs",
    ),
    "The statements of recovery are called by recovery": ("scheduler.relay", "shared.recovery.store.finals"),
    "The statements of follow_ups are called by follow_ups": ("shared.payments.send", "shared.follow_ups.store.ask"),
    "The statements of directory are called by directory": ("shared.start", "shared.directory.store.lists"),
    "The statements of metrics are called by metrics": ("scheduler.gathered", "shared.metrics.store.counted"),
    "The statements of alerts are called by alerts": ("scheduler.judging", "shared.alerts.store.keep"),
    "The statements of webhooks are called by webhooks": ("deploy.cli.webhooks", "shared.webhooks.store.keep"),
    "The statements of archive are called by archive": ("shared.payments.dispute", "shared.archive.store.retire"),
    "The domain does no I/O": ("shared.domain.money", "redis"),
    "Only the HTTP module uses requests and tenacity": ("worker.tasks", "requests"),
    "Providers know nothing of each other; the registry knows them all": (
        "shared.providers.mtn.wire",
        "shared.providers.ubill.wire",
    ),
    "Nobody else reaches into an adapter": ("worker.tasks", "shared.providers.mtn.adapter"),
    "No import cycles between siblings": ("shared.payments.store.send", "shared.payments.check"),
}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*SESSION["root_packages"], include_external_packages=True, cache_dir=None)


def kept(rule: Mapping[str, Any], graph: grimp.ImportGraph) -> bool:
    contract = KINDS[rule["type"]](rule["name"], dict(SESSION), dict(rule))
    return bool(contract.check(deepcopy(graph), verbose=False).kept)


def test_each_rule_has_an_import_that_breaks_it() -> None:
    assert BREAKS.keys() == RULES.keys()


@pytest.mark.parametrize("name", BREAKS)
def test_a_rule_holds_and_is_broken_by_one_import(graph: grimp.ImportGraph, name: str) -> None:
    assert kept(RULES[name], graph)
    broken = deepcopy(graph)
    importer, imported = BREAKS[name]
    broken.add_import(importer=importer, imported=imported)
    assert not kept(RULES[name], broken)


def test_a_module_that_has_no_layer_is_noticed(graph: grimp.ImportGraph) -> None:
    more = deepcopy(graph)
    more.add_module("shared.drawer")
    assert not kept(RULES["Inside shared, data flows one way, from the ground up"], more)
