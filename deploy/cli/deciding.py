"""resolve, cancel: what a person decides."""

from collections.abc import Callable
from typing import Annotated

import typer

from deploy.cli import stack
from deploy.cli.failures import WrongUse
from deploy.cli.reading import Name, parts

Reason = Annotated[str, typer.Option(help="why; kept for ever")]
By = Annotated[str, typer.Option(help="who decides; kept for ever")]


def resolve(
    name: Name,
    answer: Annotated[str, typer.Option("--as", metavar="succeeded|refused|resend", help="what it is")],
    reason: Reason,
    by: By,
    receipt: Annotated[bool, typer.Option("--receipt", help="the parked VAT receipt, not the payment")] = False,
) -> None:
    """Settle a parked payment. resend looks into the provider's books first: what they show is not sent again."""
    from shared.flow import resolve as flow

    source, intent_id = parts(name)
    verb = flow.resolve_receipt if receipt else flow.resolve
    with stack.database() as database:
        _right(lambda: verb(database, source, intent_id, answer, reason=reason, by=by))
    what = "the receipt of " if receipt else ""
    done = "will be asked for again" if receipt else "is looked up at its provider, then sent if it isn't there"
    print(f"{what}{name} {done if answer == 'resend' else 'is ' + answer}")


def cancel(name: Name, reason: Reason, by: By) -> None:
    """Cancel a payment of which nothing has reached its provider."""
    from shared.flow import resolve as flow

    source, intent_id = parts(name)
    with stack.database() as database:
        _right(lambda: flow.cancel(database, source, intent_id, reason=reason, by=by))
    print(f"{name} is cancelled")


def _right(decide: Callable[[], None]) -> None:
    try:
        decide()
    except ValueError as error:
        raise WrongUse(str(error)) from None
