"""schema: the contracts with upstreams, for machines."""

import json
from typing import Annotated

import typer

from deploy.cli import output, stack
from deploy.cli.failures import WrongUse

NAMES = ("intent", "event", "export", "asyncapi", "openapi")


def schema(
    name: Annotated[str, typer.Argument(metavar="|".join(NAMES), help="of what")],
    as_json: Annotated[bool, typer.Option("--json", help="as always: a JSON document")] = False,
) -> None:
    """Print the JSON Schema (2020-12) of an intent, an event, or a row of `export`; or the AsyncAPI document of both
    streams, or the OpenAPI document of the HTTP door."""
    if name not in NAMES:
        raise WrongUse(f"there is no schema {output.safe(name)}; take one of {', '.join(NAMES)}")
    if name == "openapi":
        from worker.web.app import document

        made = document()
    else:
        from shared import schemas

        # The streams' names are the installation's own.
        made = schemas.asyncapi(stack.settings().broker_key_prefix) if name == "asyncapi" else getattr(schemas, name)()
    print(json.dumps(made, ensure_ascii=False, indent=2))
