"""The catalogue as bmms's document describes it. Unknown fields are dropped; what is not as described is refused.

The document gives every text in Russian, Uzbek and English.
"""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt
from pydantic.alias_generators import to_camel

CATALOGUE = "catalogue"  # the one list that is kept of it
LANGUAGES = ("en", "ru", "uz")

RecipientType = Literal["SIMPLE", "AMOUNT_DICTATOR", "INVOICE"]
FieldType = Literal["ACCOUNT", "AMOUNT", "OTHER"]
ControlType = Literal["TEXT", "SELECT", "READONLY"]
Visibility = Literal["ALL", "HIDDEN"]

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff\ufffd]")  # the reader of JSON makes U+FFFD of a half


def _storable(text: str) -> str:
    if _UNSTORABLE.search(text):
        raise ValueError("holds a NUL character or half a surrogate pair, which PostgreSQL does not keep")
    return text


def _number(value: Any) -> Any:
    if isinstance(value, bool | float):
        raise ValueError("not a number")
    return value


def _or_nothing(value: Any) -> Any:
    return () if value is None else value


Text = Annotated[str, AfterValidator(_storable)]
Name = Annotated[Text, Field(min_length=1, max_length=200)]
Amount = Annotated[Decimal, BeforeValidator(_number), Field(ge=0, max_digits=24, decimal_places=6)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel, populate_by_name=True)


class Texts(_Record):
    """One text in the document's three languages."""

    en: Text | None = None
    ru: Text | None = None
    uz: Text | None = None

    def in_language(self, language: str) -> str | None:
        """In this language, or in the first of the others that is there."""
        found = (getattr(self, one) for one in (language, *LANGUAGES))
        return next((text for text in found if text and text.strip()), None)

    def all(self) -> list[str]:
        """In every language."""
        return [text for text in (self.en, self.ru, self.uz) if text]


_NONE = Texts()


class Category(_Record):
    id: StrictInt
    short_name: Text | None = None
    names: Texts = _NONE


class Recipient(_Record):
    """min_amount and max_amount are in the unit of the amount that is sent: our reading, see `rules`."""

    id: StrictInt
    type: RecipientType
    category_id: StrictInt
    amount_ratio: Annotated[Amount, Field(gt=0)]
    min_amount: Amount | None = None
    max_amount: Amount | None = None
    short_name: Text | None = None
    ord: StrictInt | None = None
    titles: Texts = _NONE
    full_names: Texts = _NONE


class Choice(_Record):
    """One option of a SELECT. value: may hold several, comma-separated."""

    value: Text
    filter_by: Text | None = None
    ord: StrictInt | None = None
    titles: Texts = _NONE
    descriptions: Texts = _NONE


class InputField(_Record):
    """One field that a payment to the recipient has. output: is it sent?"""

    id: StrictInt
    name: Name
    type: FieldType
    control_type: ControlType
    optional: StrictBool
    output: StrictBool
    visibility: Visibility
    recipient_id: StrictInt
    content_type: Text | None = None
    validation: Text | None = None
    require_field: Text | None = None
    ord: StrictInt | None = None
    prefixes: Annotated[tuple[Text, ...], BeforeValidator(_or_nothing)] = ()
    values: Annotated[tuple[Choice, ...], BeforeValidator(_or_nothing)] = ()
    titles: Texts = _NONE
    descriptions: Texts = _NONE


class ResponseField(_Record):
    id: StrictInt
    name: Name
    visibility: Visibility
    recipient_id: StrictInt
    ord: StrictInt | None = None
    labels: Texts = _NONE


class Document(_Record):
    """The whole answer: four lists that refer to each other by id."""

    categories: list[Category]
    recipients: list[Recipient]
    fields: list[InputField]
    response_fields: list[ResponseField]


class Entry(_Record):
    """One recipient with all that belongs to it, in the order in which it is displayed: a row of the stored list."""

    recipient: Recipient
    category: Category
    inputs: tuple[InputField, ...]
    responses: tuple[ResponseField, ...]
