"""Reading a success back: when markers count as given back, and how often that is looked at."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from shared.providers.markers import Learner, Line, fact
from tests.support.memory import SETTLE, MemoryBooks

GIVES_BACK = fact("https://example.com", "made-up-key")
PAYMENT = replace(SETTLE, provider="acme")
OWN = Line(PAYMENT.sent_reference, PAYMENT.amount_minor, True, None)
EARLIER = Line("sp-0", 5, True, None)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Reader:
    def __init__(self, lines: Sequence[Line] | None) -> None:
        self.lines, self.reads = lines, 0

    def __call__(self) -> Sequence[Line] | None:
        self.reads += 1
        return self.lines


def books() -> MemoryBooks:
    return MemoryBooks(succeeded_references={"acme:7": {"sp-0", PAYMENT.sent_reference}})


@pytest.mark.parametrize(
    ("lines", "learnt"),
    [
        ([EARLIER, OWN], True),
        ([OWN, EARLIER, Line("theirs", 7, True, None)], True),
        ([OWN], False),  # an earlier success is missing
        ([EARLIER], False),
        ([EARLIER, OWN, OWN], False),
        ([EARLIER, replace(OWN, amount_minor=1)], False),
        ([EARLIER, replace(OWN, amount_minor=None)], False),
        ([EARLIER, replace(OWN, marker=PAYMENT.sent_reference[:-1])], False),  # cut
        ([], False),
        (None, False),
    ],
)
def test_markers_count_as_given_back_only_when_every_success_can_be_read_back(
    lines: list[Line] | None, learnt: bool
) -> None:
    kept = books()
    Learner().learn(PAYMENT, kept, GIVES_BACK, "acme:7", Reader(lines))
    assert kept.facts == ({("acme", GIVES_BACK)} if learnt else set())


def test_our_successes_are_read_before_the_list() -> None:
    """One that is recorded while the list is on its way need not stand in it."""
    kept = books()

    def read() -> list[Line]:
        kept.succeeded_references["acme:7"].add("sp-9")
        return [EARLIER, OWN]

    Learner().learn(PAYMENT, kept, GIVES_BACK, "acme:7", read)
    assert kept.facts


def test_a_failed_read_back_is_tried_again_a_second_later_and_a_known_fact_is_asked_for_every_five_seconds() -> None:
    clock, reader, kept = Clock(), Reader([OWN]), books()
    learner = Learner(clock)

    def learn() -> int:
        learner.learn(PAYMENT, kept, GIVES_BACK, "acme:7", reader)
        return reader.reads

    assert (learn(), learn()) == (1, 1)
    clock.now += 1
    reader.lines = [EARLIER, OWN]
    assert (learn(), learn()) == (2, 2)
    kept.facts.clear()  # a check has unlearnt it
    clock.now += 4
    assert learn() == 2
    clock.now += 1
    assert learn() == 3


def test_a_known_fact_is_not_read_back() -> None:
    kept, reader = books(), Reader([])
    kept.facts.add(("acme", GIVES_BACK))
    Learner().learn(PAYMENT, kept, GIVES_BACK, "acme:7", reader)
    assert reader.reads == 0


def test_one_thread_reads_back_and_the_others_go_on() -> None:
    learner, kept, second = Learner(), books(), Reader([])

    def read() -> list[Line]:
        other = threading.Thread(target=learner.learn, args=(PAYMENT, kept, GIVES_BACK, "acme:7", second))
        other.start()
        other.join(120)
        assert not other.is_alive()
        return [EARLIER, OWN]

    learner.learn(PAYMENT, kept, GIVES_BACK, "acme:7", read)
    assert (second.reads, kept.facts) == (0, {("acme", GIVES_BACK)})


def test_a_read_back_that_fails_lets_the_next_one_in() -> None:
    clock, kept = Clock(), books()
    learner = Learner(clock)

    def broken() -> list[Line]:
        raise RuntimeError("made up")

    with pytest.raises(RuntimeError):
        learner.learn(PAYMENT, kept, GIVES_BACK, "acme:7", broken)
    clock.now += 1
    learner.learn(PAYMENT, kept, GIVES_BACK, "acme:7", Reader([EARLIER, OWN]))
    assert kept.facts


def test_another_credential_has_to_show_it_again() -> None:
    assert fact("https://example.com", "other") != GIVES_BACK
    assert fact("https://example.co", "mmade-up-key") != GIVES_BACK
    assert "made-up-key" not in GIVES_BACK
