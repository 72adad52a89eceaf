"""The end of a game: everybody does their best from here on, and every payment comes to its end."""

from typing import Any

from shared import lanes
from shared.domain.payment import FINAL
from shared.payments.look import Look, look
from shared.payments.release import free_invoices, release_directory_holds, release_refunds
from shared.payments.resolve import NotDecided, resolve
from tests.support.flow import World
from tests.support.model.game import Game, honest
from tests.support.model.invariants import Row, rows
from tests.support.model.provider import LANES

_ROUNDS = 150


def calm(game: Game) -> None:
    """Let the game end: every payment is final, and the books and we agree. Raises AssertionError where it isn't."""
    game.come_to_rest()
    for sent, _ in game.ledger.late:
        game.come(sent, applied=True)
    game.ledger.late.clear()
    for place in range(len(game.processes)):
        game.kill(place, honest)
    with game.world.runtime.database.connection() as connection:
        for provider in LANES:
            lanes.resume(connection, provider)
    for _ in range(_ROUNDS):
        open_ = [row for row in rows(game.world).values() if row["state"] not in FINAL]
        if not open_:
            break
        if not work(game) and not _decide(game, open_):
            game.pass_time(_next_s(game.world), honest)
        game.must_hold()
    else:
        raise AssertionError(f"some payments never end: {open_}")
    for row in rows(game.world).values():
        if row["intent_id"] not in game.people.said | game.people.wrong:
            assert game.ledger.times(row["intent_id"]) == (row["state"] == "succeeded"), row


def work(game: Game) -> bool:
    """One look of the dispatcher's at all; was there anything to do?"""
    runtime = game.processes[0]
    release_refunds(runtime)
    free_invoices(runtime)
    done = False
    for provider in LANES:
        release_directory_holds(runtime, provider)
        for task, names in game.world.batches(provider):
            for name in names:
                game.begin(runtime, task, name, honest)
                done = True
    return done


def _decide(game: Game, open_: list[Any]) -> bool:
    """An honest person decides about one parked payment, with the books at hand."""
    parked = [row for row in open_ if row["state"] == "parked"]
    for row in parked[:1]:
        answers = ("succeeded",) if game.ledger.times(row["intent_id"]) > 0 else ("resend", "refused")
        if _looked(game, row).claim.window_passed:
            assert any(_decides(game, row, answer, why) for answer in answers for why in (None, "asked at the biller"))
            return True
    return False


def _looked(game: Game, row: Row) -> Look:
    game.world.providers[row["provider"]].verdicts.append(game.books(row)[0])
    return look(game.world.runtime, row["source"], row["intent_id"])


def _decides(game: Game, row: Row, answer: str, why: str | None) -> bool:
    try:
        resolve(game.world.runtime, _looked(game, row), answer, reason="looked it up", by="Ann", although=why)
    except NotDecided:
        return False
    return True


def _next_s(world: World) -> float:
    """Until something is due that is not due yet; a stopped lane lets one payment through each minute."""
    found = world.value("SELECT min(extract(epoch FROM due_at - clock()))::float8 FROM payments WHERE due_at > clock()")
    waits = world.value("SELECT count(*) FROM payments WHERE due_at <= clock() OR state = 'parked'") > 0
    return 61.0 if waits else 90_000.0 if found is None else max(float(found), 1.0)
