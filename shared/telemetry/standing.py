"""Of what stands still in a room: severity, meaning, and what to do. `alerts` lists them with all others."""

from shared.telemetry.severity import Severity

QUARANTINE_WAITS = (
    Severity.WARNING,
    "What upstreams sent could not be accepted, and nobody has replayed or dismissed it: it may be payments that"
    " customers have made.",
    "`settlepipe quarantine` shows each with its reason. Once it is mended: `settlepipe quarantine replay ID`. When"
    " nothing is to come of it: `settlepipe quarantine dismiss ID --reason TEXT --by NAME`.",
)
INTAKE_LATE = (
    Severity.CRITICAL,
    "Intents wait for long on an intake stream (the subject names it): nobody accepts them.",
    "See that an intake runs, and its log; PostgreSQL may be away, or more comes than it can take.",
)
DISCREPANCIES_OPEN = (
    Severity.WARNING,
    "Our books and a provider's differ, and nobody has closed it.",
    "`settlepipe discrepancies` lists them with what each means; close one with `settlepipe discrepancies close`.",
)
SIGNED_DAY_CHANGED = (
    Severity.WARNING,
    "The books of a day that was signed came to something else since (the subject names provider and day): it has to be"
    " signed again.",
    "`settlepipe inbox --kind day` has the command; `settlepipe discrepancies days` shows what was signed, and the"
    " day's page what changed.",
)
LANE_STANDS_STILL = (
    Severity.CRITICAL,
    "A lane is halted, or has been paused or open (its breaker) for long. Its payments wait; deadlines stand still.",
    "`settlepipe lanes` says which and why. Halted: mend the cause, then `settlepipe lanes resume PROVIDER`. Open:"
    " the provider does not answer; it goes on by itself when it does.",
)
PAYMENTS_DUE_LATE = (
    Severity.CRITICAL,
    "Payments are due and are not taken, though their lane is not stopped: its workers are gone, hang, are too few"
    " or still busy with what waited, or the provider was switched off while payments of it were open.",
    "See that a worker of the lane is there (`workers` in the figures counts them) and what its log says, and that"
    " the provider's `BASE_URL` is set.",
)
WEBHOOK_DISABLED = (
    Severity.WARNING,
    "A webhook disabled itself: its receiver said that it is gone (410), or did not take an event for so long"
    " (`SETTLEPIPE_WEBHOOKS__GIVE_UP_S`). Its source is told nothing by it; nothing is lost.",
    "`settlepipe webhooks show ID` says why (the subject is the source and the ID). Once the receiver is mended:"
    " `settlepipe webhooks enable ID --by NAME`; with `--skip` what it refused is left out.",
)
WEBHOOK_FAILING = (
    Severity.WARNING,
    "A webhook's receiver has not taken an event for long, or is far behind. It is tried on, and other payments' events"
    " go past what fails; after three days it disables itself.",
    "`settlepipe webhooks show ID` says what was answered, and which events wait; `settlepipe webhooks test ID` tries"
    " it. Talk to the upstream.",
)
