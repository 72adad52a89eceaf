"""One running product for all acceptance tests that leave it running; each test has a source of its own in it."""

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support import audit, intents, stack
from tests.support.by_file import shares_product
from tests.support.stack import Stack

_RUNS = ExitStack()  # the product that runs, if one does


@contextmanager
def _product(home: Path) -> Iterator[Stack]:
    running = stack.start(home)
    try:
        _teach(running)
        yield running
        _contract(running)
    finally:
        status = running.stop(signal.SIGINT)
    assert status == 0
    assert running.left() == {}


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Stack]:
    running: list[Stack] = []

    def product() -> Stack:
        if not running:
            running.append(_RUNS.enter_context(_product(tmp_path_factory.mktemp("up") / "home")))
            _RUNS.callback(running.clear)
        return running[0]

    return product


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """It ends with the last of its tests: thirteen processes that wait for nothing take a twentieth of two cores."""
    if nextitem is None or not shares_product(nextitem.nodeid):
        _RUNS.close()


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
def up(_running: Callable[[], Stack]) -> Iterator[Stack]:
    """The running product, its provider in good weather before and after."""
    running = _running()
    yield running
    running.sandbox.clear_faults()
    running.sandbox.options(latency_s=0, duplicate_answer=200)


@pytest.fixture
def source(request: pytest.FixtureRequest) -> str:
    """A source, and a prefix for invoices, that only this test uses."""
    return re.sub("[^a-z0-9]+", ".", request.node.name.removeprefix("test_"))[-40:].strip(".")
