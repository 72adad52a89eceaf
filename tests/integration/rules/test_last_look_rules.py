"""A person who asks to send a parked payment again gets a last look at the books first."""

from shared.domain.answers import CheckResult, Verdict
from shared.payments.look import look
from shared.payments.resolve import resolve
from tests.support.flow import ABSENT, LOOK, UNCLEAR, World

TWICE = CheckResult(Verdict.INCONCLUSIVE, "its marker stands 2 times; a person has to look", for_person=True)


def test_a_person_who_asks_to_send_again_is_asked_once_more_when_the_books_show_it_twice(world: World) -> None:
    payment_id = world.settled("careful", LOOK)
    world.careful.verdicts.extend([UNCLEAR] * 5)
    for _ in range(5):
        world.advance(30_000)
        world.run("careful")
    assert world.state(payment_id) == "parked"
    intent_id = world.payment(payment_id)["intent_id"]
    world.careful.verdicts.extend([ABSENT, TWICE])
    found = look(world.runtime, "shop", intent_id)
    resolve(world.runtime, found, "resend", reason="it is not listed", by="Ann")
    world.run("careful")
    assert (world.state(payment_id), len(world.careful.sent)) == ("parked", 1)
    assert world.payment(payment_id)["detail"] == TWICE.detail
