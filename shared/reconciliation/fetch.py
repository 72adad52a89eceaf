"""fetch: read the provider's books into staging: the accounts of our payments, then what is listed besides.

A chunk of accounts, or a page of the list, is committed together with the position after it. So a fetch that dies
anywhere reads on where the last chunk was kept, and nothing is kept twice. Memory holds one chunk.

What can't be read leaves the run incomplete: `missing` says what, the position stays where a later fetch goes on.
"""

import time
from collections.abc import Callable, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from shared.database.engine import Connection
from shared.domain.discrepancies import Reconciliation
from shared.domain.records import Period
from shared.providers.base import BooksUnread, Statement
from shared.reconciliation.chunks import Chunk, Position, Read, Result, fitting, ours_of
from shared.reconciliation.reads import Reads, Stopped
from shared.reconciliation.store import runs, to_read
from shared.reconciliation.store.to_read import ToRead
from shared.runtime import Runtime
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

READERS = 8  # reads at a time, at most
CHUNK = 16  # accounts in one commit
_TOLD_EVERY_S = 30.0

Progress = Callable[[str, int, int | None], None]
"""Told what is read now, how much of it is done, and how much there is (None: nobody knows)."""


class Elsewhere(Exception):  # noqa: N818
    """Another process fetches this run; the message says so."""


def fetch(runtime: Runtime, run: Reconciliation, progress: Progress = lambda *_: None) -> Reconciliation:
    """Read the books of a run that is `fetching`; it is `fetched` then, complete or not. Any other run is left alone.

    Raises Elsewhere, and psycopg.OperationalError when PostgreSQL goes away: start again. LookupError for a provider
    that can't be asked.
    """
    statement = runtime.connected[run.provider].statement
    if statement is None:
        raise LookupError(f"the books of {run.provider} can't be read")
    if run.state != "fetching":
        return run
    reads = Reads(runtime, run.provider)
    work = _Fetch(runtime, run, statement, reads, progress, _begun(runtime, run))
    missing = []
    try:
        work.accounts()
        work.listing()
    except BooksUnread as error:
        missing.append(f"the list was not read to its end ({error})")
    except Stopped as stopped:
        missing.append(str(stopped))
    finally:
        reads.stop("the fetch has ended")
    return work.end(missing)


def _lacks(result: Result, expected: Set[str]) -> bool:
    return isinstance(result, Read) and bool(result.odd) and not expected <= ours_of(result.lines)


def _begun(runtime: Runtime, run: Reconciliation) -> Position:
    """Where to go on; the accounts to read are collected where it begins."""
    with runtime.database.transaction() as connection:
        kept = runs.position(connection, run.id)
        if kept is not None:
            return Position(**kept)
        to_read.collect(connection, run)
        runs.keep(connection, run.id, (), position=Position().plain())
    return Position()


@dataclass(slots=True)
class _Fetch:
    """One process's fetch of one run."""

    runtime: Runtime
    run: Reconciliation
    statement: Statement
    reads: Reads
    progress: Progress
    position: Position
    told: float = field(default_factory=time.monotonic)

    def accounts(self) -> None:
        """Read what is left of the accounts. Raises Stopped."""
        readers = min(READERS, self.runtime.settings.provider(self.run.provider).concurrency)
        with self.runtime.database.connection() as connection:
            wanted = to_read.reach(connection, self.run.id).wanted
        with ThreadPoolExecutor(readers, thread_name_prefix="books") as pool:
            try:
                while self.position.after is not None and self._one_chunk(pool, self.position.after, wanted):
                    pass
            except BaseException:
                self.reads.stop("the fetch was ended")  # who waits in the pool gives up at once
                raise

    def _one_chunk(self, pool: ThreadPoolExecutor, after: int, wanted: int) -> bool:
        """Read and keep a chunk. False: none is left; or none of it got an answer, and the others wait for another
        fetch. Raises Stopped."""
        with self.runtime.database.connection() as connection:
            chunk = to_read.left(connection, self.run.id, after, CHUNK)
        if not chunk:
            self._keep(Chunk(), replace(self.position, after=None))
            return False
        results = self._believed(list(zip(chunk, pool.map(self._account, chunk), strict=True)))
        kept = Chunk()
        for one, result in results:
            kept.add(one, result)
        down = len(chunk) == CHUNK == sum(isinstance(r, BooksUnread) and r.passing for _, r in results)
        stopped = next((result for _, result in results if isinstance(result, Stopped)), None)
        self._keep(kept, self.position if down or stopped else replace(self.position, after=chunk[-1].number))
        if stopped is not None:
            raise stopped
        self._tell("accounts", chunk[-1].number, wanted)
        return not down

    def _believed(self, results: Sequence[tuple[ToRead, Result]]) -> Sequence[tuple[ToRead, Result]]:
        """Not every list names its account: one with payments of ours to others alone is another's. And where a row
        can't be read, a payment of ours that is not listed may be it."""
        ours = {one.number: ours_of(result.lines) for one, result in results if isinstance(result, Read)}
        odd = [one.account for one, result in results if isinstance(result, Read) and result.odd]
        with self.runtime.database.connection() as connection:
            made_to = to_read.accounts_of(connection, self.run.provider, set().union(*ours.values()))
            expected = to_read.expected(connection, self.run, odd)
        strange = {
            one.number
            for one, _ in results
            if (found := {made_to[text] for text in ours.get(one.number, ()) if text in made_to})
            and one.account not in found
        }
        other = BooksUnread("the list holds payments of ours to another account and none to this one")
        hidden = BooksUnread("a payment of ours is not listed, and may be in a row that can't be read")
        return [
            (one, other if one.number in strange else hidden if _lacks(result, expected[one.account]) else result)
            for one, result in results
        ]

    def _account(self, one: ToRead) -> Result:
        try:
            read = fitting(self.reads.make(partial(self.statement.account, one.account)))
        except (BooksUnread, Stopped) as error:
            return error
        return BooksUnread("a row with a reference like ours can't be read") if ours_of(read.odd) else read

    def listing(self) -> None:
        """Read the list page by page, from where it was left. Raises BooksUnread, Stopped."""
        read = self.statement.listing
        zone = self.runtime.registrations[self.run.provider].zone
        period, pages = Period(self.run.period_from, self.run.period_to, zone), 0
        while read is not None and not self.position.listed:
            page = self.reads.make(partial(read, period, self.position.listing))
            kept = self._of_interest(fitting(page.lines))
            self._keep(kept, replace(self.position, listing=page.position, listed=page.position is None))
            pages += 1
            self._tell("pages of the list", pages, None)

    def _of_interest(self, page: Read) -> Chunk:
        """What the list adds: lines with a reference like ours under accounts that were not read, and totals of
        invoices that were not read and that we ever paid. Raises BooksUnread where such a row can't be read."""
        with self.runtime.database.connection() as connection:
            read = to_read.was_read(connection, self.run.id, {line.account for line in [*page.lines, *page.odd]})
            new = [line for line in page.lines if line.account not in read]
            odd = [line for line in page.odd if line.account not in read]
            totals = {line.account: line for line in new if line.kind == "total"}
            paid = to_read.paid(connection, self.run.provider, totals.keys() | {line.account for line in odd})
        if ours_of(odd) or any(line.account in paid for line in odd):
            raise BooksUnread("a row that may be about a payment of ours can't be read")
        found = [totals[account] for account in sorted(paid)]
        found += [line for line in new if line.kind != "total" and ours_of([line])]
        return Chunk(found, dict.fromkeys(sorted(paid), 0), len(odd))

    def end(self, missing: Sequence[str]) -> Reconciliation:
        """The run is `fetched`; what is missing is told, and looked at again by a fetch that goes on."""
        with self.runtime.database.transaction() as connection:
            reach = to_read.reach(connection, self.run.id)
            said = [f"{reach.left_out} of {reach.wanted} accounts were not read"] if reach.left_out else []
            if reach.left_out and reach.why:
                said = [f"{said[0]} ({reach.why})"]
            said += missing
            self._write(connection, Chunk(), replace(self.position, after=0) if said else None)
            if not said:
                to_read.forget(connection, self.run.id)
            run = runs.fetched(connection, self.run.id, "; ".join(said) or None)
        log.info(
            "books read",
            provider=run.provider,
            lines=run.lines,
            complete=run.complete,
            accounts=reach.wanted,
            unreadable=run.unreadable,
        )
        return run

    def _keep(self, kept: Chunk, position: Position) -> None:
        with self.runtime.database.transaction() as connection:
            self._write(connection, kept, position)
        self.position = position

    def _write(self, connection: Connection, kept: Chunk, position: Position | None) -> None:
        run_id = self.run.id
        runs.lock(connection, run_id)
        if runs.position(connection, run_id) != self.position.plain():
            raise Elsewhere(f"another process reads the books of {self.run.provider}; leave it to that one")
        kept_position = None if position is None else position.plain()
        runs.keep(connection, run_id, kept.lines, accounts=kept.accounts, position=kept_position, unreadable=kept.odd)
        for number, why in kept.passed_over:
            to_read.pass_over(connection, run_id, number, why)

    def _tell(self, what: str, done: int, total: int | None) -> None:
        self.progress(what, done, total)
        if time.monotonic() - self.told >= _TOLD_EVERY_S:
            self.told = time.monotonic()
            log.info("reading the books", provider=self.run.provider, what=what, done=done, total=total)
