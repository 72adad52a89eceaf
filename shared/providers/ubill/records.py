"""What ubill's reads answer, as far as its document shows it.

Unknown fields are dropped. Ids and sums come as texts, and are kept as such; where a number comes it becomes one.
"""

# ruff: noqa: N815 - the fields are named as ubill names them

from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value


_Text = str | None
_TextOrNumber = Annotated[str | None, BeforeValidator(_as_text)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


Row = TypeVar("Row")


class Rows(_Record, Generic[Row]):
    """A list. recordsTotal and recordsFiltered: how many there are; not every list says so."""

    message: _Text = None
    draw: int | None = None
    recordsTotal: int | None = None
    recordsFiltered: int | None = None
    data: list[Row]

    @property
    def whole(self) -> bool:
        """Nothing in it says that rows are left out."""
        return all(total is None or total <= len(self.data) for total in (self.recordsTotal, self.recordsFiltered))


class Account(_Record):
    id: _TextOrNumber = None
    name: _Text = None
    mobile: _TextOrNumber = None
    personalNo: _TextOrNumber = None
    birthDate: _Text = None
    areaID: _TextOrNumber = None
    area: _Text = None
    address: _Text = None
    column1: _TextOrNumber = None
    column2: _TextOrNumber = None
    tariffID: _TextOrNumber = None
    tariffName: _Text = None
    tariffPrice: _TextOrNumber = None
    balance: _TextOrNumber = None
    statusID: _TextOrNumber = None
    statusName: _Text = None
    shutdownDate: _Text = None
    creditDate: _Text = None
    mac: _Text = None
    ip: _Text = None
    createdAt: _Text = None


class Paid(_Record):
    """A row of `payments` or of `payments/account/{id}`: the same payment has different ids in the two.

    sum: "1.00" in the first, "1" in the second. balance: with float noise. date: without a zone.
    """

    id: _TextOrNumber = None
    accountID: _TextOrNumber = None
    balance: _TextOrNumber = None
    sum: _TextOrNumber = None
    comment: _Text = None
    transactionID: _TextOrNumber = None
    paySystem: _Text = None
    apiStatus: _TextOrNumber = None
    typeID: _TextOrNumber = None
    typeName: _Text = None
    admin: _Text = None
    date: _Text = None
