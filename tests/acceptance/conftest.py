"""One running product for all acceptance tests that leave it running; each test has a source of its own in it."""

import re
import signal
from collections.abc import Iterator

import pytest

from tests.support import audit, intents, stack
from tests.support.stack import Stack


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = stack.start(tmp_path_factory.mktemp("up") / "home")
    try:
        _teach(running)
        yield running
        _contract(running)
    finally:
        status = running.stop(signal.SIGINT)
    assert status == 0
    assert running.left() == {}


def _contract(running: Stack) -> None:
    """Every event that any test brought about is as its schema says."""
    assert running.events() != []


def _teach(running: Stack) -> None:
    """One refund in good weather: from then on billcenter's checks know that refunds lower an invoice's total."""
    both = [intents.settle("teach", 1), intents.refund("teach", 1)]
    running.submit(both)
    assert audit.states(audit.wait_ended(running, "teach", both)) == {"succeeded": 2}
    stack.wait_until(lambda: running.query("SELECT FROM provider_facts"), "the refund's effect is known")


@pytest.fixture
def up(_running: Stack) -> Iterator[Stack]:
    """The running product, its provider in good weather before and after."""
    yield _running
    _running.sandbox.clear_faults()
    _running.sandbox.options(latency_s=0, duplicate_answer=200)


@pytest.fixture
def source(request: pytest.FixtureRequest) -> str:
    """A source, and a prefix for invoices, that only this test uses."""
    return re.sub("[^a-z0-9]+", ".", request.node.name.removeprefix("test_"))[-40:].strip(".")
