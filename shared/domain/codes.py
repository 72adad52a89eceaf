"""Every code that stands beside a text in events, exports, quarantine and refusals. A contract with upstreams.

None changes its meaning and none goes; new ones come: a consumer takes one that it does not know as it would take none.
docs/codes.md is generated from here.
"""

from enum import StrEnum


class Code(StrEnum):
    """Name, what it means, what an upstream does."""

    meaning: str
    action: str

    def __new__(cls, name: str, meaning: str, action: str) -> "Code":
        code = str.__new__(cls, name)
        code._value_ = name
        code.meaning, code.action = meaning, action
        return code

    # An intent that could not be accepted: it is in quarantine. Of several mistakes it is the first one's.
    BAD_ENTRY = ("bad_entry", "The entry has other fields than `intent`.", "Put one intent into each entry.")
    NOT_JSON = (
        "not_json",
        "The intent is no JSON object that can be kept: not UTF-8, a name twice, NaN, too deep, an endless number.",
        "Write it with a JSON library and send it again.",
    )
    TOO_LARGE = ("too_large", "The intent has more bytes than is allowed.", "Put less into metadata.")
    CARD_DATA = ("card_data", "The intent holds card data.", "Leave it out and send it again.")
    MISSING_FIELD = ("missing_field", "A field that has to be there is not.", "Send it again with that field.")
    UNKNOWN_FIELD = ("unknown_field", "A field is not one of an intent's, or of its target's.", "Leave it out.")
    BAD_FIELD = (
        "bad_field",
        "A field's value is not of its form, or the fields do not fit together; the text names it.",
        "Correct it and send it again.",
    )
    BAD_AMOUNT = ("bad_amount", "The amount is no amount above zero that can be kept.", "Write it like 100.00.")
    TOO_PRECISE = (
        "too_precise",
        "The amount has more decimal places than its currency.",
        "Round it as you did for the customer.",
    )
    UNKNOWN_CURRENCY = ("unknown_currency", "No currency that money is counted in has this code.", "Use ISO 4217's.")
    BAD_TIME = ("bad_time", "`paid_at` is no time with an offset.", "Write it like 2026-11-21T03:24:12Z.")
    PAID_AHEAD = ("paid_ahead", "`paid_at` is more than a day ahead.", "Send it again when that time has come.")
    UNKNOWN_PROVIDER = ("unknown_provider", "There is no such provider.", "Use one that the text names.")
    SOURCE_NOT_ALLOWED = (
        "source_not_allowed",
        "This source may not use this stream.",
        "Use your own stream and your own source.",
    )
    ID_CONFLICT = (
        "id_conflict",
        "This id was used before for an intent with other content; `conflict_of` names that payment.",
        "A new payment needs a new id. See first what became of the other one: it may be this very payment.",
    )
    BEHIND_ANOTHER = (
        "behind_another",
        "Another intent with this id stood before it and could not be accepted.",
        "Correct that one; an operator replays both.",
    )
    ENDS_READERS = ("ends_readers", "Whoever read this entry ended.", "Nothing: an operator looks into it.")
    INTERNAL_ERROR = (
        "internal_error",
        "A mistake in settlepipe, not in what was sent.",
        "Nothing: an operator looks into it. Do not send it under another id.",
    )
    # Refused before anything was sent.
    PROVIDER_OFF = ("provider_off", "The provider is switched off here.", "Ask the operator, then use a new id.")
    NOT_SUPPORTED = ("not_supported", "This provider takes no such operation.", "Do not send such intents to it.")
    CURRENCY_MISMATCH = ("currency_mismatch", "The provider takes another currency.", "Use a new id with that one.")
    BANK_CODE_MISSING = ("bank_code_missing", "No bank code is known.", "Name `target.bank_code`, under a new id.")
    REFUND_OF_NO_SETTLE = ("refund_of_no_settle", "The refund names a payment that is no settle.", "Name the settle.")
    REFUND_MISMATCH = (
        "refund_mismatch",
        "The refund's provider or currency is not its settle's.",
        "Use those of the settle, under a new id.",
    )
    REFUND_TOO_MUCH = (
        "refund_too_much",
        "It is more than what is left to refund of its settle.",
        "Refund less, under a new id; other refunds of the settle count in every state but refused and cancelled.",
    )
    REFUND_NOT_WHOLE = ("refund_not_whole", "The provider takes back a whole settle only.", "Refund all of it.")
    SETTLE_NOT_PAID = ("settle_not_paid", "The refund's settle was refused or cancelled.", "Nothing was paid there.")
    SETTLE_NOT_FOUND = ("settle_not_found", "The refund's settle never came.", "Name one of your own settles.")
    SETTLE_NOT_SENT = ("settle_not_sent", "What is needed of the settle is not known here.", "Ask the operator.")
    RECEIPT_NOT_POSSIBLE = ("receipt_not_possible", "The provider gives no receipt for it.", "Nothing: it is paid.")
    MESSAGE_NOT_POSSIBLE = (
        "message_not_possible",
        "No text message can be sent to this number, or from here.",
        "Nothing: it is paid.",
    )
    TOO_OLD = ("too_old", "The message grew too old while it could not be sent.", "Nothing: it is paid.")
    # Held: it is not refused, and nothing was sent. The same words as `hold_reason`.
    NO_ACCOUNT = ("no_account", "The biller's account is not in the provider's list.", "Wait.")
    AMBIGUOUS_ACCOUNT = ("ambiguous_account", "The biller has several accounts.", "Wait, or name `khut_type`.")
    ACCOUNT_UNCONFIRMED = ("account_unconfirmed", "The biller's account changed; a person confirms it.", "Wait.")
    SETTLE_PENDING = ("settle_pending", "The refund waits for its settle.", "Wait.")
    INVOICE_BUSY = ("invoice_busy", "Another payment on the same invoice is under way.", "Wait.")
    # What the provider said, or did not.
    PROVIDER_REFUSED = (
        "provider_refused",
        "The provider said no, in a way that its document describes; the text is its own.",
        "Give the money back, or pay the bill in another way under a new id.",
    )
    INVOICE_NOT_FOUND = (
        "invoice_not_found",
        "The provider says that there is no such bill, invoice or account.",
        "See that the target is right; if it was not, use a new id with the right one.",
    )
    ALREADY_KNOWN = (
        "already_known",
        "The provider says that it knows this payment already: it may have been applied by an earlier try.",
        "Wait: its books are looked at.",
    )
    PROVIDER_AWAY = ("provider_away", "The provider could not be connected to.", "Wait: it is tried again.")
    PROVIDER_BUSY = ("provider_busy", "The provider asked to be left alone for a while.", "Wait: it is tried again.")
    NOT_LET_IN = ("not_let_in", "The provider did not let us in.", "Wait: an operator mends it.")
    NOT_SENT = ("not_sent", "Something of ours was in the way before a byte was sent.", "Wait: it is tried again.")
    NO_ANSWER = (
        "no_answer",
        "The request went out and no whole answer came: it may have been applied.",
        "Wait, and tell the customer nothing final.",
    )
    PROVIDER_ERROR = (
        "provider_error",
        "The provider answered with an error of its own (5xx): it may have been applied.",
        "Wait, and tell the customer nothing final.",
    )
    UNCLEAR_ANSWER = (
        "unclear_answer",
        "The provider's answer is neither a yes nor a no that its document describes.",
        "Wait, and tell the customer nothing final.",
    )
    OUTCOME_LOST = (
        "outcome_lost",
        "What came of a try was not recorded: a process ended. It may have been applied.",
        "Wait, and tell the customer nothing final.",
    )
    # Looking, and people.
    INCONCLUSIVE = ("inconclusive", "The provider's books do not tell yet whether it was applied.", "Wait.")
    UNDECIDED = ("undecided", "The provider's books did not tell in the end: a person decides.", "Wait.")
    PAST_DEADLINE = ("past_deadline", "It could not be sent within its time: a person decides.", "Wait.")
    DECIDED = (
        "decided",
        "A person decided it; the text is that person's reason.",
        "As with any payment in this state.",
    )


class CodedError(ValueError):
    """What is wrong with what was sent: a sentence that holds none of its values, and the code that stands for it."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code
