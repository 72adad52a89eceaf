"""What one read of a provider's books came to: its JSON, or why there is none. Pure."""

from typing import Any

from shared.providers import kinds
from shared.providers.base import Auth, BooksUnread, LoginRefused
from shared.providers.outcomes import Fault, HttpAnswer, HttpFault

# What a later read may find otherwise; an answer that is too large or not HTTP comes again.
_PASSING_FAULTS = frozenset({Fault.NOT_CONNECTED, Fault.TIME_OUT, Fault.RESET, Fault.SHORT_BODY})


def document(what: str, outcome: HttpAnswer | HttpFault) -> Any:
    """The JSON value of a 200; None for a body that is none. Raises BooksUnread for all else. what: for its message."""
    if isinstance(outcome, HttpFault):
        raise BooksUnread(f"{what}: {_FAULTS.get(outcome.kind, outcome.kind)}", passing=outcome.kind in _PASSING_FAULTS)
    if outcome.status != 200:
        passing = outcome.status in (401, 408, 429) or outcome.status >= 500
        raise BooksUnread(f"{what}: HTTP {outcome.status}", passing=passing, retry_after_s=outcome.retry_after_s)
    return kinds.document(outcome)


def let_in(provider: str, outcome: HttpAnswer | HttpFault, auth: Auth, *, key_alone: bool = False) -> None:
    """Raises LoginRefused where the answer shows that the credentials don't open these books: a 403; a 401 to a key
    that no login can renew, or to a token that was fetched because the one before was refused."""
    if isinstance(outcome, HttpFault) or outcome.status not in (401, 403):
        return
    if outcome.status == 403 or key_alone or auth.fresh_after_refusal:
        raise LoginRefused(
            f"{provider} lets no reads in (HTTP {outcome.status}); check the credentials and their rights"
        )


def unlike(what: str, why: str = "the answer is not as documented") -> BooksUnread:
    """The books came, but not in a form that can be trusted."""
    return BooksUnread(f"{what}: {why}")


_FAULTS = {
    Fault.TOO_LARGE: "the answer is larger than SETTLEPIPE_HTTP__MAX_BODY_BYTES; raise it",
    Fault.NOT_CONNECTED: "no connection",
    Fault.TIME_OUT: "no answer in time",
}
