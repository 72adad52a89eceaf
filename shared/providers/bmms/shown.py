"""Recipients for people: found by text, described in one language, and as tables. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.providers.base import Shown
from shared.providers.bmms.records import Choice, Entry, InputField
from shared.providers.bmms.rules import CURRENCY, fillable, limits, money, needed

_TYPES = {
    "SIMPLE": "any amount",
    "AMOUNT_DICTATOR": "a percentage is added to the amount",
    "INVOICE": "the provider says the amount",
}


def found_by(listed: Iterable[Entry], recipient_id: int | None, search: str | None) -> list[Entry]:
    """Those with this id and with this text in a name, whatever its case and language."""
    wanted = (search or "").casefold()
    return [
        entry
        for entry in listed
        if recipient_id in (None, entry.recipient.id)
        and any(wanted in name.casefold() for name in ("", *_names(entry)))
    ]


def described(entry: Entry, language: str) -> dict[str, Any]:
    """A recipient as plain data. Amounts are decimal text in UZS, as a payer enters them."""
    recipient = entry.recipient
    low, high = limits(entry)
    return {
        "id": recipient.id,
        "title": recipient.titles.in_language(language) or recipient.short_name,
        "full_name": recipient.full_names.in_language(language),
        "category": entry.category.names.in_language(language) or entry.category.short_name,
        "type": recipient.type,
        "currency": CURRENCY,
        "min_amount": None if low is None else money(low),
        "max_amount": None if high is None else money(high),
        "amount_ratio": str(recipient.amount_ratio),
        "fields": [_field(field, language) for field in entry.inputs],
        "response_fields": [
            {"name": one.name, "title": one.labels.in_language(language), "hidden": one.visibility == "HIDDEN"}
            for one in entry.responses
        ],
    }


def shown(recipients: Sequence[Mapping[str, Any]]) -> Sequence[Shown]:
    """Each recipient over a table of the fields that a payer fills in."""
    if not recipients:
        return (Shown("no such recipient"),)
    columns = ("field", "what", "", "choices")
    return [
        Shown(
            _heading(one),
            columns,
            [
                (field["name"], field["title"], "required" if field["required"] else "optional", _choices(field))
                for field in one["fields"]
                if field["fillable"]
            ],
        )
        for one in recipients
    ]


def _names(entry: Entry) -> Iterable[str]:
    recipient = entry.recipient
    return (*recipient.titles.all(), *recipient.full_names.all(), recipient.short_name or "")


def _field(field: InputField, language: str) -> dict[str, Any]:
    return {
        "name": field.name,
        "title": field.titles.in_language(language),
        "description": field.descriptions.in_language(language),
        "type": field.type,
        "control": field.control_type,
        "fillable": fillable(field),
        "required": needed(field),
        "hidden": field.visibility == "HIDDEN",
        "sent": field.output,
        "depends_on": field.require_field,
        "prefixes": list(field.prefixes),
        "choices": [_choice(choice, language) for choice in field.values],
    }


def _choice(choice: Choice, language: str) -> dict[str, Any]:
    title = choice.titles.in_language(language)
    return {
        "value": choice.value,
        "title": title,
        "description": choice.descriptions.in_language(language),
        "for": choice.filter_by,
    }


def _heading(one: Mapping[str, Any]) -> str:
    low, high = one["min_amount"], one["max_amount"]
    bounds = " ".join(part for part in (low and f"from {low}", high and f"to {high}") if part)
    said = [one["category"], _TYPES[one["type"]], bounds and f"{bounds} {one['currency']}"]
    return f"{one['id']} {one['title'] or '-'} ({'; '.join(part for part in said if part)})"


def _choices(field: Mapping[str, Any]) -> list[str]:
    """A line each: value, title, and the choice of the other field that it goes with."""
    lines = [f"starts with {' or '.join(field['prefixes'])}"] if field["prefixes"] else []
    for choice in field["choices"]:
        goes_with = f" (for {field['depends_on']} {choice['for']})" if choice["for"] and field["depends_on"] else ""
        lines.append(f"{choice['value']} {choice['title'] or ''}".rstrip() + goes_with)
    return lines
