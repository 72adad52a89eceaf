"""Four days of periodic jobs on a fast clock, with kills. A month of them is in tests/proof."""

from pathlib import Path

import pytest

from tests.support.month import each_slot_is_completed_once


@pytest.mark.only_large
@pytest.mark.timeout(1800)
def test_each_slot_of_four_days_is_completed_once(tmp_path: Path) -> None:
    each_slot_is_completed_once(tmp_path, days=4, kills=6)
