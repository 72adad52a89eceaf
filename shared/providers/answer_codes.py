"""The code that stands beside a provider's answer, for upstreams. Pure."""

from collections.abc import Mapping

from shared.domain.answers import Answer, Meaning
from shared.domain.codes import Code
from shared.providers.answer_meanings import Kind

_BY_KIND: Mapping[str, Code] = {
    Kind.UNAUTHORISED: Code.NOT_LET_IN,
    Kind.FORBIDDEN: Code.NOT_LET_IN,
    Kind.NOT_FOUND: Code.UNCLEAR_ANSWER,
    Kind.NOT_ALLOWED: Code.UNCLEAR_ANSWER,
    Kind.REQUEST_TIME_OUT: Code.NO_ANSWER,
    Kind.TOO_MANY: Code.PROVIDER_BUSY,
    Kind.SERVER_ERROR: Code.PROVIDER_ERROR,
    Kind.GATEWAY_ERROR: Code.PROVIDER_ERROR,
    Kind.OTHER_5XX: Code.PROVIDER_ERROR,
    Kind.NOT_CONNECTED: Code.PROVIDER_AWAY,
    Kind.TIME_OUT: Code.NO_ANSWER,
    Kind.RESET: Code.NO_ANSWER,
    Kind.SHORT_BODY: Code.NO_ANSWER,
    Kind.TOO_LARGE: Code.UNCLEAR_ANSWER,
    Kind.MALFORMED: Code.UNCLEAR_ANSWER,
    Kind.CONTRADICTION: Code.UNCLEAR_ANSWER,
    Kind.UNLISTED: Code.UNCLEAR_ANSWER,
    # The flow's own kinds.
    "login_refused": Code.NOT_LET_IN,
    "adapter_failed": Code.INTERNAL_ERROR,
}
_BY_MEANING: Mapping[Meaning, Code] = {
    Meaning.REFUSED: Code.PROVIDER_REFUSED,
    Meaning.NOT_SENT: Code.NOT_SENT,
    Meaning.REAUTH: Code.NOT_LET_IN,
    Meaning.HALT: Code.NOT_LET_IN,
}


def code_of(answer: Answer) -> Code | None:
    """None for a success. The adapter's own word comes first, then that of the kind, then that of the meaning."""
    if answer.meaning is Meaning.SUCCEEDED:
        return None
    found = answer.code or _BY_KIND.get(answer.kind) or _BY_MEANING.get(answer.meaning)
    return found or Code.UNCLEAR_ANSWER
