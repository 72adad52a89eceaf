"""invoicepayment (Türkiye): what a subscriber has to pay. Look-ups only; see the README beside this file."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.payment import Payment
from shared.providers.base import Connected, Registration
from shared.providers.ours import Directory, TokenStore
from shared.settings import Settings
from shared.settings.sections import ProviderSettings

CURRENCY = "TRY"  # our reading: the document names no currency

_TEXT = r"^[^\x00-\x1f\x7f-\x9f]*$"


class Target(BaseModel):
    """What an intent says about whom to pay."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    product_oid: str = Field(min_length=1, max_length=64, pattern=_TEXT)
    subscriber_no1: str = Field(min_length=1, max_length=64, pattern=_TEXT)
    subscriber_no2: str = Field("", max_length=64, pattern=_TEXT)
    subscriber_no3: str = Field("", max_length=64, pattern=_TEXT)


def _examine(payment: Payment, _directory: Directory) -> Sequence[str]:
    return () if payment.currency == CURRENCY else (f"it takes {CURRENCY}, not {payment.currency}",)


def _connect(settings: Settings, section: ProviderSettings, _tokens: TokenStore) -> Connected:
    # Here, for whoever calls the provider: what does is slow to import, and most commands need the registration alone.
    from shared.providers.http import Http
    from shared.providers.invoicepayment.lookups import Lookups

    if section.base_url is None:
        raise ValueError("invoicepayment needs a base URL")
    lookups = Lookups(Http(section.base_url, settings.http))
    return Connected(lookups=lookups.entries(), examine=_examine)


REGISTRATION = Registration(
    name="invoicepayment",
    title="invoicepayment, Türkiye",
    zone="Europe/Istanbul",
    currency=CURRENCY,
    target=Target,
    operations={},
    answers={},
    connect=_connect,
)
