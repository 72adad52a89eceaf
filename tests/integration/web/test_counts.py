"""What the HTTP door tells Prometheus of itself, on its health port."""

import http.client
import socket
from collections.abc import Mapping
from pathlib import Path

from fastapi.routing import APIRoute
from prometheus_client.parser import text_string_to_metric_families

from shared.settings.web import WebSettings
from tests.support.door import Client, Door, door, intent, within
from worker.web.app import application, templates
from worker.web.door import Door as Shared
from worker.web.rooms.table import PAGES

Told = Mapping[tuple[str, ...], float]


def told(opened: Door) -> Told:
    """Each sample, by its name and its labels' values in the order of their names."""
    connection = http.client.HTTPConnection("127.0.0.1", opened.one.port, timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return {
        (sample.name.removeprefix("settlepipe_http_"), *dict(sorted(sample.labels.items())).values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_route_has_its_template() -> None:
    app = application(Shared(WebSettings()))
    assert set(templates(app).values()) == {*app.openapi()["paths"], *(page.path for page in PAGES)}
    assert not any(isinstance(route, APIRoute) for route in app.router.routes), "they are in routers"


def test_requests_streams_limits_and_log_ins_are_counted_by_what_is_few(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    limits = {"WEB__STREAMS_OF_SOURCE": "1", "WEB__CONNECTIONS": "3", "WEB__BODY_BYTES": "1024"}
    with door(database_url, broker_url, tmp_path, **limits) as opened:
        shop, nobody = opened.client("shop"), opened.client(None)
        for number in range(3):
            assert shop.submit(intent(f"c{number}")).status == 202
            assert shop.get(f"/v1/payments/shop/c{number}").status == 200
            assert nobody.get(f"/nothing/{number}").status == 404
        assert shop.post("/v1/intents", {"intent_id": "x" * 2000}).status == 413
        assert Client(opened.port, "settlepipe-key-made-up").get("/v1/payments").status == 401
        assert nobody.ask("POST", "/login", b"name=x&password=y").status in (403, 415)
        assert nobody.get("/callback?key=made-up").status == 403
        stream = http.client.HTTPConnection("127.0.0.1", opened.port, timeout=60)
        stream.request("GET", "/v1/events/stream", headers={"Authorization": f"Bearer {shop.key}"})
        stream.getresponse().read(5)
        assert shop.get("/v1/events/stream").status == 503
        within(30, lambda: told(opened)["streams_open",] == 1)
        held = [socket.create_connection(("127.0.0.1", opened.port)) for _ in range(4)]
        within(30, lambda: told(opened).get(("refused_total", "connections"), 0) >= 1)
        found = told(opened)
        for one in held:
            one.close()
        assert found["requests_total", "/v1/intents", "2xx"] == 3
        assert found["requests_total", "/v1/intents", "4xx"] == 1
        assert found["requests_total", "/v1/payments/{source}/{intent_id}", "2xx"] == 3
        assert found["request_seconds_count", "/v1/payments/{source}/{intent_id}"] == 3
        assert found["requests_total", "none", "4xx"] == 3
        assert found["requests_total", "/v1/events/stream", "2xx"] == 1
        assert ("request_seconds_count", "/v1/events/stream") not in found, "its length says nothing"
        assert found["refused_total", "body_too_large"] == 1
        assert found["refused_total", "too_many_streams"] == 1
        assert found["log_ins_failed_total", "key"] == 1
        assert found["log_ins_failed_total", "callback"] == 1
        stream.close()
        within(30, lambda: told(opened)["streams_open",] == 0)
