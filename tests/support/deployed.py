"""What a manifest may name: settings that there are, commands that there are."""

import os
from collections.abc import Mapping
from typing import Any
from unittest import mock

import typer

from deploy.cli.main import app
from shared.settings import PREFIX, Settings, load_settings


def readable(given: Mapping[str, str]) -> Settings:
    """The settings of an environment with these variables alone. Raises SettingsError for one that is none, and for a
    value that it can't have."""
    with mock.patch.dict(os.environ, {name: value for name, value in given.items() if name.startswith(PREFIX)}):
        return load_settings()


def parsed(words: list[str]) -> str:
    """The command that these words call. Raises ValueError where there is none, or an argument is wrong."""
    command = typer.main.get_command(app)
    try:
        return _parsed(command, list(words))
    except Exception as error:
        if not hasattr(error, "format_message"):  # of the parser's own
            raise
        raise ValueError(f"{words}: {error.format_message()}") from None


def _parsed(command: Any, words: list[str]) -> str:
    with command.make_context("settlepipe", list(words)) as context:
        if not hasattr(command, "resolve_command"):
            return str(command.name)
        _, found, rest = command.resolve_command(context, words)
        return _parsed(found, rest)
