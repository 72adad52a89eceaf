"""ubill's requests as data: the target of an intent, the bytes that are sent, how amounts are written. Pure."""

import json

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.money import format_amount, minor_units

CURRENCY = "GEL"  # our reading: no currency is named
ADD = "/payments/add"
SET_CREDIT = "/accounts/setCredit"
_MAX_ID = 2**53  # the largest whole number that every JSON reader keeps


class Target(BaseModel):
    """What an intent says about whom to pay."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    account_id: int = Field(gt=0, le=_MAX_ID)


def settle_body(account_id: int, amount_minor: int, comment: str, pay_system: str) -> bytes:
    """The bytes of a payment. `sum` is a JSON number, so it is written from the decimal: no float comes near it."""
    amount = format_amount(amount_minor, CURRENCY)
    texts = f'"comment":{json.dumps(comment)},"paySystem":{json.dumps(pay_system)}'
    return f'{{"accountID":{account_id},"sum":{amount},{texts}}}'.encode()


def credit_body(account_id: int, date: str) -> bytes:
    """The bytes of a credit until `date` (`2027-01-31`)."""
    return json.dumps({"accountID": account_id, "date": date}, separators=(",", ":")).encode()


def minor(text: str | None) -> int | None:
    """Minor units of a sum as the lists write it ("1", "1.00", "-10"); None for anything else, and never rounded."""
    return None if text is None else minor_units(text, CURRENCY)
