"""pairs, and many parked payments decided at once by their lines."""

import json
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli import output, person, stack
from deploy.cli.failures import Failed, WrongUse
from deploy.cli.known import must_be_provider
from deploy.cli.output import JsonFlag
from deploy.cli.proposals import tell_proposal
from shared.domain.roles import Deed

if TYPE_CHECKING:
    from shared.payments.bulk import Plan


def pairs(
    provider: Annotated[str | None, typer.Option(help="only this provider's")] = None, as_json: JsonFlag = False
) -> None:
    """Parked payments beside the lines of the provider's books that may be them, with what speaks for and against."""
    from shared.payments import pairs as kept

    if provider is not None:
        must_be_provider(provider)
    with stack.connection() as connection:
        found = [pair.told() for pair in kept.pairs(connection, provider)]
    if as_json:
        output.json_lines(json.dumps(pair, ensure_ascii=False) for pair in found)
        return
    for pair in found:
        _show(pair)
    if not found:
        print("no parked payment has a line that may be it")


def decide_all(provider: str | None, answer: str, *, dry_run: bool, as_json: bool, **words: Any) -> None:
    """`resolve --all`: each parked payment of a provider by the one line that is surely it."""
    from shared.payments import bulk

    if provider is None or answer != "succeeded":
        raise WrongUse("many are succeeded by their lines: --all --provider P --as succeeded --paired")
    must_be_provider(provider)
    person.reason(words["reason"])  # before a provider is asked
    with stack.runtime() as runtime:
        who = person.named(runtime.database, words["by"], Deed.RESOLVE)
        made = bulk.plan(runtime, provider)
        if not as_json:
            _tell(made)
        if not made.items:
            raise Failed(f"no parked payment of {provider} has a line that nothing speaks against; nothing was changed")
        proposal = None
        if not dry_run:
            proposal = person.said_right(lambda: bulk.carry_out(runtime, made, reason=words["reason"], by=who))
    done = not dry_run and proposal is None
    if as_json:
        output.json_lines(
            [json.dumps(_document(made, done, None if proposal is None else proposal.id), ensure_ascii=False)]
        )
    elif dry_run:
        print("nothing was changed: leave out --dry-run to do it")
    elif proposal is not None:
        tell_proposal(proposal, False)
    else:
        print(f"{len(made.items)} succeeded")


def _show(pair: Any) -> None:
    head = (pair["payment"], pair["provider"], f"{pair['amount']} {pair['currency']}", f"sent {pair['first_sent_at']}")
    line = "  ".join(
        part for part in (pair["line"], pair["line_amount"], pair["line_at"], pair["line_text"]) if part is not None
    )
    decide = f"settlepipe resolve {shlex.quote(pair['payment'])} --as succeeded --line {shlex.quote(pair['line'])}"
    against = "; ".join(pair["against"])
    rows = (("line", f"{line}  ({pair['confidence']})"), ("for", "; ".join(pair["for"])), ("against", against))
    output.entry(head, (*rows, ("decide", f"{decide} --reason TEXT --by NAME")))


def _tell(made: "Plan") -> None:
    for item in made.items:
        payment = item.look.claim.payment
        print(output.safe(f"{item.look.name}  {_money(payment.amount_minor, payment.currency)}  is line {item.line}"))
    for name, why in made.left_out:
        print(output.safe(f"{name}  is left out: {why}"))
    sums = ", ".join(_money(amount, currency) for currency, amount in sorted(made.sums.items()))
    print(f"{len(made.items)} to be succeeded: {sums or 'nothing'}; {len(made.left_out)} left out")


def _document(made: "Plan", done: bool, proposal: int | None) -> dict[str, Any]:
    from shared.domain.money import format_sums

    items = [{"payment": item.look.name, "line": item.line} for item in made.items]
    left_out = [{"payment": name, "why": why} for name, why in made.left_out]
    return {"payments": items, "left_out": left_out, "sums": format_sums(made.sums), "done": done, "proposal": proposal}


def _money(amount_minor: int, currency: str) -> str:
    from shared.domain.money import format_amount

    return f"{format_amount(amount_minor, currency)} {currency}"
