"""Identifiers at providers have one spelling."""

import json
from typing import Any

import pytest

from shared.domain.intent import BadIntent, parse_intent
from shared.domain.spelling import MAX_CHARACTERS, mistake
from shared.providers.registry import REGISTRATIONS
from tests.support.quick import quick

TARGETS = {name: registration.target for name, registration in REGISTRATIONS.items()}
GOOD = [
    "037000007", "A-1/2.3", "Дом 5", "улица Мира", "йод", "ө-ү-ё", "საბურთალო 7", "ჭავჭავაძის", "", "#1 (b)", "Åse",
    "İstanbul", "ş", "o\u02bbzbek",
]  # fmt: skip
BAD = {
    " 037": "blanks", "037 ": "blanks", "0  37": "blanks", " ": "blanks",
    "\u00a0037": "a blank other than the plain one", "0\u202f37": "a blank other", "0\u300037": "a blank other",
    "037\n": "not seen", "\t037": "not seen", "0\u200b37": "not seen", "\ufeff037": "not seen", "037\u200e": "not seen",
    "0\u00ad37": "not seen", "0\u034f37": "not seen", "0\ufe0f37": "not seen", "0\u316437": "not seen",
    "0\ue00037": "not seen", "0\u037837": "not seen", "0\u202837": "not seen", "0\x7f37": "not seen",
    "\u2800": "not seen", "0\U000e010037": "not seen",
    "\uff10\uff13\uff17": "NFKC", "\u0438\u0306": "NFKC", "A\u030a": "NFKC", "\u212b": "NFKC", "\ufb01": "NFKC",
    "\u00b2": "NFKC", "\u2160": "NFKC", "\uff21": "NFKC", "\u0660\u0661": "digits other than 0 to 9",
    "x" * (MAX_CHARACTERS + 1): "characters", "\u0301\u0323" * 200_000: "characters",
}  # fmt: skip
BASE: dict[str, Any] = {
    "intent_id": "ord-1", "source": "shop", "operation": "settle", "amount": "1.00", "currency": "MNT",
    "paid_at": "2026-11-21T03:24:12Z",
}  # fmt: skip
WHERE: dict[str, dict[str, Any]] = {
    "billcenter": {"invoice_code": "1", "bs_customer_code": "1", "biller_service_id": 140, "bank_code": "5"},
    "mtn": {
        "id_type": "Account Number", "id": "1", "customer_type": 2, "bill_number": "1",
        "payment_method": {"details": {"cheque": {"chequeNumber": "1", "accountNumber": "2"}}},
    },
    "invoicepayment": {"product_oid": "1", "subscriber_no1": "1", "subscriber_no2": "2", "subscriber_no3": "3"},
    "bmms": {"recipient_id": 1, "fields": {"licshet": "1"}},
    "ubill": {"account_id": 1},
}  # fmt: skip


def _reason(provider: str, target: Any, **changed: Any) -> str | None:
    try:
        parse_intent(json.dumps(BASE | {"provider": provider, "target": target} | changed).encode(), TARGETS)
    except BadIntent as bad:
        return bad.reason
    return None


def _texts(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if isinstance(value, dict):
        return [found for name, item in value.items() for found in _texts(item, (*path, name))]
    return [path] if isinstance(value, str) else []


def _with(value: Any, path: tuple[str, ...], text: str) -> Any:
    return {**value, path[0]: _with(value[path[0]], path[1:], text)} if path else text


TEXTS = [(provider, path) for provider, target in WHERE.items() for path in _texts(target)]


def test_every_provider_is_tried() -> None:
    assert WHERE.keys() == TARGETS.keys()
    assert len(TEXTS) == 13
    assert {provider: _reason(provider, target) for provider, target in WHERE.items()} == dict.fromkeys(WHERE)


@pytest.mark.parametrize("text", GOOD)
def test_letters_of_every_script_are_welcome(text: str) -> None:
    assert mistake(text) is None


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_what_could_be_read_in_two_ways_is_named_at_once(text: str) -> None:
    with quick(1):
        assert BAD[text] in str(mistake(text))


@pytest.mark.parametrize(("provider", "path"), TEXTS, ids=[".".join((name, *path)) for name, path in TEXTS])
def test_no_text_of_a_target_may_be_spelt_in_two_ways_and_the_reason_says_which(
    provider: str, path: tuple[str, ...]
) -> None:
    for text, why in BAD.items():
        if len(text) <= MAX_CHARACTERS:
            reason = _reason(provider, _with(WHERE[provider], path, text))
            assert reason is not None
            assert f"target.{'.'.join(path)}: it " in reason
            assert why in reason
            assert reason.count("target.") == 1, "it is told once"
            assert text.strip() == "" or text not in reason


def test_a_name_in_a_target_is_a_text_too() -> None:
    reason = _reason("bmms", {"recipient_id": 1, "fields": {"lic\u200bshet": "1"}})
    assert reason == "target.fields: a name in it: it holds a control, format or other character that is not seen"


@pytest.mark.parametrize("register", ["\uff21\uff11", " AA1", "AA\u200b1"])
def test_who_gets_a_receipt_is_spelt_in_one_way(register: str) -> None:
    receipt = {"register": register, "email": f"a{register.strip(' ')}@example.com"}
    reason = _reason("billcenter", WHERE["billcenter"], receipt=receipt)
    assert reason is not None
    assert reason.startswith("receipt.register: it ")
    assert ("receipt.email: it " in reason) == (register != " AA1")


@pytest.mark.parametrize(
    "changed",
    [{"notify": {"sms": "\uff19" + "9" * 10}}, {"intent_id": "a\n"}, {"source": "\uff41"}, {"amount": "1\uff10"}],
)
def test_what_is_ascii_is_ascii(changed: dict[str, Any]) -> None:
    assert _reason("billcenter", WHERE["billcenter"], **changed) is not None


@pytest.mark.parametrize("refund_of", [" a", "a\n", "\uff41", "a\u200b", ""])
def test_a_refund_names_its_settle_in_ascii(refund_of: str) -> None:
    reason = _reason("billcenter", None, operation="refund", refund_of=refund_of)
    assert "refund_of" in str(reason)
