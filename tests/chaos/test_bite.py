"""Does it bite? Each deliberate defect has to be found, by what it does."""

import os
import random

import pytest

from tests.chaos.bite import Defect, defects, found, searched
from tests.support.size import LARGE

DRAWN = 3
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1_000_000))


def _drawn() -> list[Defect]:
    """All of them in `make proof`, else some by the seed."""
    return defects() if LARGE else random.Random(SEED).sample(defects(), DRAWN)


@pytest.mark.parametrize("defect", _drawn(), ids=lambda defect: defect.path.stem)
def test_the_defect_is_found(defect: Defect, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A patch that no longer applies fails here, too, and so does a run that is broken by something else."""
    folder = tmp_path_factory.mktemp("bite")
    result = searched(defect, folder, SEED)
    seen = result["violations"]
    assert found(defect, seen), f"{defect.title} (seed {SEED}): {seen or 'nothing was broken'}"
