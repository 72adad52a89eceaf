"""The table of families: names by Prometheus' conventions, and what may be told under them."""

import re

import pytest

from shared.metrics.families import COUNTED, FAMILIES, PREFIX, Family, families

RESERVED = {"job", "instance", "le", "quantile"}  # Prometheus' own


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_a_family_is_named_as_prometheus_advises(family: Family) -> None:
    assert re.fullmatch(r"settlepipe(_[a-z]+)+", PREFIX + family.name)
    assert not re.search(r"_(total|count|sum|bucket|info|s|ms|minutes|kb|mb)$", family.name), "a gauge, in base units"
    assert ("seconds" in family.name) == (bool(re.search(r"\b(since|age|long)\b", family.help)))
    assert not RESERVED & set(family.labels)
    assert family.help
    assert not family.help.endswith(".")


def test_what_is_counted_is_in_the_table() -> None:
    assert FAMILIES.keys() >= COUNTED


def test_a_family_without_a_value_is_left_out_and_the_others_keep_their_order() -> None:
    told = list(families([("store_held", (), True), ("up", (), 1), ("lane_failures", ("mtn",), 2)]))
    assert [family.name for family in told] == ["settlepipe_up", "settlepipe_lane_failures", "settlepipe_store_held"]
    assert [(sample.labels, sample.value) for sample in told[1].samples] == [({"provider": "mtn"}, 2.0)]


def test_what_is_not_in_the_table_is_not_told() -> None:
    with pytest.raises(KeyError):
        list(families([("made_up", (), 1)]))
