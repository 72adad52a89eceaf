"""run, reload, health: one process by itself, what it reads anew, and how it is."""

import re
import sys
from dataclasses import dataclass
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
    WEB = "web"
    METRICS = "metrics"
    FLOWER = "flower"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Named:
    """A process as one word says it: `relay`, or `worker-mtn-2`, as `settlepipe up` calls it and an instance of
    systemd's unit is called. lane, number: what the word says, if it does."""

    process: Process
    lane: str | None = None
    number: int | None = None


def named(word: str) -> Named:
    """The process that a word names. Raises typer.BadParameter for one that names none."""
    if word in list(Process):
        return Named(Process(word))
    worker = re.fullmatch(r"worker-([a-z]+)(?:-([1-9][0-9]{0,3}))?", word)
    if worker is None:
        raise typer.BadParameter(f"there is no process {word}; say one of {', '.join(Process)}, worker-LANE-NUMBER")
    return Named(Process.WORKER, worker[1], int(worker[2] or 1))


def run(
    process: Annotated[
        Named, typer.Argument(parser=named, metavar="PROCESS", help=", ".join([*Process, "worker-LANE-NUMBER"]))
    ],
    lane: Annotated[str | None, typer.Option(help="of a worker: the provider whose payments it sends")] = None,
    number: Annotated[int, typer.Option(min=1, help="of a worker: another one for each on a machine")] = 1,
) -> None:
    """Run one process in the foreground, for a supervisor; exit 2 for wrong settings, 3 for another schema."""
    from deploy.cli.failures import WrongUse
    from deploy.local.kept import LocalError
    from deploy.local.run import become
    from shared.database.version import WrongSchema
    from shared.process import WRONG_SCHEMA
    from shared.settings import load_settings

    if lane is not None and (process.process is not Process.WORKER or process.lane is not None):
        why = "the name says the lane" if process.lane else "only a worker has a lane"
        raise WrongUse(f"{why}; run {process.process.value} without --lane")
    try:
        become(process.process.value, load_settings(), process.lane or lane, process.number or number)
    except LocalError as error:
        raise WrongUse(str(error)) from None
    except WrongSchema as error:
        print(f"settlepipe: {error}", file=sys.stderr)
        raise typer.Exit(WRONG_SCHEMA) from None


def reload() -> None:
    """Have the stack that runs on HOME read its providers' credentials anew; by itself a process does for SIGHUP."""
    import os
    import signal

    from deploy.cli import stack
    from deploy.cli.failures import Failed
    from deploy.local.running import is_running, pids

    home = stack.settings().home.expanduser().absolute()
    found = {name: pid for name, pid in pids(home).items() if name.startswith("worker-")} if is_running(home) else {}
    if not found:
        raise Failed(f"no stack is running on {home}; send SIGHUP to each process that is to read its settings anew")
    for pid in found.values():
        os.kill(pid, signal.SIGHUP)
    print(f"asked {', '.join(sorted(found))}; each says in its log what it read anew, and what needs a restart")


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
