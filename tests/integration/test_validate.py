"""What `settlepipe validate` finds is what the intake would have found: the same lines, the same codes."""

import json
from pathlib import Path

import pytest

from shared.database.engine import Connection
from shared.messaging.intake_stream import Entry
from shared.payments.accept import accept
from shared.settings import load_settings
from shared.start import start
from tests.integration.conftest import Run
from tests.support.odd_json import ODD
from tests.unit.deploy.test_cli_validate import MTN, REFUND, UBILL


def test_the_intake_says_the_same(
    run: Run, connection: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SETTLEPIPE_MTN__BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("SETTLEPIPE_MTN__COUNTRY_CODE", "GHA")
    monkeypatch.setenv("SETTLEPIPE_UBILL__BASE_URL", "http://127.0.0.1:1/v1")
    off = MTN | {"provider": "bmms", "target": {"recipient_id": 1, "fields": {"a": "b"}}}
    given = [MTN, MTN, MTN | {"amount": "81"}, REFUND | {"intent_id": "r"}]
    given += [
        UBILL | {"intent_id": "e", "currency": "EUR"},
        off | {"intent_id": "u"},
        MTN | {"intent_id": "f", "paid_at": "2999-11-21T03:24:12Z"},
        {},
    ]
    lines = [json.dumps(one).encode() for one in given]
    for place, name in enumerate(MTN):
        for number, odd in enumerate(ODD):
            raw = json.dumps(MTN | {"intent_id": f"o{place}-{number}", name: "%"}).encode().replace(b'"%"', odd)
            lines += [raw] if b"\n" not in raw else []
    file = tmp_path / "intents.jsonl"
    file.write_bytes(b"\n".join(lines))
    status, out, _ = run("validate", "--json", str(file))
    assert status == 1
    *rows, told = [json.loads(line) for line in out.splitlines()]
    assert told["lines"] == len(lines)
    found = {row["line"]: row["mistakes"][0]["code"] for row in rows}

    runtime = start(load_settings(), pool_size=2)
    try:
        for number, raw in enumerate(lines, 1):
            accept(runtime, [Entry("settlepipe:intake", b"%d-1" % number, raw, {b"intent": raw})])
    finally:
        runtime.database.dispose()
    quarantined = connection.execute("SELECT entry_id, code FROM quarantine").fetchall()
    refused = connection.execute("SELECT intent_id, code FROM payments WHERE state = 'refused'").fetchall()
    numbers = {json.loads(lines[number - 1])["intent_id"]: number for number in found if found[number] in REFUSALS}
    said = {int(row["entry_id"].partition("-")[0]): row["code"] for row in quarantined}
    said |= {numbers[row["intent_id"]]: row["code"] for row in refused}
    assert len(found) > 100
    # Quarantine keeps one entry of those with the same bytes.
    assert said.items() <= found.items()
    same = {number: lines[number - 1] for number in found.keys() - said.keys()}
    assert set(same.values()) <= {lines[number - 1] for number in said}


REFUSALS = ("not_supported", "currency_mismatch", "provider_off")
