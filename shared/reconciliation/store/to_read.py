"""Which accounts a run still has to ask the provider about. Collected once: a fetch that goes on asks for the same."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from shared.archive.twins import every
from shared.database import foreign
from shared.database.engine import Connection
from shared.database.statements import statements
from shared.domain.discrepancies import Reconciliation
from shared.reconciliation.store import scope

_SQL = statements(__file__)


COLLECT_TIMEOUT_MS = 900_000  # one look at every payment of the provider, at night

_COLLECT = f"""
INSERT INTO accounts_to_read (run_id, number, account)
SELECT %(run)s, row_number() OVER (ORDER BY account), account FROM (
    SELECT {scope.ACCOUNT} COLLATE "C" AS account FROM {scope.PAYMENTS} p WHERE {scope.IN_SCOPE}
    UNION
    SELECT account COLLATE "C" FROM discrepancies d
    WHERE provider = %(provider)s AND resolved_at IS NULL AND account IS NOT NULL AND {scope.ARISEN}
) t WHERE account <> ''
"""
_PAID = f"""
SELECT DISTINCT exclusive_key FROM {every("payments")} p WHERE exclusive_key = ANY(%s) AND state = 'succeeded'
"""
_EXPECTED = f"""
SELECT p.sent_reference, {scope.ACCOUNT} AS account FROM {scope.PAYMENTS} p
WHERE p.books_key = ANY(%(keys)s) AND p.finished_at IS NOT NULL AND {scope.IN_SCOPE}
"""
_ACCOUNTS_OF = f"""
SELECT p.sent_reference, {scope.ACCOUNT} AS account FROM {scope.PAYMENTS} p
WHERE p.sent_reference = ANY(%s) AND p.provider = %s
"""


@dataclass(frozen=True, slots=True)
class ToRead:
    """number: its place in the order of reading, from 1 on."""

    number: int
    account: str


@dataclass(frozen=True, slots=True)
class Reach:
    """How much was read. why: what most of those that were left out have in common."""

    wanted: int
    left_out: int
    why: str | None


def collect(connection: Connection, run: Reconciliation) -> None:
    """Write down the accounts to read: of the payments in scope, and of open discrepancies, so that the books can
    close them. In the caller's transaction; what was collected before is replaced."""
    connection.execute(f"SET LOCAL statement_timeout = {COLLECT_TIMEOUT_MS}")
    connection.execute("DELETE FROM accounts_to_read WHERE run_id = %s", (run.id,))
    connection.execute(_COLLECT, scope.given(run))


def left(connection: Connection, run_id: int, after: int, limit: int) -> Sequence[ToRead]:
    """The next accounts after this number that were not read yet."""
    rows = connection.execute(_SQL["left"], {"run": run_id, "after": after, "limit": limit}).fetchall()
    return [ToRead(row["number"], row["account"]) for row in rows]


def pass_over(connection: Connection, run_id: int, number: int, why: str) -> None:
    """Say why an account could not be read."""
    given = (foreign.text(why), run_id, number)
    connection.execute("UPDATE accounts_to_read SET unread = %s WHERE run_id = %s AND number = %s", given)


def reach(connection: Connection, run_id: int) -> Reach:
    """How many accounts there are, and how many of them were not read."""
    row = connection.execute(_SQL["count"], (run_id,)).fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns its row
    return Reach(row["wanted"], row["left_out"], row["why"])


def forget(connection: Connection, run_id: int) -> None:
    """Everything was read: nothing is left to go on with."""
    connection.execute("DELETE FROM accounts_to_read WHERE run_id = %s", (run_id,))


def was_read(connection: Connection, run_id: int, accounts: Iterable[str]) -> Set[str]:
    """Those of these accounts of which the run has all lines."""
    rows = connection.execute(
        "SELECT account FROM provider_accounts WHERE run_id = %s AND account = ANY(%s)", (run_id, list(accounts))
    ).fetchall()
    return {row["account"] for row in rows}


def accounts_of(connection: Connection, provider: str, references: Iterable[str]) -> Mapping[str, str]:
    """The accounts that payments of ours with these references were made to; without those that nobody knows."""
    rows = connection.execute(_ACCOUNTS_OF, (list(references), provider)).fetchall()
    return {row["sent_reference"]: row["account"] for row in rows}


def expected(connection: Connection, run: Reconciliation, accounts: Sequence[str]) -> Mapping[str, Set[str]]:
    """References of our payments under each of these accounts that the run compares and that have ended."""
    found: dict[str, set[str]] = defaultdict(set)
    if accounts:
        keys = [f"{run.provider}:{account}" for account in accounts]
        for row in connection.execute(_EXPECTED, scope.given(run) | {"keys": keys}).fetchall():
            found[row["account"]].add(row["sent_reference"])
    return found


def paid(connection: Connection, provider: str, accounts: Iterable[str]) -> Set[str]:
    """Those of these invoices that a payment of ours succeeded on, however long ago."""
    prefix = f"{provider}:"
    rows = connection.execute(_PAID, ([prefix + account for account in accounts],)).fetchall()
    return {row["exclusive_key"].removeprefix(prefix) for row in rows}
