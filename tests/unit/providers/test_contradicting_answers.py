"""Answers that contradict themselves are ambiguous: neither a success nor a final no."""

import json
from typing import Any

import pytest

from shared.domain.answers import Answer, Meaning
from shared.domain.payment import Operation
from shared.providers.mtn import wire as mtn
from shared.providers.raw_answers import HttpAnswer
from shared.providers.ubill import wire as ubill


def answer(status: int, document: Any) -> HttpAnswer:
    return HttpAnswer(status, {}, json.dumps(document).encode())


def settled_at_mtn(status: int, document: Any) -> Answer:
    return mtn.read(answer(status, document), key_alone=False)


@pytest.mark.parametrize("http_status", [400, 404, 405])
@pytest.mark.parametrize("behind", ["500", 500, "504", "503 Service Unavailable", "408", "429"])
def test_an_error_of_a_broken_system_behind_mtns_gateway_refuses_nothing(http_status: int, behind: str | int) -> None:
    got = settled_at_mtn(http_status, {"status": behind, "error": "made up", "message": "no answer in time"})
    assert (got.meaning, got.refusal) == (Meaning.CHECK, False)


@pytest.mark.parametrize("behind", ["400", "404", 404, "4", "5", "5001", "BAD_REQUEST"])
def test_any_other_error_with_what_the_document_requires_is_a_no(behind: str | int) -> None:
    assert settled_at_mtn(400, {"status": behind, "message": "no such customer"}).meaning is Meaning.REFUSED


@pytest.mark.parametrize("other", [0, 1, False, ["0000"], {}])
def test_a_result_code_that_is_no_text_beside_0000_is_checked(other: Any) -> None:
    assert settled_at_mtn(200, {"resultCode": "0000", "result": {"resultCode": other}}).meaning is Meaning.CHECK
    assert settled_at_mtn(200, {"resultCode": other, "result": {"resultCode": "0000"}}).meaning is Meaning.CHECK


def test_a_result_code_of_null_is_none() -> None:
    assert settled_at_mtn(200, {"resultCode": None, "result": {"resultCode": "0000"}}).meaning is Meaning.SUCCEEDED


@pytest.mark.parametrize("number", ["0", 0, "00"])
def test_a_payment_of_ubills_with_the_id_zero_is_checked(number: str | int) -> None:
    """What many databases give as the last id where no row was written."""
    document = {"statusID": 0, "message": "Success", "data": {"id": number}}
    assert ubill.read(Operation.SETTLE, answer(200, document)).meaning is Meaning.CHECK


def test_an_id_with_zeros_in_it_is_one() -> None:
    got = ubill.read(Operation.SETTLE, answer(200, {"statusID": 0, "data": {"id": "100"}}))
    assert (got.meaning, got.provider_reference) == (Meaning.SUCCEEDED, "100")
