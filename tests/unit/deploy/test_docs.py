"""The generated parts of the documents are what the code says now."""

import pytest

from deploy import docs


@pytest.mark.parametrize(("document", "name"), docs.GENERATED)
def test_a_generated_part_of_a_document_is_current(document: str, name: str) -> None:
    text = (docs.ROOT / document).read_text("utf-8")
    assert docs.current(document, name, text, docs.GENERATED[document, name]()) == text, "run `python -m deploy.docs`"


def test_every_setting_says_what_it_is() -> None:
    rows = docs.settings_table().splitlines()[2:]
    assert len(rows) > 30
    assert [row for row in rows if row.endswith("|  |")] == []
