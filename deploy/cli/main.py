"""`settlepipe`: the command line. Modules of a command are imported when it runs, so that --help is fast."""

import os
import sys
from collections.abc import Sequence

import typer

from deploy.cli import (
    accounts,
    alerts,
    audit,
    db,
    discrepancies,
    events,
    inbox,
    jobs,
    keys,
    lanes,
    listen,
    lookup,
    metrics,
    pairs,
    payments,
    people,
    proposals,
    quarantine,
    reconcile,
    recover,
    reports,
    resolve,
    run,
    schema,
    statement,
    submit,
    trigger,
    up,
    validate,
    webhooks,
)
from deploy.cli.demo.command import demo
from deploy.cli.failures import FAILURE, INTERRUPTED, WrongUse, explain

app = typer.Typer(
    name="settlepipe",
    help="Settles and refunds bill payments at their providers, once in effect, whatever the network does.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    *(up.up, demo, submit.submit, validate.validate, inbox.inbox, payments.payments, payments.payment, payments.export),
    *(
        resolve.resolve,
        resolve.cancel,
        pairs.pairs,
        proposals.proposals,
        proposals.approve,
        proposals.reject,
        lookup.lookup,
        lookup.refresh,
        reconcile.reconcile,
        statement.statement,
        recover.recover,
        up.sandbox,
        up.doctor,
        jobs.jobs,
        metrics.metrics,
        run.run,
        schema.schema,
        listen.listen,
        trigger.trigger,
        run.reload,
        run.health,
    ),
):
    app.command(command.__name__)(command)
for name, group in (
    *(("quarantine", quarantine.app), ("lanes", lanes.app), ("accounts", accounts.app)),
    *(("discrepancies", discrepancies.app), ("alerts", alerts.app)),
    *(
        ("reports", reports.app),
        ("audit", audit.app),
        ("people", people.app),
        ("keys", keys.app),
        ("webhooks", webhooks.app),
    ),
    *(("events", events.app), ("db", db.app)),
):
    app.add_typer(group, name=name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status: 0 done, 1 a failure, 2 wrong use, 130 interrupted. A command may have others.

    Whatever goes wrong is one sentence on stderr, never a traceback.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    _take_closed_for_empty()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        status = typer.main.get_command(app).main(given or ["--help"], prog_name="settlepipe", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:
        _forget_unwritten()
        if isinstance(error, BrokenPipeError):  # whoever read our output has had enough
            return FAILURE
        if isinstance(error, UnicodeEncodeError) and any("\udc80" <= one <= "\udcff" for one in "".join(given)):
            error = WrongUse("a word of the command is not UTF-8; names and texts are")
        status, sentence = explain(error)
        print(f"settlepipe: {sentence}", file=sys.stderr)
        return status
    return status if isinstance(status, int) else 0


def _take_closed_for_empty() -> None:
    """Streams that whoever started us had closed (`>&-`) are /dev/null: Python has None there, and what is opened next
    would get their place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            try:
                os.fstat(number)
            except OSError:
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest number that is free: this
            setattr(sys, name, open(os.devnull, "r" if number == 0 else "w", encoding="utf-8"))  # noqa: SIM115


def _forget_unwritten() -> None:
    """What was printed and can't be written is forgotten, so that Python doesn't try, and tell, again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
