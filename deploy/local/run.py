"""`settlepipe run`: one of the product's processes in the foreground, as `settlepipe up` would run it.

What it needs is looked at first; then this process becomes that one, so that signals and exit status are its own.
"""

import os
from typing import NoReturn

import psycopg

from deploy.local import commands
from deploy.local.commands import Command
from deploy.local.home import prepare
from shared import process
from shared.settings import PREFIX, Settings, SettingsError

_WITH_TOKENS = ("intake", "web", "dispatcher", "jobs", commands.WORKER)  # they read the providers' tokens
_MAKE_PAYMENTS = ("intake", "web")


def become(name: str, settings: Settings, lane: str | None, number: int) -> NoReturn:
    """Look, then become the process `name`. It never returns.

    Raises SettingsError for what is missing or wrong, WrongSchema, LocalError where HOME can't be used. A PostgreSQL
    that doesn't answer is the process's own to wait for.
    """
    _must_have(name, settings)
    home = prepare(settings.home)
    command = _worker(settings, lane, number) if name == commands.WORKER else commands.command(name, settings, home)
    _look(settings)
    environment = {**os.environ, f"{PREFIX}HOME": str(home)}
    for alone in ("DATABASE_OWNER_URL", "DATABASE_OWNER_URL_FILE"):  # for the migrations
        environment.pop(f"{PREFIX}{alone}", None)
    os.execve(command[0], command, environment)  # noqa: S606 - no shell is wanted


def _must_have(name: str, settings: Settings) -> None:
    needed = {
        "DATABASE_URL": settings.database_url,
        "BROKER_URL": settings.broker_url,
        "SECRET_KEYS": settings.secret_keys or name not in _WITH_TOKENS,
        "REFERENCE_KEY": settings.reference_key or name not in _MAKE_PAYMENTS,
        "METRICS_PORT": settings.metrics_port is not None or name != "metrics",
        "UBILL__CALLBACK_KEY": settings.ubill.callback_key or name != "sms-callback",
    }
    missing = [PREFIX + variable for variable, value in needed.items() if not value]
    if missing:
        raise SettingsError(
            f"{name} can't run without {', '.join(missing)}; set what the installation's processes have"
        )
    if name == "flower":
        from worker.flower_process import credentials  # noqa: PLC0415 - of one process

        credentials(settings, os.environ)


def _worker(settings: Settings, lane: str | None, number: int) -> Command:
    from shared.providers.registry import REGISTRATIONS  # noqa: PLC0415 - imports every adapter

    pays = sorted(known for known, registration in REGISTRATIONS.items() if registration.operations)
    if lane not in pays:
        said = f"there is no lane {lane}" if lane else "a worker works on one lane"
        raise SettingsError(f"{said}; say --lane with one of {', '.join(pays)}")
    if settings.provider(lane).base_url is None:
        raise SettingsError(f"the lane {lane} is off; set {PREFIX}{lane.upper()}__BASE_URL to turn it on")
    return commands.lane_worker(lane, number, settings)


def _look(settings: Settings) -> None:
    process.celery(settings)  # says whether its URL and the files of TLS can be used
    try:
        process.right_servers(settings)
    except psycopg.Error:
        return
