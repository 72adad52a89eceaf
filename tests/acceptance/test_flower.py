"""Operators watch the lanes in Flower."""

import base64
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support import audit, careful, intents
from tests.support.stack import Stack, wait_until

SETTLE = {"billcenter": intents.settle, **careful.INTENTS}


@pytest.mark.parametrize("lane", SETTLE)
def test_flower_shows_the_lanes_workers_and_their_tasks(up: Stack, source: str, lane: str) -> None:
    intent = SETTLE[lane](source, 1)
    up.submit([intent])
    audit.wait_ended(up, source, [intent])

    workers = wait_until(lambda: _lane_workers(up, lane), "Flower knows both workers", 20, pause_s=0.5)
    assert {name.partition("@")[0] for name in workers} == {f"{lane}-1", f"{lane}-2"}
    (row,) = audit.payments(up, source).values()
    payment = row["id"], row["reference"]
    task = wait_until(lambda: _task_of(up, payment), "Flower shows the payment's task", 20, pause_s=0.5)
    assert task["state"] == "SUCCESS"
    assert task["worker"] in workers


def test_flowers_page_of_the_broker_shows_the_lanes_queues_and_no_password(up: Stack) -> None:
    wait_until(lambda: _lane_workers(up, "billcenter"), "Flower knows the workers", 20, pause_s=0.5)
    page = _page(up, "/broker").decode()
    for lane in SETTLE:
        assert f"lane.{lane}" in page
    password = urlsplit(up.told["broker_url"]).password
    assert password
    assert password not in page


def test_flower_tells_nothing_without_its_password(up: Stack) -> None:
    url = urlsplit(up.told["flower_url"])
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://{url.hostname}:{url.port}/api/workers", timeout=20)
    assert refused.value.code == 401


def _lane_workers(up: Stack, lane: str) -> dict[str, Any] | None:
    workers = _ask(up, "/api/workers?refresh=1")
    on_lane = {
        name: worker
        for name, worker in workers.items()
        if any(queue["name"] == f"lane.{lane}" for queue in worker.get("active_queues", ()))
    }
    return on_lane if len(on_lane) == 2 else None


def _task_of(up: Stack, payment: tuple[int, str]) -> dict[str, Any] | None:
    tasks = _ask(up, "/api/tasks?taskname=settlepipe.send&limit=100").values()
    done = [task for task in tasks if task["args"] == repr(([payment],)) and task["state"] == "SUCCESS"]
    return done[0] if done else None


def _ask(up: Stack, path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_page(up, path))
    return found


def _page(up: Stack, path: str) -> bytes:
    url = urlsplit(up.told["flower_url"])
    user = base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
    request = urllib.request.Request(
        f"http://{url.hostname}:{url.port}{path}", headers={"Authorization": f"Basic {user}"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        page: bytes = answer.read()
        return page
