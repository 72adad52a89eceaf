"""Every provider there is. A new one is one line here."""

from collections.abc import Mapping

from shared.providers import billcenter, bmms, invoicepayment, mtn, ubill
from shared.providers.base import Connected, Registration
from shared.providers.ours import TokenStore
from shared.settings import Settings

_ALL = (
    billcenter.REGISTRATION,
    ubill.REGISTRATION,
    mtn.REGISTRATION,
    invoicepayment.REGISTRATION,
    bmms.REGISTRATION,
)

REGISTRATIONS: Mapping[str, Registration] = {registration.name: registration for registration in _ALL}


def connect(name: str, settings: Settings, tokens: TokenStore) -> Connected:
    """Provider `name`, ready for use in this process.

    Raises KeyError for a provider that is not registered, ValueError for one that is off (it has no base URL).
    """
    section = settings.provider(name)
    if section.base_url is None:
        raise ValueError(f"provider {name} is off; set SETTLEPIPE_{name.upper()}__BASE_URL to turn it on")
    return REGISTRATIONS[name].connect(settings, section, tokens)
