"""Credentials are replaced while a call with the old ones is under way: what they are refused halts no lane."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.domain.answers import Answer, Meaning
from shared.providers.base import Auth, LoginRefused
from tests.support.flow import ABSENT, HALT, LOOK, Scripted, World

REFUSED = Answer("key_refused", Meaning.HALT, http_status=401, detail="the key is wrong")
WORN = Answer("unauthorised", Meaning.REAUTH, http_status=401)


def meanwhile(world: World, name: str, then: Any) -> Callable[[], Any]:
    """A step of a script: the provider is connected anew, and then the old connection gives this."""

    def step() -> Any:
        anew = Scripted(name)
        anew.verdicts.append(ABSENT)
        world.runtime.connected[name] = anew.connected(world.runtime.settings)
        if isinstance(then, Exception):
            raise then
        return then

    return step


@pytest.mark.parametrize("name", ["safe", "careful"])
def test_a_key_that_was_replaced_while_it_was_refused_leaves_its_lane_running(name: str, world: World) -> None:
    provider = world.providers[name]
    provider.answers.append(meanwhile(world, name, REFUSED))
    replaced = world.settled(name)
    assert world.lane(name)["running"]
    row = world.payment(replaced)
    assert (row["state"], row["in_doubt"]) == ("waiting" if name == "safe" else "unknown", True)
    assert world.attempt(replaced)["detail"] == "refused with credentials that were replaced"

    # But for the halt it is as it would be.
    world.providers[name].answers.append(REFUSED)
    world.runtime.connected[name] = world.providers[name].connected(world.runtime.settings)
    same = world.settled(name)
    assert not world.lane(name)["running"]
    other = world.payment(same)
    assert all(row[field] == other[field] for field in ("state", "in_doubt", "possibly_sent"))


def test_a_token_that_was_refused_says_nothing_of_a_new_password(world: World) -> None:
    world.safe.auths.append(Auth({}, 2, fresh_after_refusal=True))
    world.safe.answers.append(meanwhile(world, "safe", WORN))
    payment = world.settled()
    assert (world.state(payment), world.lane("safe")["running"]) == ("waiting", True)


def test_a_log_in_that_was_refused_before_the_password_changed_halts_nothing(world: World) -> None:
    world.safe.auths.append(meanwhile(world, "safe", LoginRefused("the password is wrong")))
    payment = world.settled()
    row = world.payment(payment)
    assert (row["state"], row["possibly_sent"], world.lane("safe")["running"]) == ("waiting", False, True)


def test_a_check_that_was_not_let_in_before_the_key_changed_halts_nothing_and_waits(world: World) -> None:
    payment = world.settled("careful", LOOK)
    world.careful.verdicts.append(meanwhile(world, "careful", LoginRefused("the key is wrong")))
    world.advance(200)
    world.run("careful")
    row = world.payment(payment)
    assert (row["state"], world.lane("careful")["running"]) == ("unknown", True)


def test_what_has_nothing_to_do_with_credentials_halts_as_ever(world: World) -> None:
    world.safe.answers.append(meanwhile(world, "safe", HALT))
    world.settled()
    assert not world.lane("safe")["running"]
