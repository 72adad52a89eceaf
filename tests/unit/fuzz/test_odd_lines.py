"""Whatever stands in a file that is submitted, and in the query of a delivery callback."""

import asyncio
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast
from urllib.parse import quote_from_bytes, urlencode

from hypothesis import example, given
from hypothesis import strategies as st
from starlette.types import Message

from deploy.cli import lines as cli_lines
from deploy.cli.submit import read_lines
from deploy.cli.submit_wait import Followed
from shared.settings.sections import UbillSettings
from tests.support.fuzzing import fuzzed
from worker.callback import application
from worker.web.callback import MAX_QUERY, Callback, Report
from worker.web.limits import Work

KEY = "made-up-key-ключ-0123"
FIELDS = {"key": KEY, "smsID": "71", "number": "995500000001", "statusID": "1", "date": "2027-01-31 12:02:02"}
CHUNKS = st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([b"\n", b"\r\n", b"\r", b"\0", b"{}", b"x" * 50])))
VALUES = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(
        [b"", b"0", b"4", b"5", b"-1", b"9" * 20, b"9" * 21, b"2027-02-30 12:02:02", b"2027-01-31 24:00:00", b"71\n"]
    ),
    st.sampled_from([value.encode() for value in FIELDS.values()]),
    st.text(st.characters(categories=["Nd"]), min_size=1, max_size=12).map(str.encode),
)


@fuzzed(300)
@given(CHUNKS)
@example([b"x" * 101, b"\r\n", b"y"])
@example([b"\xff\xfe{\0}\0\n"])
def test_every_line_that_is_short_enough_is_submitted_as_it_is(chunks: list[bytes]) -> None:
    raw, most = b"".join(chunks), cli_lines.MAX_LINE_BYTES
    cli_lines.MAX_LINE_BYTES = 100
    try:
        too_long: list[int] = []
        told: list[int] = []
        lines = list(read_lines(io.BytesIO(raw), too_long, told.append))
    finally:
        cli_lines.MAX_LINE_BYTES = most
    whole = [line.removesuffix(b"\r") for line in raw.split(b"\n")]
    assert lines == [line for line in whole if line.strip() and len(line) <= 100]
    assert too_long == [number for number, line in enumerate(whole, 1) if len(line) > 100]
    assert sum(told) == len(raw)


@fuzzed(200)
@given(st.lists(st.one_of(st.binary(max_size=60), st.just(b'{"source": "a", "intent_id": "b", "cvv": "123"}'))))
def test_every_line_is_followed_whatever_it_holds(lines: list[bytes]) -> None:
    followed = Followed()
    for line in lines:
        followed.add(line)
    assert followed.counts().total() == len(lines)
    assert followed.summary()["submitted"] == len(lines)


def call(query: str, path: str = "/callback", method: str = "GET") -> tuple[int, list[Report]]:
    kept: list[Report] = []
    sent: list[Message] = []
    settings = UbillSettings.model_validate({"callback_key": KEY})

    async def work(do: Callable[[], Any]) -> Any:
        return do()

    async def send(message: Message) -> None:
        sent.append(message)

    app = application(Callback.kept_by(settings, cast(Work, work), kept.append))
    scope = {"type": "http", "path": path, "method": method, "query_string": query.encode("latin-1")}

    async def asked() -> None:
        await app(scope, no_body, send)

    asyncio.run(asked())
    assert b"".join(message.get("body", b"") for message in sent)
    return int(sent[0]["status"]), kept


async def no_body() -> Message:
    raise AssertionError("a body is read by nobody")


@fuzzed(400)
@given(st.dictionaries(st.sampled_from([*FIELDS, "other", ""]), VALUES), st.booleans())
def test_a_report_is_kept_only_with_the_key_and_as_it_was_written(given_: dict[str, bytes], others: bool) -> None:
    fields = {name: value.encode() for name, value in FIELDS.items()} | given_ if others else given_
    query = "&".join(f"{name}={quote_from_bytes(value)}" for name, value in fields.items())
    status, kept = call(query)
    assert status in (200, 400, 403)
    assert (status == 403) == (fields.get("key") != KEY.encode() or len(query) > MAX_QUERY)
    assert bool(kept) == (status == 200)
    for report in kept:
        assert (report.sms_id, report.number) == (fields["smsID"].decode(), fields["number"].decode())
        assert report.status == int(fields["statusID"])
        assert report.at.strftime("%Y-%m-%d %H:%M:%S").encode() == fields["date"]
        assert report.at.utcoffset() == timedelta(hours=4)


@fuzzed(300)
@given(st.text(st.characters(max_codepoint=255), max_size=200), st.text(max_size=20), st.text(max_size=8))
@example(urlencode(FIELDS) + "&key=x", "/callback", "GET")
@example("%", "/callback", "GET")
@example("key=%C3%28&smsID=%00", "/callback", "GET")
def test_whatever_is_asked_is_answered_and_nothing_is_kept(query: str, path: str, method: str) -> None:
    for at, by in ((path, method), ("/callback", "GET"), ("/callback", method)):
        status, kept = call(query, at, by)
        assert status in (200, 403, 404, 405)
        assert not kept
        assert status != 200 or at == "/healthz"
