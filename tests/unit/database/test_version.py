"""When `up` need not even import what migrates."""

import pytest

from shared.database import version
from shared.database.version import Schema

MINE = version.known()[-1]
BEFORE = version.known()[-2]
AFTER = f"{int(MINE) + 1:04}"


def test_a_schema_of_this_codes_own_is_the_newest() -> None:
    assert version.newest(Schema(MINE, BEFORE, MINE))


@pytest.mark.parametrize(
    "schema",
    [None, Schema.alone(BEFORE), Schema(BEFORE, BEFORE, MINE), Schema(MINE, BEFORE, BEFORE), Schema.alone(AFTER)],
    ids=["none", "older", "older, and works", "not written yet", "a newer settlepipe's"],
)
def test_any_other_is_left_to_who_migrates(schema: Schema | None) -> None:
    assert not version.newest(schema)
