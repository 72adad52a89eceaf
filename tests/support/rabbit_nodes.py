"""A cluster of RabbitMQ's, as Debian has it: three nodes on this machine, and the one that leads a queue killed."""

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.home import free_ports
from tests.support.authority import Authority, Pair
from tests.support.processes import running
from tests.support.programs import path_of
from tests.support.stack import wait_until

USER, PASSWORD = "app", "made-up-password"
NODES = 3
_PROGRAMS = Path("/usr/lib/rabbitmq/bin")  # what Debian's own scripts run as another user
_UP_S = 90


@dataclass
class Cluster:
    """ports: where each node takes clients, over TLS alone."""

    folder: Path
    mapper: int
    ports: list[int]
    ending: ExitStack
    nodes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    killed: list[str] = field(default_factory=list)

    def kill_leader(self, queue: str) -> None:
        """Kill the node that leads this queue; when another one does, start it again, and wait until it is a
        member that answers."""
        before = self.told(queue)
        assert len(before["members"]) == NODES, before
        name = str(before["leader"])
        os.killpg(self.nodes[name].pid, signal.SIGKILL)
        self.nodes[name].wait()
        self.killed.append(name)
        wait_until(lambda: self.told(queue)["leader"] not in (name, ""), "another node leads", _UP_S)
        self.start(name)
        wait_until(lambda: name in self.told(queue)["online"], "the node is a member again", _UP_S)

    def told(self, queue: str) -> "dict[str, str | list[str]]":
        """What a node that lives says of a queue: its leader, its members, and which of them are online."""
        asked = next(name for name, node in self.nodes.items() if node.poll() is None)
        words = ["-q", "-n", asked, "list_queues", "name", "type", "leader", "members", "online", "--formatter", "json"]
        done = subprocess.run(
            [str(_PROGRAMS / "rabbitmqctl"), *words],
            env=self._environment(asked, 0),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        rows = json.loads(done.stdout) if done.returncode == 0 else []
        return next((row for row in rows if row["name"] == queue), {"leader": "", "members": [], "online": []})

    def start(self, *names: str) -> None:
        """Start these nodes; return when they are up."""
        sizes = {}
        for name in names:
            log = self.folder / f"{name}.log"
            sizes[log] = log.stat().st_size if log.exists() else 0
            given = self._environment(name, free_ports(1)[0])
            self.nodes[name] = self.ending.enter_context(running([str(_PROGRAMS / "rabbitmq-server")], log, given))
        for log, size in sizes.items():
            wait_until(lambda: b"completed with" in log.read_bytes()[size:], f"{log.stem} is up", _UP_S)  # noqa: B023

    def _environment(self, name: str, distribution: int) -> dict[str, str]:
        given = {
            "HOME": self.folder,  # with the cookie, which they share
            "RABBITMQ_NODENAME": name,
            "RABBITMQ_CONFIG_FILE": self.folder / f"{name}.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": self.folder / "plugins",
            "RABBITMQ_MNESIA_BASE": self.folder / "data",
            "RABBITMQ_LOG_BASE": self.folder / "log",
            "ERL_EPMD_PORT": self.mapper,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }
        if distribution:
            given["RABBITMQ_DIST_PORT"] = distribution
        return {**os.environ, **{key: str(value) for key, value in given.items()}}


def cluster(folder: Path, authority: Authority, theirs: Pair, ending: ExitStack) -> Cluster:
    """Three nodes that know each other, and speak TLS alone, with who has a certificate of this authority."""
    if not (_PROGRAMS / "rabbitmq-server").exists():
        path_of("rabbitmq-server")
    mapper, *ports = free_ports(1 + NODES)
    made = Cluster(folder, mapper, ports, ending)
    names = {f"made-up-{number}-{port}@localhost": port for number, port in enumerate(ports)}
    for name, port in names.items():
        (folder / f"{name}.conf").write_text(_configuration(port, list(names), authority, theirs))
    (folder / "plugins").write_text("[].\n")
    ending.enter_context(running([path_of("epmd"), "-port", str(mapper)], folder / "epmd.log", os.environ))
    made.start(*names)
    return made


def _configuration(port: int, names: list[str], authority: Authority, theirs: Pair) -> str:
    lines: Mapping[str, object] = {
        "listeners.tcp": "none",
        "listeners.ssl.1": f"127.0.0.1:{port}",
        "ssl_options.cacertfile": authority.ca,
        "ssl_options.certfile": theirs.cert,
        "ssl_options.keyfile": theirs.key,
        "ssl_options.verify": "verify_peer",
        "ssl_options.fail_if_no_peer_cert": "true",
        "default_user": USER,
        "default_pass": PASSWORD,
        "log.console": "true",
        "log.file": "false",
        "cluster_formation.peer_discovery_backend": "classic_config",
        **{f"cluster_formation.classic_config.nodes.{number}": name for number, name in enumerate(names, 1)},
    }
    return "".join(f"{name} = {value}\n" for name, value in lines.items())
