"""What may not be read in a log, tried in many ways, and what has to stay readable."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from shared.telemetry.masking import MAX_CHARACTERS, MAX_ITEMS, mask_event, mask_text
from shared.telemetry.sensitive import MASK, is_sensitive

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJub2JvZHkifQ.c2lnbmF0dXJlLW9mLW5vYm9keQ"


def masked(**event: Any) -> dict[str, Any]:
    return mask_event(None, "info", event)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"got {JWT} from the provider", "c2lnbmF0"),
        (f"got\n{JWT}", "eyJ"),
        (f"the cut one {JWT[:30]}", "eyJ"),
        ("Authorization: Bearer s3cr3t-opaque", "s3cr3t"),
        ("sent bearer s3cr3t-opaque to it", "s3cr3t"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNl"),
        ("{'Authorization': 'Token s3cr3t'}", "s3cr3t"),
        ("postgresql://app:s3cr3t@127.0.0.1:5432/x", "s3cr3t"),
        ("redis://:s3c/r3t@127.0.0.1:6379/0", "r3t"),
        ("redis://:s3c@r3t@127.0.0.1/0", "r3t"),
        ("GET /v1/sms/send?key=s3cr3t&brandID=1", "s3cr3t"),
        ("GET /v1/sms/send?brandID=1&api-key=s3cr3t", "s3cr3t"),
        ("https://127.0.0.1/customers?phone_number=99000001&x=1", "99000001"),
        ('{"access": "s3cr3t", "n": 1}', "s3cr3t"),
        ('{\\"password\\": \\"s3cr3t\\"}', "s3cr3t"),
        ('{"password": "s3 \\" cr3t"}', "cr3t"),
        ("{'client_secret': b's3cr3t'}", "s3cr3t"),
        ("Settings(password='s3cr3t', rate=1)", "s3cr3t"),
        ("password = s3cr3t", "s3cr3t"),
        ("host=127.0.0.1 password=s3cr3t dbname=x", "s3cr3t"),
        ("password='s3cr3t and no closing quote", "s3cr3t"),
        ("source='x',password=s3cr3t", "s3cr3t"),
        ("phones=['99000001', '99000002']", "99000002"),
        ("SETTLEPIPE_BILLCENTER__PASSWORD=s3cr3t", "s3cr3t"),
        ("clientSecret: s3cr3t", "s3cr3t"),
        ("X-API-Key: s3cr3t", "s3cr3t"),
        ("card 4111111111111111 was used", "411111"),
        ("card 4111 1111 1111 1111.", "1111"),
        ("card 4111-1111-1111-1111", "1111"),
        ("amex 378282246310005", "378282"),
        ("call +99599000001 now", "9900"),
        ("call +976 9900-0001", "9900"),
        ("an SMS to 995599000001.", "9900"),
        ("an SMS to 0097699000001", "9900"),
        ("MSISDN 256700000001 is unknown", "700000"),
        ("write to some.body+x@example.com", "some"),
        ("pay to GB82 WEST 1234 5698 7654 32", "WEST"),
        ("pay to GB82WEST12345698765432", "WEST"),
        ("register ТТ00000001 is unknown", "0000"),
        ("-----BEGIN PRIVATE KEY-----\nMIIs3cr3t\n-----END PRIVATE KEY-----", "MII"),
        ("input_value='s3cr3t', input_type=str", "s3cr3t"),
        ("DETAIL:  Failing row contains (1, shop, (a), 9001400001).", "9001400001"),
    ],
)
def test_a_secret_in_a_text_is_masked(text: str, secret: str) -> None:
    shown = mask_text(text)
    assert secret not in shown
    assert MASK in shown


@pytest.mark.parametrize(
    "text",
    [
        "payment mbank-app/ord-1001 sent, attempt 2 of 5",
        "100.00 MNT, 999999999999999.99 MNT, 4111111111111111.00 MNT",
        "2026-11-21T03:24:12.133606Z and 2023-11-09 03:24:12.133606+00",
        "0b8e3c1e-9d3c-4a53-9b7c-0a9d8f1e2c3d",
        "12345678-1234-4111-8111-123456789012",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "1763769937123-0",
        "1728091330",
        "invoice 037000007 of customer 543210",
        "http://127.0.0.1:8013/api/third_party/settle_payment/",
        "task settlepipe.send[0b8e3c1e-9d3c-4a53-9b7c-0a9d8f1e2c3d] took 0.123456789012345s",
        "order 4111111111111112 fails the Luhn check",
        "exclusive_key=billcenter/037000007 fencing_token=3 token_version=7",
        "duplicate key value violates unique constraint",
        "the password was refused",
        "HTTP 400, 12345 bytes, 3 of 4 retries",
    ],
)
def test_what_an_operator_needs_stays_readable(text: str) -> None:
    assert mask_text(text) == text


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "PASSWORD",
        "db_password",
        "token",
        "access_token",
        "accessToken",
        "access",
        "refresh",
        "Authorization",
        "authorization",
        "api_key",
        "api-key",
        "apiKey",
        "X-API-Key",
        "key",
        "secret",
        "client_secret",
        "clientSecret",
        "secret_keys",
        "cvv",
        "card_number",
        "cardNumber",
        "phone",
        "phone_number",
        "additional_phone_number",
        "CustomerMobile",
        "email",
        "register",
        "noat_register",
        "first_name",
        "last_name",
        "account",
        "bank_account",
        "account_name",
        "customer_name",
        "sms",
        "receipt",
        "notify",
        "subscriber_no1",
        "tokens",
        "credentials",
    ],
)
def test_a_key_is_sensitive_in_every_spelling(key: str) -> None:
    assert is_sensitive(key)
    assert masked(**{key: "abc"}) == {key: MASK}
    assert masked(**{key: 123}) == {key: MASK}
    assert masked(outer=[{"inner": {key: ["abc"]}}]) == {"outer": [{"inner": {key: MASK}}]}


@pytest.mark.parametrize(
    "key",
    [
        "payment_id",
        "exclusive_key",
        "fencing_token",
        "token_version",
        "attempt",
        "amount",
        "keyboard",
        "provider",
        "state",
        "kind",
    ],
)
def test_our_own_names_are_not_sensitive(key: str) -> None:
    assert not is_sensitive(key)


def test_ids_and_amounts_that_look_like_numbers_of_people_stay() -> None:
    event = {"payment_id": 4111111111111111, "intent_id": "995599000001", "amount": "4111111111111111", "n": 10**12}
    assert masked(**event) == event


def test_whole_numbers_and_names_of_keys_are_looked_at_too() -> None:
    assert masked(n=4111111111111111) == {"n": MASK}
    assert masked(x={"995599000001": 1}) == {"x": {MASK: 1}}


class _Colour(StrEnum):
    RED = "red"


class _Model(BaseModel):
    name: str
    password: str
    hidden: SecretStr


@dataclass
class _Record:
    phone: str
    state: str = "sending"


class _Broken:
    def __repr__(self) -> str:
        raise RuntimeError("s3cr3t")


def test_objects_are_shown_without_their_secrets() -> None:
    shown = masked(
        model=_Model(name="n", password="s3cr3t", hidden=SecretStr("s3cr3t")),
        record=_Record("99000001"),
        raw=b'{"password": "s3cr3t"}',
        hidden=SecretStr("s3cr3t"),
        error=ValueError("refused", {"token": "s3cr3t"}),
        broken=_Broken(),
        request_sha256=b"\x01\xff",
        colour=_Colour.RED,
        when=datetime(2026, 11, 21, tzinfo=UTC),
        sum=Decimal("1.50"),
        ratio=float("nan"),
    )
    assert "s3cr3t" not in str(shown)
    assert "99000001" not in str(shown)
    assert "sending" in shown["record"]
    assert shown["request_sha256"] == "01ff"
    assert shown["colour"] == "red"
    assert shown["when"] == "2026-11-21T00:00:00+00:00"
    assert shown["sum"] == "1.50"
    assert shown["ratio"] == "nan"


def test_the_input_in_a_validation_error_is_masked() -> None:
    with pytest.raises(ValidationError) as caught:
        _Model.model_validate({"name": ["s3cr3t-name"], "password": 1, "hidden": ""})
    assert "s3cr3t" not in masked(error=caught.value)["error"]


def test_everything_has_a_limit() -> None:
    nested: Any = "x"
    for _ in range(50):
        nested = [nested]
    shown = masked(long="x" * 100_000, many=list(range(10_000)), pairs={str(n): n for n in range(10_000)}, deep=nested)
    assert len(shown["long"]) == MAX_CHARACTERS + 1
    assert len(shown["many"]) == MAX_ITEMS + 1
    assert len(shown["pairs"]) == MAX_ITEMS + 1
    assert len(str(shown["deep"])) < 50


def test_a_secret_across_the_cut_is_masked_whole() -> None:
    for start in range(MAX_CHARACTERS - 80, MAX_CHARACTERS + 1, 7):
        assert "s3cr3t" not in mask_text("x" * (start - 10) + f" password='s3cr3t-{'y' * 300}'" + "z" * 5_000)
        assert "s3cr3t" not in mask_text("z" * 5_000 + " password=s3cr3t\n" + "x\n" * (start // 2), keep_end=True)
    traceback = "frame\n" * 500 + f"ValueError: {'x' * 300} eyJ{'a' * 900}\n" + "frame\n" * 300
    assert "aaa" not in mask_text(traceback, keep_end=True)
    assert "endless" in mask_text("one endless line " * 500, keep_end=True)


@pytest.mark.parametrize(
    "key", ["cardNumber", "CARD_NUMBER", "card-number", "Card Number", "CARDNUMBER", "cvv", "CVV", "c_v_v", "ｃｖｖ"]
)
def test_card_data_is_masked_under_every_spelling_of_its_key(key: str) -> None:
    assert is_sensitive(key)
    for value in ("12", 12, ["12"], {"x": "12"}):
        assert masked(**{key: value}) == {key: MASK}
        assert masked(details=[{"card": {key: value}}]) == {"details": [{"card": {key: MASK}}]}


@pytest.mark.parametrize("text", ["cardNumber=12 34", '{"cvv": "12"}', "card_number: '12 34'", '{\\"CVV\\": \\"12\\"}'])
def test_card_data_is_masked_inside_texts(text: str) -> None:
    assert "12" not in mask_text(text)


def test_a_number_that_python_does_not_write_stops_no_log() -> None:
    assert mask_event(None, "info", {"event": "x", "ids": 10**5000, "n": -(10**5000), "f": 1e300}) == {
        "event": "x",
        "ids": MASK,
        "n": MASK,
        "f": 1e300,
    }


@pytest.mark.parametrize("backslashes", [0, 1, 3, 7, 15, 16, 40])
def test_a_secret_in_nested_quotes_is_masked_however_deep(backslashes: int) -> None:
    quote = "\\" * backslashes + '"'
    assert "hunter" not in mask_text(f"password={quote}hunter two{quote} and more")


def test_a_row_whose_end_was_cut_off_is_masked_to_the_end() -> None:
    assert mask_text("Failing row contains (7, hunter, two") == "Failing row contains (***)"
