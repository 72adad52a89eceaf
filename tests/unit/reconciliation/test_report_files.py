"""Files are there whole or not at all; the index has every report that is whole."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from shared.reconciliation.report import write_index
from shared.reconciliation.report.files import whole


def told(root: Path, day: str, provider: str, **other: Any) -> None:
    summary: dict[str, Any] = {
        "provider": provider,
        "title": provider.title(),
        "verdict": "agrees",
        "complete": True,
        "entries": {"agrees": 4, "settled": 0, "watch": 0, "act": 0},
        "sums": [{"currency": "MNT", "difference": "0.00"}],
    }
    folder = root / day / provider
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps(summary | other))


def _break_off(path: Path) -> None:
    with whole(path) as file:
        file.write(b"half of the sec")
        raise OSError("the disk is full")


def test_what_breaks_off_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    with whole(path) as file:
        file.write(b"first")
    with pytest.raises(OSError, match="full"):
        _break_off(path)
    assert path.read_bytes() == b"first"
    with whole(path) as file:
        file.write(b"third")
    assert path.read_bytes() == b"third"
    assert [other.name for other in path.parent.iterdir()] == ["report.html"]


def test_the_index_leads_to_each_report_the_newest_first(tmp_path: Path) -> None:
    told(tmp_path, "2026-11-20", "acme")
    act = {"agrees": 4, "settled": 0, "watch": 1, "act": 2}
    short = [{"currency": "MNT", "difference": "-1234.50"}]
    told(tmp_path, "2026-11-21", "acme", verdict="act", entries=act, sums=short)
    told(tmp_path, "2026-11-21", "other", complete=False)
    write_index(tmp_path, "de")
    page = (tmp_path / "index.html").read_text("utf-8")
    assert page.index("2026-11-21/acme/report.html") < page.index("2026-11-20/acme/report.html")
    assert "2 findings need action" in page
    assert "-1.234,50\u00a0MNT" in page
    assert page.count("Incomplete") == 1
    assert page.count("No report") == 1
    assert "21.11.2026" in page


def test_the_index_passes_over_what_is_no_report_and_escapes_the_rest(tmp_path: Path) -> None:
    told(tmp_path, "2026-11-21", "acme", title="<b>&Co</b>")
    told(tmp_path, "2026-11-21", "broken")
    (tmp_path / "2026-11-21" / "broken" / "summary.json").write_text("{")
    told(tmp_path, "someday", "acme")
    (tmp_path / "2026-11-19").mkdir()
    write_index(tmp_path, "en")
    page = (tmp_path / "index.html").read_text("utf-8")
    assert page.count("report.html") == 1
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;Co" in page


def test_an_index_without_reports_says_so(tmp_path: Path) -> None:
    write_index(tmp_path / "new", "en")
    assert "There is no report yet." in (tmp_path / "new" / "index.html").read_text("utf-8")


def test_of_many_that_end_at_once_the_last_index_has_all(tmp_path: Path) -> None:
    def end(provider: str) -> None:
        told(tmp_path, "2026-11-21", provider)
        write_index(tmp_path, "en")

    threads = [threading.Thread(target=end, args=(f"p{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "index.html").read_text("utf-8").count("report.html") == 8
