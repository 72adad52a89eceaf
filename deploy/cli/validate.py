"""validate: what is wrong with intents, before they are put on the queue. Nothing is queued, no server is asked."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli import lines, output, stack
from deploy.cli.failures import Failed, WrongUse
from deploy.cli.output import JsonFlag
from shared.domain.broker_keys import INTAKE
from shared.domain.words import counted

if TYPE_CHECKING:
    from shared.domain.bad_intent import Mistake
    from shared.domain.intent import Intent
    from shared.settings import Settings

IDS_KEPT = 500_000  # of a file, to tell an id that stands twice: about 100 MB
_SHOWN = 200  # lines with mistakes that people are shown
_UNCHECKED = (
    "whether an id was used before, for this content or another",
    "the providers' lists: a biller's account, a bank code that the intent leaves out",
    "a refund's settle, and what is left of it",
)


def validate(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="JSON Lines, an intent a line; - is stdin")],
    stream: Annotated[str, typer.Option(help="the intake stream that they would come by")] = INTAKE,
    as_json: JsonFlag = False,
) -> None:
    """Say what is wrong with each intent of a file, by the intake's own rules. Queues nothing and asks no server."""
    checked = Checked(stack.settings_with_sandbox(), stream)
    shown: list[tuple[object, ...]] = []
    with lines.opened(file) as (readable, size), lines.progress("validating", size) as advanced:
        for number, line in lines.numbered(readable, advanced):
            subject, mistakes = checked.line(line)
            if mistakes and as_json:
                told = [{"code": str(one.code), "place": one.place, "detail": one.text} for one in mistakes]
                row = {"line": number, "subject": subject, "mistakes": told}
                output.json_lines([json.dumps(row, ensure_ascii=False)])
            elif mistakes and checked.wrong <= _SHOWN:
                shown += [
                    (number if one is mistakes[0] else "", one.code, one.place or "-", one.text) for one in mistakes
                ]
    if as_json:
        output.json_lines([json.dumps(checked.summary(), ensure_ascii=False)])
    else:
        _print(checked, shown)
    if checked.wrong:
        has = "has" if checked.wrong == 1 else "have"
        raise Failed(f"{checked.wrong} of {counted(checked.lines, 'intent', 'intents')} {has} mistakes")


@dataclass
class Checked:
    """What was found in the lines so far.

    Which providers are on is looked at where these settings have one: an upstream's machine has none.
    repeated: lines that say again what stood before; queued, they change nothing.
    """

    settings: "Settings"
    stream: str
    lines: int = 0
    wrong: int = 0
    repeated: int = 0
    _ids: dict[bytes, bytes] = field(default_factory=dict)
    _full: bool = False

    def __post_init__(self) -> None:
        from shared.providers.registry import REGISTRATIONS

        self._registrations = REGISTRATIONS
        self._targets = {name: registration.target for name, registration in REGISTRATIONS.items()}
        self._on = {name for name in REGISTRATIONS if self.settings.provider(name).base_url}
        if self.stream not in self.settings.intake.sources:
            known = ", ".join(map(output.safe, sorted(self.settings.intake.sources)))
            raise WrongUse(f"SETTLEPIPE_INTAKE__SOURCES has no stream {output.safe(self.stream)}; it has {known}")

    def line(self, raw: bytes | None) -> "tuple[str | None, list[Mistake]]":
        """Whose intent it is, `source/intent_id` where that can be read, and what is wrong with it. None: too long."""
        self.lines += 1
        subject, mistakes = self._mistakes(raw)
        self.wrong += bool(mistakes)
        return subject, mistakes

    def _mistakes(self, raw: bytes | None) -> "tuple[str | None, list[Mistake]]":
        from shared.domain.bad_intent import BadIntent, Mistake
        from shared.domain.codes import Code
        from shared.payments.valid import UNREAD, intent_of

        if raw is None:
            return None, [Mistake(Code.TOO_LARGE, "", f"the line is longer than {lines.MAX_LINE_BYTES} bytes")]
        try:
            intent = intent_of(raw, self.stream, self.settings.intake.sources, self._targets)
        except BadIntent as bad:
            return bad.subject, list(bad.mistakes)
        except Exception:  # as at the intake: a defect stops no other line
            return None, [Mistake(Code.INTERNAL_ERROR, "", UNREAD)]
        return f"{intent.source}/{intent.intent_id}", self._of(intent)

    def _of(self, intent: "Intent") -> "list[Mistake]":
        from shared.domain.bad_intent import Mistake
        from shared.domain.codes import Code
        from shared.domain.intent import MAX_AHEAD
        from shared.payments.valid import misfit

        if intent.paid_at > datetime.now(UTC) + MAX_AHEAD:
            said = "paid_at is more than 24 hours ahead of this machine's clock; send it when that time has come"
            return [Mistake(Code.PAID_AHEAD, "paid_at", said)]
        if self._clashes(intent):
            said = "another line before it has this id with other content"
            return [Mistake(Code.ID_CONFLICT, "intent_id", said)]
        on = not self._on or intent.provider in self._on
        found = misfit(self._registrations[intent.provider], intent.operation, intent.currency, on=on)
        return [] if found is None else [Mistake(found.code, _PLACES.get(found.code, "provider"), found.detail)]

    def _clashes(self, intent: "Intent") -> bool:
        key = hashlib.blake2b(f"{intent.source}/{intent.intent_id}".encode(), digest_size=16).digest()
        before = self._ids.get(key)
        if before is None:
            if len(self._ids) < IDS_KEPT:
                self._ids[key] = intent.digest[:16]
            else:
                self._full = True
            return False
        same = before == intent.digest[:16]
        self.repeated += same
        return not same

    @property
    def unchecked(self) -> list[str]:
        """What only the running product knows."""
        off = [] if self._on else ["which providers are on: these settings have none"]
        full = [f"ids that stand twice, behind the first {IDS_KEPT}"] if self._full else []
        return [*_UNCHECKED, *off, *full]

    def summary(self) -> Mapping[str, Any]:
        """The sums, for programs."""
        return {"lines": self.lines, "wrong": self.wrong, "repeated": self.repeated, "unchecked": self.unchecked}


_PLACES = {"not_supported": "operation", "currency_mismatch": "currency"}


def _print(checked: Checked, shown: list[tuple[object, ...]]) -> None:
    if shown:
        output.table((">line", "code", "place", "what is wrong"), shown)
    if checked.wrong > _SHOWN:
        output.note(f"and {checked.wrong - _SHOWN} more lines with mistakes; --json has all of them")
    again = f", {checked.repeated} of them again as they stood before" if checked.repeated else ""
    print(f"{counted(checked.lines, 'intent', 'intents')}{again}: {checked.lines - checked.wrong} without a mistake")
    print("not looked at: " + "; ".join(checked.unchecked))
