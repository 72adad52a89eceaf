"""Codes as the words that a page has for them: the code with blanks for its underscores, which is translated where it
is shown (`Asked.word`, the filter `word`). They are marked here; states, operations and kinds of discrepancies stand in
the reports' words. A test holds each list against its codes.
"""

from shared.domain.words import mark

ROLES = (mark("viewer"), mark("operator"), mark("approver"), mark("accountant"))
HOLDS = (
    *(mark("no account"), mark("ambiguous account"), mark("account unconfirmed"), mark("settle pending")),
    mark("invoice busy"),
)
INBOX = (
    *(mark("store"), mark("lane"), mark("payment"), mark("hold"), mark("receipt"), mark("sms"), mark("account")),
    *(mark("quarantine"), mark("discrepancy"), mark("day"), mark("proposal")),
)
PROPOSALS = (
    *(mark("resolve"), mark("follow up"), mark("bulk"), mark("many"), mark("confirm"), mark("choose"), mark("recover")),
    *(mark("close window"), mark("person")),
)
PROPOSED = (mark("open"), mark("approved"), mark("rejected"), mark("void"))
MEANINGS = (
    *(mark("succeeded"), mark("refused"), mark("resend"), mark("check"), mark("not sent"), mark("reauth")),
    mark("halt"),
)
VERDICTS = (mark("applied"), mark("not applied"), mark("inconclusive"))
HISTORY = (mark("attempt"), mark("check"), mark("resolution"), mark("event"), mark("receipt"), mark("sms"))
FOLLOW_UPS = (
    *(mark("waiting"), mark("dispatched"), mark("sending"), mark("issued"), mark("refused"), mark("parked")),
    *(mark("sent"), mark("delivered"), mark("undelivered")),
)
CONFIDENCE = (mark("likely"), mark("possible"))
# A run of a job, a night's run that compared nothing yet, and where a setting comes from.
RUNS = (mark("waiting"), mark("dispatched"), mark("running"), mark("done"), mark("failed"), mark("skipped"))
NIGHTS = (mark("fetching"), mark("fetched"), mark("compared"), mark("done"))
SETTINGS = (mark("environment"), mark("file"), mark("default"))
CHANGES = (mark("first"), mark("returned"), mark("added"), mark("changed"))  # of an account
DEEDS = (mark("assigned"), mark("comment"), mark("closed"), mark("reopened"))
RESOLUTIONS = (mark("succeeded"), mark("refused"), mark("resend"), mark("cancelled"))
# Names of fields.
PAYMENT = (
    *(mark("number"), mark("date"), mark("reference"), mark("intent id"), mark("source"), mark("state")),
    *(mark("hold reason"), mark("refund of"), mark("attempts"), mark("code"), mark("detail"), mark("next")),
    *(mark("sent reference"), mark("provider reference"), mark("request sha256"), mark("paid at"), mark("created at")),
    *(mark("finished at"), mark("target"), mark("metadata"), mark("possibly sent"), mark("due at"), mark("deadline")),
    *(mark("evidence"), mark("facts"), mark("line"), mark("amount"), mark("at"), mark("text"), mark("answer")),
    *(mark("although"), mark("kind"), mark("account"), mark("provider"), mark("service"), mark("role"), mark("action")),
)
DISCREPANCY = (
    *(mark("account"), mark("first day"), mark("resolved by"), mark("resolved reason"), mark("closing code")),
    mark("continues as"),
)
QUARANTINE = (
    *(mark("stream"), mark("entry id"), mark("sha256"), mark("seen"), mark("first seen"), mark("last seen")),
    *(mark("replayed at"), mark("dismissed at"), mark("dismissed by"), mark("dismissed reason"), mark("bytes")),
    *(mark("whole bytes"), mark("conflict of")),
)
WAITS = (
    *(mark("the account is new beside another"), mark("the account changed"), mark("no reason was kept")),
    mark("changed since it was signed: to be prepared again"),
    mark("changed since it was signed: to be reviewed again"),
)
# What goes wrong before a page is asked, or beside it: said where it is shown.
WRONG = (
    mark("There is nothing here."),
    mark("The body did not come in time, or not whole."),
    mark("The body has more bytes than is allowed."),
    mark("A parameter is not of its form."),
    mark("A mistake in settlepipe; it is not known what was done."),
    mark("Too much is under way here; nothing was done."),
    mark("PostgreSQL did not answer. What was asked for may have been done; ask again, under the same id."),
    mark("This process is not set up yet."),
    mark("The name, the password or the code is wrong."),
    mark("Your company knows you, but nobody is set up here under the name that it gives."),
    mark("this log-in was not begun in this browser, or too long ago; begin it again"),
    mark("this log-in was not begun in this browser; begin it again"),
    mark("the OpenID Connect provider does not answer; try again, or log in by your password"),
)
