"""ubill's list of an account names no account: one of another account must not pass for it."""

from datetime import UTC, datetime

import pytest

from shared.domain.answers import Verdict
from shared.providers.base import Doubt
from tests.providers.test_ubill_checks import EARLIER, known
from tests.support.ubill import LIST, PAYMENT, row, rows, ubill


@pytest.mark.parametrize(
    ("own", "expected"), [([], Verdict.INCONCLUSIVE), ([row("sp-1")], Verdict.APPLIED)], ids=["absent", "there"]
)
def test_a_list_with_our_payment_to_another_account_does_not_show_what_is_missing(
    own: list[dict[str, object]], expected: Verdict
) -> None:
    books = known(references={"sp-0", "sp-7"}, filed_elsewhere={"sp-7"})
    with ubill({LIST: rows(EARLIER, row("sp-7", "3"), *own)}) as (connected, _, _server):
        assert connected.provider is not None
        doubt = Doubt(PAYMENT, None, None, True, datetime(2026, 11, 21, 8, 0, tzinfo=UTC))
        assert connected.provider.check(doubt, books, connected.provider.authorise()).verdict is expected
