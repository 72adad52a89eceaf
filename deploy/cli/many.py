"""Parked payments chosen by what they have in common, decided by one command: shown first, then done as shown."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deploy.cli import output, person, stack
from deploy.cli.failures import Failed, WrongUse
from deploy.cli.proposals import tell_each, tell_proposal
from shared.domain.roles import Deed

if TYPE_CHECKING:
    from shared.payments.look import Look
    from shared.payments.many import Outcome, Plan, Which
    from shared.people.proposals import Proposal

_DO = {"resend": "to be sent again", "refused": "to be refused", "succeeded": "to be succeeded"}


def decide_many(
    which: "Which", answer: str, *, dry_run: bool, shown: str | None, as_json: bool, reason: str, by: str | None
) -> None:
    """`resolve --all` by filter: `--dry-run` shows each and prints a digest; with that as `--shown` it is done, or
    proposed once people are set up, if it would still come to what was shown."""
    from shared.payments import many
    from shared.payments.resolve import must_be_right

    if dry_run == (shown is not None):
        raise WrongUse("many are decided as they were shown: see --dry-run first, then take the --shown that it prints")
    person.said_right(lambda: must_be_right(answer, reason=reason, by=by or "-"))  # before a provider is asked
    with stack.runtime() as runtime:
        who = person.named(runtime.database, by, Deed.RESOLVE)
        made = many.plan(runtime, answer, which)
        if shown is not None and shown != made.shown:
            raise Failed("it would not come to what was shown any more; nothing was changed, look again with --dry-run")
        outcomes: Sequence[Outcome] = ()
        proposal = None
        if not dry_run:
            outcomes, proposal = many.carry_out(runtime, made, reason=reason, by=who)
    if as_json:
        output.json_lines([json.dumps(_document(made, outcomes, proposal, done=not dry_run), ensure_ascii=False)])
    elif dry_run:
        _tell(made)
    else:
        tell_each(outcomes)
        if proposal is not None:
            tell_proposal(proposal, False)
    _must_be_all(made, outcomes)


def _must_be_all(made: "Plan", outcomes: "Sequence[Outcome]") -> None:
    if not made.items and not made.applied:
        raise Failed("no parked payment can be decided so; nothing was changed")
    undone = sum(one.state is None for one in outcomes)
    if undone:
        raise Failed(f"{undone} of {len(outcomes)} were not decided and stay parked; each says why")


def _tell(made: "Plan") -> None:
    """Each payment, what the books show and what it would come to; the sums; and how it is done."""
    from shared.domain.money import format_sums

    rows = [(one.name, _money(one), one.result.detail, _DO[made.answer]) for one in made.items]
    rows += [(one.name, _money(one), one.result.detail, "succeeds: the books show it") for one in made.applied]
    rows += [(name, "", why, "left out") for name, why in made.left_out]
    if rows:
        output.table(("payment", ">amount", "the books", "would be"), rows)
    sums = ", ".join(f"{amount} {currency}" for currency, amount in format_sums(made.sums).items())
    print(f"{len(made.items)} {_DO[made.answer]}: {sums or 'nothing'}; {len(made.left_out)} left out")
    if made.applied:
        print(f"{len(made.applied)} succeed whatever is asked: the books show them")
    if made.more:
        print("there are more of them: these are the oldest that one command decides")
    if made.items or made.applied:
        print(f"nothing was changed: in place of --dry-run, --shown {made.shown} does it")


def _document(
    made: "Plan", outcomes: "Sequence[Outcome]", proposal: "Proposal | None", *, done: bool
) -> dict[str, Any]:
    from shared.domain.money import format_sums
    from shared.payments.many import signed_amount

    told = [(one, made.answer) for one in made.items] + [(one, "succeeded") for one in made.applied]
    payments = [
        {
            "payment": one.name,
            "provider": one.claim.payment.provider,
            "amount": signed_amount(one),
            "currency": one.claim.payment.currency,
            "verdict": one.result.verdict.value,
            "detail": one.result.detail,
            "becomes": becomes,
        }
        for one, becomes in told
    ]
    return {
        "asked": made.answer,
        "payments": payments,
        "left_out": [{"payment": name, "why": why} for name, why in made.left_out],
        "sums": format_sums(made.sums),
        "more": made.more,
        "shown": made.shown,
        "done": done and proposal is None,
        "proposal": None if proposal is None else proposal.id,
        "outcomes": [{"payment": one.name, "state": one.state, "said": one.said} for one in outcomes],
    }


def _money(one: "Look") -> str:
    """A refund's is below zero, as in `payments`."""
    from shared.payments.many import signed_amount

    return f"{signed_amount(one)} {one.claim.payment.currency}"
