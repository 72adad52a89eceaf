"""bmms's made-up catalogue, in the documented shape and in three languages.

Recipients: 9001 water, SIMPLE, 500 to 10,000,000, with a service that depends on the region; 9002 telephone,
AMOUNT_DICTATOR, amountRatio 100, with prefixes and a field that is not sent; 9003 fines, INVOICE, with hidden and
read-only fields. The regions are 71, 72 and 73: 71 has two services, 72 has one, 73 has none, and one service is
filtered by a region that there is not, as in the document's example.
"""

from typing import Any

LISTS = ("categories", "recipients", "fields", "responseFields")
WATER, TELEPHONE, FINES = 9001, 9002, 9003


def catalogue() -> dict[str, Any]:
    """A new one each time: what is done to it stays with the caller."""
    return {
        "categories": [
            _category(901, "sample_services", 1, "Sample services", "Пробные услуги", "Namunaviy xizmatlar"),
            _category(902, "sample_payments", 2, "Sample payments", "Пробные платежи", "Namunaviy to'lovlar"),
        ],
        "recipients": [
            _recipient(
                WATER,
                "sample_water",
                "SIMPLE",
                901,
                ("Water", "Вода", "Suv"),
                amountRatio=1,
                minAmount=500,
                maxAmount=10_000_000,
            ),
            _recipient(
                TELEPHONE,
                "sample_phone",
                "AMOUNT_DICTATOR",
                901,
                ("Phone", "Телефон", "Telefon"),
                amountRatio=100,
                minAmount=1000,
                maxAmount=5_000_000,
            ),
            _recipient(
                FINES,
                "sample_fines",
                "INVOICE",
                902,
                ("Fines", "Штрафы", "Jarimalar"),
                amountRatio=1,
                minAmount=1,
                maxAmount=50_000_000,
            ),
        ],
        "fields": [*_water(), *_telephone(), *_fines()],
        "responseFields": [
            _response(90_901, "saldo", WATER, "ALL", ("Balance", "Остаток", "Qoldiq")),
            _response(90_902, "trace", FINES, "HIDDEN", ("Trace", "След", "Iz")),
        ],
    }


def _water() -> list[dict[str, Any]]:
    regions = [_value("71", 1, "North"), _value("72", 2, "South"), _value("73", 3, "East")]
    services = [
        _value("501,502", 1, "Cold water", "71"),
        _value("503", 2, "Hot water", "71"),
        _value("504,505", 3, "Cold water", "72"),
        _value("506", 4, "Cold water", "79"),  # a region that there is not
    ]
    return [
        _field(90_101, "REGION", WATER, 1, control="SELECT", content="COMBOBOX", values=regions) | {"maskSymbol": "*"},
        _field(90_102, "SERVICE_ID", WATER, 2, control="SELECT", content="COMBOBOX", values=services)
        | {"requireField": "REGION"},
        _field(90_103, "account", WATER, 3, kind="ACCOUNT"),
        _amount(90_104, WATER, "1000:200000000"),
        _field(90_105, "note", WATER, 5, optional=True, output=False),
    ]


def _telephone() -> list[dict[str, Any]]:
    return [
        _field(90_201, "phone", TELEPHONE, 1, kind="ACCOUNT", prefixes=["+99800", "+99801"]),
        _amount(90_202, TELEPHONE, "500:4000000"),
    ]


def _fines() -> list[dict[str, Any]]:
    return [
        _field(90_301, "invoice", FINES, 1, kind="ACCOUNT"),
        _field(90_302, "channel", FINES, 2, visibility="HIDDEN", values=[_value("agent", 1, "Agent")], optional=True),
        _field(90_303, "debt", FINES, 3, control="READONLY", optional=True, output=False),
        _field(90_304, "amount", FINES, 4, kind="AMOUNT", control="READONLY", content="MONEY", optional=True),
    ]


def _three(english: str, russian: str | None = None, uzbek: str | None = None) -> dict[str, str]:
    return {"ru": russian or f"{english} (ru)", "uz": uzbek or f"{english} (uz)", "en": english}


def _category(number: int, short: str, order: int, *names: str) -> dict[str, Any]:
    return {"id": number, "shortName": short, "logo": f"{short}.png", "ord": order, "names": _three(*names)}


def _recipient(
    number: int, short: str, kind: str, category: int, names: tuple[str, str, str], **amounts: int
) -> dict[str, Any]:
    return {
        "id": number,
        "shortName": short,
        "logo": short,
        **amounts,
        "ord": number - 9000,
        "categoryId": category,
        "type": kind,
        "titles": _three(*names),
        "fullNames": _three(f'"{names[0]}" sample company'),
    }


def _field(
    number: int,
    name: str,
    recipient: int,
    order: int,
    *,
    kind: str = "OTHER",
    control: str = "TEXT",
    content: str = "STRING",
    optional: bool = False,
    output: bool = True,
    visibility: str = "ALL",
    prefixes: list[str] | None = None,
    values: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "type": kind,
        "contentType": content,
        "controlType": control,
        "optional": optional,
        "output": output,
        "visibility": visibility,
        "ord": order,
        "recipientId": recipient,
        "prefixes": prefixes or [],
        "values": values or [],
        "titles": _three(name.capitalize()),
        "descriptions": _three(name.capitalize()),
    }


def _amount(number: int, recipient: int, validation: str) -> dict[str, Any]:
    return _field(number, "amount", recipient, 4, kind="AMOUNT", content="MONEY") | {"validation": validation}


def _value(value: str, order: int, title: str, filter_by: str | None = None) -> dict[str, Any]:
    """`filterBy` is left out where nothing is filtered, as in the document."""
    filtered = {} if filter_by is None else {"filterBy": filter_by}
    return {"value": value, **filtered, "ord": order, "titles": _three(title), "descriptions": _three(title)}


def _response(number: int, name: str, recipient: int, visibility: str, labels: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "visibility": visibility,
        "ord": 1,
        "recipientId": recipient,
        "labels": _three(*labels),
    }
