"""Is this process alive, and can it do its work? One Health for each process, asked over HTTP where a port is set.

The main loop says that it turns, whoever sets the process up says when it is done, and threads of their own ask the
servers. None of it takes part in the flow. See docs/processes.md.
"""

import os
from contextlib import AbstractContextManager

from shared.health import server, watch
from shared.health.state import BROKER, CELERY, DATABASE, PAGES, Health
from shared.health.watch import Page
from shared.settings import Settings
from shared.telemetry import counters

_MINE = Health()

turned = _MINE.turned
started = _MINE.started
has_turn = _MINE.has_turn
live = _MINE.live
ready = _MINE.ready

# What is committed without a broker goes on without one: a balancer has to go on sending it intents.
_WITHOUT_BROKER = ("web",)


def begin(process: str, settings: Settings, page: Page | None = None) -> None:
    """Answer probes, if there is a port for them, and watch the servers; without a port, until the process is up.

    page: of this process's own HTTP server, where it has one: then that is what turns. Call it once, before anything
    else is made. Raises SettingsError when the port can't be listened on, or a server's URL is none.
    """
    probed = settings.health_port is not None
    asks: dict[str, AbstractContextManager[watch.Ask]] = {}
    if settings.database_url is not None:
        pool_url = settings.database_pool_url
        url = pool_url or settings.database_url
        asks[DATABASE] = watch.database(_MINE, url.get_secret_value(), pooled=pool_url is not None)
    if settings.broker_url is not None and process not in _WITHOUT_BROKER:
        asks[BROKER] = watch.broker(_MINE, settings.broker_url.get_secret_value(), settings.broker_tls)
    if settings.celery_url is not None:
        asks[CELERY] = watch.queues(_MINE, settings.celery_url.get_secret_value(), settings.broker_tls)
    if page is not None:
        asks[PAGES] = watch.pages(_MINE, page)
    _MINE.expect(process, settings.health_stuck_after_s, list(asks))
    if settings.health_port is not None:
        routes: server.Routes = {
            "/livez": _MINE.live,
            "/readyz": _MINE.ready,
            "/metrics": lambda: (True, counters.page()),
        }
        listening = server.serve(settings.health_address, settings.health_port, routes)
        os.register_at_fork(after_in_child=listening.close)
    watch.quiet_while_forked()
    for name, ask in asks.items():
        watch.watch(_MINE, name, ask, on=lambda: probed or not _MINE.announced)
