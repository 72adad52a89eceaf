"""The report of nights that were really compared, by lines and by totals."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

from shared.reconciliation import report
from tests.support.flow import World
from tests.support.nights import TOTALS, Night
from tests.support.references import new_reference


def written(night: Night, folder: Path) -> tuple[str, dict[str, Any]]:
    """The page without its times and with plain spaces, and the summary."""
    report.write(night.world.runtime, night.runs[-1], folder, "en")
    page = re.sub("<!-- times -->.*<!-- /times -->", "", (folder / "report.html").read_text("utf-8"), flags=re.DOTALL)
    summary = json.loads((folder / "summary.json").read_bytes())
    summary.pop("times")
    return page.replace("\u00a0", " ").replace("\u202f", " "), summary


def section(page: str, category: str) -> str:
    """One category's part of the page, as words."""
    found = re.search(f'<section [^>]*id="{category}">(.*?)</section>', page, flags=re.DOTALL)
    assert found, category
    return " ".join(unescape(re.sub("<[^>]*>", " ", found[1])).split())


def test_a_night_of_lines_is_told_with_its_evidence(world: World, tmp_path: Path) -> None:
    night = Night(world)
    fine, less, twice, unknown = (
        night.payment("7", amount, state)
        for amount, state in ((100, "succeeded"), (90, "succeeded"), (80, "succeeded"), (70, "unknown"))
    )
    stray = new_reference()
    outcome = night.compare(
        night.line("7", 100, fine),
        night.line("7", 9, less, reference="no. <9>"),
        night.line("7", 80, twice),
        night.line("7", 80, twice, reference="B-2"),
        night.line("7", 70, unknown),
        night.line("7", 3, stray),
        night.line("7", 5, "paid at the counter"),
    )
    page, summary = written(night, tmp_path)
    assert (summary["new"], summary["open"]) == (outcome.fresh, len(night.open())) == (4, 4)
    assert summary["entries"] == {"agrees": 2, "settled": 1, "watch": 1, "act": 3}
    assert (summary["sums"][0]["our_books"], summary["sums"][0]["provider_books"]) == ("270.00", "347.00")
    less_told = section(page, "amount_mismatch")
    assert f"shop/ord-{less} New Payment of 90.00 MNT, paid here Account 7 90.00 MNT 9.00 MNT" in less_told
    assert f"our reference {night.marker(less)}" in less_told
    assert "provider's number no. <9>" in less_told
    assert "booked there" in less_told
    assert f"shop/ord-{twice}" in section(page, "duplicate_at_provider")
    assert f"reference there {stray}" in section(page, "missing_locally")
    assert "reference there paid at the counter" in section(page, "paid_elsewhere")
    settled = section(page, "status_mismatch")
    assert f"shop/ord-{unknown} Closed Payment of 70.00 MNT, outcome not known here" in settled
    assert "Closed by the provider's books : the books of" in settled
    assert "the provider says it is paid" in settled
    assert world.state(unknown) == "succeeded"


def test_a_night_of_totals_names_who_it_could_be(world: World, tmp_path: Path) -> None:
    night = Night(world, TOTALS)
    night.payment("A", 100)
    candidate = night.payment("A", 40, "parked")
    night.compare(night.total("A", 140))
    page, summary = written(night, tmp_path)
    assert (summary["sums"][0]["our_books"], summary["sums"][0]["provider_books"]) == ("100.00", "140.00")
    told = section(page, "paid_elsewhere")
    assert "Account A 100.00 MNT in all 140.00 MNT in all; in the sums 40.00" in told
    assert "paid on the invoice in all 140.00 MNT" in told
    assert "of it by us 100.00 MNT" in told
    assert f"could be shop/ord-{candidate} (waits for a person's decision here, 40.00 MNT)" in told
    assert "40.00 MNT, waits for a person's decision here" in section(page, "still_unknown")


def test_a_run_that_is_done_once_more_has_the_same_report(world: World, tmp_path: Path) -> None:
    night = Night(world)
    ours = [night.payment("7", amount) for amount in (100, 90)]
    unknown = night.payment("7", 50, "unknown")
    run = night.read(night.line("7", 100, ours[0]), night.line("7", 9, ours[1]), night.line("7", 1), accounts=["7"])
    night.carry_on(run)
    first = written(night, tmp_path / "first")
    night.carry_on(night.runs[-1])
    assert written(night, tmp_path / "second") == first
    for name in ("payments.csv", "discrepancies.csv"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert world.state(unknown) == "unknown"


def test_what_is_found_again_is_older_and_no_longer_new(world: World, tmp_path: Path) -> None:
    night = Night(world)
    ours = night.payment("7", 100)
    night.compare(night.line("7", 9, ours))
    night.next()
    night.compare(night.line("7", 9, ours, at=night.at(-12)))
    page, summary = written(night, tmp_path)
    assert (summary["new"], summary["open"]) == (0, 1)
    assert {bucket["age"]: sum(bucket["entries"].values()) for bucket in summary["open_by_age"]}["1 day"] == 1
    assert 'id="amount_mismatch"' not in page, "it is of the day before"
    carried = section(page, "carried")
    assert f"shop/ord-{ours}" in carried
    assert "New" not in carried
    assert (summary["sums"], summary["carried"]) == ([], [])
    night.next()
    night.compare(night.line("7", 100, ours, at=night.at(-36)))
    assert written(night, tmp_path)[1]["open"] == 0
