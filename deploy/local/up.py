"""`settlepipe up`: the whole product in the foreground, from nothing, until SIGINT or SIGTERM."""

import contextlib
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg

from deploy.local import postgres, processes, running
from deploy.local.embedded import Plan, already_running, planned
from deploy.local.home import (
    locked,
    prepare,
    with_free_port,
    with_reference_key,
    with_web_password,
    write_private,
)
from deploy.local.kept import Kept, LocalError
from deploy.local.processes import Stack, Table
from deploy.local.supervisor import StopRequestedError, Supervisor
from shared.database import session, version
from shared.database.version import WrongSchema
from shared.settings import PREFIX, Settings
from shared.telemetry.logs import configure
from shared.telemetry.ready import announce_ready

SERVERS_TIMEOUT_S = 120
PROCESSES_TIMEOUT_S = 90
LOCK_WAIT_S = 1  # a command that only looks whether a stack is running holds the lock for an instant

log = logging.getLogger("settlepipe.up")


def up(
    settings: Settings,
    sandbox: bool = False,
    workers: int = 1,
    concurrency: int | None = None,
    table: Table = processes.product,
) -> int:
    """Run everything until a signal says stop; the exit status: 0 after a signal, 1 failure, 2 wrong use.

    stdout gets the line `ready` and nothing else. Call it from the main thread. table: the processes to run beside
    the servers and the sandbox.
    """
    configure(settings)  # stderr: stdout is for the line `ready`
    on = _providers(settings, sandbox)
    if wrong := _wrong_use(settings, sandbox, workers, concurrency):
        print(f"settlepipe up: {wrong}", file=sys.stderr)
        return 2
    supervisor = Supervisor(changed=_nobody)
    try:
        home = prepare(settings.home)
        with (
            supervisor.watching_signals(),
            locked(home / "up.lock", LOCK_WAIT_S, already_running(home)),
            planned(home, settings) as plan,
        ):
            kept = _ports_of_processes(home, plan.kept, sandbox)
            stack = Stack(home, settings, kept, plan.servers, on, _lanes(on), sandbox, workers, concurrency)
            _run(stack, plan, table, supervisor)
    except LocalError as error:
        print(f"settlepipe up: {error}", file=sys.stderr)
        return 1
    return 0


def _run(stack: Stack, plan: Plan, table: Table, supervisor: Supervisor) -> None:
    stack_file = running.stack_file(stack.home)
    stack_file.unlink(missing_ok=True)
    try:
        sandbox = processes.sandbox(stack)
        supervisor.start((*plan.children, *sandbox))
        supervisor.wait(plan.children, SERVERS_TIMEOUT_S)
        _migrate(stack, plan)
        stack = replace(stack, kept=_with_reference_key(stack))
        supervisor.wait(sandbox, PROCESSES_TIMEOUT_S)
        supervisor.run(table(stack), PROCESSES_TIMEOUT_S)
        supervisor.changed = _writer(stack, stack_file)
        supervisor.changed(supervisor.pids)
        with contextlib.suppress(OSError):  # whoever read our stdout may be gone
            print("ready", flush=True)
            _tell_control_room(stack)
        announce_ready()
        while not supervisor.stops_requested:
            supervisor.turn()
    except StopRequestedError:
        pass
    finally:
        log.info("stopping")
        supervisor.changed = _nobody
        stack_file.unlink(missing_ok=True)
        supervisor.stop_all()


def _migrate(stack: Stack, plan: Plan) -> None:
    """Bring the database to this version's schema. Raises LocalError."""
    owner = stack.settings.database_owner_url
    url = owner.get_secret_value() if owner else plan.servers.database_url
    try:
        if stack.settings.database_url is None:
            postgres.ensure_database(plan.kept)
        with session.connect(url, "settlepipe up") as connection:
            if version.newest(version.look(connection)):
                return
        _upgrade(url)
    except psycopg.Error as error:
        raise _not_upgraded(error) from None


def _upgrade(url: str) -> None:
    """Raises LocalError; psycopg.Error."""
    # Slow to import, and needed once for each release.
    import sqlalchemy.exc  # noqa: PLC0415

    from shared.database import migrate  # noqa: PLC0415

    try:
        migrate.upgrade(url)
    except (WrongSchema, migrate.Blocked) as error:
        raise LocalError(str(error)) from None
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise _not_upgraded(error) from None


def _not_upgraded(error: Exception) -> LocalError:
    reason = str(getattr(error, "orig", error)).strip().split("\n")[0]
    return LocalError(f"the database could not be brought up to date: {reason}")


def _with_reference_key(stack: Stack) -> Kept:
    """What HOME keeps, with a key for references where nobody has one yet. Raises LocalError where HOME lost it."""
    if stack.settings.reference_key is not None or stack.kept.reference_key is not None:
        return stack.kept
    try:
        with session.connect(stack.servers.database_url, "settlepipe up") as connection:
            known = connection.execute("SELECT key_fingerprint FROM store").fetchone()
    except psycopg.Error as error:
        raise LocalError(f"the database does not answer: {str(error).strip().splitlines()[0]}") from None
    if known is not None and known[0] is not None:
        raise LocalError(
            "SETTLEPIPE_REFERENCE_KEY is not set, and this database's references were made with one that HOME does"
            " not have; set it, or restore HOME from a backup"
        )
    return with_reference_key(stack.home, stack.kept)


def _writer(stack: Stack, stack_file: Path) -> Callable[[Mapping[str, int]], None]:
    def write(pids: Mapping[str, int]) -> None:
        content: dict[str, Any] = {
            "database_url": stack.servers.database_url,
            "broker_url": stack.servers.broker_url,
            "flower_url": stack.kept.flower_url,
            "sandbox_url": stack.kept.sandbox_url if stack.sandbox else None,
            "web_url": _web_url(stack),
            "processes": dict(pids),
        }
        write_private(stack_file, content)

    return write


def _web_url(stack: Stack) -> str:
    return f"{'https' if stack.settings.web.cert_file else 'http'}://127.0.0.1:{stack.kept.web_port}"


def _tell_control_room(stack: Stack) -> None:
    """On stderr, without the password: what is printed may be kept in a log. It is in a file of HOME's owner."""
    print(f"settlepipe up: the control room is {_web_url(stack)}/", file=sys.stderr, flush=True)
    if stack.settings.web.local_password is None:
        found = stack.home / "control-room.json"
        write_private(found, {"url": f"{_web_url(stack)}/", "password": stack.kept.web_password})
        print(f"settlepipe up: its password, while nobody is set up, is in {found}", file=sys.stderr, flush=True)


def _nobody(_: Mapping[str, int]) -> None:
    """While it starts and stops, stack.json tells nothing."""


def _providers(settings: Settings, sandbox: bool) -> tuple[str, ...]:
    from shared.providers import registry  # noqa: PLC0415 - imports every adapter

    return tuple(name for name in registry.REGISTRATIONS if sandbox or settings.provider(name).base_url)


def _lanes(providers: tuple[str, ...]) -> tuple[str, ...]:
    """Those that take payments: a provider with look-ups only has nothing for a worker to do."""
    from shared.providers import registry  # noqa: PLC0415 - imports every adapter

    return tuple(name for name in providers if registry.REGISTRATIONS[name].operations)


def _wrong_use(settings: Settings, sandbox: bool, workers: int, concurrency: int | None) -> str | None:
    if workers < 1:
        return "--workers must be at least 1"
    if concurrency is not None and concurrency < 1:
        return "--concurrency must be at least 1"
    real = [name for name in _providers(settings, False) if sandbox]
    if real:
        names = ", ".join(f"{PREFIX}{name.upper()}__BASE_URL" for name in real)
        return f"--sandbox points every provider at the sandbox; unset {names}, or leave --sandbox out"
    return None


def _ports_of_processes(home: Path, kept: Kept, sandbox: bool) -> Kept:
    kept = with_web_password(home, with_free_port(home, with_free_port(home, kept, "flower_port"), "web_port"))
    return with_free_port(home, kept, "sandbox_port") if sandbox else kept
