"""Services each on a network of its own, with a name and an address, as containers are: Linux's namespaces, no Docker.

For a process that has a network and mounts of its own (`unshare --net --mount`): what is made here goes with it.
"""

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.patience import PATIENCE

_BRIDGE = "bridge0"
_JOIN = 'read -r go && mount --bind "$HOSTS" /etc/hosts && exec "$@"'


def network(hosts: Path, names: Sequence[str]) -> dict[str, str]:
    """A network; each name's address on it, also for those who read /etc/hosts here. hosts: where they are written."""
    _ip("link", "set", "lo", "up")
    _ip("link", "add", _BRIDGE, "type", "bridge")
    _ip("addr", "add", "10.77.0.1/24", "dev", _BRIDGE)
    _ip("link", "set", _BRIDGE, "up")
    addresses = {name: f"10.77.0.{number}" for number, name in enumerate(names, 10)}
    lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in addresses.items())]
    hosts.write_text("\n".join(lines) + "\n")
    subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True, timeout=30)
    return addresses


@dataclass
class Machine:
    """One service on its own network. environment: all that it has."""

    name: str
    address: str
    environment: Mapping[str, str] = field(repr=False)
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def start(self, hosts: Path, *command: str) -> None:
        """Run this on it. It begins when the network is there."""
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                ["unshare", "--net", "--mount", "sh", "-c", _JOIN, "sh", *command],
                env={**self.environment, "HOSTS": str(hosts)},
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=sink,
            )
        connect(self.process.pid, self.address, self.name)
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        self.process.stdin.close()

    def run(self, *command: str, timeout_s: float) -> "subprocess.CompletedProcess[str]":
        """One more command on it, beside what runs there."""
        assert self.process is not None
        inside = ["nsenter", "-t", str(self.process.pid), "--net", "--mount", *command]
        return subprocess.run(
            inside, env=dict(self.environment), capture_output=True, text=True, timeout=timeout_s, check=False
        )


def connect(process: int, address: str, name: str) -> None:
    """Give the network of this process, once it has one of its own, this address on the network made above."""
    ours = Path("/proc/self/ns/net").readlink()
    end = time.monotonic() + 30 * PATIENCE
    while Path(f"/proc/{process}/ns/net").readlink() == ours:
        assert time.monotonic() < end, f"{name} gets no network of its own"
        time.sleep(0.01)
    outside, pid = f"v{address.rpartition('.')[2]}", str(process)
    _ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", pid)
    _ip("link", "set", outside, "master", _BRIDGE, "up")
    for words in (
        ("addr", "add", f"{address}/24", "dev", "eth0"),
        ("link", "set", "eth0", "up"),
        ("link", "set", "lo", "up"),
    ):
        _ip(*words, inside=pid)


def _ip(*words: str, inside: str | None = None) -> None:
    enter = ["nsenter", "-t", inside, "--net"] if inside else []
    subprocess.run([*enter, "ip", *words], check=True, timeout=30)
