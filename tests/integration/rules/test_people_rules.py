"""Who may decide: a token of one's own, a role, one table of both."""

from collections.abc import Callable, Mapping
from typing import Any

import psycopg
import pytest

from shared import audit
from shared.domain.roles import MAY, Deed, Role
from shared.people import change
from shared.people.prove import NotAllowed, approvers, digest, prove
from tests.support.flow import World, together


def added(world: World, name: str, role: Role = Role.APPROVER, by: str = "somebody") -> str:
    with world.runtime.database.transaction() as connection:
        return change.add(connection, name, role, by=by)


def own(world: World, name: str, role: Role = Role.APPROVER, by: str = "Ann") -> str:
    """Their token, once they have one that nobody else saw."""
    added(world, name, role, by)
    with world.runtime.database.transaction() as connection:
        return change.rotate(connection, name)


def proved(world: World, token: str | None, by: str | None = None, deed: Deed = Deed.RESOLVE) -> str:
    with world.runtime.database.connection() as connection:
        return prove(connection, token, by, deed)


def test_while_nobody_is_set_up_any_name_counts(world: World) -> None:
    assert proved(world, None, " Ann ") == "Ann"
    assert proved(world, "whatever", "Bob", Deed.APPROVE) == "Bob"
    with pytest.raises(ValueError, match="--by"):
        proved(world, None)


def test_a_person_is_whose_token_it_is(world: World) -> None:
    token = added(world, "Ann")
    assert len(token) >= 43, "256 random bits"
    assert proved(world, token) == proved(world, token, "Ann") == "Ann"
    refused: list[tuple[str | None, str | None, str]] = [
        (token, "Bob", "the token is Ann's"),
        (None, "Ann", "say who you are"),
        (token + "x", None, "nobody's"),
        ("", None, "nobody's"),
        ("\udcff", None, "nobody's"),
    ]
    for given, by, why in refused:
        with pytest.raises(NotAllowed, match=why):
            proved(world, given, by)


def test_a_token_is_kept_nowhere(world: World) -> None:
    token = added(world, "Ann")
    (row,) = world.rows("SELECT * FROM people")
    (record,) = world.rows("SELECT * FROM audit")
    assert bytes(row["token_sha256"]) == digest(token)
    assert token not in f"{row}{record}"


def test_a_revoked_person_and_an_old_token_prove_nothing(world: World) -> None:
    ann, bob = added(world, "Ann"), added(world, "Bob", by="Ann")
    with world.runtime.database.transaction() as connection:
        change.revoke(connection, "Bob", by="Ann")
        newer = change.rotate(connection, "Ann")
    for token in (ann, bob):
        with pytest.raises(NotAllowed, match="nobody's, or was revoked"):
            proved(world, token)
    assert proved(world, newer) == "Ann"
    added(world, "Cat", by="Ann")
    with world.runtime.database.transaction() as connection:
        change.revoke(connection, "Ann", by="Cat")
    with pytest.raises(NotAllowed, match="say who you are"):
        proved(world, None, "Ann")


def test_a_token_that_another_one_saw_is_good_for_a_new_one_alone(world: World) -> None:
    """Whoever added somebody could act as them."""
    ann, bob = added(world, "Ann"), added(world, "Bob", by="Ann")
    assert proved(world, ann) == "Ann", "the first one was added by nobody else"
    for deed in Deed:
        if deed is not Deed.ROTATE:
            with pytest.raises(NotAllowed, match="people rotate"):
                proved(world, bob, deed=deed)
    assert proved(world, bob, deed=Deed.ROTATE) == "Bob"
    with world.runtime.database.transaction() as connection:
        newer = change.rotate(connection, "Bob")
    assert proved(world, newer) == "Bob"
    with world.runtime.database.transaction() as connection:
        change.revoke(connection, "Bob", by="Ann")
    with pytest.raises(NotAllowed, match="people rotate"):
        proved(world, added(world, "Bob", by="Ann"))
    with world.runtime.database.transaction() as connection:
        change.rotate(connection, "Bob")
        change.revoke(connection, "Ann", by="Bob")
    with pytest.raises(NotAllowed, match="people rotate"):
        proved(world, added(world, "Ann", by="Bob"))


def test_the_last_approver_is_not_revoked(world: World) -> None:
    token = added(world, "Ann")
    added(world, "Oleg", Role.OPERATOR, by="Ann")
    added(world, "Bob", by="Ann")
    with world.runtime.database.transaction() as connection:
        change.revoke(connection, "Oleg", by="Ann")
        change.revoke(connection, "Bob", by="Ann")
    with pytest.raises(NotAllowed, match="last approver"), world.runtime.database.transaction() as connection:
        change.revoke(connection, "Ann", by="Ann")
    assert proved(world, token) == "Ann"


def test_two_who_revoke_each_other_leave_one(world: World) -> None:
    for name in ("Ann", "Bob"):
        added(world, name)

    def revoke(name: str) -> str:
        try:
            with world.runtime.database.transaction() as connection:
                change.revoke(connection, name, by="somebody")
        except NotAllowed as error:
            return str(error)
        return "revoked"

    said = together(lambda: revoke("Ann"), lambda: revoke("Bob"))
    assert sum(one == "revoked" for one in said) == 1
    assert world.value("SELECT count(*) FROM people WHERE revoked_at IS NULL") == 1


def test_one_who_was_revoked_may_come_back_with_another_token(world: World) -> None:
    added(world, "Ann")
    first = added(world, "Bob", Role.VIEWER, by="Ann")
    with world.runtime.database.transaction() as connection:
        change.revoke(connection, "Bob", by="Ann")
    second = own(world, "Bob", Role.OPERATOR)
    assert proved(world, second) == "Bob"
    with pytest.raises(NotAllowed):
        proved(world, first)


@pytest.mark.parametrize("name", ["Ann", "ann", " ANN "])
def test_a_name_is_one_persons(world: World, name: str) -> None:
    token = added(world, "Ann")
    with pytest.raises(NotAllowed, match="set up already"):
        added(world, name)
    assert proved(world, token) == "Ann"
    with pytest.raises(psycopg.errors.UniqueViolation):
        world.execute(
            "INSERT INTO people (name, role, token_sha256, added_by) VALUES ('ANN', 'viewer', sha256(''), 'x')"
        )


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.APPROVER])
def test_the_first_person_is_an_approver(world: World, role: Role) -> None:
    with pytest.raises(NotAllowed, match="first person"):
        added(world, "Ann", role)


def test_the_table_of_deeds_and_roles(world: World) -> None:
    """Written out once more, so that nobody widens it by the way."""
    work, everybody = {"operator", "approver"}, {"viewer", "operator", "approver", "accountant"}
    table: Mapping[str, set[str]] = {
        **dict.fromkeys(("resolve", "cancel", "confirm", "brake", "replay", "dismiss", "recover"), work),
        "close": {"approver", "accountant"},
        "sign": {"approver", "accountant"},
        "assign": {"operator", "approver", "accountant"},
        "prove": everybody,
        "rotate": everybody,
        "come_in": everybody,
        "approve": {"approver"},
        "people": {"approver"},
        "keys": {"approver"},
        "webhooks": {"approver"},
    }
    assert {deed.value: {role.value for role in roles} for deed, roles in MAY.items()} == table
    assert set(MAY) == set(Deed)
    added(world, "first")
    tokens = {role: own(world, role.value, role) for role in Role}
    for deed in Deed:
        for role in Role:
            if role in MAY[deed]:
                assert proved(world, tokens[role], deed=deed) == role.value
            else:
                with pytest.raises(NotAllowed, match=f"{role.value} is {role.value}; this is for"):
                    proved(world, tokens[role], deed=deed)
    with world.runtime.database.connection() as connection:
        assert approvers(connection) == 2


def test_changes_of_people_are_in_the_audit(world: World) -> None:
    added(world, "Ann")
    added(world, "Bob", Role.VIEWER, by="Ann")
    steps: list[Callable[[Any], object]] = [
        lambda connection: change.rotate(connection, "Bob"),
        lambda connection: change.revoke(connection, "Bob", by="Ann"),
    ]
    for step in steps:
        with world.runtime.database.transaction() as connection:
            step(connection)
        with pytest.raises(NotAllowed), world.runtime.database.transaction() as connection:
            change.revoke(connection, "nobody", by="Ann")
    with world.runtime.database.connection() as connection:
        told = [(row["by_whom"], row["action"], row["subject"]) for row in audit.records(connection)]
        assert audit.verify(connection).wrong is None
    assert told == [
        ("somebody", "person.added", "Ann"),
        ("Ann", "person.added", "Bob"),
        ("Bob", "person.rotated", "Bob"),
        ("Ann", "person.revoked", "Bob"),
    ]


@pytest.mark.parametrize(("there", "alike"), [("Émile", "émile"), ("Оюун", "оюун"), ("Strauß", "STRAUSS")])
def test_one_name_is_no_two_people_in_any_script(world: World, there: str, alike: str) -> None:
    added(world, there)
    with pytest.raises(NotAllowed, match=f"{there} is set up already"):
        added(world, alike)


@pytest.mark.parametrize("odd", ["An\u200bn", "Ann\u202e", "An\nn", "A\u0301nn", "Ann  B", "\uff21nn"])
def test_a_name_that_could_be_read_as_another_is_none(world: World, odd: str) -> None:
    with pytest.raises(ValueError, match="one spelling"):
        added(world, odd)
