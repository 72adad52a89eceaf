"""What an adapter is: a `Registration` (what the provider can do) and a `Provider` (the verbs).

An adapter is pure where it can be: building a request and reading an answer touch no network. The verbs that
do (`authorise`, `send`, `check`, `baseline`, look-ups, refreshes) raise none of the network's faults: they return
an answer that says what is known. Nothing here knows the database; what an adapter needs of ours comes through
the small protocols of `ours`.
"""

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any, Protocol

from pydantic import BaseModel

from shared.domain.answers import Answer, CheckResult
from shared.domain.payment import Operation, Payment
from shared.domain.records import BookLine, DeliveryReport, DirectoryRow, Period
from shared.domain.request import Built, Request
from shared.providers.answer_meanings import AnswerTable
from shared.providers.ours import Books, Directory, TokenStore
from shared.settings import Settings
from shared.settings.sections import ProviderSettings


@dataclass(frozen=True, slots=True)
class Auth:
    """What authorises one call. Tokens have a version; a static key has version 0.

    fresh_after_refusal: the token is less than a minute old, was fetched because its predecessor got a 401, and
    no call has succeeded with it yet: another 401 then means that the credentials are wrong, not the token.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    version: int = 0
    fresh_after_refusal: bool = False


class LoginRefused(Exception):  # noqa: N818 - says what happened
    """The provider refused our credentials: halt the lane. The message is for operators and holds no secret."""


class LoginUnavailable(Exception):  # noqa: N818
    """No token could be had for now (5xx, time-out): nothing was sent, try again later."""


class LoginBusy(LoginUnavailable):
    """Somebody else's login takes longer than the caller could wait; it says nothing of the provider."""


class RefreshFailed(Exception):  # noqa: N818
    """A provider's list could not be fetched whole: keep the last one. The message says what went wrong."""


class LookupFailed(Exception):  # noqa: N818
    """A look-up had no usable answer. The message is for the person who asked."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What a check asks about: a payment whose last attempt, or an earlier one, may have been applied.

    last_refusal: the `detail` of an explicit no that followed the ambiguous attempt, if there was one.
    window_passed: the settle window is over, so NOT_APPLIED can be believed.
    first_sent_at: when its first attempt began, by the database's clock.
    """

    payment: Payment
    exclusive_key: str | None
    last_refusal: str | None
    window_passed: bool
    first_sent_at: datetime | None = None


class Provider(Protocol):
    """The verbs of one provider. Thread-safe: sender threads share one object."""

    def build(self, payment: Payment, directory: Directory) -> Built:
        """The request for this payment, or why there is none. Pure."""
        ...

    def authorise(self) -> Auth:
        """What a call needs to be let in; may log in. Raises LoginRefused, LoginUnavailable."""
        ...

    def forget(self, auth: Auth) -> bool:
        """This auth got a 401: never use it again. True when that shows that the credentials themselves are wrong:
        it was fresh after a refusal, and no call of the whole fleet has succeeded with it."""
        ...

    def send(self, payment: Payment, auth: Auth) -> Answer:
        """Send the payment's frozen bytes once. Never raises for what the network or the provider does."""
        ...

    def baseline(self, payment: Payment, auth: Auth) -> Mapping[str, Any] | None:
        """What the books say before the first send, for operations that need it; None: could not be read."""
        ...

    def check(self, doubt: Doubt, books: Books, auth: Auth) -> CheckResult:
        """Was it applied? Reads only. Raises LoginRefused where the read shows that a static key is refused."""
        ...


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Something that follows a success and never changes its payment: a receipt, a text message.

    build: the request. Pure. The payment is not always one of this provider's.
    send: asks for it once. SUCCEEDED (provider_reference: the provider's id of it), REFUSED, NOT_SENT or REAUTH (it is
    asked for again); all else: a person decides.
    max_age_s: seconds since the success after which it is refused instead; None: never.
    """

    build: Callable[[Payment, Directory], Built]
    send: Callable[[Request, Auth], Answer]
    max_age_s: float | None = None


@dataclass(frozen=True, slots=True)
class OperationRule:
    """One operation that the provider supports.

    resend_safe: the document promises that the same request may be sent again.
    reads_first: the provider's books are read before the first send.
    learns: `Connected.learn` is called after each explicit success.
    """

    resend_safe: bool
    reads_first: bool = False
    learns: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A table for people under a line of its own.

    columns: those whose name starts with `>` are aligned right. rows: a cell that is a list has a line for each item.
    """

    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()


@dataclass(frozen=True, slots=True)
class Lookup:
    """A read that people and programs reach with `settlepipe lookup PROVIDER NAME key=value …`.

    parameters: name to (type, required, help). call gets them by keyword and returns plain JSON data or raises
    LookupFailed. show: what of that people see, as tables; None: all of it, as it is. upstreams: they may be allowed it
    by HTTP: it changes nothing, and shows catalogues, or what its parameters name, and no list of others' payments.
    """

    help: str
    parameters: Mapping[str, tuple[type, bool, str]]
    call: Callable[..., Any]
    show: Callable[[Any], Sequence[Shown]] | None = None
    upstreams: bool = False


Refresh = Callable[[], Iterable[DirectoryRow]]
Learn = Callable[[Payment, Books, Auth], None]
Renew = Callable[[float | None], bool]
Examine = Callable[[Payment, Directory], Sequence[str]]
Reports = Callable[[str], Sequence[DeliveryReport]]


@dataclass(frozen=True, slots=True)
class BookPage:
    """Some lines, and where the reading goes on after them: position is plain JSON data, None at the end."""

    lines: Sequence[BookLine]
    position: Mapping[str, Any] | None


class BooksUnread(Exception):  # noqa: N818
    """The books could not be read on; the message says where and why, and holds nothing personal.

    passing: it may be otherwise soon (no answer, 429, 5xx); False: the same read would end the same way.
    retry_after_s: what the provider asked for.
    """

    def __init__(self, message: str, *, passing: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.passing, self.retry_after_s = passing, retry_after_s


@dataclass(frozen=True, slots=True)
class Statement:
    """How a provider's books are read for a night's comparison.

    account: all lines of one account that payments of ours stand under (`BookLine.account`).
    listing: a page of what the books list of the period (None: the first one), for what we don't know of; None: there
    is no such list.
    Both make one authorised read and raise BooksUnread, LoginRefused, LoginUnavailable. Thread-safe.
    """

    account: Callable[[str], Sequence[BookLine]]
    listing: Callable[[Period, Mapping[str, Any] | None], BookPage] | None = None


@dataclass(frozen=True, slots=True)
class Connected:
    """A provider ready for use in this process.

    provider: None where the document has neither a settle nor a refund.
    refreshes: list name (e.g. `bank_accounts`) to a function that fetches all of it or raises RefreshFailed.
    learn: called after an explicit success of an operation whose rule says so: reads the provider's books and keeps
    with `Books.learn` what they show. Best effort; a later check rests on it, the success does not.
    renew: for a provider with tokens: fetches a new one for the fleet if the shared one ends within these seconds
    (None: in any case); was there need? Raises LoginRefused, LoginUnavailable.
    statement: how its books are read every night, for a provider that can be asked.
    examine: what is wrong with a payment that is refused anyway because its operation is not documented.
    follow_ups: kind (`receipt`, `sms`) to how it is asked for.
    reports: what is said of the delivery of a sent message, by the provider's id of it. Raises LookupFailed.
    """

    provider: Provider | None = None
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    refreshes: Mapping[str, Refresh] = field(default_factory=dict)
    follow_ups: Mapping[str, FollowUp] = field(default_factory=dict)
    learn: Learn | None = None
    renew: Renew | None = None
    examine: Examine | None = None
    statement: Statement | None = None
    reports: Reports | None = None


@dataclass(frozen=True, slots=True)
class DailyList:
    """One of `Connected.refreshes`, fetched every day. at: in the provider's zone. why: for operators."""

    kind: str
    at: time
    why: str


@dataclass(frozen=True, slots=True)
class Registration:
    """All that the rest of the product knows about a provider.

    zone: the IANA name of its time zone: of its days, and of jobs.
    currency: the ISO 4217 code it takes; None where a request names its own.
    operations: the supported ones; all else is refused as not supported.
    answers: the total table from (operation, kind of answer) to what it means.
    service: the field of its target that says which of the biller's services is paid, where there is one.
    reads: the look-up that shows what was paid to a target, whose fields stand in braces; None: there is none.
    rests_on: the list, and the key in it, of the rows that a settle's request is made from (an account), where it is.
    lists: what is refreshed once a day. renews_tokens, sends_messages, has_statement: `Connected.renew`, `.reports` and
    `.statement` are there, so that the jobs for them can be planned.
    """

    name: str
    title: str
    zone: str
    currency: str | None
    target: type[BaseModel]
    operations: Mapping[Operation, OperationRule]
    answers: AnswerTable
    connect: Callable[[Settings, ProviderSettings, TokenStore], Connected]
    service: str | None = None
    rests_on: Callable[[Payment], tuple[str, str]] | None = None
    lists: Sequence[DailyList] = ()
    renews_tokens: bool = False
    sends_messages: bool = False
    has_statement: bool = False
    reads: str | None = None

    def look_up(self, target: Mapping[str, Any] | None) -> str | None:
        """The command that shows what was paid to this target; None: no look-up does."""
        if self.reads is None or not target:
            return None
        with suppress(KeyError):
            given = {name: shlex.quote(str(value)) for name, value in target.items()}
            return f"settlepipe lookup {self.name} {self.reads.format(**given)}"
        return None
