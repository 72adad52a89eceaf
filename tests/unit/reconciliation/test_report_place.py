"""Where the reports of all machines stand together: here a folder; in tests/system a server of S3's kind."""

import threading
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shared.reconciliation.report import place, write_index
from shared.settings.reporting import ReportSettings
from tests.unit.reconciliation.test_report_files import told


def _at(folder: Path) -> place.Place:
    found = place.place(ReportSettings(store_url=f"file://{folder}"))
    assert found is not None
    return found


def _report(root: Path, day: str, provider: str, **other: Any) -> Path:
    told(root, day, provider, **other)
    folder = root / day / provider
    (folder / "report.html").write_text(f"<p>{provider} {day}</p>")
    (folder / ".report.html.tmp").write_text("what a killed process left")
    return folder


def test_nothing_is_set_and_nothing_is_kept() -> None:
    assert place.place(ReportSettings()) is None


@pytest.mark.parametrize(
    "url",
    [
        "/srv/reports",
        "https://example.com/reports",
        "s3://",
        "s3://name:word@bucket",
        "file://host/a",
        "s3://b?x=y",
        "x",
    ],
)
def test_an_address_without_sense_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValidationError):
        ReportSettings(store_url=url)


def test_two_machines_reports_stand_together_under_one_index(tmp_path: Path) -> None:
    one, other, together = tmp_path / "one", tmp_path / "other", tmp_path / "shared" / "reports"
    first = place.put(_at(together), _report(one, "2026-11-20", "acme"), "2026-11-20", "acme")
    place.index(_at(together), "en")
    place.put(_at(together), _report(other, "2026-11-21", "beta"), "2026-11-21", "beta")
    place.index(_at(together), "en")
    assert first == f"file://{together}/2026-11-20/acme"
    page = (together / "index.html").read_text("utf-8")
    assert page.index("2026-11-21/beta/report.html") < page.index("2026-11-20/acme/report.html")
    assert place.days(_at(together)) == {"2026-11-21": ["beta"], "2026-11-20": ["acme"]}
    assert sorted(path.name for path in (together / "2026-11-20" / "acme").iterdir()) == ["report.html", "summary.json"]


def test_what_is_no_report_is_passed_over(tmp_path: Path) -> None:
    together = tmp_path / "shared"
    place.put(_at(together), _report(tmp_path / "one", "2026-11-20", "acme"), "2026-11-20", "acme")
    for name in ("statements/2026-11/acme/summary.json", "2026-13-01/acme/summary.json", "20261120/acme/summary.json"):
        (together / name).parent.mkdir(parents=True)
        (together / name).write_text("{}")
    (together / "2026-11-20" / "acme" / "more").mkdir()
    (together / "2026-11-20" / "acme" / "more" / "summary.json").write_text("{}")
    assert place.days(_at(together)) == {"2026-11-20": ["acme"]}


def test_a_days_reports_are_brought_back_as_they_were(tmp_path: Path) -> None:
    together = tmp_path / "shared"
    for provider in ("acme", "acme2"):
        place.put(_at(together), _report(tmp_path / "one", "2026-11-20", provider), "2026-11-20", provider)
    found = place.copies(_at(together), tmp_path / "here", "2026-11-20", "acme")
    assert sorted(path.relative_to(tmp_path / "here").as_posix() for path in found) == [
        "2026-11-20/acme/report.html",
        "2026-11-20/acme/summary.json",
    ]
    for path in found:
        assert path.read_bytes() == (tmp_path / "one" / path.relative_to(tmp_path / "here")).read_bytes()
    assert len(place.copies(_at(together), tmp_path / "all", "2026-11-20")) == 4
    assert place.copies(_at(together), tmp_path / "none", "2026-11-19") == []


def test_a_report_that_comes_while_the_index_is_written_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = tmp_path / "shared"
    place.put(_at(together), _report(tmp_path / "one", "2026-11-20", "acme"), "2026-11-20", "acme")
    late = iter([_report(tmp_path / "two", "2026-11-21", "beta")])

    def write(root: Path, locale: str | None, language: str | None) -> None:
        """Another machine's report comes behind our look at what is there."""
        for folder in late:
            place.put(_at(together), folder, "2026-11-21", "beta")
        written(root, locale, language)

    written = write_index
    monkeypatch.setattr(place, "write_index", write)
    place.index(_at(together), "en")
    assert "2026-11-21/beta/report.html" in (together / "index.html").read_text("utf-8")


def test_an_older_report_is_known_from_a_newer_one(tmp_path: Path) -> None:
    at = [{"compared_at": f"2026-11-21T0{hour}:00:00+00:00"} for hour in (1, 2)]
    older = _report(tmp_path / "older", "2026-11-20", "acme", times=at[0])
    newer = _report(tmp_path / "newer", "2026-11-20", "acme", times=at[1])
    there = _at(tmp_path / "shared")
    names = ("2026-11-20", "acme")
    assert not place.has_newer(there, older, *names), "nothing is there"
    place.put(there, older, *names)
    assert not place.has_newer(there, older, *names), "it is the same"
    assert not place.has_newer(there, newer, *names)
    place.put(there, newer, *names)
    assert place.has_newer(there, older, *names)


def test_of_many_that_end_at_once_the_last_index_has_all(tmp_path: Path) -> None:
    together = tmp_path / "shared"

    def end(provider: str) -> None:
        place.put(_at(together), _report(tmp_path / provider, "2026-11-21", provider), "2026-11-21", provider)
        place.index(_at(together), "en")

    threads = [threading.Thread(target=end, args=(f"p{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    page = (together / "index.html").read_text("utf-8")
    assert [n for n in range(6) if f"2026-11-21/p{n}/report.html" not in page] == []


def test_a_place_that_can_not_be_written_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(place.Unkept) as refused:
        _at(tmp_path / "file" / "below")
    assert "\n" not in str(refused.value)
