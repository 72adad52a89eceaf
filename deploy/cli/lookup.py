"""lookup, refresh: reads at the providers."""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli import output, stack
from deploy.cli.failures import Failed, WrongUse
from deploy.cli.known import must_be_provider
from deploy.cli.output import JsonFlag

if TYPE_CHECKING:
    from shared.providers.base import Connected, Lookup
    from shared.runtime import Runtime

# The accounts that money goes to, and the services that they belong to.
_LISTS = {"bank-accounts": ("bank_accounts", "services"), "catalogue": ("catalogue",), "tokens": ()}


def lookup(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER")],
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="none: list what can be looked up")] = None,
    given: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE…")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Look something up at a provider."""
    must_be_provider(provider)
    with stack.runtime() as runtime:
        lookups = _connected(runtime, provider).lookups
        if name is None:
            _list(lookups, as_json)
            return
        if name not in lookups:
            known = ", ".join(lookups) or "nothing"
            raise WrongUse(f"{provider} has no look-up {output.safe(name)}; it has {known}")
        answer = lookups[name].call(**arguments(name, lookups[name], given or []))
    if as_json:
        rows = answer if isinstance(answer, list) else [answer]
        output.json_lines(json.dumps(row, ensure_ascii=False) for row in rows)
        return
    show = lookups[name].show
    if show is None:
        print("\n".join(output.safe(line) for line in json.dumps(answer, ensure_ascii=False, indent=2).split("\n")))
        return
    for shown in show(answer):
        output.titled(shown.title, shown.columns, shown.rows)


def refresh(
    what: Annotated[str, typer.Argument(metavar="bank-accounts|tokens|catalogue")],
    provider: Annotated[str | None, typer.Option(help="only this provider's")] = None,
) -> None:
    """Fetch the providers' lists now: each whole, or the kept one stays."""
    if what not in _LISTS:
        raise WrongUse(f"{output.safe(what)} can't be refreshed; name one of {', '.join(_LISTS)}")
    if provider is not None:
        must_be_provider(provider)
    with stack.runtime() as runtime:
        on = [provider] if provider else list(runtime.connected)
        wanted = [step for name in on for step in _steps(runtime, name, what)]
        if not wanted:
            raise Failed(_unsupported(what, on))
        for name, do in _with_progress(wanted):
            print(f"{name}: {do()}")


def _steps(runtime: "Runtime", provider: str, what: str) -> list[tuple[str, Callable[[], str]]]:
    """What there is to refresh at a provider: a name, and what does it and tells what it did."""
    from shared.directory.refresh import refresh as refresh_list

    connected = _connected(runtime, provider)
    renew = connected.renew
    if what == "tokens" and renew is not None:
        return [(f"{provider} token", lambda: "renewed" if renew(None) else "as it was")]

    def fetch(kind: str) -> str:
        opened, closed = refresh_list(runtime, provider, kind)
        return f"{opened} new or changed, {closed} closed"

    kinds = (kind for kind in _LISTS[what] if kind in connected.refreshes)
    return [(f"{provider} {kind}", partial(fetch, kind)) for kind in kinds]


def arguments(name: str, of: "Lookup", given: list[str]) -> dict[str, Any]:
    """`key=value` texts as the look-up's typed parameters. Raises WrongUse for what does not fit."""
    values: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or key not in of.parameters or key in values:
            known = ", ".join(f"{parameter}=…" for parameter in of.parameters) or "none"
            raise WrongUse(f"{output.safe(text)} is no parameter of {name}, or there twice; its parameters: {known}")
        values[key] = _typed(key, of.parameters[key][0], value)
    missing = [f"{key}=…" for key, (_, required, _) in of.parameters.items() if required and key not in values]
    if missing:
        raise WrongUse(f"{name} needs {' '.join(missing)}")
    return values


def _typed(key: str, kind: type, value: str) -> Any:
    from shared.providers.parameters import typed

    try:
        return typed(kind, value)
    except ValueError as error:
        raise WrongUse(f"{key} must be {error}") from None


def _list(lookups: Mapping[str, "Lookup"], as_json: bool) -> None:
    if as_json:
        output.json_lines(
            json.dumps(
                {
                    "name": name,
                    "help": of.help,
                    "parameters": {
                        key: {"type": kind.__name__, "required": required, "help": text}
                        for key, (kind, required, text) in of.parameters.items()
                    },
                },
                ensure_ascii=False,
            )
            for name, of in lookups.items()
        )
        return
    rows = (
        (name, of.help, " ".join(_parameter(k, r) for k, (_, r, _) in of.parameters.items()))
        for name, of in lookups.items()
    )
    output.table(("look-up", "what", "parameters"), rows)


def _parameter(key: str, required: bool) -> str:
    return f"{key}=…" if required else f"[{key}=…]"


def _connected(runtime: "Runtime", provider: str) -> "Connected":
    if provider not in runtime.connected:
        raise Failed(f"provider {provider} is off; set SETTLEPIPE_{provider.upper()}__BASE_URL to turn it on")
    return runtime.connected[provider]


def _unsupported(what: str, on: list[str]) -> str:
    if not on:
        return "no provider is on; set SETTLEPIPE_<PROVIDER>__BASE_URL to turn one on"
    return f"refresh {what} is not supported for the providers that are on ({', '.join(on)}): they have none"


def _with_progress(wanted: list[tuple[str, Callable[[], str]]]) -> Iterable[tuple[str, Callable[[], str]]]:
    from rich.progress import track

    console = output.console(stderr=True)
    return track(wanted, "refreshing", console=console, transient=True, disable=not console.is_terminal)
