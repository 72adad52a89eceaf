"""The hourly look at a token: a refused log-in is told, and stops a lane only when its token is no longer good."""

import dataclasses
from datetime import UTC, datetime

import pytest

from scheduler import jobs
from shared.database.tokens import StoredTokens
from shared.domain.records import StoredToken
from shared.providers.base import Auth, Connected, LoginRefused
from shared.providers.credentials import TokenSource
from shared.runtime import Runtime
from tests.support.alerts import raised
from tests.support.flow import World
from tests.support.lone import KEY

AHEAD_S = 7200.0


def refused(_last: object) -> object:
    raise LoginRefused("made up: the password is wrong")


def with_token(world: World, ends_in_s: float | None) -> tuple[Runtime, TokenSource]:
    """A runtime whose lane `safe` has a token that ends then (None: none), and can't log in any more; the tokens of
    another process."""
    store = StoredTokens(world.runtime.database, [KEY])
    if ends_in_s is not None:
        expires_at = datetime.now(UTC).timestamp() + ends_in_s
        saved: StoredToken = store.save("safe", {"access": "made-up", "expires_at": expires_at}, False)
        assert saved.version == 1
        world.execute("UPDATE tokens SET saved_at = clock() - interval '2 days'")
    source, another = (TokenSource("safe", store, refused, wait_s=1) for _ in range(2))  # type: ignore[arg-type]
    connected = {**world.runtime.connected, "safe": Connected(world.safe, renew=source.renew)}
    return dataclasses.replace(world.runtime, connected=connected), another


@pytest.mark.parametrize("ends_in_s", [6000.0, 1800.0])
def test_a_lane_whose_token_is_good_runs_on_when_the_log_in_is_refused(
    world: World, ends_in_s: float, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime, workers = with_token(world, ends_in_s)
    payment_id = world.pay()
    for _ in range(2):
        with pytest.raises(LoginRefused):
            jobs.renew("safe", AHEAD_S * 2)(runtime, datetime.now(UTC))
    assert world.lane("safe")["running"]
    assert raised(capsys, "login_refused") == 2
    assert isinstance(workers.authorise(), Auth)
    world.run()
    assert world.state(payment_id) == "succeeded"


@pytest.mark.parametrize("ends_in_s", [300.0, -10.0, None])
def test_a_lane_whose_token_is_near_its_end_or_gone_is_halted(world: World, ends_in_s: float | None) -> None:
    runtime, _ = with_token(world, ends_in_s)
    with pytest.raises(LoginRefused):
        jobs.renew("safe", AHEAD_S)(runtime, datetime.now(UTC))
    assert world.lane("safe")["halted_reason"] == "made up: the password is wrong"


def test_a_lane_whose_token_was_refused_is_halted(world: World) -> None:
    runtime, _ = with_token(world, 6000.0)
    world.execute("UPDATE tokens SET refused = true")
    with pytest.raises(LoginRefused):
        jobs.renew("safe", AHEAD_S)(runtime, datetime.now(UTC))
    assert not world.lane("safe")["running"]
