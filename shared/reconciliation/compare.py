"""compare: our payments beside the provider's lines, in SQL, as of one moment."""

from shared.database.engine import Connection, Row
from shared.domain.discrepancies import Reconciliation
from shared.reconciliation.store import balance, carried, compared, invoices, runs, strays
from shared.reconciliation.store import compare as store
from shared.runtime import Runtime
from shared.telemetry.logs import get_logger

log = get_logger(__name__)


class Unbalanced(Exception):  # noqa: N818 - says what is so
    """The parts do not add up to the whole: a defect. Nothing was kept; the run stays as it was."""


def compare(runtime: Runtime, run: Reconciliation) -> Reconciliation:
    """Compare a run whose books were read; findings, payments and totals are kept with the state `compared`.

    One transaction: dying anywhere leaves the run as it was. A run that was compared before is compared again, over
    the same lines; the caller decides whether to. Raises Unbalanced, RuntimeError while it is being fetched.
    """
    with runtime.database.connection() as connection:
        connection.execute("SELECT analyze_night(NULL)")  # the lines and accounts were just written
    with runtime.database.transaction() as connection:
        unread = store.prepare(connection, run)
        if runs.lock(connection, run.id).state == "fetching":
            raise RuntimeError(f"run {run.id} is still being fetched")
        invoices.prepare(connection, run)
        store.judge_lines(connection, run)
        invoices.judge(connection, run)
        store.find(connection, run)
        invoices.find(connection, run)
        strays.find(connection, run)
        _must_balance(connection, run, balance.totals(connection, run))
        registration = runtime.registrations[run.provider]
        carried.divide(connection, run, registration.zone, registration.service)
        totals = balance.own(connection, run)
        _must_be_the_days(connection, run, totals)
        balance.keep(connection, run, totals, unread)
    log.info("compared with the books", provider=run.provider, day=str(run.day), lines=run.lines, unread=unread)
    with runtime.database.connection() as connection:
        compared.analyze(connection, run.id)
        return runs.get(connection, run.id)


def _must_balance(connection: Connection, run: Reconciliation, totals: list[Row]) -> None:
    """What was matched and every discrepancy add up to our sum, and to the provider's, in each currency."""
    parts: dict[str, tuple[int, int]] = {}
    for total in totals:
        ours, theirs = parts.get(total["currency"], (0, 0))
        parts[total["currency"]] = ours + total["local_minor"], theirs + total["provider_minor"]
    whole = balance.sums(connection, run)
    for currency in parts.keys() | whole.keys():
        if parts.get(currency, (0, 0)) != whole.get(currency, (0, 0)):
            raise Unbalanced(
                f"the comparison with {run.provider} of {run.day} does not add up in {currency}:"
                f" {parts.get(currency)} of {whole.get(currency)}; please report it"
            )


def _must_be_the_days(connection: Connection, run: Reconciliation, totals: list[Row]) -> None:
    """Our sum of the run's own day is what of ours succeeded on it."""
    sums: dict[str, int] = {}
    for total in totals:
        sums[total["currency"]] = sums.get(total["currency"], 0) + total["local_minor"]
    ended = balance.ended(connection, run)
    for currency in sums.keys() | ended.keys():
        if sums.get(currency, 0) != ended.get(currency, 0):
            raise Unbalanced(
                f"our sum of {run.day} at {run.provider} is not what ended then, in {currency}:"
                f" {sums.get(currency, 0)} of {ended.get(currency, 0)}; please report it"
            )
