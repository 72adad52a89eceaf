"""The last success is looked for among those that say something about the same books."""

from tests.support.flow import OK, World


def test_the_last_success_is_looked_for_under_its_own_books(world: World) -> None:
    service, account = world.settled("safe", OK), world.settled("safe", OK)
    world.execute("UPDATE payments SET books_key = 'mtn:1:700001' WHERE id = %s", service)
    world.execute("UPDATE payments SET books_key = 'mtn:2:700001' WHERE id = %s", account)
    found = [world.runtime.books.latest_success("safe", under) for under in ("mtn:1:", "mtn:2:", "", "mtn:3:")]
    assert [payment and payment.id for payment in found] == [service, account, account, None]
