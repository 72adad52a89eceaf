"""deploy/kubernetes: as the API's schemas have it, with settings, commands, ports and labels that there are."""

from copy import deepcopy
from typing import Any

import pytest

from deploy.cli.run import Process, named
from deploy.local import processes
from shared.providers.registry import REGISTRATIONS
from shared.settings import Settings
from tests.support import deployed, kubernetes
from tests.support.kubernetes import container, of_kind

ALL = {overlay: kubernetes.rendered(overlay) for overlay in kubernetes.OVERLAYS}
LARGE = ALL["large"]
EVERY = [
    pytest.param(one, id=f"{name}-{one['kind']}-{one['metadata']['name']}")
    for name, some in ALL.items()
    for one in some
]
DEPLOYMENTS = of_kind(LARGE, "Deployment")
SETTINGS = of_kind(LARGE, "ConfigMap")["settlepipe"]["data"]
LANES = sorted(name for name, one in REGISTRATIONS.items() if one.operations)


def _labels(deployment: dict[str, Any]) -> dict[str, str]:
    return dict(deployment["spec"]["template"]["metadata"]["labels"])


@pytest.mark.parametrize("document", EVERY)
def test_the_api_would_take_it(document: dict[str, Any]) -> None:
    kubernetes.validate(document)
    broken = deepcopy(document)
    broken["metadata"]["no_such"] = "x"
    with pytest.raises(Exception, match="no_such"):
        kubernetes.validate(broken)


@pytest.mark.parametrize("overlay", ALL)
def test_no_two_objects_have_one_name(overlay: str) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in ALL[overlay]]
    assert sorted(set(names)) == sorted(names)


def test_every_setting_is_one() -> None:
    for deployment in DEPLOYMENTS.values():
        own = {one["name"]: one["value"] for one in container(deployment).get("env", [])}
        deployed.readable(SETTINGS | own)


def test_every_process_that_takes_part_has_a_deployment() -> None:
    jobs = [container(one)["args"] for one in (*DEPLOYMENTS.values(), *of_kind(LARGE, "Job").values())]
    assert {deployed.parsed(words) for words in jobs} == {"run", "upgrade"}
    run = {named(words[1]) for words in jobs if words[0] == "run"}
    assert {one.process for one in run} == set(Process) - {Process.FLOWER}
    assert sorted(one.lane for one in run if one.lane) == LANES
    assert all(words[1].removesuffix("-1") in DEPLOYMENTS for words in jobs if words[0] == "run")


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_may_do_little_has_time_to_stop_and_is_probed(name: str) -> None:
    pod, one = DEPLOYMENTS[name]["spec"]["template"]["spec"], container(DEPLOYMENTS[name])
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert one["securityContext"]["readOnlyRootFilesystem"] is True
    assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    takes_s = Settings().http.total_timeout_s + processes.WORKER_MARGIN_S
    assert takes_s <= pod["terminationGracePeriodSeconds"] <= takes_s + 10
    for probe, path in (("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        assert one[probe]["httpGet"] == {"path": path, "port": int(SETTINGS["SETTLEPIPE_HEALTH_PORT"])}
    assert pod["topologySpreadConstraints"]
    assert one["envFrom"] == [{"configMapRef": {"name": "settlepipe"}}, {"secretRef": {"name": "settlepipe"}}]
    assert {"name": "home", "mountPath": SETTINGS["SETTLEPIPE_HOME"]} in one["volumeMounts"]


@pytest.mark.parametrize("name", ["dispatcher", "relay", "intake", *(f"worker-{lane}" for lane in LANES)])
def test_of_what_must_not_stand_still_there_are_two_and_one_stays(name: str) -> None:
    assert DEPLOYMENTS[name]["spec"]["replicas"] >= 2
    budget = of_kind(LARGE, "PodDisruptionBudget")[name]["spec"]
    assert (budget["maxUnavailable"], budget["selector"]["matchLabels"]) == (1, _labels(DEPLOYMENTS[name]))


@pytest.mark.parametrize("lane", LANES)
def test_a_lanes_workers_come_by_what_waits_for_them(lane: str) -> None:
    scaled = of_kind(LARGE, "ScaledObject")[f"worker-{lane}"]["spec"]
    assert scaled["scaleTargetRef"]["name"] in DEPLOYMENTS
    assert scaled["triggers"][0]["metadata"]["query"].count(f"provider = '{lane}'") == 2
    assert scaled["triggers"][0]["authenticationRef"]["name"] in of_kind(LARGE, "TriggerAuthentication")


def test_what_is_scraped_is_a_port_that_somebody_listens_on_and_that_may_be_reached() -> None:
    monitor = of_kind(LARGE, "ServiceMonitor")["settlepipe"]["spec"]
    (service,) = [
        one
        for one in of_kind(LARGE, "Service").values()
        if monitor["selector"]["matchLabels"].items() <= one["metadata"]["labels"].items()
    ]
    (port,) = service["spec"]["ports"]
    assert (port["name"], str(port["targetPort"])) == (
        monitor["endpoints"][0]["port"],
        SETTINGS["SETTLEPIPE_METRICS_PORT"],
    )
    assert service["spec"]["selector"] == _labels(DEPLOYMENTS["metrics"])
    policy = of_kind(LARGE, "NetworkPolicy")["settlepipe"]["spec"]
    let_in = {one["port"] for one in policy["ingress"][0]["ports"]}
    assert let_in == {int(SETTINGS["SETTLEPIPE_METRICS_PORT"]), int(SETTINGS["SETTLEPIPE_HEALTH_PORT"])}
    assert all(policy["podSelector"]["matchLabels"].items() <= _labels(one).items() for one in DEPLOYMENTS.values())


def test_who_talks_to_providers_may_and_nobody_else() -> None:
    (_, rule) = of_kind(LARGE, "NetworkPolicy")["settlepipe-providers"]["spec"]["podSelector"]["matchExpressions"]
    components = {_labels(one)["app.kubernetes.io/component"] for one in DEPLOYMENTS.values()} | {"migrate"}
    assert set(rule["values"]) <= components
    allowed = components - set(rule["values"])
    assert allowed == {"intake", "dispatcher", "jobs", *(f"worker-{lane}" for lane in LANES)}
