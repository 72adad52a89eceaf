"""What an adapter needs of ours: three small protocols, which the rooms implement. Adapters know no database."""

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, Protocol

from shared.domain.payment import Payment
from shared.domain.records import StoredToken


class Directory(Protocol):
    """The provider's refreshed lists (bank accounts, services, …) as the store last kept them."""

    def rows(self, kind: str, key: str) -> Sequence[Mapping[str, Any]]:
        """The open rows of list `kind` filed under `key`.

        A bank account that waits for a person's confirmation has `confirmed` false.
        """
        ...

    def fetched(self, kind: str) -> bool:
        """Has list `kind` ever been fetched?"""
        ...


class Books(Protocol):
    """Our own books, as far as a check needs them. Each call is one read."""

    def net_minor(self, exclusive_key: str) -> int:
        """Succeeded settles less succeeded refunds under this key, in minor units."""
        ...

    def lost_time(self, exclusive_key: str) -> bool:
        """May a payment under this key have been sent in a time that the database lost? Then our sum is not known."""
        ...

    def succeeded(self, books_key: str) -> Set[str]:
        """References of our payments under this key (see `Request.books_key`) that the provider said it applied."""
        ...

    def latest_success(self, provider: str, under: str = "") -> Payment | None:
        """The last payment whose `books_key` begins with `under` that the provider said, or showed, it applied."""
        ...

    def ours(self, references: Set[str]) -> Set[str]:
        """Those of these texts that are references of payments of ours, whatever became of them."""
        ...

    def elsewhere(self, references: Set[str], books_key: str) -> Set[str]:
        """Those of these texts that are references of payments of ours under any other key, or none."""
        ...

    def knows(self, provider: str, fact: str) -> bool:
        """Has this fact about the provider been seen and kept with `learn`?"""
        ...

    def learn(self, provider: str, fact: str) -> None:
        """Keep a fact about the provider that evidence showed (e.g. "refund_lowers_amount_paid")."""
        ...

    def unlearn(self, provider: str, fact: str) -> None:
        """Evidence showed that the fact does not hold (any more)."""
        ...


class TokenStore(Protocol):
    """Where the fleet shares a provider's tokens (encrypted at rest); see shared.providers.credentials."""

    def read(self, provider: str) -> StoredToken | None:
        """The newest token, or None."""
        ...

    def save(self, provider: str, token: Mapping[str, Any], after_refusal: bool) -> StoredToken:
        """Keep a token as the newest version and return it."""
        ...

    def invalidate(self, provider: str, version: int) -> None:
        """Version `version` got a 401. Does nothing when a newer one is there."""
        ...

    def prove(self, provider: str, version: int) -> None:
        """A call succeeded with this version: it no longer counts as `after_refusal`."""
        ...

    def try_login_lock(self, provider: str) -> Callable[[], None] | None:
        """The fleet's login lock: a function that releases it, or None when someone else holds it."""
        ...
