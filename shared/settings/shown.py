"""Every setting as it is in this process, for people: what it comes to, from where, and no secret."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, SecretStr

from shared.settings import PREFIX, Settings, in_files

_MASK = "••••"


@dataclass(frozen=True, slots=True)
class Shown:
    """source: environment, file or default. value: as text; of a secret whether there is one."""

    name: str
    value: str
    source: str
    meaning: str
    secret: bool


def shown(settings: Settings) -> list[Shown]:
    """In the settings' own order."""
    return list(_section(settings, PREFIX, in_files()))


def _section(section: BaseModel, path: str, files: Mapping[str, str]) -> Iterator[Shown]:
    for name, field in type(section).model_fields.items():
        value, variable = getattr(section, name), f"{path}{(field.alias or name).upper()}"
        if isinstance(value, BaseModel):
            yield from _section(value, f"{variable}__", files)
            continue
        source = "file" if variable in files else "environment" if os.environ.get(variable) else "default"
        secret = _secret(value) or "SecretStr" in str(field.annotation)
        text = (_MASK if value else "") if secret else _text(value)
        yield Shown(variable, text, source, field.description or "", secret)


def _secret(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_secret, value.values()))
    return isinstance(value, SecretStr) or (isinstance(value, list | tuple) and any(map(_secret, value)))


def _text(value: object) -> str:
    return "" if value is None else str(value)
