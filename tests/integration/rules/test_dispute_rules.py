"""Late evidence against a final state is never lost: it is written with its dispute, or not at all and again."""

import threading

import pytest

from shared.archive.retire import retire
from shared.payments.check import check
from shared.payments.send import deliver
from shared.payments.store import send as send_store
from shared.payments.store.send import Claim
from shared.runtime import boot_time_s
from tests.support.alerts import raised
from tests.support.bank import until
from tests.support.cut import way_of
from tests.support.flow import APPLIED, LOOK, OK, World, waits_for_lock

# Each statement of the transaction, and its end. BEGIN and COMMIT are sent by themselves.
POINTS = [
    ("WITH judged", "before"),
    ("WITH judged", "after"),
    ("AS successes", "before"),
    ("AS successes", "after"),
    ("UPDATE attempts SET ended_at", "after"),
    ("INTO discrepancies", "before"),
    ("INTO discrepancies", "after"),
    ("settlepipe.payment.disputed", "before"),
    ("settlepipe.payment.disputed", "after"),
    ("COMMIT", "before"),
    ("COMMIT", "after"),
]


def refused_meanwhile(world: World) -> Claim:
    """A payment that is on the wire while a person refuses it."""
    payment_id = world.pay("careful")
    world.dispatched("careful")
    with world.runtime.database.connection() as connection:
        claim = send_store.claim(
            connection, payment_id, world.runtime.worker_key, world.runtime.limits, seen=world.runtime.seen
        )
    assert claim is not None
    world.execute("UPDATE payments SET state = 'refused'")
    return claim


def disputed_once(world: World, payment_id: int) -> None:
    (found,) = world.rows("SELECT category, payment_id FROM discrepancies")
    assert found == {"category": "paid_there_failed_here", "payment_id": payment_id}
    assert world.events(payment_id).count("disputed") == 1
    assert world.state(payment_id) == "refused"


@pytest.mark.parametrize(("statement", "when"), POINTS)
def test_a_late_success_is_disputed_wherever_postgresql_goes_away(
    world: World, capsys: pytest.CaptureFixture[str], statement: str, when: str
) -> None:
    claim = refused_meanwhile(world)
    with way_of(world) as way:
        way.cut(statement, when)  # type: ignore[arg-type]
        deliver(world.runtime, claim, boot_time_s())
        assert way.cuts == 1
        assert world.runtime.gate.open
    disputed_once(world, claim.payment.id)
    assert world.attempt(claim.payment.id)["meaning"] == "succeeded"
    assert raised(capsys, "paid_there_failed_here") == 1


@pytest.mark.parametrize("point", [p for p in POINTS if p[0] not in ("WITH judged", "UPDATE attempts SET ended_at")])
def test_what_a_check_found_is_disputed_wherever_postgresql_goes_away(world: World, point: tuple[str, str]) -> None:
    payment_id = world.settled("careful", LOOK)
    with way_of(world) as way:

        def refused() -> object:
            world.execute("UPDATE payments SET state = 'refused'")
            way.cut(*point)  # type: ignore[arg-type]
            return APPLIED

        world.careful.verdicts.append(refused)
        world.dispatched("careful")
        check(world.runtime, payment_id)
        assert way.cuts == 1
    disputed_once(world, payment_id)
    assert world.value("SELECT verdict FROM checks") == "applied"


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_a_check_found_is_written_wherever_postgresql_goes_away(world: World, when: str) -> None:
    payment_id = world.settled("careful", LOOK)
    world.careful.verdicts.append(APPLIED)
    world.dispatched("careful")
    with way_of(world) as way:
        way.cut("SET state = 'succeeded'", when)  # type: ignore[arg-type]
        check(world.runtime, payment_id)
        assert way.cuts == 1
    assert world.state(payment_id) == "succeeded"
    assert world.events(payment_id) == ["accepted", "unknown", "succeeded"]
    assert world.rows("SELECT * FROM discrepancies") == []


@pytest.mark.parametrize("provider", ["safe", "careful"])
def test_a_success_whose_record_was_committed_unseen_is_no_dispute(world: World, provider: str) -> None:
    with way_of(world) as way:
        way.cut("WITH judged", "after")
        payment_id = world.settled(provider)
        assert way.cuts == 1
    assert world.events(payment_id) == ["accepted", "succeeded"]
    assert world.rows("SELECT * FROM discrepancies") == []


@pytest.mark.parametrize(("statement", "when"), [("DELETE FROM archive.", "after"), *POINTS[2:]])
def test_late_evidence_brings_an_archived_payment_back(world: World, statement: str, when: str) -> None:
    claim = refused_meanwhile(world)
    world.execute("DELETE FROM outbox")
    world.advance(500 * 86_400)
    assert retire(world.runtime, 10) == 1
    with way_of(world) as way:
        way.cut(statement, when)  # type: ignore[arg-type]
        deliver(world.runtime, claim, boot_time_s())
        assert way.cuts == 1
    disputed_once(world, claim.payment.id)
    assert world.attempt(claim.payment.id)["meaning"] == "succeeded"


def test_a_process_that_dies_before_the_dispute_has_recorded_nothing(world: World) -> None:
    """The evidence is never there without it."""
    claim = refused_meanwhile(world)
    with way_of(world) as way:
        way.cut("INTO discrepancies", "before", times=1000)
        sender = threading.Thread(target=deliver, args=(world.runtime, claim, boot_time_s()), daemon=True)
        sender.start()
        until(lambda: way.cuts >= 2, True)
        assert world.attempt(claim.payment.id)["meaning"] is None
        assert not world.runtime.gate.open, "nothing new is claimed meanwhile"
        way.cut_nothing()
        sender.join(60)
    disputed_once(world, claim.payment.id)


def test_a_success_that_meets_a_refusal_in_the_same_moment_is_one_or_the_other(world: World) -> None:
    """A person refuses while the outcome waits for the row's lock."""
    payment_id = world.pay("careful")
    world.dispatched("careful")
    with world.runtime.database.connection() as connection:
        claim = send_store.claim(
            connection, payment_id, world.runtime.worker_key, world.runtime.limits, seen=world.runtime.seen
        )
    assert claim is not None
    world.careful.answers.append(OK)
    with world.another().database.transaction() as deciding:
        deciding.execute("SELECT FROM payments WHERE id = %s FOR UPDATE", (payment_id,))
        sender = threading.Thread(target=deliver, args=(world.runtime, claim, boot_time_s()))
        sender.start()
        until(lambda: waits_for_lock(world.connection), True)
        deciding.execute("UPDATE payments SET state = 'refused' WHERE id = %s", (payment_id,))
    sender.join(30)
    disputed_once(world, payment_id)
