"""`make check`: does what upstreams wrote for the last release still work with this one?

tests/contracts has what the last release said of intents, events, rows and the HTTP door. A break is one for whom:
a consumer (what is told could be something that it never was) or a producer (what was accepted is refused).
`--keep` takes what is said now; do so when a release is made, or when a break is meant and CHANGELOG tells of it.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shared import schemas
from tests.checks.narrower import Within, wider
from worker.web.app import document

FOLDER = Path(__file__).parent.parent / "contracts"
NAMES = ("intent", "event", "export", "asyncapi", "openapi")
Document = Mapping[str, Any]


def said_now() -> Mapping[str, Document]:
    """What this code says of itself, by name."""
    return {name: document() if name == "openapi" else getattr(schemas, name)() for name in NAMES}


def released() -> Mapping[str, Document]:
    """What the last release said."""
    return {name: json.loads((FOLDER / f"{name}.json").read_text("utf-8")) for name in NAMES}


def breaks(before: Mapping[str, Document], now: Mapping[str, Document]) -> list[str]:
    """Every break, in a sentence: whose, where, what."""
    return [
        *(f"producer: intent {one}" for one in _read(before["intent"], now["intent"])),
        *(f"consumer: {name} {one}" for name in ("event", "export") for one in _told(before[name], now[name])),
        *(f"both: {one}" for one in _streams(before["asyncapi"], now["asyncapi"])),
        *(f"HTTP: {one}" for one in http(before["openapi"], now["openapi"])),
    ]


def _read(before: Document, now: Document) -> Iterator[str]:
    yield from wider(Within(before, before), Within(now, now))


def _told(before: Document, now: Document) -> Iterator[str]:
    yield from wider(Within(now, now), Within(before, before))
    yield from (f"/$defs/{name}: it is gone" for name in before.get("$defs", {}).keys() - now.get("$defs", {}).keys())
    yield from _words(before, now, "")


def _words(before: Any, now: Any, place: str) -> Iterator[str]:
    """Known words and types of events are only added."""
    if not isinstance(before, dict) or not isinstance(now, dict):
        return
    if isinstance(before.get("examples"), list):
        gone = sorted(set(map(str, before["examples"])) - set(map(str, now.get("examples", ()))))
        yield from (f"{place}: the word {word} is gone" for word in gone)
    for name in before.keys() & now.keys():
        yield from _words(before[name], now[name], f"{place}/{name}")


def _streams(before: Document, now: Document) -> Iterator[str]:
    for name, channel in before["channels"].items():
        found = now["channels"].get(name, {})
        if found.get("address") != channel["address"]:
            yield f"the stream {channel['address']} is gone"
        yield from (
            f"the message {one} is gone" for one in channel["messages"].keys() - found.get("messages", {}).keys()
        )


def http(before: Document, now: Document) -> Iterator[str]:
    """What who asks by the earlier OpenAPI document would meet by the later one."""
    for path, methods in before["paths"].items():
        for method, operation in methods.items():
            where = f"{method.upper()} {path}"
            found = now["paths"].get(path, {}).get(method)
            if found is None:
                yield f"{where} is gone"
                continue
            yield from (f"{where} {one}" for one in _parameters(operation, found, before, now))
            yield from (f"{where} {one}" for one in _bodies(operation, found, before, now))
            yield from (f"{where} {one}" for one in _answers(operation, found, before, now))


def _parameters(operation: Document, found: Document, before: Document, now: Document) -> Iterator[str]:
    old = {(one["in"], one["name"]): one for one in operation.get("parameters", ())}
    new = {(one["in"], one["name"]): one for one in found.get("parameters", ())}
    yield from (f"parameter {key[1]}: it is gone" for key in old.keys() - new.keys())
    for key, one in new.items():
        if one.get("required") and not old.get(key, {}).get("required"):
            yield f"parameter {key[1]}: it has to be there"
        if key in old:
            for wrong in wider(Within(old[key]["schema"], before), Within(one["schema"], now)):
                yield f"parameter {key[1]} {wrong}"


def _bodies(operation: Document, found: Document, before: Document, now: Document) -> Iterator[str]:
    old, new = operation.get("requestBody"), found.get("requestBody")
    if new is None or old is None:
        if new is not None and new.get("required"):
            yield "a body has to be there"
        return
    for kind, given in old["content"].items():
        if kind not in new["content"]:
            yield f"a body of {kind} is not taken"
            continue
        wrongs = wider(Within(given["schema"], before), Within(new["content"][kind]["schema"], now))
        yield from (f"body {wrong}" for wrong in wrongs)


def _answers(operation: Document, found: Document, before: Document, now: Document) -> Iterator[str]:
    for status, answer in operation["responses"].items():
        later = found["responses"].get(status)
        if later is None:
            yield f"the answer {status} is gone"
            continue
        for kind, given in answer.get("content", {}).items():
            if kind not in later.get("content", {}):
                yield f"the answer {status} is not {kind}"
                continue
            wrongs = wider(
                Within(later["content"][kind].get("schema", True), now), Within(given.get("schema", True), before)
            )
            yield from (f"answer {status} {wrong}" for wrong in wrongs)


def keep() -> None:
    """Take what is said now for the last release's."""
    FOLDER.mkdir(exist_ok=True)
    for name, made in said_now().items():
        text = json.dumps(made, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
        (FOLDER / f"{name}.json").write_text(text, "utf-8")


def main() -> int:
    if sys.argv[1:] == ["--keep"]:
        keep()
        return 0
    found = breaks(released(), said_now())
    for one in found:
        print(one)
    if found:
        print("contracts: this would break upstreams; `python -m tests.checks.contracts --keep` where it is meant")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
