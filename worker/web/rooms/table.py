"""Every page there is: where it is, what answers there, and for whom. A test holds each against it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.domain.roles import Deed
from worker.web.rooms import (
    accounts,
    days,
    deciding,
    differing,
    entering,
    files,
    finding,
    hooks,
    keys,
    lanes,
    many,
    now,
    payment,
    people,
    proposing,
    quarantined,
    records,
    statements,
    waiting,
)
from worker.web.rooms.answers import Answer, Asked


@dataclass(frozen=True, slots=True)
class Page:
    """open: nobody has to be in. deed: what a form is for; its role has to be allowed that. None: for all who are in.

    looks: at which place outside it looks, a provider's books for one, which takes longer than a view may; asked once
    it is known who asks. enters: a password is looked at: who tries many keeps nobody from a page. polls: the page asks
    for it by itself, which is no use of a session."""

    method: str
    path: str
    answers: Callable[[Asked], Answer]
    open: bool = False
    deed: Deed | None = None
    looks: Callable[[Asked], str] | None = None
    enters: bool = False
    polls: bool = False


_HOOK = "/webhooks/{number}"
_PAYMENT = "/payments/{source}/{intent_id}"
_DAY = "/days/{provider}/{day}"
PAGES: Sequence[Page] = (
    Page("GET", "/static/{name}", entering.static, open=True),
    Page("GET", "/login", entering.form, open=True),
    Page("POST", "/login", entering.enter, open=True, enters=True),
    Page("GET", "/login/oidc", entering.begin, open=True, looks=entering.place),
    Page("GET", "/login/callback", entering.back, open=True, looks=entering.place),
    Page("GET", "/login/begin", people.begin, open=True),
    Page("POST", "/login/begin", people.begun, open=True, enters=True),
    Page("POST", "/language", entering.speak, open=True),
    Page("POST", "/logout", entering.leave),
    Page("GET", "/", now.page),
    Page("GET", "/now", now.live, polls=True),
    Page("GET", "/search", finding.page),
    Page("GET", _PAYMENT, payment.page),
    Page("POST", f"{_PAYMENT}/look", deciding.look, deed=Deed.RESOLVE, looks=payment.place),
    Page("POST", f"{_PAYMENT}/resolve", deciding.resolve, deed=Deed.RESOLVE, looks=payment.place),
    Page("POST", f"{_PAYMENT}/cancel", deciding.cancel, deed=Deed.CANCEL),
    Page("POST", f"{_PAYMENT}/follow-up", deciding.follow_up, deed=Deed.RESOLVE),
    Page("GET", "/inbox", waiting.page),
    Page("GET", "/inbox/many", many.page),
    Page("POST", "/inbox/many/look", many.look, deed=Deed.RESOLVE, looks=many.place),
    Page("POST", "/inbox/many/decide", many.decide, deed=Deed.RESOLVE, looks=many.place),
    Page("GET", "/lanes", lanes.page),
    Page("POST", "/lanes/{provider}/pause", lanes.pause, deed=Deed.BRAKE),
    Page("POST", "/lanes/{provider}/resume", lanes.resume, deed=Deed.BRAKE),
    Page("GET", "/proposals", proposing.page),
    Page("GET", "/proposals/{number}", proposing.one),
    Page("POST", "/proposals/{number}/approve", proposing.approve, deed=Deed.APPROVE, looks=proposing.place),
    Page("POST", "/proposals/{number}/reject", proposing.reject, deed=Deed.PROVE),
    Page("GET", "/quarantine", quarantined.page),
    Page("GET", "/quarantine/{number}", quarantined.one),
    Page("POST", "/quarantine/{number}/replay", quarantined.again, deed=Deed.REPLAY),
    Page("POST", "/quarantine/{number}/dismiss", quarantined.dismiss, deed=Deed.DISMISS),
    Page("GET", "/discrepancies", differing.page),
    Page("GET", "/discrepancies/{number}", differing.one),
    Page("POST", "/discrepancies/{number}/close", differing.close, deed=Deed.CLOSE),
    Page("POST", "/discrepancies/{number}/reopen", differing.reopen, deed=Deed.CLOSE),
    Page("POST", "/discrepancies/{number}/assign", differing.assign, deed=Deed.ASSIGN),
    Page("POST", "/discrepancies/{number}/comment", differing.comment, deed=Deed.ASSIGN),
    Page("GET", "/days", days.page),
    Page("GET", _DAY, days.one),
    Page("GET", f"{_DAY}/report", days.shown, looks=days.place),
    Page("POST", f"{_DAY}/sign", days.signs, deed=Deed.SIGN),
    Page("GET", f"{_DAY}/{{file}}", days.file, looks=files.place),
    Page("GET", "/statements", statements.page),
    Page("GET", "/statements/made", statements.made, looks=files.place),
    Page("GET", "/alerts", records.alerts),
    Page("GET", "/jobs", records.jobs),
    Page("GET", "/audit", records.audited),
    Page("GET", "/settings", records.settings),
    Page("GET", "/accounts", accounts.page),
    Page("POST", "/accounts/confirm", accounts.confirm, deed=Deed.CONFIRM),
    Page("POST", "/accounts/choose", accounts.choose, deed=Deed.CONFIRM),
    Page("GET", "/people", people.page),
    Page("POST", "/people/add", people.add, deed=Deed.PEOPLE),
    Page("POST", "/people/revoke", people.revoke, deed=Deed.PEOPLE),
    Page("GET", "/me", people.mine),
    Page("POST", "/me/password", people.password, deed=Deed.COME_IN, enters=True),
    Page("POST", "/me/code", people.code, deed=Deed.COME_IN),
    Page("POST", "/me/no-code", people.no_code, deed=Deed.COME_IN),
    Page("POST", "/me/token", people.rotate, deed=Deed.ROTATE),
    Page("GET", "/keys", keys.page),
    Page("POST", "/keys/create", keys.create, deed=Deed.KEYS),
    Page("POST", "/keys/{number}/revoke", keys.revoke, deed=Deed.KEYS),
    Page("GET", "/webhooks", hooks.page),
    Page("POST", "/webhooks/add", hooks.add, deed=Deed.WEBHOOKS, looks=hooks.place),
    Page("GET", _HOOK, hooks.one),
    Page("POST", f"{_HOOK}/test", hooks.test, deed=Deed.REPLAY, looks=hooks.place),
    Page("POST", f"{_HOOK}/replay", hooks.replay, deed=Deed.REPLAY, looks=hooks.place),
    Page("POST", f"{_HOOK}/enable", hooks.enable, deed=Deed.REPLAY),
    Page("POST", f"{_HOOK}/disable", hooks.disable, deed=Deed.REPLAY),
    Page("POST", f"{_HOOK}/rotate", hooks.rotate, deed=Deed.WEBHOOKS),
    Page("POST", f"{_HOOK}/remove", hooks.remove, deed=Deed.WEBHOOKS),
)
