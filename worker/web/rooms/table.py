"""Every page there is: where it is, what answers there, and for whom. A test holds each against it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.domain.roles import Deed
from worker.web.rooms import entering, finding, now, payment
from worker.web.rooms.answers import Answer, Asked


@dataclass(frozen=True, slots=True)
class Page:
    """open: nobody has to be in. deed: what a form is for; its role has to be allowed that. None: for all who are in.

    looks: it may look into a provider's books, which takes longer than a view may. polls: the page asks for it by
    itself, which is no use of a session."""

    method: str
    path: str
    answers: Callable[[Asked], Answer]
    open: bool = False
    deed: Deed | None = None
    looks: bool = False
    polls: bool = False


PAGES: Sequence[Page] = (
    Page("GET", "/static/{name}", entering.static, open=True),
    Page("GET", "/login", entering.form, open=True),
    Page("POST", "/login", entering.enter, open=True),
    Page("POST", "/logout", entering.leave),
    Page("GET", "/", now.page),
    Page("GET", "/now", now.live, polls=True),
    Page("GET", "/search", finding.page),
    Page("GET", "/payments/{source}/{intent_id}", payment.page),
)
