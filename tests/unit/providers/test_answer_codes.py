"""Every kind of answer of every provider has a code, a success none."""

import pytest

from shared.domain.answers import Answer, Meaning
from shared.domain.codes import Code
from shared.providers.answer_codes import code_of
from shared.providers.answer_meanings import Kind
from shared.providers.registry import REGISTRATIONS

ROWS = [
    (name, str(operation), kind, meaning)
    for name, registration in REGISTRATIONS.items()
    for (operation, kind), meaning in registration.answers.items()
]


@pytest.mark.parametrize(("provider", "operation", "kind", "meaning"), ROWS)
def test_every_row_of_every_table_has_a_code(provider: str, operation: str, kind: str, meaning: Meaning) -> None:
    code = code_of(Answer(kind, meaning))
    assert (code is None) is (meaning is Meaning.SUCCEEDED)
    if meaning is Meaning.REFUSED:
        assert code is Code.PROVIDER_REFUSED


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_that_every_api_has_is_told_by_itself_whatever_its_meaning(kind: Kind) -> None:
    codes = {code_of(Answer(kind, meaning)) for meaning in (Meaning.RESEND, Meaning.CHECK)}
    assert len(codes) == 1


def test_the_adapters_own_word_comes_first() -> None:
    answer = Answer("refused", Meaning.REFUSED, code=Code.INVOICE_NOT_FOUND)
    assert code_of(answer) is Code.INVOICE_NOT_FOUND
