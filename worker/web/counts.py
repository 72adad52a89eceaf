"""What this process did by HTTP, for `GET /metrics` on its health port: docs/metrics.md, "Of each process".

A request is counted by the route's template, never by its path: what somebody outside sends makes no series.
"""

import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.telemetry.counters import REGISTRY

NO_ROUTE = "none"  # there is none, or it was refused before one was looked for
_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_REQUESTS = Counter(
    "settlepipe_http_requests",
    "requests that were answered, by the route and the class of the status",
    ("route", "status"),
    registry=REGISTRY,
)
_SECONDS = Histogram(
    "settlepipe_http_request_seconds",
    "how long they took, until the answer was written; streams of events are left out",
    ("route",),
    buckets=_BUCKETS_S,
    registry=REGISTRY,
)
_STREAMS = Gauge("settlepipe_http_streams_open", "streams of events that are open", registry=REGISTRY)
_REFUSED = Counter(
    "settlepipe_http_refused",
    "requests and connections that met a limit, by which one",
    ("bound",),
    registry=REGISTRY,
)
_NOT_LET_IN = Counter(
    "settlepipe_http_log_ins_failed",
    "who was not let in, by what with: key, password, oidc, callback",
    ("way",),
    registry=REGISTRY,
)


def counted(app: ASGIApp, routes: Mapping[Any, str], *, endless: str | None = None) -> ASGIApp:
    """The app, its requests counted. routes: each endpoint's template. endless: the one whose time says nothing."""

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        began_s, answered = time.perf_counter(), False

        def route() -> str:
            return routes.get(scope.get("endpoint"), NO_ROUTE)

        async def sent(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                _requests(route(), f"{message['status'] // 100}xx").inc()
            await send(message)

        try:
            await app(scope, receive, sent)
        except Exception:  # the server answers with a 500
            if not answered:
                _requests(route(), "5xx").inc()
            raise
        finally:
            if (name := route()) != endless:
                _seconds(name).observe(time.perf_counter() - began_s)

    return counting


def refused(bound: str) -> None:
    """Somebody met this limit."""
    _REFUSED.labels(bound).inc()


def not_let_in(way: str) -> None:
    """Somebody's key, password, … opened nothing."""
    _NOT_LET_IN.labels(way).inc()


def streams_open(count: Callable[[], float]) -> None:
    """From now on this says how many are open."""
    _STREAMS.set_function(count)


@cache  # a look among the labels costs more than what is counted
def _requests(route: str, status: str) -> Counter:
    return _REQUESTS.labels(route, status)


@cache
def _seconds(route: str) -> Histogram:
    return _SECONDS.labels(route)
