"""The catalogue as one list of recipients, each with its category and its fields: whole or not at all. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from shared.providers.bmms.records import Choice, Document, Entry, InputField


class _Placed(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def ord(self) -> int | None: ...


Placed = TypeVar("Placed", bound=_Placed)


def entries(document: Document) -> list[Entry]:
    """Every recipient, by id. Raises ValueError unless all the ids that the four lists name are there, once."""
    for name, listed in (("categories", document.categories), ("recipients", document.recipients)):
        _once(f"an id in {name}", (one.id for one in listed))
    if not document.recipients:
        raise ValueError("recipients is empty")
    categories = {category.id: category for category in document.categories}
    known = {recipient.id for recipient in document.recipients}
    inputs, responses = defaultdict(list), defaultdict(list)
    for field in document.fields:
        inputs[field.recipient_id].append(field)
    for response in document.response_fields:
        responses[response.recipient_id].append(response)
    if not inputs.keys() | responses.keys() <= known:
        raise ValueError("a field belongs to a recipient that is not listed")
    if not {recipient.category_id for recipient in document.recipients} <= categories.keys():
        raise ValueError("a recipient belongs to a category that is not listed")
    for fields in inputs.values():  # dependencies between fields go by name
        _once("a field's name of one recipient", (field.name for field in fields))
    return [
        Entry(
            recipient=recipient,
            category=categories[recipient.category_id],
            inputs=tuple(_with_choices_in_order(field) for field in _in_order(inputs[recipient.id])),
            responses=tuple(_in_order(responses[recipient.id])),
        )
        for recipient in sorted(document.recipients, key=lambda one: one.id)
    ]


def _once(what: str, found: Iterable[object]) -> None:
    listed = list(found)
    if len(set(listed)) != len(listed):
        raise ValueError(f"{what} is there twice")


def _in_order(listed: Sequence[Placed]) -> list[Placed]:
    return sorted(listed, key=lambda one: (one.ord or 0, one.id))


def _with_choices_in_order(field: InputField) -> InputField:
    """Ties by value: an order that changed from one day to the next would look like a changed recipient."""

    def place(choice: Choice) -> tuple[int, str, str]:
        return (choice.ord or 0, choice.value, choice.filter_by or "")

    return field.model_copy(update={"values": tuple(sorted(field.values, key=place))})
