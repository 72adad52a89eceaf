"""Is the database older than what is remembered of it?"""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.domain.standing import Judgement, Standing, judged

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOW = Standing(epoch=1, beat=500, at=AT, lives_at="77/00000001/16384", written=9_000)
SWITCHED = "77/00000002/16384"


@pytest.mark.parametrize(
    ("remembered", "judgement"),
    [
        ([], Judgement.SAME),
        ([NOW], Judgement.SAME),
        ([replace(NOW, beat=499, written=8_000)], Judgement.SAME),
        ([replace(NOW, epoch=0, beat=9_000, written=99_000, lives_at="1/1/1")], Judgement.SAME),  # before a recovery
        ([replace(NOW, epoch=0, beat=9_000, written=99_000)], Judgement.SAME),  # of a copy put back in place
        ([replace(NOW, beat=501)], Judgement.LOST),
        ([replace(NOW, epoch=2, beat=0)], Judgement.LOST),  # from before a recovery
        ([replace(NOW, written=9_001)], Judgement.LOST),  # within the second
        ([NOW, replace(NOW, beat=501)], Judgement.LOST),  # one of several is enough
    ],
    ids=[
        "nobody",
        "equal",
        "behind",
        "older epoch",
        "older epoch, same place",
        "a beat more",
        "newer epoch",
        "longer log",
        "one of two",
    ],
)
def test_the_same_server_is_compared_with_what_is_remembered(remembered: list[Standing], judgement: Judgement) -> None:
    assert judged(NOW, NOW, remembered).judgement is judgement


@pytest.mark.parametrize(
    ("lives_at", "remembered", "judgement"),
    [
        (SWITCHED, [NOW], Judgement.SWITCHED),
        (SWITCHED, [replace(NOW, beat=501)], Judgement.LOST),  # a standby that was behind
        (SWITCHED, [], Judgement.LOST),  # restored to a moment, and nobody remembers more
        ("78/00000001/16384", [NOW], Judgement.LOST),  # a dump, on another server
        ("77/00000001/16999", [NOW], Judgement.LOST),  # a dump, beside
    ],
    ids=["switched", "behind", "unremembered", "elsewhere", "beside"],
)
def test_another_place_is_the_same_only_where_a_server_of_the_cluster_took_over_with_all_that_is_remembered(
    lives_at: str, remembered: list[Standing], judgement: Judgement
) -> None:
    here = replace(NOW, lives_at=lives_at, written=50)
    found = judged(NOW, here, remembered)
    assert found.judgement is judgement
    assert bool(found.reason) == (judgement is Judgement.LOST)


def test_a_longer_log_of_another_server_says_nothing() -> None:
    here = replace(NOW, lives_at=SWITCHED, written=10)
    assert judged(NOW, here, [replace(NOW, written=9_000)]).judgement is Judgement.SWITCHED
