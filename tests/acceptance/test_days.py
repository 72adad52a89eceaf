"""Days of periodic jobs on a fast clock, with kills. A month of them is in tests/proof."""

from pathlib import Path

import pytest

from tests.support.month import each_slot_is_completed_once
from tests.support.size import sized


@pytest.mark.large
@pytest.mark.timeout(1800)
def test_each_slot_of_some_days_is_completed_once(tmp_path: Path) -> None:
    each_slot_is_completed_once(tmp_path, days=sized(1, 4), kills=sized(2, 6))
