"""The parameters of a look-up, checked in one way for all providers. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from shared.providers.base import LookupFailed

_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

Parameters = Mapping[str, tuple[type, bool, str]]  # name to (type, is it required, help)


def must_fit(lookup: str, parameters: Parameters, given: Mapping[str, Any], more: Iterable[str] = ()) -> None:
    """What is given are parameters of this look-up, and none that is required is missing.

    lookup: the provider's and its own name, for the message. more: what else is wrong. Raises LookupFailed that names
    every mistake.
    """
    wrong = [f"{name} is not a parameter" for name in sorted(given.keys() - parameters.keys())]
    wrong += [f"{name} is missing" for name, (_, needed, _) in parameters.items() if needed and given.get(name) is None]
    wrong += more
    if wrong:
        raise LookupFailed(f"{lookup}: {'; '.join(wrong)}")


def typed(kind: type, text: str) -> Any:
    """What is written as a parameter of this type. Raises ValueError with what it has to be."""
    if kind is bool:
        if text.lower() not in _TRUTHS:
            raise ValueError("true or false")
        return _TRUTHS[text.lower()]
    if kind is int:
        if re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII) is None:
            raise ValueError("a number")
        return int(text)
    return text
