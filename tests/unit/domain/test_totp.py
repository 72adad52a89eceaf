"""One-time codes, by the test vectors of RFC 6238 (appendix B, SHA-1; the last six digits of its eight)."""

import pytest

from shared.domain import totp

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("at", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_the_codes_are_the_standards(at: int, code: str) -> None:
    assert totp.code(SECRET, at // totp.STEP_S) == code
    assert totp.step_of(SECRET, f"{code[:3]} {code[3:]}", at) == at // totp.STEP_S


def test_a_code_is_good_one_step_around_and_no_longer() -> None:
    now = 1_700_000_000
    step = now // totp.STEP_S
    assert [totp.step_of(SECRET, totp.code(SECRET, step + around), now) for around in (-2, -1, 0, 1, 2)] == [
        None,
        step - 1,
        step,
        step + 1,
        None,
    ]


@pytest.mark.parametrize("odd", ["", "287", "2870821", "\ud800", "２８７０８２"])
def test_what_is_no_code_fits_nothing(odd: str) -> None:
    assert totp.step_of(SECRET, odd, 59) is None


def test_an_app_takes_the_secret() -> None:
    assert totp.uri(SECRET, "Ann B") == (
        "otpauth://totp/settlepipe%3AAnn%20B?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=settlepipe"
    )
