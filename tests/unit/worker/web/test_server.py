"""How many connections there is room for, by what the process may open."""

import resource

import pytest

from worker.web import server

ANY = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("limits", "room", "set_to"),
    [
        ((20_000, 20_000), 1024, None),
        ((1024, 4096), 1024, 1280),
        ((1024, ANY), 1024, 1280),
        ((ANY, ANY), 1024, None),
        ((1024, 1024), 768, None),
        ((256, 1000), 744, 1000),
        ((100, 100), 1, None),
    ],
)
def test_the_limit_on_open_files_is_raised_and_what_it_leaves_is_what_there_is(
    limits: tuple[int, int], room: int, set_to: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, given: told.append(given[0]))
    assert server.room(1024) == room
    assert told == ([] if set_to is None else [set_to])


def test_a_system_that_lets_nothing_be_raised_leaves_what_there_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int, __: tuple[int, int]) -> None:
        raise ValueError("not allowed")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (512, ANY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert server.room(1024) == 256
