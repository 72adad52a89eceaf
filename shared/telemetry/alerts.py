"""Every alert there is: its name, how soon somebody has to look, what it means and what to do.

The name is what alert rules match on; it never changes. docs/alerts.md is generated from here.
"""

from enum import StrEnum

from shared.telemetry import standing
from shared.telemetry.severity import Severity


class Alert(StrEnum):
    """Name, severity, what it means, what to do about it. Commands stand in backquotes."""

    severity: Severity
    meaning: str
    action: str

    def __new__(cls, name: str, severity: Severity, meaning: str, action: str) -> "Alert":
        alert = str.__new__(cls, name)
        alert._value_ = name
        alert.severity, alert.meaning, alert.action = severity, meaning, action
        return alert

    # Payments.
    LANE_HALTED = (
        "lane_halted",
        Severity.CRITICAL,
        "A provider refuses our log-in, or says that this client may not pay. Nothing goes out on its lane but one"
        " payment a minute that tries. Deadlines stand still.",
        "The alert's `reason` is the provider's. Correct the credentials or talk to the provider, then"
        " `settlepipe lanes resume PROVIDER`.",
    )
    LOGIN_REFUSED = (
        "login_refused",
        Severity.CRITICAL,
        "The log-in ahead of time was refused. Payments go on with the token at hand until that ends; then the lane"
        " halts.",
        "Correct the provider's credentials before that: `settlepipe jobs` shows when the token was renewed last.",
    )
    ADAPTER_FAILED = (
        "adapter_failed",
        Severity.CRITICAL,
        "A mistake in the code that talks to a provider. What the provider did is unknown: the payment stays unknown"
        " and is looked up, as after a time-out.",
        "See the trace in the process's log, and `settlepipe payments --state unknown`. Mend the adapter, or pause the"
        " lane with `settlepipe lanes pause PROVIDER --by NAME`.",
    )
    UNLISTED_ANSWER = (
        "unlisted_answer",
        Severity.WARNING,
        "A provider gave an answer that its document does not describe. It counts as neither yes nor no: where a"
        " resend is not promised safe, the books are read first.",
        "Ask the provider what it means (`kind` and `status` are in the alert), and have it listed in the adapter.",
    )
    BUILD_FAILED = (
        "build_failed",
        Severity.CRITICAL,
        "A mistake in an adapter: an intent's request could not be built. A new intent is in quarantine, a held payment"
        " stays held; nothing was sent.",
        "Mend the adapter, then put it on the queue again: `settlepipe quarantine replay ID`.",
    )
    OUTCOME_REFUSED = (
        "outcome_refused",
        Severity.CRITICAL,
        "PostgreSQL refuses to keep what a provider answered. The attempt ends without an outcome when its lease runs"
        " out: it is looked up or resent as if the answer had not come.",
        "See the error in the worker's log; keep the log, the provider's answer is in it by kind.",
    )
    ANOTHER_PAYMENT = (
        "another_payment",
        Severity.WARNING,
        "An outcome or a message of before a recovery came late. Its number belongs to another payment now, so nothing"
        " was changed by it.",
        "See that every process of before the recovery was stopped, and read the next night's report.",
    )
    CLOCK_RAN_AHEAD = (
        "clock_ran_ahead",
        Severity.WARNING,
        "The database's clock was ahead and was set back. What was planned for the time between was taken back, and"
        " goes on now.",
        "Correct the time service of PostgreSQL's machine.",
    )
    PAYMENT_PARKED = (
        "payment_parked",
        Severity.WARNING,
        "Payments of a provider wait for a person's decision: nobody else ends them, and no time does.",
        "`settlepipe inbox --kind payment` shows each with its reason and the command that decides it.",
    )
    PAYMENT_UNKNOWN_LONG = (
        "payment_unknown_long",
        Severity.WARNING,
        "Payments of a provider have been unknown for long: it may have applied them, and its books do not tell.",
        "`settlepipe payments --state unknown` lists them, `settlepipe payment SOURCE/INTENT_ID` shows what each check"
        " said. They are parked at their deadline; ask the provider before.",
    )
    PAYMENT_HELD_LONG = (
        "payment_held_long",
        Severity.WARNING,
        "Payments have been held for long, and nothing of them was sent; the subject says where and why.",
        "`settlepipe inbox --kind hold` shows those that a person ends; for `no_account` see that the provider's list"
        " is fetched (`settlepipe jobs`), for `settle_pending` what became of the settle that the refund names.",
    )
    MONEY_AT_RISK = (
        "money_at_risk",
        Severity.CRITICAL,
        "The sum of payments that may have been applied while nobody knows (sending, unknown, parked) is above what"
        " `SETTLEPIPE_ALERTS__MONEY` allows in this currency.",
        "`settlepipe inbox --order money` for those that wait for people, `settlepipe lanes` for what is ill.",
    )
    LANE_STANDS_STILL = ("lane_stands_still", *standing.LANE_STANDS_STILL)
    PAYMENTS_DUE_LATE = ("payments_due_late", *standing.PAYMENTS_DUE_LATE)
    ACCOUNT_WAITS = (
        "account_waits",
        Severity.WARNING,
        "Accounts that bills are paid to are new or changed, and nobody has confirmed them: payments to them are held.",
        "Compare each with the biller's own word, then `settlepipe accounts confirm`; `settlepipe inbox --kind account`"
        " lists them.",
    )
    DISCREPANCIES_OPEN = ("discrepancies_open", *standing.DISCREPANCIES_OPEN)
    SIGNED_DAY_CHANGED = ("signed_day_changed", *standing.SIGNED_DAY_CHANGED)
    # Discrepancies found late.
    PAID_THERE_FAILED_HERE = (
        "paid_there_failed_here",
        Severity.CRITICAL,
        "A provider applied a payment that is refused or cancelled here. Upstream was told that it failed, and is told"
        " now that this is disputed.",
        "`settlepipe discrepancies` lists it. Settle it with upstream or have the provider take it back, then close it"
        " with `settlepipe discrepancies close`.",
    )
    DUPLICATE_AT_PROVIDER = (
        "duplicate_at_provider",
        Severity.CRITICAL,
        "A provider applied one payment twice.",
        "`settlepipe discrepancies` lists it. Have the provider take one back, then close it with"
        " `settlepipe discrepancies close`.",
    )
    NEW_DISCREPANCIES = (
        "new_discrepancies",
        Severity.WARNING,
        "A night's comparison found differences between a provider's books and ours.",
        "Read the report of that night; `settlepipe discrepancies` lists what is open.",
    )
    REPORT_MAIL_FAILED = (
        "report_mail_failed",
        Severity.WARNING,
        "The report of a night could not be mailed. The comparison stands, and the report is in its folder.",
        "Correct the mail settings; `settlepipe reconcile PROVIDER --date D` compares that day again and mails it.",
    )
    REPORT_MAIL_REFUSED = (
        "report_mail_refused",
        Severity.WARNING,
        "The mail server took a report for some of its recipients only.",
        "Correct the list of recipients.",
    )
    REPORT_NOT_KEPT = (
        "report_not_kept",
        Severity.WARNING,
        "The report of a night could not be put where the reports of all machines stand (REPORT__STORE_URL). The"
        " comparison stands, and the report is in its machine's HOME.",
        "The alert's `reason` says why; `settlepipe doctor` asks again. Then, on that machine,"
        " `settlepipe reports push`.",
    )
    # Follow-ups.
    RECEIPT_PARKED = (
        "receipt_parked",
        Severity.WARNING,
        "Nobody knows whether a receipt was issued: its request had no clear answer, and a second one could issue a"
        " second receipt.",
        "Look at the provider, then `settlepipe resolve SOURCE/INTENT_ID --receipt --as …`; `settlepipe payment` shows"
        " what was asked.",
    )
    SMS_PARKED = (
        "sms_parked",
        Severity.WARNING,
        "Nobody knows whether a text message went out.",
        "`settlepipe payment SOURCE/INTENT_ID` shows what was asked. Nothing else depends on it.",
    )
    FOLLOW_UP_WAITS = (
        "follow_up_waits",
        Severity.WARNING,
        "A provider takes a receipt or a message later only, for a reason that somebody may have to mend (no balance,"
        " not allowed at this hour).",
        "The alert's `reason` is the provider's; what waits goes out by itself when it is mended.",
    )
    MESSAGES_REFUSED = (
        "messages_refused",
        Severity.WARNING,
        "Text messages grew too old while their provider was off or its lane stood still; they are not sent any more.",
        "See `settlepipe lanes`. Payments are not concerned.",
    )
    SMS_BALANCE_LOW = (
        "sms_balance_low",
        Severity.WARNING,
        "Few text messages are left with the provider that sends them.",
        "Buy more: payments do not wait for it, messages do.",
    )
    # Intake and events.
    QUARANTINE_WAITS = ("quarantine_waits", *standing.QUARANTINE_WAITS)
    INTAKE_LATE = ("intake_late", *standing.INTAKE_LATE)
    INTENT_NOT_STORABLE = (
        "intent_not_storable",
        Severity.WARNING,
        "An intent passed validation and PostgreSQL refused it: a mistake in the validation. It is in quarantine.",
        "`settlepipe quarantine` shows it; replay it once the mistake is mended.",
    )
    VALIDATION_FAILED = (
        "validation_failed",
        Severity.WARNING,
        "An intent could not be read because of a mistake in the validation. It is in quarantine.",
        "`settlepipe quarantine` shows it; replay it once the mistake is mended.",
    )
    ENTRY_ENDS_INTAKE = (
        "entry_ends_intake",
        Severity.CRITICAL,
        "An entry of an intake stream was read again and again and whoever read it ended. It is in quarantine now.",
        "`settlepipe quarantine` shows it. See in the intake's log, and the kernel's, what ended the process.",
    )
    INTAKE_STREAM_REFUSED = (
        "intake_stream_refused",
        Severity.CRITICAL,
        "The broker refuses to let an intake stream be read: it is no stream, or our account may not. Nobody's intents"
        " on it are accepted; other streams go on.",
        "The alert names the stream and the broker's reason. Correct the account's rights, or move away what is there.",
    )
    INTAKE_STREAM_EXHAUSTED = (
        "intake_stream_exhausted",
        Severity.CRITICAL,
        "Somebody wrote the last possible id to an intake stream: it takes no more entries.",
        "When it is empty, delete the key: upstream's next entry makes it anew. Find out who writes ids of their own.",
    )
    EVENTS_REFUSED = (
        "events_refused",
        Severity.CRITICAL,
        "The broker refuses the events stream. Events wait in the database; upstreams are told nothing meanwhile.",
        "The alert's `reason` is the broker's: out of memory, no right, or the key is no stream.",
    )
    BROKER_NEARLY_FULL = (
        "broker_nearly_full",
        Severity.CRITICAL,
        "The broker is nearly full; when it is, nothing can be put on its queues and streams.",
        "Give it more memory, or have less kept: `SETTLEPIPE_EVENTS_KEEP_S` and `SETTLEPIPE_EVENTS_KEEP_ENTRIES`.",
    )
    EVENTS_LATE = (
        "events_late",
        Severity.CRITICAL,
        "Events wait in the database for long: upstreams are not told what became of their payments.",
        "See that a relay runs, and its log; the broker may refuse the stream, or be away.",
    )
    WEBHOOK_DISABLED = ("webhook_disabled", *standing.WEBHOOK_DISABLED)
    WEBHOOK_FAILING = ("webhook_failing", *standing.WEBHOOK_FAILING)
    # Jobs and processes.
    JOB_LATE = (
        "job_late",
        Severity.WARNING,
        "A slot of a periodic job came long ago and is not done.",
        "`settlepipe jobs` shows its last run. Where all jobs are late, beat or the jobs' worker is gone.",
    )
    JOB_FAILING = (
        "job_failing",
        Severity.WARNING,
        "A periodic job fails again and again; it is tried on.",
        "`settlepipe jobs` shows why.",
    )
    JOB_LOST = (
        "job_lost",
        Severity.WARNING,
        "A job's run has no end: its runner was killed, or it hung and was ended. It is started again.",
        "When that comes again, see the log of the jobs' worker, and its memory.",
    )
    JOB_GIVEN_UP = (
        "job_given_up",
        Severity.WARNING,
        "A job's slot was never completed; the next one makes up for it. Where none does, `job_late` stands.",
        "`settlepipe jobs` shows how its runs ended.",
    )
    STEP_FAILING = (
        "step_failing",
        Severity.CRITICAL,
        "A step of the dispatcher has failed for a minute. Nothing is lost; what the step does stands still (`step`"
        " names it, and its lane).",
        "See the reason in the dispatcher's log; `settlepipe doctor` looks for the usual ones.",
    )
    # The store itself.
    STORE_HELD = (
        "store_held",
        Severity.CRITICAL,
        "The database lost time, or is another one than before. Nothing is accepted, sent or decided.",
        "Do what docs/recovery.md says, step by step: stop what ran before, then `settlepipe recover --by NAME`.",
    )
    STORE_SWITCHED = (
        "store_switched",
        Severity.CRITICAL,
        "A standby that has all that anybody saw took over. Payments go on; what was open is looked up before it is"
        " sent.",
        "See that the old server can't come back as a second one.",
    )
