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
    *,
    receipt: Annotated[bool, typer.Option("--receipt", help="the parked VAT receipt, not the payment")] = False,
    sms: Annotated[bool, typer.Option("--sms", help="the parked text message, not the payment")] = False,
) -> None:
    """Settle a parked payment. resend looks into the provider's books first: what they show is not sent again."""
    from shared.flow import resolve as flow

    if receipt and sms:
        raise WrongUse("--receipt and --sms exclude each other; take one of them")
    source, intent_id = parts(name)
    if not (receipt or sms):
        with stack.database() as database:
            _right(lambda: flow.resolve(database, source, intent_id, answer, reason=reason, by=by))
        done = "is looked up at its provider, then sent if it isn't there"
        print(f"{name} {done if answer == 'resend' else 'is ' + answer}")
        return
    kind = "receipt" if receipt else "sms"
    with stack.database() as database:
        _right(lambda: flow.resolve_follow_up(database, source, intent_id, kind, answer, reason=reason, by=by))
    done = "will be asked for again" if answer == "resend" else f"is {answer}"
    print(f"the {flow.FOLLOW_UPS[kind]} of {name} {done}")


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
