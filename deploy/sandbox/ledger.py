"""What was asked and what was applied: the witness that tests compare the product with.

The ledger of applied operations is complete; when it is full, nothing more is applied (LedgerFull). The request log
is bounded by rows and bytes and forgets its oldest rows.
"""

import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deploy.sandbox.wire import Seen

MAX_APPLIED = 2_000_000  # 1 to 2 KiB of memory each
MAX_RECORDS = 4_000_000  # references seen, applied or not
MAX_LOGGED_REQUESTS = 100_000
MAX_LOGGED_BYTES = 128 * 1024**2
MAX_LOGGED_BODY_BYTES = 8 * 1024  # of one request; its sha256 is of all of it
MAX_DIGESTS = 16  # distinct bodies remembered of one reference

Key = tuple[str, str, str]  # provider, operation, reference
Applied = tuple[str, str, str, str, str, str, float, str, int]
_COLUMNS = ("provider", "operation", "reference", "invoice_code", "amount", "currency", "at", "sha256")


class LedgerFull(Exception):  # noqa: N818 - says what happened
    """Nothing can be applied any more; reset the sandbox."""


@dataclass(slots=True)
class Record:
    """One reference under one operation. chances: how often a fault could have struck it."""

    requests: int = 0
    chances: int = 0
    applied: int = 0
    amount: str | None = None
    digests: tuple[str, ...] = ()


@dataclass(slots=True)
class LoggedRequest:
    """One row of the request log. status None: no (whole) answer was given, or not yet."""

    number: int
    at: float
    provider: str
    operation: str | None
    reference: str
    method: str
    path: str
    sha256: str
    body: bytes | None
    fault: str | None = None
    status: int | None = None


class Ledger:
    def __init__(self) -> None:
        self.open: Counter[str] = Counter()  # requests under way at each provider; a reset does not end them
        self.reset()

    def reset(self) -> None:
        """Empty. New containers, so that an answer that is being streamed keeps its own."""
        self.requests = 0
        self._applied: list[Applied] = []
        self._records: dict[Key, Record] = {}
        self._log: deque[LoggedRequest] = deque()
        self._log_bytes = 0

    def saw(
        self, provider: str, operation: str | None, reference: str, seen: Seen, secret: bool
    ) -> tuple[LoggedRequest, Record]:
        """Note a request. The bodies of secret ones (log-ins) are not kept."""
        body = None if secret else seen.body[:MAX_LOGGED_BODY_BYTES]
        path = f"{seen.path}?{seen.query}" if seen.query else seen.path
        row = LoggedRequest(seen.number, seen.at, provider, operation, reference, seen.method, path, seen.sha256, body)
        self._log.append(row)
        self._log_bytes += len(body or b"")
        while len(self._log) > MAX_LOGGED_REQUESTS or self._log_bytes > MAX_LOGGED_BYTES:
            self._log_bytes -= len(self._log.popleft().body or b"")
        record = self._record((provider, operation or "", reference))
        record.requests += 1
        if reference and seen.sha256 not in record.digests and len(record.digests) < MAX_DIGESTS:
            record.digests += (seen.sha256,)
        return row, record

    def apply(self, key: Key, seen: Seen, *, invoice_code: str, amount: str, currency: str) -> None:
        """Note that money moved (or a receipt was issued). Raises LedgerFull, and then it must not move."""
        if len(self._applied) >= MAX_APPLIED or len(self._records) >= MAX_RECORDS:
            raise LedgerFull
        self._applied.append((*key, invoice_code, amount, currency, time.time(), seen.sha256, seen.number))
        record = self._record(key)
        record.applied += 1
        record.amount = amount

    def _record(self, key: Key) -> Record:
        record = self._records.get(key)
        if record is None:
            record = Record()
            if len(self._records) < MAX_RECORDS:
                self._records[key] = record
        return record

    def applied(self) -> Iterator[dict[str, Any]]:
        """Everything applied until now, oldest first."""
        rows = self._applied
        for index in range(len(rows)):
            *values, number = rows[index]
            entry: dict[str, Any] = dict(zip(_COLUMNS, values, strict=True))
            yield entry | {"at": timestamp(entry["at"]), "request_number": number}

    def by_reference(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each reference with what was asked and applied under it, per operation."""
        grouped: dict[str, dict[str, Any]] = {}
        for (_, operation, reference), record in self._records.items():
            if reference:
                grouped.setdefault(reference, {})[operation] = {
                    "applied": record.applied,
                    "requests": record.requests,
                    "sha256": list(record.digests),
                    "amount": record.amount,
                }
        yield from grouped.items()

    def log(self, reference: str | None = None, operation: str | None = None) -> Iterator[dict[str, Any]]:
        """The last requests, oldest first; only those of a reference or an operation where one is given."""
        for row in list(self._log):
            if reference in (None, row.reference) and operation in (None, row.operation):
                yield {
                    "number": row.number,
                    "at": timestamp(row.at),
                    "provider": row.provider,
                    "operation": row.operation,
                    "reference": row.reference,
                    "method": row.method,
                    "path": row.path,
                    "sha256": row.sha256,
                    "body": None if row.body is None else row.body.decode("utf-8", "replace"),
                    "fault": row.fault,
                    "status": row.status,
                }


def timestamp(unix_s: float) -> str:
    """RFC 3339 in UTC with microseconds and a Z."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
