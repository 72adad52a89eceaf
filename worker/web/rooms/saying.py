"""What is said after something was done. An address names one of these, and no text: nobody else's words stand here."""

from collections.abc import Mapping

from shared.domain.words import mark

SAID: Mapping[str, str] = {
    "proposed": mark("It is proposed. Nothing was changed: another person has to approve it."),
    "succeeded": mark("It is succeeded."),
    "refused": mark("It is refused."),
    "unknown": mark("It is looked up by a worker, then sent if it is not there."),
    "cancelled": mark("It is cancelled: nothing was sent."),
    "followed": mark("The follow-up is decided."),
    "approved": mark("It is approved, and done."),
    "rejected": mark("The proposal is rejected."),
    "paused": mark("The lane is paused. What is on the wire ends as it ends."),
    "resumed": mark("The lane is resumed. One that is halted or open tries one payment now."),
    "replayed": mark("It was put on the intake queue again."),
    "dismissed": mark("It is dismissed: it waits for nobody any more."),
    "confirmed": mark("The account is confirmed. What was held for it goes."),
    "chosen": mark("The account is chosen. What was held for it goes."),
    "closed": mark("The discrepancy is closed."),
    "reopened": mark("The discrepancy is open again."),
    "assigned": mark("Somebody is in charge of it."),
    "commented": mark("What was said is kept."),
    "revoked": mark("They are revoked: their token, password and log-ins open nothing any more."),
    "password": mark("The password is set, and all your log-ins ended. Log in with it."),
    "no_code": mark("You are asked for no code any more."),
    "key_revoked": mark("The key opens nothing any more, within seconds."),
    "replays": mark("The events of that time are delivered again."),
    "enabled": mark("The webhook goes on."),
    "disabled": mark("The webhook stands still until somebody enables it."),
    "removed": mark("The webhook is removed."),
    "signed": mark("The day is signed. Its report shows it once it is written again."),
}
