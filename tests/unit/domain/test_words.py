"""Counts in sentences."""

import pytest

from shared.domain.words import counted


@pytest.mark.parametrize(("count", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (21, "21 rows")])
def test_one_is_one_and_anything_else_is_many(count: int, said: str) -> None:
    assert counted(count, "row") == said


def test_what_has_no_s_and_numbers_of_other_locales() -> None:
    assert counted(1, "discrepancy", "discrepancies") == "1 discrepancy"
    assert counted(1200, "discrepancy", "discrepancies", "{:,}".format) == "1,200 discrepancies"
