"""By which payments are chosen, in each command that lists or decides several."""

from decimal import Decimal
from typing import Annotated

import typer

from deploy.cli import output
from deploy.cli.failures import WrongUse

Source = Annotated[str | None, typer.Option(help="only those of this upstream")]
Code = Annotated[str | None, typer.Option(help="only those with this code (docs/codes.md), like no_answer")]
OlderThan = Annotated[str | None, typer.Option("--older-than", metavar="2h", help="only those accepted before")]
OfSum = Annotated[str | None, typer.Option("--at-least", metavar="100.00", help="only those of this sum")]


def known_code(code: str | None) -> str | None:
    """Raises WrongUse for what is none."""
    from shared.domain.codes import Code

    if code is not None and code not in list(Code):
        raise WrongUse(f"there is no code {output.safe(code)}; docs/codes.md lists them")
    return code


def sum_typed(text: str | None) -> Decimal | None:
    """A sum in whole units, as somebody typed it. Raises WrongUse."""
    if text is None:
        return None
    from shared.domain.money import typed_sum

    try:
        return typed_sum(text)
    except ValueError as error:
        raise WrongUse(output.safe(str(error))) from None
