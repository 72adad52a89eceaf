"""Flower as a process of the product's: `python -m worker.flower_process`. It shows the app of `worker.monitor`.

Operators act through the command line, which keeps an audit record: Flower only shows. It is up when its pages answer.
"""

import base64
import gc
import ipaddress
import os
import sys
import threading
import time
from collections.abc import Mapping

from shared import process
from shared.health.server import reached
from shared.health.watch import Page
from shared.settings import Settings, SettingsError, load_settings
from shared.telemetry.logs import bind, configure

BASIC_AUTH = "FLOWER_BASIC_AUTH"
_USER = "settlepipe"
_SAVE_INTERVAL_MS = 10_000
_MAX_TASKS = 10_000
_COLLECT_S = 20.0


def main() -> None:
    """Run until SIGTERM or SIGINT. Raises SystemExit: 2 where it would be open to everybody."""
    settings = load_settings()
    configure(settings)
    bind(process="flower")
    try:
        user = credentials(settings, os.environ)
    except SettingsError as error:
        process.cannot_run(error)
    if user:
        os.environ[BASIC_AUTH] = user
    process.not_reloaded()
    process.probed("flower", settings, _page(settings, user))
    threading.Thread(target=_collect, name="collects", daemon=True).start()
    from celery.__main__ import main as celery  # noqa: PLC0415 - slow to import: it answers probes before

    sys.argv = ["celery", *arguments(settings)]
    celery()


def _collect() -> None:
    """Free what Flower has forgotten. A task that it drops is a ring of objects, and Python looks for rings when there
    are a quarter more objects than before: of its 10,000 tasks three times as many were kept."""
    while True:
        time.sleep(_COLLECT_S)
        gc.collect()


def _page(settings: Settings, user: str) -> Page:
    """What answers when Flower is up."""
    prefix = os.environ.get("FLOWER_URL_PREFIX", "").strip("/")
    path = f"/{prefix}/healthcheck" if prefix else "/healthcheck"
    first = base64.b64encode(user.partition(",")[0].encode()).decode()
    return Page(reached(settings.flower_address), settings.flower_port, path, {"Authorization": f"Basic {first}"})


def arguments(settings: Settings) -> tuple[str, ...]:
    """Celery's command line. What is secret is not on it."""
    return (
        *("-A", "worker.monitor", "flower"),
        *(f"--address={settings.flower_address}", f"--port={settings.flower_port}"),
        *("--persistent=True", f"--db={settings.home.expanduser().absolute() / 'flower'}"),
        *(f"--state_save_interval={_SAVE_INTERVAL_MS}", f"--max_tasks={_MAX_TASKS}", "--read_only=True"),
    )


def credentials(settings: Settings, environment: Mapping[str, str]) -> str:
    """Who may see it: `user:password`, or several with commas between them; empty: everybody on this machine.

    Raises SettingsError where that would be everybody on the network.
    """
    password = settings.flower_password.get_secret_value() if settings.flower_password else ""
    if "," in password:
        raise SettingsError("SETTLEPIPE_FLOWER_PASSWORD has a comma, which Flower takes for the end of it")
    if password:
        return f"{_USER}:{password}"
    given = environment.get(BASIC_AUTH, "")
    if not (given or environment.get("FLOWER_AUTH") or _is_loopback(settings.flower_address)):
        raise SettingsError(
            f"Flower would be open to everybody who reaches {settings.flower_address}; set SETTLEPIPE_FLOWER_PASSWORD"
        )
    return given


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


if __name__ == "__main__":
    main()
