"""Who does something, and why."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from deploy.cli.failures import WrongUse
from shared.domain.roles import Deed

if TYPE_CHECKING:
    from shared.database.engine import Connection, Database

_HELP = "who does it; kept for ever. Left out: whose token it is"


def _somebody(by: str | None) -> str | None:
    """Said before any server is asked: without a name and without a token it is nobody."""
    if by is None and _token() is None:
        raise typer.BadParameter("say who does it, or set SETTLEPIPE_PERSON_TOKEN_FILE to your token")
    return by


By = Annotated[str | None, typer.Option(help=_HELP, callback=_somebody)]
MaybeBy = Annotated[str | None, typer.Option("--by", help=_HELP)]
Why = Annotated[str | None, typer.Option("--reason", help="why; kept for ever")]

Done = TypeVar("Done")


def named(database: "Database", by: str | None, deed: Deed, *, otherwise: str | None = None) -> str:
    """The name of the person who does it, proved where people are set up. Raises WrongUse, NotAllowed.

    otherwise: the name while nobody is set up and none is said.
    """
    with database.connection() as connection:
        return named_on(connection, by, deed, otherwise=otherwise)


def named_on(connection: "Connection", by: str | None, deed: Deed, *, otherwise: str | None = None) -> str:
    """The same, on a connection."""
    from shared.people.prove import UNPROVED, prove, set_up

    token, people = _token(), set_up(connection)
    if token is None and people:
        raise WrongUse(UNPROVED)
    if by is None and not people:
        by = otherwise
    return said_right(lambda: prove(connection, token, by, deed))


def _token() -> str | None:
    from shared.settings import load_settings

    token = load_settings().person_token
    return None if token is None else token.get_secret_value().strip()


def reason(given: str | None) -> str | None:
    """A reason that may be left out, checked. Raises WrongUse."""
    from shared.domain.decision import reason as checked

    return None if given is None else said_right(lambda: checked(given))


def said_right(decide: Callable[[], Done]) -> Done:
    """What `decide` gives. Raises WrongUse where it says that a word is wrong."""
    try:
        return decide()
    except ValueError as error:
        raise WrongUse(str(error)) from None
