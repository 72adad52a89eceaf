"""The last success is looked for among those that say something about the same books."""

from tests.support.flow import OK, World


def test_the_last_success_is_looked_for_under_its_own_books(world: World) -> None:
    service, account = world.settled("safe", OK), world.settled("safe", OK)
    world.execute("UPDATE payments SET books_key = 'mtn:1:700001' WHERE id = %s", service)
    world.execute("UPDATE payments SET books_key = 'mtn:2:700001' WHERE id = %s", account)
    found = [world.runtime.books.latest_success("safe", under) for under in ("mtn:1:", "mtn:2:", "", "mtn:3:")]
    assert [payment and payment.id for payment in found] == [service, account, account, None]


def test_what_we_paid_to_another_account_is_told_from_what_we_paid_to_this_one(world: World) -> None:
    here, there, nowhere = (world.settled("safe", OK) for _ in range(3))
    world.execute("UPDATE payments SET books_key = 'ubill:1' WHERE id = %s", here)
    world.execute("UPDATE payments SET books_key = 'ubill:11' WHERE id = %s", there)
    reference = {number: world.payment(number)["sent_reference"] for number in (here, there, nowhere)}
    asked = {*reference.values(), "somebody-else", "nul\0"}
    assert world.runtime.books.elsewhere(asked, "ubill:1") == {reference[there], reference[nowhere]}
    assert world.runtime.books.elsewhere(set(), "ubill:1") == set()
