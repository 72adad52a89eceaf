"""A made-up catalogue in the form of bmms's document."""

import copy
import json
from typing import Any

from shared.providers.bmms.catalogue import entries
from shared.providers.bmms.records import Document, Entry
from shared.providers.raw_answers import parse_json


def texts(text: str) -> dict[str, str]:
    return {"en": text, "ru": f"{text} (ru)", "uz": f"{text} (uz)"}


def field(id_: int, name: str, **changes: Any) -> dict[str, Any]:
    """A required text field that is sent, of recipient 900001."""
    return {
        "id": id_,
        "name": name,
        "type": "OTHER",
        "contentType": "STRING",
        "controlType": "TEXT",
        "optional": False,
        "output": True,
        "visibility": "ALL",
        "ord": id_,
        "recipientId": 900001,
        "prefixes": [],
        "values": [],
        "titles": texts(name.title()),
        "descriptions": texts(name),
    } | changes


def choice(value: str, filter_by: str | None = None, **changes: Any) -> dict[str, Any]:
    made = {"value": value, "ord": 1, "titles": texts(f"Choice {value}"), "descriptions": texts("x")} | changes
    return made if filter_by is None else {**made, "filterBy": filter_by}


def select(id_: int, name: str, *values: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return field(id_, name, controlType="SELECT", contentType="COMBOBOX", values=list(values), **changes)


AMOUNT = field(1, "amount", type="AMOUNT", contentType="MONEY", validation="500:200000000")
ACCOUNT = field(2, "licence", type="ACCOUNT")


def document(*fields: dict[str, Any], recipients: int = 1, **changes: Any) -> dict[str, Any]:
    """The whole answer; the fields and the changes are of the first recipient."""
    listed = [
        {
            "id": 900001 + number,
            "shortName": f"made_up_{number}",
            "logo": "x",
            "amountRatio": 1,
            "minAmount": 500,
            "maxAmount": 100_000_000,
            "ord": number,
            "categoryId": 800001,
            "type": "SIMPLE",
            "titles": texts(f"Water {number}"),
            "fullNames": texts(f"Made-up waterworks {number}"),
        }
        for number in range(recipients)
    ]
    listed[0] |= changes
    made = {
        "categories": [{"id": 800001, "shortName": "services", "logo": "x", "ord": 3, "names": texts("Services")}],
        "recipients": listed,
        "fields": list(fields or (AMOUNT, ACCOUNT)),
        "responseFields": [
            {"id": 700001, "name": "saldo", "visibility": "ALL", "ord": 1, "recipientId": 900001, "labels": texts("S")}
        ],
    }
    return copy.deepcopy(made)


def entry(*fields: dict[str, Any], **changes: Any) -> Entry:
    return entries(Document.model_validate(parse_json(json.dumps(document(*fields, **changes)).encode())))[0]
