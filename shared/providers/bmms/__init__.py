"""bmms (Uzbekistan): the catalogue of payment recipients, and what is wrong with a payment by it. See the README."""

from collections.abc import Sequence
from datetime import time

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.domain.payment import Operation, Payment
from shared.providers.base import Connected, DailyList, Registration
from shared.providers.bmms.records import CATALOGUE, Entry
from shared.providers.bmms.rules import CURRENCY, mistakes
from shared.providers.ours import Directory, TokenStore
from shared.settings import Settings
from shared.settings.sections import ProviderSettings

_REFRESH = "run `settlepipe refresh catalogue`"


class Target(BaseModel):
    """What an intent says about whom to pay. fields: by name, as the catalogue lists them for the recipient."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    recipient_id: int = Field(gt=0, lt=2**63)
    fields: dict[str, str] = Field(default_factory=dict, max_length=100)


def examine(payment: Payment, directory: Directory) -> Sequence[str]:
    """Every mistake in a settle, by the catalogue as it was last fetched."""
    if payment.operation is not Operation.SETTLE:
        return ()
    target = Target.model_validate(dict(payment.target))
    rows = directory.rows(CATALOGUE, str(target.recipient_id))
    if not rows:
        wrong_currency = [] if payment.currency == CURRENCY else [f"it takes {CURRENCY}, not {payment.currency}"]
        if directory.fetched(CATALOGUE):
            return [*wrong_currency, "the catalogue has no such recipient"]
        return [*wrong_currency, f"the catalogue has not been fetched yet, so it was not checked; {_REFRESH}"]
    try:
        entry = Entry.model_validate(rows[0])
    except ValidationError:  # kept by another version of this program
        return [f"the kept catalogue can't be read, so it was not checked; {_REFRESH}"]
    return mistakes(entry, payment.amount_minor, payment.currency, target.fields)


def _connect(settings: Settings, section: ProviderSettings, _tokens: TokenStore) -> Connected:
    # Here, for whoever calls the provider: what does is slow to import, and most commands need the registration alone.
    from shared.providers.bmms.reads import Reads
    from shared.providers.http import Http

    if section.base_url is None:
        raise ValueError("bmms needs a base URL")
    reads = Reads(Http(section.base_url, settings.http))
    return Connected(lookups=reads.lookups(), refreshes=reads.refreshes(), examine=examine)


REGISTRATION = Registration(
    name="bmms",
    title="bmms, Uzbekistan",
    zone="Asia/Tashkent",
    currency=CURRENCY,
    target=Target,
    operations={},
    answers={},
    connect=_connect,
    lists=(DailyList(CATALOGUE, time(4, 0), "whom one can pay, and within which limits"),),
)
