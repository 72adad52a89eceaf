"""Made-up payments of three providers, and their books changed behind our back in every way that a night can find.

What is expected is said by the one who makes the change: `Scene.expected` holds each discrepancy's category and what it
is about, once for each time that it must be found.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support import intents
from tests.support.intents import Intent
from tests.support.references import new_reference
from tests.support.stack import Row, Stack, wait_until

SOURCE = "books"
# Each payment has an account, or invoice, of its own; those of a name before the dash share one.
ACCOUNTS = {
    name: number
    for number, name in enumerate(
        ["good", "missing", "amount", "status", "twice", "late", "refused", "elsewhere", "applied", "nobody"], 7001
    )
}
UNTOUCHED = 7999  # an account that none of our payments names
AMOUNT, OTHER = "20.25", "19.75"

_STATES = "SELECT intent_id, state, sent_reference FROM payments WHERE source = %s AND intent_id = ANY(%s)"


def careful(provider: str, name: str) -> Intent:
    """A payment of ubill or mtn with the id `<provider>.<name>`."""
    number = ACCOUNTS[name.partition("-")[0]]
    account: dict[str, Any] = {"account_id": number}
    if provider == "mtn":
        account = {"id_type": "Account Number", "id": f"{number:08d}", "customer_type": 2}
    return {
        "intent_id": f"{provider}.{name}",
        "source": SOURCE,
        "provider": provider,
        "operation": "settle",
        "amount": AMOUNT,
        "currency": {"ubill": "GEL", "mtn": "GHS"}[provider],
        "paid_at": "2026-11-21T03:24:12Z",
        "target": account,
    }


def bill(name: str, operation: str = "settle") -> Intent:
    """A settle at billcenter with the id `billcenter.<name>` on the invoice `books-<name>`, or its refund."""
    made = intents.settle(SOURCE, 1, invoice=f"{SOURCE}-{name}", intent_id=f"billcenter.{name}", amount=AMOUNT)
    if operation == "settle":
        return made
    return intents.refund(SOURCE, 1, intent_id=f"billcenter.{name}.back", refund_of=made["intent_id"], amount=AMOUNT)


@dataclass
class Scene:
    """The running product, and what its books and the providers' differ in."""

    up: Stack
    references: dict[str, str] = field(default_factory=dict)
    expected: "Counter[tuple[str, str, str]]" = field(default_factory=Counter)

    def pay(self, *wanted: Intent, state: str = "succeeded") -> None:
        """Submit these and wait until each of them is `state`."""
        ids = [one["intent_id"] for one in wanted]
        self.up.submit(wanted)
        found: dict[str, Row] = {}

        def there() -> bool:
            found.update({row["intent_id"]: row for row in self.up.query(_STATES, SOURCE, ids)})
            return [found[i]["state"] for i in ids if i in found] == [state] * len(ids)

        try:
            wait_until(there, f"{ids} are {state}", 60, pause_s=0.1)
        except AssertionError:
            raise AssertionError(f"not all are {state}: {found}") from None
        self.references |= {i: found[i]["sent_reference"] for i in ids}

    def control(self, provider: str, what: str, **body: Any) -> None:
        self.up.sandbox.call("POST", f"{provider}/{what}", body)

    def expect(self, provider: str, category: str, about: str) -> None:
        """about: an intent's id, or the account of what is no payment of ours."""
        self.expected[provider, category, about] += 1


def pay_everything(scene: Scene) -> None:
    """Payments of every kind and state. Nothing differs yet."""
    up, ordinary = scene.up, ("good", "missing", "amount", "twice", "elsewhere", "nobody-before")
    scene.pay(careful("ubill", "good"), careful("mtn", "good"))
    facts = "SELECT FROM provider_facts WHERE fact LIKE 'gives_markers_back:%%'"
    wait_until(lambda: len(up.query(facts)) == 2, "markers are known to be given back", 20)
    rest = [careful(provider, name) for provider in ("ubill", "mtn") for name in ordinary[1:]]
    scene.pay(*rest, *(careful("ubill", name) for name in ("status", "late", "applied-before")))
    up.sandbox.set_faults(*({"provider": name, "operation": "settle", "fault": "refuse"} for name in ("ubill", "mtn")))
    scene.pay(careful("ubill", "refused"), careful("mtn", "refused"), state="refused")
    for name, fault in (("applied", "error_500_after"), ("nobody", "error_500_before")):
        # While the books don't show all, nobody knows what became of these.
        scene.control("ubill", "options", list="part", newest_missing=9)
        scene.control("mtn", "options", list="part")
        up.sandbox.set_faults(*({"provider": one, "operation": "settle", "fault": fault} for one in ("ubill", "mtn")))
        scene.pay(careful("ubill", name), careful("mtn", name), state="parked")
    scene.control("ubill", "options", list="whole")
    scene.control("mtn", "options", list="whole")
    bills = ["good", "missing", "less", "status", "elsewhere", "refund", "nobody"]
    up.sandbox.clear_faults()
    scene.pay(*(bill(name) for name in bills))
    up.sandbox.set_faults({"operation": "refund", "fault": "error_500_before"})
    scene.pay(bill("nobody", "refund"), state="parked")
    up.sandbox.clear_faults()
    scene.pay(bill("refund", "refund"))
    scene.expect("ubill", "still_unknown", "ubill.nobody")
    scene.expect("mtn", "still_unknown", "mtn.nobody")
    scene.expect("billcenter", "still_unknown", "billcenter.nobody.back")


def spoil(scene: Scene) -> None:
    """Change the books in every way that can be found."""
    spoil_accounts(scene)
    spoil_invoices(scene)


def spoil_accounts(scene: Scene) -> None:
    """What books with a line for each payment can say wrong."""
    for name in ("ubill", "mtn"):
        _books(scene, name, "missing", remove=True)
        scene.expect(name, "missing_at_provider", f"{name}.missing")
        _books(scene, name, "amount", amount=OTHER)
        scene.expect(name, "amount_mismatch", f"{name}.amount")
        for _ in range(2):
            _line(scene, name, "twice", scene.references[f"{name}.twice"])
            scene.expect(name, "duplicate_at_provider", f"{name}.twice")
        _line(scene, name, "refused", scene.references[f"{name}.refused"])
        scene.expect(name, "paid_there_failed_here", f"{name}.refused")
        _line(scene, name, "elsewhere", "cash desk 4")
        scene.expect(name, "paid_elsewhere", _account(name, "elsewhere"))
        _line(scene, name, "good", new_reference())
        scene.expect(name, "missing_locally", _account(name, "good"))
    _books(scene, "ubill", "status", type_id=2)
    scene.expect("ubill", "status_mismatch", "ubill.status")
    _books(scene, "ubill", "late", at=(datetime.now(UTC) - timedelta(days=3)).isoformat())
    scene.expect("ubill", "late", "ubill.late")
    scene.control("ubill", "pay", account_id=UNTOUCHED, amount=OTHER, comment=new_reference())
    scene.expect("ubill", "missing_locally", str(UNTOUCHED))


def spoil_invoices(scene: Scene) -> None:
    """What books with totals can say wrong."""
    invoices = {
        "missing": {"amount_paid": "0.00"},
        "less": {"amount_paid": "20.24"},
        "status": {"status": "PENDING"},
        "elsewhere": {"amount_paid": "27.25"},
        "refund": {"amount_paid": AMOUNT},
    }
    for name, change in invoices.items():
        scene.control("billcenter", "books", invoice_code=f"{SOURCE}-{name}", **change)
    scene.control("billcenter", "pay", invoice_code="nobody-s-business", amount="5.00")
    scene.expect("billcenter", "missing_at_provider", "billcenter.missing")
    scene.expect("billcenter", "amount_mismatch", f"{SOURCE}-less")
    scene.expect("billcenter", "status_mismatch", "billcenter.status")
    scene.expect("billcenter", "paid_elsewhere", f"{SOURCE}-elsewhere")
    scene.expect("billcenter", "refund_missing", "billcenter.refund.back")


def repair(scene: Scene) -> None:
    """Undo all of it. What nobody knew about turns out to have been paid."""
    for name in ("ubill", "mtn"):
        _line(scene, name, "missing", scene.references[f"{name}.missing"])
        _books(scene, name, "amount", amount=AMOUNT)
        for _ in range(2):
            _books(scene, name, "twice", remove=True)
        _books(scene, name, "refused", remove=True)
        _line(scene, name, "nobody", scene.references[f"{name}.nobody"])
    for name in ("missing", "less", "status", "elsewhere"):
        change = {"amount_paid": AMOUNT, "status": None}
        scene.control("billcenter", "books", invoice_code=f"{SOURCE}-{name}", **change)
    scene.control("billcenter", "books", invoice_code=f"{SOURCE}-refund", amount_paid="0.00")
    _books(scene, "ubill", "status", type_id=1)


def _account(provider: str, name: str) -> str:
    return str(ACCOUNTS[name]) if provider == "ubill" else f"2:{ACCOUNTS[name]:08d}"


def _books(scene: Scene, provider: str, name: str, **change: Any) -> None:
    reference, number = scene.references[f"{provider}.{name}"], ACCOUNTS[name]
    if provider == "ubill":
        scene.control("ubill", "books", account_id=number, comment=reference, **change)
    else:
        scene.control("mtn", "books", id=f"{number:08d}", reference=reference, **change)


def _line(scene: Scene, provider: str, name: str, marker: str) -> None:
    number = ACCOUNTS[name]
    if provider == "ubill":
        scene.control("ubill", "pay", account_id=number, amount=AMOUNT, comment=marker)
    else:
        scene.control("mtn", "pay", id=f"{number:08d}", customer_type=2, amount=AMOUNT, reference=marker)
