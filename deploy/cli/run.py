"""run, health: one process by itself, and how it is."""

import sys
from enum import StrEnum
from typing import Annotated

import typer


class Process(StrEnum):
    """The product's processes, as `settlepipe run` names them."""

    INTAKE = "intake"
    DISPATCHER = "dispatcher"
    RELAY = "relay"
    BEAT = "beat"
    JOBS = "jobs"
    SMS_CALLBACK = "sms-callback"
    METRICS = "metrics"
    FLOWER = "flower"
    WORKER = "worker"


def run(
    process: Process,
    lane: Annotated[str | None, typer.Option(help="of a worker: the provider whose payments it sends")] = None,
    number: Annotated[int, typer.Option(min=1, help="of a worker: another one for each on a machine")] = 1,
) -> None:
    """Run one process in the foreground, for a supervisor; exit 2 for wrong settings, 3 for another schema."""
    from deploy.cli.failures import WrongUse
    from deploy.local.home import LocalError
    from deploy.local.run import become
    from shared.database.version import WrongSchema
    from shared.process import WRONG_SCHEMA
    from shared.settings import load_settings

    if lane is not None and process is not Process.WORKER:
        raise WrongUse(f"only a worker has a lane; run {process.value} without --lane")
    try:
        become(process.value, load_settings(), lane, number)
    except LocalError as error:
        raise WrongUse(str(error)) from None
    except WrongSchema as error:
        print(f"settlepipe: {error}", file=sys.stderr)
        raise typer.Exit(WRONG_SCHEMA) from None


def health(
    process: Process,
    url: Annotated[
        str | None, typer.Option(help="where it answers; unset: SETTLEPIPE_HEALTH_ADDRESS and …_HEALTH_PORT")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="ask whether its loop turns, not whether it is ready")] = False,
) -> None:
    """Ask a process whether it is ready; exit 0 if it is, 1 if not."""
    from deploy.cli.failures import Failed
    from deploy.local.probe import ask

    path = "/livez" if live else "/readyz"
    well, sentence = ask((url or _mine()).rstrip("/") + path, process.value)
    if not well:
        raise Failed(sentence)
    print(sentence)


def _mine() -> str:
    from deploy.cli.failures import WrongUse
    from shared.health.server import reached
    from shared.settings import load_settings

    settings = load_settings()
    if settings.health_port is None:
        raise WrongUse("SETTLEPIPE_HEALTH_PORT is not set; set it as the process has it, or say --url")
    return f"http://{reached(settings.health_address)}:{settings.health_port}"
