"""ubill's credential: one static key in the header `key`."""

from shared.providers.base import Auth, LoginRefused
from shared.settings.sections import UbillSettings


def auth(settings: UbillSettings) -> Auth:
    """What lets a call in. Raises LoginRefused where no key is set, or one that no header can carry."""
    key = settings.api_key.get_secret_value()
    if not key:
        raise LoginRefused("no API key for ubill; set SETTLEPIPE_UBILL__API_KEY")
    if not (key.isascii() and key.isprintable()):
        raise LoginRefused("SETTLEPIPE_UBILL__API_KEY holds characters that can't be sent; correct it")
    return Auth({"key": key})
