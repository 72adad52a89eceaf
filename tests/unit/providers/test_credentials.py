"""Tokens for a fleet: real threads, two processes' worth of sources over one store."""

import math
import threading
import time
from collections.abc import Callable

import pytest

from shared.providers.base import Auth, LoginBusy, LoginRefused, LoginUnavailable
from shared.providers.credentials import Grant, TokenSource, waiting_at_most
from tests.support.memory import MemoryTokens
from tests.support.raw_server import wait_until


class Logins:
    """A provider's login: counts, and does what a test says."""

    def __init__(self, life_s: float = 3600, takes_s: float = 0.0) -> None:
        self.life_s, self.takes_s = life_s, takes_s
        self.given: list[Grant | None] = []
        self.failure: Exception | None = None

    def __call__(self, last: Grant | None) -> Grant:
        self.given.append(last)
        number = len(self.given)
        time.sleep(self.takes_s)
        if self.failure is not None:
            raise self.failure
        return Grant(f"token-{number}", time.time() + self.life_s, f"refresh-{number}", time.time() + 86_400)


def source(store: MemoryTokens, login: Callable[[Grant | None], Grant], wait_s: float = 5) -> TokenSource:
    return TokenSource("made-up", store, login, wait_s=wait_s)


def at_once(count: int, work: Callable[[int], object]) -> list[object]:
    """Runs `work` in so many threads that start together; gives results and exceptions."""
    together = threading.Barrier(count)
    results: list[object] = [None] * count

    def run(index: int) -> None:
        together.wait()
        try:
            results[index] = work(index)
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_fifty_threads_of_two_processes_make_one_login() -> None:
    store, login = MemoryTokens(), Logins(takes_s=0.1)
    sources = [source(store, login), source(store, login)]
    auths = at_once(50, lambda index: sources[index % 2].authorise())
    assert len(login.given) == 1
    assert auths == [Auth({"Authorization": "Bearer token-1"}, 1)] * 50


def test_fifty_threads_whose_token_was_refused_make_one_new_login() -> None:
    store, login = MemoryTokens(), Logins(takes_s=0.05)
    sources = [source(store, login), source(store, login)]
    auths = [each.authorise() for each in sources]

    def refused(index: int) -> Auth:
        sources[index % 2].forget(auths[index % 2])
        return sources[index % 2].authorise()

    renewed = at_once(50, refused)
    assert len(login.given) == 2
    assert {auth.version for auth in renewed if isinstance(auth, Auth)} == {2}


def test_a_token_in_memory_costs_no_read_of_the_store() -> None:
    store, login = MemoryTokens(), Logins()
    mine = source(store, login)
    mine.authorise()
    reads = store.reads
    for _ in range(100):
        mine.authorise()
    assert store.reads == reads


def test_a_login_that_fails_is_not_repeated_by_those_who_waited_for_it() -> None:
    store, login = MemoryTokens(), Logins(takes_s=0.1)
    login.failure = LoginRefused("made-up: no")
    mine = source(store, login)
    results = at_once(20, lambda _: mine.authorise())
    assert len(login.given) == 1
    assert all(isinstance(result, LoginRefused) for result in results)


def test_while_another_process_logs_in_its_row_is_waited_for() -> None:
    store, login = MemoryTokens(), Logins()
    release = store.try_login_lock("made-up")
    assert release is not None
    got: list[Auth] = []
    thread = threading.Thread(target=lambda: got.append(source(store, login).authorise()))
    thread.start()
    wait_until(lambda: store.reads >= 2)
    store.save("made-up", {"access": "theirs", "expires_at": time.time() + 3600}, False)
    thread.join(60)
    release()
    assert [auth.headers for auth in got] == [{"Authorization": "Bearer theirs"}]
    assert login.given == []


def test_the_wait_for_another_process_is_bounded() -> None:
    store, login = MemoryTokens(), Logins()
    assert store.try_login_lock("made-up") is not None
    started = time.monotonic()
    with pytest.raises(LoginUnavailable, match="another process"):
        source(store, login, wait_s=0.3).authorise()
    assert time.monotonic() - started < 10  # for ever otherwise
    assert login.given == []


def test_the_lock_is_free_again_after_a_failed_login() -> None:
    store, login = MemoryTokens(), Logins()
    login.failure = LoginUnavailable("made-up: 503")
    with pytest.raises(LoginUnavailable):
        source(store, login).authorise()
    login.failure = None
    assert source(store, login).authorise().version == 1


def test_a_token_is_renewed_ahead_by_one_thread_while_the_others_use_the_old_one() -> None:
    store, login = MemoryTokens(), Logins(life_s=1000)
    store.save("made-up", {"access": "old", "expires_at": time.time() + 20, "refresh": "r"}, False)
    store.age(900)  # 20 s left of 920: inside the last twentieth
    mine = source(store, login)
    assert mine.authorise().version == 1
    slow = threading.Event()
    inside = threading.Event()

    def renewing(last: Grant | None) -> Grant:
        inside.set()
        assert slow.wait(120)
        return login(last)

    mine._login = renewing
    thread = threading.Thread(target=mine.authorise)
    thread.start()
    assert inside.wait(120)
    assert [mine.authorise().version for _ in range(5)] == [1] * 5
    slow.set()
    thread.join(60)
    assert mine.authorise().version == 2
    assert [last.refresh for last in login.given if last] == ["r"]


def test_a_renewal_that_fails_leaves_the_old_token_in_use() -> None:
    store, login = MemoryTokens(), Logins()
    store.save("made-up", {"access": "old", "expires_at": time.time() + 20}, False)
    store.age(900)
    login.failure = LoginUnavailable("made-up: 503")
    mine = source(store, login)
    assert [mine.authorise().version for _ in range(10)] == [1] * 10
    assert len(login.given) == 1


def test_an_expired_token_is_not_used() -> None:
    store, login = MemoryTokens(), Logins()
    store.save("made-up", {"access": "old", "expires_at": time.time() - 1}, False)
    store.age(900)
    assert source(store, login).authorise().headers == {"Authorization": "Bearer token-1"}


def test_a_clock_that_is_wrong_by_days_does_not_cause_a_login_for_each_call() -> None:
    store, login = MemoryTokens(), Logins(life_s=-86_400)
    sources = [source(store, login), source(store, login)]
    for each in sources * 5:
        each.authorise()
    assert len(login.given) == 1


def test_a_refused_token_is_never_given_out_again_even_if_the_store_does_not_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, login = MemoryTokens(), Logins()
    mine = source(store, login)
    first = mine.authorise()
    monkeypatch.setattr(store, "invalidate", lambda _provider, _version: None)
    mine.forget(first)
    assert mine.authorise().version == 2


def test_a_refused_token_is_replaced_by_a_login_and_not_by_its_refresh_token() -> None:
    store, login = MemoryTokens(), Logins()
    mine = source(store, login)
    mine.forget(mine.authorise())
    mine.authorise()
    assert login.given == [None, None]


def test_a_late_401_of_an_old_token_does_not_touch_the_new_one() -> None:
    store, login = MemoryTokens(), Logins()
    mine = source(store, login)
    old = mine.authorise()
    mine.forget(old)
    new = mine.authorise()
    mine.forget(old)
    assert mine.authorise().version == new.version == 2
    assert len(login.given) == 2


def test_a_token_fetched_after_a_401_is_fresh_until_it_worked() -> None:
    store, login = MemoryTokens(), Logins()
    mine, other = source(store, login), source(store, login)
    first = mine.authorise()
    assert not first.fresh_after_refusal
    mine.forget(first)
    second = mine.authorise()
    assert second.fresh_after_refusal
    assert other.authorise().fresh_after_refusal
    mine.worked(second)
    assert not mine.authorise().fresh_after_refusal


def test_a_second_401_in_a_row_says_that_the_credentials_are_wrong() -> None:
    mine = source(MemoryTokens(), Logins())
    assert not mine.forget(mine.authorise())
    assert mine.forget(mine.authorise())


def test_a_401_says_nothing_of_the_credentials_once_anybody_in_the_fleet_succeeded_with_the_token() -> None:
    store, login = MemoryTokens(), Logins()
    mine, other = source(store, login), source(store, login)
    mine.forget(mine.authorise())
    under_way = mine.authorise()  # a call begins with the fresh token …
    assert under_way.fresh_after_refusal
    other.worked(other.authorise())  # … meanwhile another process succeeds with it …
    assert not mine.forget(under_way)  # … and then it is revoked


def test_a_late_401_of_an_older_token_says_nothing_of_the_credentials() -> None:
    mine = source(MemoryTokens(), Logins())
    mine.forget(mine.authorise())
    second = mine.authorise()
    assert mine.forget(second)
    mine.authorise()
    assert not mine.forget(second)


def test_a_token_fetched_after_a_401_is_fresh_for_a_minute_only() -> None:
    store, login = MemoryTokens(), Logins()
    mine = source(store, login)
    mine.forget(mine.authorise())
    mine.authorise()
    store.age(61)
    assert not source(store, login).authorise().fresh_after_refusal


def test_no_token_appears_in_a_repr() -> None:
    store, login = MemoryTokens(), Logins()
    auth = source(store, login).authorise()
    row = store.read("made-up")
    assert row is not None
    assert row.token["access"] == "token-1"
    assert "token-1" not in repr((auth, row, Grant("token-1", 0, "refresh-token-1")))


class LaterClock:
    """The clocks of the module under test, set forward."""

    def __init__(self, by_s: float) -> None:
        self.by_s = by_s

    def time(self) -> float:
        return time.time() + self.by_s

    def monotonic(self) -> float:
        return time.monotonic() + self.by_s

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@pytest.mark.parametrize("end", [math.nan, math.inf, -math.inf, 1e300, 9e15, 0.0, -1.0, -1e300])
def test_a_token_whose_end_is_no_time_is_renewed_all_the_same(end: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that an earlier release kept. NaN is smaller than nothing and greater than nothing."""
    store, given = MemoryTokens(), []

    def login(_last: Grant | None) -> Grant:
        given.append(end)
        return Grant(f"token-{len(given)}", end)

    mine, other = source(store, login), source(store, login)
    assert mine.authorise().version == other.authorise().version == 1
    for by_s in (31 * 86_400.0, 62 * 86_400.0):
        later = LaterClock(by_s)
        monkeypatch.setattr("shared.providers.credentials.time", later)
        store.age(31 * 86_400.0)
        assert mine.authorise().version == other.authorise().version == len(given)
    assert len(given) == 3


@pytest.mark.parametrize("end", [math.nan, math.inf, -1.0])
def test_a_token_whose_end_is_no_time_is_used_for_a_while(end: float) -> None:
    store, given = MemoryTokens(), []

    def login(_last: Grant | None) -> Grant:
        given.append(end)
        return Grant("token", end)

    mine = source(store, login)
    for _ in range(5):
        mine.authorise()
        store.age(300)
        source(store, login).authorise()
    assert len(given) == 1


@pytest.mark.parametrize("same_process", [True, False])
def test_who_has_no_time_left_does_not_wait_for_somebody_elses_login(same_process: bool) -> None:
    store, may_end, began = MemoryTokens(), threading.Event(), threading.Event()

    def hanging(_last: Grant | None) -> Grant:
        began.set()
        assert may_end.wait(30)
        return Grant("token", time.time() + 3600)

    first = source(store, hanging, wait_s=30)
    second = first if same_process else source(store, hanging, wait_s=30)
    holder = threading.Thread(target=first.authorise)
    holder.start()
    assert began.wait(30)
    begun = time.monotonic()
    with waiting_at_most(0.2), pytest.raises(LoginBusy):
        second.authorise()
    assert time.monotonic() - begun < 15
    may_end.set()
    holder.join(30)
    assert second.authorise().version == 1
