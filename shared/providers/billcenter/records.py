"""What billcenter's reads answer, as far as its document shows it.

Unknown fields are dropped; codes that come as numbers are read as text.
"""

from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shared.providers.billcenter.bodies import minor

_Text = str | None
_Number = int | None


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value


_TextOrNumber = Annotated[str | None, BeforeValidator(_as_text)]


def _amount(value: Any) -> Any:
    if minor(value) is None:
        raise ValueError("not an amount")
    return value


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


Row = TypeVar("Row")


class Page(_Record, Generic[Row]):
    """A page of a list. There is no `next`: the pages end when `count` rows have been seen."""

    count: int = Field(ge=0)
    results: list[Row]


class Category(_Record):
    id: int
    name: _Text = None
    code: _Text = None
    icon: _Text = None
    position: _Number = None
    is_active: bool | None = None


class Service(_Record):
    id: int
    service_name: _Text = None
    service_code: _Text = None
    billing_type: _Text = None
    biller_service_type: _Text = None
    alt_id: _TextOrNumber = None
    with_noat: bool | None = None
    posapi_three: bool | None = None
    aimag_khot: _TextOrNumber = None
    sum_duureg: _TextOrNumber = None
    created_at: _Text = None
    updated_at: _Text = None
    is_active: bool | None = None
    biller: _Number = None
    biller_category: _Number = None


class BankAccount(_Record):
    id: int
    khut_type: _TextOrNumber = None
    account: _TextOrNumber = None
    bank_code: _TextOrNumber = None
    bank_name: _Text = None
    account_name: _Text = None
    currency: _Text = None
    created_at: _Text = None
    updated_at: _Text = None
    biller_service: int


class Customer(_Record):
    id: int
    bs_customer_code: _TextOrNumber = None
    active: bool | None = None
    first_name: _Text = None
    last_name: _Text = None
    additional: Any = None
    register_: _Text = Field(None, alias="register", serialization_alias="register")
    email: _Text = None
    phone_number: _TextOrNumber = None
    additional_phone_number: _TextOrNumber = None
    address_id: _Number = None
    address_description: _Text = None
    created_at: _Text = None
    updated_at: _Text = None
    is_agree: bool | None = None
    biller_service: Service | None = None
    adderss: Any = None  # so in the document


class Invoice(_Record):
    id: int
    bs_customer_code: _TextOrNumber = None
    biller_category_id: _Number = None
    invoice_code: str
    billing_period_month: _Number = None
    billing_period_year: _Number = None
    amount: _Text = None
    amount_current: _Text = None
    amount_paid: Annotated[str, BeforeValidator(_amount)]
    issue_date: _Text = None
    due_date: _Text = None
    created_at: _Text = None
    updated_at: _Text = None
    status: _Text = None  # PAID, PENDING, PARTIALLY_PAID, RESOLVED
    paid_type: _Text = None
    biller_service: _Number = None
    deeplink: _Text = None

    @property
    def paid_minor(self) -> int:
        """amount_paid in minor units; also other banks' money."""
        return minor(self.amount_paid) or 0

    def evidence(self) -> dict[str, str | None]:
        """What a check keeps of the invoice, and what a refund's baseline is."""
        return {"amount_paid": self.amount_paid, "status": self.status, "updated_at": self.updated_at}


class AddressMatch(_Record):
    """A customer found by address. Dun, what is due, is a JSON number: read as a decimal."""

    BillerID: _TextOrNumber = None
    BillerName: _Text = None
    CustomerCode: _TextOrNumber = None
    CustomerName: _Text = None
    CustomerMobile: _TextOrNumber = None
    CustomerShortAddress: _Text = None
    CusAimagID: _TextOrNumber = None
    CusAimagName: _Text = None
    CusSymName: _Text = None
    CusHorooID: _TextOrNumber = None
    CusHorooName: _Text = None
    CusBairID: _TextOrNumber = None
    CusBairName: _Text = None
    Toot: _TextOrNumber = None
    Dun: Decimal | None = None
    BillMonth: _TextOrNumber = None


class AddressMatches(_Record):
    SearchList: list[AddressMatch]


class CombinedDetail(_Record):
    invoices: list[Invoice]
    combained_detail: list[Any] = []  # so in the document
