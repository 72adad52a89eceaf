"""What a process that is asked to stop gives back, and when it may end."""

import threading
from collections.abc import Sequence

import psycopg
import pytest

from shared.runtime import ClaimGate
from worker import held
from worker.held import Held, Message

LIMIT_S = 60

Given = list[tuple[list[tuple[int, str | None]], list[int]]]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "_BROKER_S", 0.0)
    monkeypatch.setattr(held, "_AGAIN_S", 0.01)


class Giving:
    """Remembers what was given back. away: how often PostgreSQL does not answer first."""

    def __init__(self, away: int = 0) -> None:
        self.gate, self.given, self.rung, self.away = ClaimGate(), Given(), threading.Event(), away
        self.held = Held(self.gate, self.give_back, self.rung.set)

    def give_back(self, payments: Sequence[tuple[int, str | None]], follow_ups: Sequence[int]) -> None:
        if self.away:
            self.away -= 1
            raise psycopg.OperationalError
        self.given.append((list(payments), list(follow_ups)))

    def ending(self, within_s: float = LIMIT_S) -> tuple[threading.Thread, list[bool]]:
        self.gate.end()
        done = list[bool]()
        thread = threading.Thread(target=lambda: done.append(self.held.end(within_s)))
        thread.start()
        return thread, done


def test_all_that_is_held_goes_back_at_once_and_it_ends_with_the_last_message() -> None:
    giving = Giving()
    with giving.held.message(Message([(1, "a")])), giving.held.message(Message(follow_ups=[7])):
        thread, done = giving.ending()
        assert giving.rung.wait(LIMIT_S), "a dispatcher hears of it while messages are still being done"
        assert giving.given == [([(1, "a")], [7])]
        assert not done
    thread.join(LIMIT_S)
    assert done == [True]
    assert len(giving.given) == 1, "and nothing twice"


def test_a_message_that_begins_later_is_given_back_too() -> None:
    giving = Giving()
    with giving.held.message(Message([(1, "a")])):
        thread, done = giving.ending()
        assert giving.rung.wait(LIMIT_S)
        with giving.held.message(Message([(2, "b")])):
            pass
    thread.join(LIMIT_S)
    assert done == [True]
    assert giving.given == [([(1, "a")], []), ([(2, "b")], [])]


def test_what_can_not_be_given_back_is_tried_again() -> None:
    giving = Giving(away=2)
    with giving.held.message(Message([(1, "a")])):
        thread, done = giving.ending()
    thread.join(LIMIT_S)
    assert done == [True]
    assert giving.given == [([(1, "a")], [])]


def test_what_does_not_end_is_left() -> None:
    giving = Giving()
    with giving.held.message(Message([(1, "a")])):
        thread, done = giving.ending(within_s=0.05)
        thread.join(LIMIT_S)
    assert done == [False]


def test_what_nobody_has_begun_is_done_meanwhile() -> None:
    giving, helped = Giving(), threading.Event()
    message = Message([(1, "a")])
    message.helped.append(helped.set)
    with giving.held.message(message):
        thread, _ = giving.ending()
        assert helped.wait(LIMIT_S)
    thread.join(LIMIT_S)


def test_while_nobody_asked_it_to_stop_nothing_goes_back() -> None:
    giving = Giving()
    with giving.held.message(Message([(1, "a")])):
        pass
    assert giving.given == []


def test_who_leaves_waits_for_what_goes_back_and_for_lost_claims() -> None:
    giving, ended = Giving(away=3), threading.Event()
    held_ = Held(giving.gate, giving.give_back, giving.rung.set, ended.is_set)
    giving.held = held_
    with held_.message(Message([(1, "a")])):
        thread, done = giving.ending()
    waiting = threading.Thread(target=held_.wait)
    waiting.start()
    assert giving.rung.wait(LIMIT_S)
    assert giving.given == [([(1, "a")], [])], "PostgreSQL was away three times"
    assert waiting.is_alive(), "a claim whose answer was lost is still to be ended"
    ended.set()
    waiting.join(LIMIT_S)
    thread.join(LIMIT_S)
    assert (waiting.is_alive(), done) == (False, [True])
