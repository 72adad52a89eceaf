"""What quarantine keeps: all of an entry, or its beginning and the digest of all; never card data."""

import hashlib
import json

import pytest

from shared.domain.intent import MAX_INTENT_BYTES
from shared.domain.kept import KEPT_BYTES, keep, keep_unread

NUMBER = "4000000000000002"  # made up


def _padded(raw: bytes, size: int) -> bytes:
    return raw + b" " * (size - len(raw))


@pytest.mark.parametrize("size", [0, 1, KEPT_BYTES + 1, MAX_INTENT_BYTES])
def test_what_is_within_the_limit_is_kept_whole(size: int) -> None:
    raw = b"1" * size
    for kept in (keep(raw), keep(raw, "shop/1"), keep_unread(raw)):
        assert (kept.raw, kept.whole_bytes, kept.sha256) == (raw, None, hashlib.sha256(raw).digest())


@pytest.mark.parametrize("size", [MAX_INTENT_BYTES + 1, 5_000_000])
def test_what_is_longer_is_cut_and_known_by_the_digest_of_all(size: int) -> None:
    raw = _padded(b'{"amount": "100.00", "\xd1\x8f', size)
    kept = keep(raw)
    assert (kept.raw, kept.whole_bytes, kept.sha256) == (raw[:KEPT_BYTES], size, hashlib.sha256(raw).digest())
    assert keep(raw + b"!").sha256 != kept.sha256


@pytest.mark.parametrize(
    "raw",
    [
        b'{"cvv": "987", "cardNumber": "%s"}' % NUMBER.encode(),
        b'{"value": "%s", "a": "' % NUMBER.encode() + b"x" * KEPT_BYTES + b'", "name": "cardNumber"}',
        b" " * (KEPT_BYTES - 20) + b'{"c\\u0076v": "987987987", ',
        f'{{"cvv": "{NUMBER}'.encode("utf-16-le"),
    ],
    ids=["in it", "named behind it", "over the cut", "utf-16"],
)
def test_a_beginning_that_could_be_card_data_keeps_no_digit(raw: bytes) -> None:
    kept = keep(_padded(raw, MAX_INTENT_BYTES + 1))
    assert not any(character.isdigit() for character in kept.raw.decode("utf-8", "replace"))
    assert kept.sha256 == hashlib.sha256(kept.raw).digest(), "a digest of all would be one of card data"
    assert kept.whole_bytes == MAX_INTENT_BYTES + 1


def test_what_may_not_be_parsed_keeps_no_digit_beside_card_data() -> None:
    raw = json.dumps({"amount": "100.00", "cvv": "987"}).encode()
    assert b"100.00" in keep(raw).raw
    assert not any(chr(byte).isdigit() for byte in keep_unread(raw).raw)
