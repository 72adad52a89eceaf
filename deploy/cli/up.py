"""up, sandbox, doctor."""

import json
from typing import Annotated

import typer

from deploy.cli import output, stack
from deploy.cli.output import JsonFlag


def up(
    sandbox: Annotated[bool, typer.Option("--sandbox", help="point every provider at the sandbox")] = False,
    workers: Annotated[int, typer.Option(help="worker processes for each lane that is on")] = 1,
    concurrency: Annotated[int | None, typer.Option(help="sender threads in each, in place of the lane's")] = None,
) -> None:
    """Run everything in the foreground until Ctrl-C or SIGTERM; prints `ready` when it is."""
    from deploy.local.up import up as run
    from shared.settings import load_settings

    raise typer.Exit(run(load_settings(), sandbox, workers, concurrency))


def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 8900,
    host: Annotated[str, typer.Option(help="the address to listen on")] = "127.0.0.1",
) -> None:
    """Run the sandbox alone: the providers' documented APIs, with faults that POST /control/faults sets."""
    from deploy.sandbox.__main__ import main

    raise typer.Exit(main(["--port", str(port), "--host", host]))


def doctor(as_json: JsonFlag = False) -> None:
    """Look for what would make `up` fail or lose data; exit 1 when there is something."""
    from deploy.local.doctor import examine

    checks = list(examine(stack.settings_with_sandbox()))
    if as_json:
        output.json_lines(json.dumps(check._asdict(), ensure_ascii=False) for check in checks)
    else:
        output.table(("check", "", "says"), ((c.name, "ok" if c.ok else "WRONG", c.sentence) for c in checks))
    if not all(check.ok for check in checks):
        output.note("settlepipe doctor: something is wrong; do what the lines above say")
        raise typer.Exit(1)
