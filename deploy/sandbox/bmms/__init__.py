"""bmms's one documented call, the catalogue of recipients; see README.md beside this package for what can be changed.

The document names a role and no scheme of credentials: everybody is let in.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from deploy.sandbox.bmms import data as directory
from deploy.sandbox.ledger import Ledger
from deploy.sandbox.wire import Reply, Seen, as_json, detail

_PATH = "/services/bmms/api/agent/recipients"
_MAX_ROWS = 10_000

Rows = list[dict[str, Any]]


class _Removed(BaseModel):
    model_config = ConfigDict(extra="forbid")

    categories: list[int] = []
    recipients: list[int] = []
    fields: list[int] = []
    responseFields: list[int] = []  # noqa: N815 - as written in the document


class _Change(BaseModel):
    """replace: the whole answer, whatever it is. The lists: rows laid over those with their id, or added."""

    model_config = ConfigDict(extra="forbid")

    replace: dict[str, Any] | None = None
    categories: Rows = Field([], max_length=_MAX_ROWS)
    recipients: Rows = Field([], max_length=_MAX_ROWS)
    fields: Rows = Field([], max_length=_MAX_ROWS)
    responseFields: Rows = Field([], max_length=_MAX_ROWS)  # noqa: N815
    remove: _Removed = _Removed()


class Bmms:
    """The provider `bmms`; see deploy.sandbox.wire.Provider for its methods."""

    name = "bmms"
    operations = frozenset({"recipients"})
    secret_operations = frozenset[str]()
    latency_s = 0.0

    def __init__(self, ledger: Ledger) -> None:
        self._catalogue: dict[str, Any] = directory.catalogue()

    def find(self, seen: Seen) -> str | None:
        return "recipients" if (seen.method, seen.path) == ("GET", _PATH) else None

    def reference(self, operation: str, seen: Seen) -> str:
        return ""

    def admit(self, operation: str, seen: Seen) -> Reply | None:
        return None

    def apply(self, operation: str, seen: Seen) -> Reply:
        return as_json(self._catalogue)

    def revoke(self, seen: Seen) -> None:
        """There are no credentials."""

    def duplicate(self, reference: str) -> Reply:
        return self.refusal()

    def refusal(self) -> Reply:
        return detail(400, "not for this agent")

    def control(self, what: str, data: Any) -> Any:
        """`catalogue`: all or nothing. Returns how many rows each list has."""
        if what != "catalogue":
            raise LookupError(what)
        change = _Change.model_validate(data)
        catalogue = dict(self._catalogue if change.replace is None else change.replace)
        for name in directory.LISTS:
            rows, gone = getattr(change, name), getattr(change.remove, name)
            if rows or gone:
                catalogue[name] = _merged(name, catalogue.get(name, []), rows, gone)
        self._catalogue = catalogue
        return {name: len(rows) if isinstance(rows, list) else None for name, rows in catalogue.items()}

    def reset(self) -> None:
        self._catalogue = directory.catalogue()


def _merged(name: str, rows: Any, changed: Rows, gone: list[int]) -> Rows:
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "id" in row for row in [*rows, *changed]):
        raise ValueError(f"{name} can only be changed by row where every row has an id")
    by_id = {row["id"]: row for row in rows}
    for row in changed:
        by_id[row["id"]] = by_id.get(row["id"], {}) | row
    for number in gone:
        if by_id.pop(number, None) is None:
            raise ValueError(f"{name} has no row {number}")
    if len(by_id) > _MAX_ROWS:
        raise ValueError(f"more than {_MAX_ROWS} {name}")
    return list(by_id.values())
