"""`settlepipe validate`: every mistake of each line, by the intake's rules, without a server."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.cli import validate
from deploy.cli.main import main
from shared.domain.intent import parse_intent
from shared.payments import valid
from shared.settings import PREFIX

MTN: dict[str, Any] = {
    "intent_id": "a",
    "source": "shop",
    "provider": "mtn",
    "operation": "settle",
    "amount": "80",
    "currency": "GHS",
    "paid_at": "2026-11-21T03:24:12Z",
    "target": {"id_type": "Account Number", "id": "00700001", "customer_type": 2},
}
UBILL = MTN | {"provider": "ubill", "currency": "GEL", "target": {"account_id": 700001}}
REFUND = {name: value for name, value in MTN.items() if name != "target"} | {"operation": "refund", "refund_of": "a"}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "BROKER_URL": "redis://127.0.0.1:1"}.items():
        monkeypatch.setenv(PREFIX + name, value)
    monkeypatch.setenv(f"{PREFIX}HOME", str(tmp_path / "home"))


def validated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *lines: dict[str, Any] | bytes
) -> tuple[int, list[Any]]:
    """The exit status, and what is printed with --json."""
    file = tmp_path / "intents.jsonl"
    file.write_bytes(b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines))
    capsys.readouterr()
    status = main(["validate", "--json", str(file)])
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def codes(rows: list[Any]) -> dict[int, list[tuple[str, str]]]:
    return {row["line"]: [(one["code"], one["place"]) for one in row["mistakes"]] for row in rows[:-1]}


def test_lines_without_a_mistake_end_with_0_and_what_was_not_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, (told,) = validated(tmp_path, capsys, MTN, b"", MTN | {"amount": "80.00"}, MTN | {"intent_id": "b"})
    assert status == 0
    assert (told["lines"], told["wrong"], told["repeated"]) == (3, 0, 1)
    assert any("id was used before" in one for one in told["unchecked"])
    assert any("providers are on" in one for one in told["unchecked"])
    assert main(["validate", str(tmp_path / "intents.jsonl")]) == 0
    assert "3 intents, 1 of them again as they stood before: 3 without a mistake" in capsys.readouterr().out


def test_every_mistake_has_its_line_its_code_and_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, rows = validated(
        tmp_path,
        capsys,
        MTN,
        b"  ",
        MTN | {"amount": "1.001", "paid_at": "yesterday", "colour": "red", "target": {"id": 7}},
        b"nonsense",
        MTN | {"amount": "81"},
        REFUND | {"intent_id": "r"},
        UBILL | {"intent_id": "e", "currency": "EUR"},
        MTN | {"intent_id": "f", "paid_at": "2999-11-21T03:24:12Z"},
        b"x" * (1024 * 1024 + 1),
        MTN | {"intent_id": "g", "metadata": {"x": "y" * 70_000}},
        b"\xff",
    )
    assert status == 1
    found = codes(rows)
    assert set(found.pop(3)) == {
        ("too_precise", "amount"),
        ("bad_time", "paid_at"),
        ("unknown_field", "colour"),
        ("missing_field", "target.id_type"),
        ("bad_field", "target.id"),
        ("missing_field", "target.customer_type"),
    }
    assert found == {
        4: [("not_json", "")],
        5: [("id_conflict", "intent_id")],
        6: [("not_supported", "operation")],
        7: [("currency_mismatch", "currency")],
        8: [("paid_ahead", "paid_at")],
        9: [("too_large", "")],
        10: [("too_large", "")],
        11: [("not_json", "")],
    }
    assert (rows[-1]["lines"], rows[-1]["wrong"]) == (10, 9)
    assert [row["subject"] for row in rows[:2]] == ["shop/a", None]
    assert main(["validate", str(tmp_path / "intents.jsonl")]) == 1
    out, err = capsys.readouterr()
    assert "too_precise" in out
    assert err == "settlepipe: 9 of 10 intents have mistakes\n"


def test_what_the_settings_tell_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}UBILL__BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv(f"{PREFIX}INTAKE__SOURCES", json.dumps({"settlepipe:intake": ["shop"], "other": ["*"]}))
    status, rows = validated(tmp_path, capsys, MTN, MTN | {"source": "bank"})
    assert status == 1
    assert codes(rows) == {1: [("provider_off", "provider")], 2: [("source_not_allowed", "")]}
    assert not any("providers are on" in one for one in rows[-1]["unchecked"])
    assert main(["validate", "--stream", "mars", str(tmp_path / "intents.jsonl")]) == 2
    assert "it has other, settlepipe:intake" in capsys.readouterr().err
    assert main(["validate", "no-such-file"]) == 2


def test_a_defect_of_the_validation_stops_no_other_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = parse_intent
    monkeypatch.setattr(valid, "parse_intent", lambda raw, targets: 1 // 0 if b"mark" in raw else read(raw, targets))
    status, rows = validated(tmp_path, capsys, MTN | {"intent_id": "mark"}, MTN)
    assert (status, codes(rows)) == (1, {1: [("internal_error", "")]})


def test_it_is_bounded(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "IDS_KEPT", 1)
    monkeypatch.setattr(validate, "_SHOWN", 2)
    _, rows = validated(tmp_path, capsys, MTN, MTN | {"intent_id": "b"}, MTN | {"intent_id": "b", "amount": "1"})
    assert any("ids that stand twice" in one for one in rows[-1]["unchecked"])
    (tmp_path / "intents.jsonl").write_bytes(b"nonsense\n" * 5)
    assert main(["validate", str(tmp_path / "intents.jsonl")]) == 1
    out, err = capsys.readouterr()
    assert out.count("not_json") == 2
    assert "and 3 more lines with mistakes" in err
