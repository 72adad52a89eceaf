"""What the folder of the embedded stack, `$SETTLEPIPE_HOME`, remembers: all that a command needs to find the stack."""

import json
from dataclasses import dataclass
from pathlib import Path

DATABASE = "settlepipe"


class LocalError(Exception):
    """The local stack can't do what was asked. The message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What HOME remembers of the embedded stack."""

    postgres_port: int
    postgres_password: str
    valkey_port: int
    valkey_password: str
    flower_port: int
    flower_password: str
    sandbox_port: int
    secret_key: str
    reference_key: str | None = None  # none: this HOME never needed one of its own
    web_port: int = 0  # 0: this HOME is older than the HTTP door
    web_password: str | None = None  # of the control room, while nobody is set up; none: this HOME is older than that

    @property
    def database_url(self) -> str:
        """The embedded PostgreSQL."""
        return f"postgresql://app:{self.postgres_password}@127.0.0.1:{self.postgres_port}/{DATABASE}"

    @property
    def broker_url(self) -> str:
        """The embedded Valkey. With the user, without whose name redis-cli takes no password from a URL."""
        return f"redis://default:{self.valkey_password}@127.0.0.1:{self.valkey_port}/0"

    @property
    def flower_url(self) -> str:
        """Flower, with its user and password."""
        return f"http://settlepipe:{self.flower_password}@127.0.0.1:{self.flower_port}"

    @property
    def sandbox_url(self) -> str:
        """The providers' sandbox."""
        return f"http://127.0.0.1:{self.sandbox_port}"


def kept(home: Path) -> Kept | None:
    """What HOME remembers, or None when nothing was ever started there."""
    try:
        return Kept(**json.loads((home / "embedded.json").read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise LocalError(f"{home}/embedded.json can't be read ({error}); restore it from a backup") from None
