"""A payment that comes up in the list while a check still looks is never taken for not applied."""

from dataclasses import replace
from datetime import UTC, datetime

from shared.domain.answers import Verdict
from shared.providers.base import Doubt
from tests.providers.test_ubill_checks import EARLIER, known
from tests.support.raw_server import Connection
from tests.support.ubill import LIST, PAYMENT, row, rows, ubill


def test_one_that_the_second_read_shows_is_not_taken_for_not_applied() -> None:
    """The last success is on the same account: one replica was behind, or the payment was being applied."""
    answers = iter([rows(EARLIER), rows(EARLIER, row("sp-1"))])

    def one_after_the_other(connection: Connection) -> None:
        connection.send(next(answers))

    with ubill({LIST: one_after_the_other}) as (connected, fake, _):
        provider = connected.provider
        assert provider is not None
        doubt = Doubt(PAYMENT, None, None, True, datetime(2026, 11, 21, 8, 0, tzinfo=UTC))
        result = provider.check(doubt, known(latest=replace(PAYMENT, sent_reference="sp-0")), provider.authorise())
    assert fake.asked == [f"GET /v1{LIST}"] * 2
    assert (result.verdict, result.for_person, result.own) == (Verdict.INCONCLUSIVE, False, True)
