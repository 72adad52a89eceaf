"""Webhooks on a world's database, delivered to by the product's own turns, to a real receiver."""

from dataclasses import dataclass, field

from cryptography.fernet import Fernet
from pydantic import SecretStr

from shared.database.store import Seen
from shared.events.feed import Horizon
from shared.settings.webhooks import WebhookSettings
from shared.webhooks import keep
from shared.webhooks.deliver import Deliverer
from shared.webhooks.sign import Vault
from tests.support.flow import World
from tests.support.receiver import Receiver

SETTINGS = WebhookSettings(allow_http=True, allow_networks=("127.0.0.0/8",), timeout_s=3, connect_timeout_s=2)
_WRITE = """INSERT INTO events (event_id, type, subject, data, created_at)
    VALUES (%s, %s, %s, '{}', clock()) RETURNING id"""


@dataclass
class Hooked:
    """A world with webhooks."""

    world: World
    settings: WebhookSettings = SETTINGS
    vault: Vault = field(default_factory=lambda: Vault([SecretStr(Fernet.generate_key().decode())]))
    numbers: dict[str, int] = field(default_factory=dict)

    def deliverer(self) -> Deliverer:
        """As a process has it that has just begun."""
        return Deliverer(self.world.runtime.database, Seen(), self.vault, self.settings, Horizon().look)

    def hook(self, receiver: Receiver, source: str = "shop") -> int:
        """A webhook of this source; the receiver knows its secret."""
        with self.world.runtime.database.transaction() as connection:
            number, secret = keep.add(
                connection, self.vault, self.settings, source, receiver.url, position=0, since=None, by="Ann"
            )
        receiver.secrets.append(secret)
        return number

    def tell(self, *subjects: str, told: str = "settlepipe.payment.accepted") -> list[str]:
        """An event of each of these payments (`a` is shop/a), carried already; their ids."""
        names = []
        for subject in subjects:
            whole = subject if "/" in subject else f"shop/{subject}"
            self.numbers[whole] = self.numbers.get(whole, 0) + 1
            name = f"{subject}-{self.numbers[whole]}"
            number = self.world.value(_WRITE, name, told, whole)
            self.world.execute("DELETE FROM outbox WHERE id = %s", number)
            names.append(name)
        return names

    def deliver(self, *numbers: int, deliverer: Deliverer | None = None) -> int:
        """A turn of each that is due, as a process takes them; how many events were taken."""
        mine = deliverer or self.deliverer()
        due = [number for number in mine.due() if number in numbers or not numbers]
        return sum(mine.turn(number, lambda: False) for number in due)

    def advance(self, seconds: float) -> None:
        """Move the database's clock, while dispatchers judge the database."""
        self.world.advance(seconds)
        self.world.execute("UPDATE store SET beat_at = clock()")

    def row(self, number: int) -> dict[str, object]:
        (row,) = self.world.rows("SELECT * FROM webhooks WHERE id = %s", number)
        return row

    def waiting(self) -> list[tuple[str, int]]:
        """The events that were put aside, and how often each was tried."""
        rows = self.world.rows(
            "SELECT e.event_id, a.tries FROM webhook_waiting a JOIN events e ON e.id = a.event ORDER BY a.event"
        )
        return [(row["event_id"], row["tries"]) for row in rows]
