"""resolve, cancel: what a person decides."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli import books, moments, output, person, stack
from deploy.cli.failures import WrongUse
from deploy.cli.filters import Code, OfSum, OlderThan, Source, known_code, sum_typed
from deploy.cli.known import must_be_provider
from deploy.cli.many import decide_many
from deploy.cli.output import JsonFlag
from deploy.cli.pairs import decide_all
from deploy.cli.payments import Name, parts
from deploy.cli.person import By, said_right
from deploy.cli.proposals import tell_proposal
from shared.domain.roles import Deed

if TYPE_CHECKING:
    from shared.payments.look import Look
    from shared.payments.many import Which
    from shared.runtime import Runtime

Reason = Annotated[str, typer.Option(help="why; kept for ever")]


def resolve(
    answer: Annotated[str, typer.Option("--as", metavar="succeeded|refused|resend", help="what it is")],
    reason: Reason,
    name: Annotated[str | None, typer.Argument(metavar="SOURCE/INTENT_ID")] = None,
    *,
    by: By = None,
    line: Annotated[
        str | None, typer.Option(metavar="ID", help="the provider's line that it is; for succeeded")
    ] = None,
    although: Annotated[str | None, typer.Option(metavar="TEXT", help="why, in spite of what was shown before")] = None,
    receipt: Annotated[bool, typer.Option("--receipt", help="the parked VAT receipt, not the payment")] = False,
    sms: Annotated[bool, typer.Option("--sms", help="the parked text message, not the payment")] = False,
    everything: Annotated[bool, typer.Option("--all", help="each parked one that fits what follows")] = False,
    provider: Annotated[str | None, typer.Option(help="with --all: only this provider's")] = None,
    source: Source = None,
    code: Code = None,
    older: OlderThan = None,
    least: OfSum = None,
    limit: Annotated[int | None, typer.Option(min=1, max=2_000, help="with --all: at most so many")] = None,
    paired: Annotated[bool, typer.Option("--paired", help="with --all: what `settlepipe pairs` shows is it")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="with --all: say what would be done, and the sums")
    ] = False,
    shown: Annotated[str | None, typer.Option(metavar="DIGEST", help="with --all: do what --dry-run showed")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Settle a parked payment, after a look into its provider's books.

    What they show as applied succeeds. What they may show is neither sent again nor refused, unless --although says
    why: it covers what the same person was shown before, and what is new is shown first.
    """
    chosen = any(given is not None for given in (source, code, older, least, limit))
    if everything:
        if name is not None or line is not None or although is not None or receipt or sms:
            raise WrongUse("--all names no payment: leave out its name, --line, --although, --receipt and --sms")
        if not paired:
            which = _which(provider, source, code, older, least, limit)
            decide_many(which, answer, dry_run=dry_run, shown=shown, as_json=as_json, reason=reason, by=by)
            return
        if chosen or shown is not None:
            raise WrongUse("--paired takes each of --provider that has its line: leave out what else chooses them")
        decide_all(provider, answer, dry_run=dry_run, as_json=as_json, reason=reason, by=by)
        return
    if name is None or provider is not None or paired or dry_run or chosen or shown is not None:
        raise WrongUse("name one payment; --provider, --paired, --dry-run and what else chooses several go with --all")
    if receipt and sms:
        raise WrongUse("--receipt and --sms exclude each other; take one of them")
    source, intent_id = parts(name)
    if receipt or sms:
        if line is not None or although is not None:
            raise WrongUse("nothing is looked up for a receipt or a text message: leave out --line and --although")
        _follow_up(name, "receipt" if receipt else "sms", answer, as_json, reason=reason, by=by)
        return
    with stack.runtime() as runtime:
        who = person.named(runtime.database, by, Deed.RESOLVE)
        _decide(runtime, source, intent_id, answer, as_json, reason=reason, by=who, although=although, line=line)


def _follow_up(name: str, kind: str, answer: str, as_json: bool, *, reason: str, by: str | None) -> None:
    from shared.payments import resolve as flow

    source, intent_id = parts(name)
    with stack.database() as database:
        given: dict[str, Any] = {"reason": reason, "by": person.named(database, by, Deed.RESOLVE)}
        made = said_right(lambda: flow.resolve_follow_up(database, source, intent_id, kind, answer, **given))
    if made is not None:
        tell_proposal(made, as_json)
        return
    done = "will be asked for again" if answer == "resend" else f"is {answer}"
    _say(
        as_json, {"payment": name, "follow_up": kind, "asked": answer}, f"the {flow.FOLLOW_UPS[kind]} of {name} {done}"
    )


def _which(  # noqa: PLR0917 - as they are typed
    provider: str | None, source: str | None, code: str | None, older: str | None, least: str | None, limit: int | None
) -> "Which":
    from shared.payments.many import Which

    if provider is not None:
        must_be_provider(provider)
    older_s = None if older is None else moments.length_s(older)
    return Which(provider, source, known_code(code), older_s, sum_typed(least), limit)


def _decide(
    runtime: "Runtime",
    source: str,
    intent_id: str,
    answer: str,
    as_json: bool,
    *,
    reason: str,
    by: str,
    although: str | None,
    line: str | None,
) -> None:
    from shared.payments import resolve as flow
    from shared.payments.look import look

    given: Mapping[str, Any] = {"reason": reason, "by": by, "although": although, "line": line}
    said_right(lambda: flow.must_be_right(answer, **given))  # before a provider is asked
    found = look(runtime, source, intent_id)
    try:
        state = flow.resolve(runtime, found, answer, **given)
        if not isinstance(state, str):
            _show(as_json, found, answer, "parked", done=False, proposal=state.id)
            if not as_json:
                tell_proposal(state, False)
            return
    except flow.NotDecided as error:
        _show(as_json, found, answer, error.state, done=False)
        raise
    _show(as_json, found, answer, state, done=True)
    if not as_json:
        print(f"{found.name} {flow.became(state)}")


def _show(as_json: bool, found: "Look", asked: str, state: str, *, done: bool, proposal: int | None = None) -> None:
    """What the look found: what was decided rests on it, or was not decided because of it."""
    from shared.payments.look import told

    payment, seen = found.claim.payment, told(found.result)
    if as_json:
        decided = {"payment": found.name, "provider": payment.provider, "asked": asked, "done": done, "state": state}
        decided |= {} if proposal is None else {"proposal": proposal}
        _say(True, decided | dict(seen), "")
        return
    books.show(found)


def _say(as_json: bool, document: Mapping[str, Any], sentence: str) -> None:
    if as_json:
        output.json_lines([json.dumps(document, ensure_ascii=False)])
    else:
        print(sentence)


def cancel(name: Name, reason: Reason, by: By = None) -> None:
    """Cancel a payment of which nothing has reached its provider."""
    from shared.payments import resolve as flow

    source, intent_id = parts(name)
    with stack.database() as database:
        who = person.named(database, by, Deed.CANCEL)
        said_right(lambda: flow.cancel(database, source, intent_id, reason=reason, by=who))
    print(f"{name} is cancelled")
