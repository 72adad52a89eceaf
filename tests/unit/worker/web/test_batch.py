"""A body is cut into its intents as they were written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.web.batch import MOST, cut
from worker.web.problems import Problem

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.lists(VALUES, min_size=1, max_size=6), st.sampled_from([None, 1, "\t"]), st.booleans())
def test_each_is_there_byte_for_byte(values: list[object], indent: int | str | None, plain: bool) -> None:
    body = json.dumps({"intents": values}, indent=indent, ensure_ascii=plain).encode("utf-8", "replace")
    found = cut(body)
    assert found is not None
    assert [json.loads(one) for one in found] == json.loads(body)["intents"]
    assert all(one in body for one in found)


@pytest.mark.parametrize("body", [b'{"intent_id": "a"}', b"", b"[]", b"{", b'{"more": 1, "intents": []}', b'"intents"'])
def test_what_does_not_begin_as_a_batch_is_one_intent(body: bytes) -> None:
    assert cut(body) is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"intents": []}', "bad_batch"),
        (b'{"intents": [', "bad_batch"),
        (b'{"intents": [1', "bad_batch"),
        (b'{"intents": [1 2]}', "bad_batch"),
        (b'{"intents": [1,]}', "bad_batch"),
        (b'{"intents": [,1]}', "bad_batch"),
        (b'{"intents": [1], "more": 2}', "bad_batch"),
        (b'{"intents": [1]} {}', "bad_batch"),
        (b'{"intents": [' + b"[" * 100_000, "bad_batch"),
        (b'{"intents": ["\xff"]}', "not_json"),
        (b'{"intents": [' + b"1," * MOST + b"1]}", "too_many_intents"),
    ],
    ids=range(11),
)
def test_what_is_no_list_is_refused_whole(body: bytes, code: str) -> None:
    with pytest.raises(Problem) as caught:
        cut(body)
    assert caught.value.document["code"] == code


def test_as_many_as_may_be_are_cut_and_what_an_intent_may_not_hold_is_left_to_who_reads_it() -> None:
    assert len(cut(b'{"intents": [' + b"1," * (MOST - 1) + b"1]}") or []) == MOST
    odd = b'{"a": 1, "a": NaN, "b": ' + b"9" * 5000 + b"}"
    assert cut(b'{"intents": [' + odd + b"]}") == [odd]
