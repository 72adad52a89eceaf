"""schema: the contracts with upstreams, for machines."""

import json
from typing import Annotated

import typer

from deploy.cli import output
from deploy.cli.failures import WrongUse

NAMES = ("intent", "event", "export")


def schema(name: Annotated[str, typer.Argument(metavar="intent|event|export", help="of what")]) -> None:
    """Print the JSON Schema (2020-12) of an intent, an event, or a row of `export`."""
    if name not in NAMES:
        raise WrongUse(f"there is no schema {output.safe(name)}; take one of {', '.join(NAMES)}")
    from shared import schemas

    print(json.dumps(getattr(schemas, name)(), ensure_ascii=False, indent=2))
