"""What is said after something was done. An address names one of these, and no text: nobody else's words stand here."""

from collections.abc import Mapping

SAID: Mapping[str, str] = {
    "proposed": "It is proposed. Nothing was changed: another person has to approve it.",
    "succeeded": "It is succeeded.",
    "refused": "It is refused.",
    "unknown": "It is looked up by a worker, then sent if it is not there.",
    "cancelled": "It is cancelled: nothing was sent.",
    "followed": "The follow-up is decided.",
    "approved": "It is approved, and done.",
    "rejected": "The proposal is rejected.",
    "paused": "The lane is paused. What is on the wire ends as it ends.",
    "resumed": "The lane is resumed. One that is halted or open tries one payment now.",
    "replayed": "It was put on the intake queue again.",
    "dismissed": "It is dismissed: it waits for nobody any more.",
    "confirmed": "The account is confirmed. What was held for it goes.",
    "chosen": "The account is chosen. What was held for it goes.",
    "closed": "The discrepancy is closed.",
    "reopened": "The discrepancy is open again.",
    "assigned": "Somebody is in charge of it.",
    "commented": "What was said is kept.",
    "revoked": "They are revoked: their token, password and log-ins open nothing any more.",
    "password": "The password is set, and all your log-ins ended. Log in with it.",
    "no_code": "You are asked for no code any more.",
    "key_revoked": "The key opens nothing any more, within seconds.",
    "replays": "The events of that time are delivered again.",
    "enabled": "The webhook goes on.",
    "disabled": "The webhook stands still until somebody enables it.",
    "removed": "The webhook is removed.",
    "signed": "The day is signed. Its report shows it once it is written again.",
}
