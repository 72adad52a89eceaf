"""Machines that systemd boots, each with a root laid over this one's, a network, a name: Linux's namespaces, no Docker.

For a process under `unshare --net --mount --pid --fork --kill-child --mount-proc`: whatever is made here ends with it.
What a machine writes goes to memory, and nothing that this machine has is changed.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import machines
from tests.support.patience import PATIENCE

# A root over others. $1: where it is put together; $2: the layers below, the uppermost first; $3: where it is written.
_ROOT = """
mkdir -p "$1" "$3/up" "$3/work"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$3/up,workdir=$3/work" "$1"
cd "$1"
mount -t proc proc proc
mount --bind proc/sys proc/sys && mount -o remount,bind,ro proc/sys
mount -t tmpfs tmpfs dev && mkdir dev/pts dev/shm && ln -s /proc/self/fd dev/fd && mknod dev/console c 5 1
for name in null zero full random urandom tty; do touch "dev/$name" && mount --bind "/dev/$name" "dev/$name"; done
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts && ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
"""
# systemd wants a tree of control groups that it may write to. Where this machine has the second version, it is that.
_GROUPS = """
mount -t sysfs -o ro sysfs sys
if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
    mount -t cgroup2 cgroup2 sys/fs/cgroup
else
    mount -t tmpfs tmpfs sys/fs/cgroup && mkdir sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd,xattr cgroup sys/fs/cgroup/systemd
fi
"""
_ENTER = 'mkdir -p mnt/before && pivot_root . mnt/before && cd / && umount -l /mnt/before && exec "$@"'
_BOOT = f"set -e\n{_ROOT}{_GROUPS}shift 3\n{_ENTER}"
_ONCE = f"set -e\n{_ROOT}shift 3\n{_ENTER}"
_SYSTEMD = ("/lib/systemd/systemd", "--unit=basic.target", "--show-status=0")
# What would ask for hardware, change the kernel's settings, or start what this machine happens to have.
_MASKED = (
    *(
        "systemd-sysctl.service",
        "systemd-modules-load.service",
        "systemd-udevd.service",
        "systemd-udev-trigger.service",
    ),
    *("systemd-timesyncd.service", "systemd-update-utmp.service", "systemd-journal-flush.service", "epmd.socket"),
    *("sys-kernel-debug.mount", "sys-kernel-tracing.mount", "dev-hugepages.mount", "sys-fs-fuse-connections.mount"),
    *("timers.target", "systemd-remount-fs.service", "systemd-random-seed.service", "systemd-binfmt.service"),
    "postgresql@.service",
)


def once(folder: Path, *command: str, given: Mapping[str, str], timeout_s: float) -> "subprocess.CompletedProcess[str]":
    """Run this on this machine's network with a root laid over its own; what it wrote is in folder/up."""
    words = ["unshare", "--mount", "sh", "-c", _ONCE, "sh", str(folder / "root"), "/", str(folder), *command]
    return subprocess.run(words, env=dict(given), capture_output=True, text=True, timeout=timeout_s, check=False)


@dataclass
class Booted:
    """One machine. below: what was written over this machine's root for it (`once`). shell: what is typed there first,
    whatever block is run."""

    name: str
    address: str
    folder: Path
    below: Path
    given: dict[str, str] = field(default_factory=dict, repr=False)
    shell: str = ""
    process: "subprocess.Popen[bytes] | None" = None

    def boot(self, hosts: Path) -> None:
        """Start it; return when systemd has come up."""
        up = self.folder / "up"
        (up / "etc" / "systemd" / "system").mkdir(parents=True, exist_ok=True)
        for unit in _MASKED:
            (up / "etc" / "systemd" / "system" / unit).symlink_to("/dev/null")
        (up / "etc" / "hostname").write_text(f"{self.name}\n")
        (up / "etc" / "hosts").write_bytes(hosts.read_bytes())
        words = [
            "--net",
            "--mount",
            "--uts",
            "--ipc",
            "--cgroup",
            "--pid",
            "--fork",
            "--kill-child",
            "--propagation=private",
        ]
        place = [str(self.folder / "root"), f"{self.below}/up:/", str(self.folder)]
        with (self.folder / "boot.log").open("ab") as sink:
            self.process = subprocess.Popen(
                ["unshare", *words, "sh", "-c", _BOOT, "sh", *place, *_SYSTEMD],
                env={"container": "other", "PATH": os.environ["PATH"]},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
            )
        machines.connect(self.process.pid, self.address, self.name)
        end = time.monotonic() + 60 * PATIENCE
        up_yet = "systemctl is-active basic.target"
        while self.run(up_yet, timeout_s=30 * PATIENCE, shell=False).returncode != 0:
            assert self.process.poll() is None, (self.folder / "boot.log").read_text()
            assert time.monotonic() < end, f"{self.name} does not come up: {(self.folder / 'boot.log').read_text()}"
            time.sleep(0.2)

    def run(
        self, block: str, *, timeout_s: float, answers: str = "", shell: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Have root type this on it, in the folder where the product's source is. answers: what it asks for,
        a line each. shell: after what is typed first in every shell."""
        typed = f"cd /root/settlepipe\n{self.shell if shell else ''}\n{block}"
        inside = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root"]
        return subprocess.run(
            ["nsenter", "-t", str(self._first()), *inside, "sh", "-euc", typed],
            input=answers,
            env=self.given,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def lose_power(self) -> None:
        """Everything on it ends, at once."""
        assert self.process is not None
        os.kill(self._first(), signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """The same, where it may have ended before."""
        if self.process is not None and self.process.poll() is None:
            self.lose_power()

    def _first(self) -> int:
        """The process that is number 1 there."""
        assert self.process is not None
        pid = self.process.pid
        end = time.monotonic() + 30 * PATIENCE
        while not (children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            assert time.monotonic() < end, (self.folder / "boot.log").read_text()
            time.sleep(0.05)
        return int(children[0])
