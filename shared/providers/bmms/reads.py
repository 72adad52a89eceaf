"""bmms's one documented call: the recipients, for the stored catalogue and for people."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from shared.domain.records import DirectoryRow
from shared.providers.base import Lookup, LookupFailed, Refresh, RefreshFailed
from shared.providers.bmms.catalogue import entries
from shared.providers.bmms.records import CATALOGUE, LANGUAGES, Document, Entry
from shared.providers.bmms.shown import described, found_by, shown
from shared.providers.http import Http
from shared.providers.parameters import must_fit
from shared.providers.raw_answers import Fault, HttpFault, parse_json

_PATH = "/services/bmms/api/agent/recipients"
_PARAMETERS: Mapping[str, tuple[type, bool, str]] = {
    "language": (str, False, f"{', '.join(LANGUAGES)}; {LANGUAGES[0]} if not given"),
    "recipient_id": (int, False, "only this recipient"),
    "search": (str, False, "only those with this text in a name, in any language"),
}


class Reads:
    """The reads. Thread-safe. How an agent (ROLE_AGENT) is let in is not documented: no credential is sent."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def lookups(self) -> Mapping[str, Lookup]:
        """Every look-up by name."""
        said = "whom to pay, and which fields that takes"
        return {"recipients": Lookup(said, _PARAMETERS, self._look_up, shown, upstreams=True)}

    def refreshes(self) -> Mapping[str, Refresh]:
        """The list that the store keeps a copy of: a row for each recipient, filed under its id."""
        return {CATALOGUE: self._refresh}

    def _refresh(self) -> list[DirectoryRow]:
        try:
            return [
                DirectoryRow(str(entry.recipient.id), str(entry.recipient.id), entry.model_dump(mode="json"))
                for entry in self._fetch()
            ]
        except _NotFetched as error:
            raise RefreshFailed(f"bmms {CATALOGUE}: {error}") from None

    def _look_up(self, **given: Any) -> list[dict[str, Any]]:
        must_fit("bmms recipients", _PARAMETERS, given)
        language = given.get("language") or LANGUAGES[0]
        if language not in LANGUAGES:
            raise LookupFailed(f"bmms recipients: language is one of {', '.join(LANGUAGES)}")
        try:
            listed = self._fetch()
        except _NotFetched as error:
            raise LookupFailed(f"bmms recipients: {error}") from None
        wanted = found_by(listed, given.get("recipient_id"), given.get("search"))
        return [described(entry, language) for entry in wanted]

    def _fetch(self) -> list[Entry]:
        outcome = self._http.read("GET", _PATH)
        if isinstance(outcome, HttpFault):
            larger = "; set SETTLEPIPE_HTTP__MAX_BODY_BYTES higher" if outcome.kind is Fault.TOO_LARGE else ""
            raise _NotFetched(f"no usable answer ({outcome.kind}){larger or '; try again later'}")
        if outcome.status in (401, 403):
            raise _NotFetched(f"HTTP {outcome.status}; the document does not say how to log in, so nothing is sent")
        if outcome.status != 200:
            raise _NotFetched(f"HTTP {outcome.status}")
        try:
            return entries(Document.model_validate(parse_json(outcome.body)))
        except ValidationError as error:
            raise _NotFetched(f"{_where(error)} is not as documented") from None
        except ValueError as error:  # not JSON, or lists that do not fit together
            raise _NotFetched(f"the answer is not as documented: {_reason(error)}") from None


class _NotFetched(Exception):  # noqa: N818
    pass


def _reason(error: ValueError) -> str:
    """Our own sentence; never one of the JSON reader's, which would quote the answer."""
    return "it is not JSON" if type(error) is not ValueError else str(error)


def _where(error: ValidationError) -> str:
    """The first field that does not fit; never its value."""
    return ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"]) or "the answer"
