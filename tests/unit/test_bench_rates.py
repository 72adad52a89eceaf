"""The rate of a round, and the picture of all of them."""

from xml.etree import ElementTree

import pytest

from tests.bench.chart import NAMES, drawn
from tests.bench.full_rate import middle_rate

SVG = "{http://www.w3.org/2000/svg}"


def test_a_rate_leaves_the_start_and_the_end_out() -> None:
    begins = [float(second) for second in range(5)]
    steady = [5 + number / 100 for number in range(90)]
    ends = [100.0 + second for second in range(5)]
    assert middle_rate(begins + steady + ends) == pytest.approx(100)


def test_the_picture_has_a_bar_for_each_contender_as_long_as_its_rate() -> None:
    rates = {"settlepipe": [900, 1000, 1100], "naive": [250, 250, 250]}
    results = [{"contender": name, "latency_s": 0, "rates": found} for name, found in rates.items()]
    picture = ElementTree.fromstring(drawn({"machine": "2 cores & more", "results": results}))  # noqa: S314 - ours
    ours, naive = (float(bar.attrib["width"]) for bar in picture.iter(f"{SVG}rect"))
    assert ours == pytest.approx(4 * naive, rel=0.01)
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert {NAMES["settlepipe"], NAMES["naive"], "1000", "250"} <= set(texts)
    assert "2 cores & more; median, lowest and highest round" in texts
