"""What `settlepipe doctor` looks at. Each check is a plain function, reads only, and never raises."""

import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from cryptography.fernet import Fernet
from psycopg.rows import dict_row

from deploy.local import brokers, pooling, postgres, server, valkey
from deploy.local.brokers import Check
from deploy.local.home import prepare
from deploy.local.kept import LocalError
from deploy.local.running import connected
from shared.database import session, store, version
from shared.domain.words import counted
from shared.metrics.read import at_risk
from shared.metrics.risk import in_words
from shared.settings import PREFIX, Settings

TIMEOUT_S = 5
OLDEST_PYTHON = (3, 11)
OLDEST_POSTGRES = 15
CLOCK_TOLERANCE_S = 2.0
DISK_FREE_BYTES = 500 * 1024 * 1024


def examine(settings: Settings) -> Iterator[Check]:
    """Every check, in the order in which they help; those that need a running stack come last."""
    yield python_version()
    yield home_writable(settings.home)
    if settings.database_url is None:
        yield postgres_binaries()
    if settings.broker_url is None:
        yield valkey_binary()
    yield from providers(settings)
    yield text_messages(settings)
    yield alerts(settings)
    if settings.report.store_url is not None:
        yield reports(settings)
    if settings.ubill.callback_key is not None:
        yield callback(settings)
    try:
        found = connected(settings)
    except LocalError as error:
        yield Check("stack", False, str(error))
        return
    yield secret_keys(found)
    if found.database_url is not None:
        yield from database(found.database_url.get_secret_value())
        yield from pooling.examine(found)
    if found.broker_url is not None:
        yield from brokers.examine(found)


def python_version() -> Check:
    """Is the interpreter new enough?"""
    shown = ".".join(map(str, sys.version_info[:3]))
    enough = sys.version_info >= OLDEST_PYTHON
    return Check("python", enough, f"Python {shown}" + ("" if enough else "; 3.11 or newer is needed"))


def home_writable(home: Path) -> Check:
    """Can HOME be written, and is there room?"""
    try:
        home = prepare(home)
    except LocalError as error:
        return Check("home", False, str(error))
    if not os.access(home, os.W_OK | os.X_OK):
        return Check("home", False, f"{home} can't be written; point SETTLEPIPE_HOME at a folder of yours")
    free = shutil.disk_usage(home).free
    enough = free > DISK_FREE_BYTES
    sentence = f"{home} can be written, {free // 1024**2} MiB are free" + ("" if enough else "; make room")
    return Check("home", enough, sentence)


def postgres_binaries() -> Check:
    """Is the embedded PostgreSQL there, and does it run on this machine?"""
    try:
        return _runs("postgres binaries", postgres.binaries_folder() / "postgres")
    except LocalError as error:
        return Check("postgres binaries", False, str(error))


def valkey_binary() -> Check:
    """Is the embedded Valkey there, and does it run on this machine?"""
    try:
        return _runs("valkey binary", valkey.binary())
    except LocalError as error:
        return Check("valkey binary", False, str(error))


def _runs(name: str, program: Path) -> Check:
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=TIMEOUT_S, check=True, env={"LC_ALL": "C"}
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Check(name, False, f"{program} does not run here ({error}); set the server's URL instead")
    return Check(name, True, done.stdout.strip())


def secret_keys(settings: Settings) -> Check:
    """Can provider tokens be encrypted? Keys are Fernet keys, newest first."""
    count = len(settings.secret_keys)
    if not count:
        return Check("secret keys", False, "no key is set; set SETTLEPIPE_SECRET_KEYS to a JSON list of Fernet keys")
    for number, key in enumerate(settings.secret_keys, 1):
        try:
            Fernet(key.get_secret_value())
        except ValueError:
            sentence = f"key {number} of SETTLEPIPE_SECRET_KEYS is not a Fernet key (32 bytes in URL-safe base64)"
            return Check("secret keys", False, sentence)
    return Check("secret keys", True, f"{count} valid, the first one encrypts")


def providers(settings: Settings) -> Iterator[Check]:
    """Which lanes are on? One that is off is no fault: its intents are refused with that reason."""
    from shared.providers import registry  # noqa: PLC0415 - imports every adapter

    for name, registration in registry.REGISTRATIONS.items():
        on = settings.provider(name).base_url is not None
        said = "on" if registration.operations else "on, for look-ups only"
        sentence = said if on else f"off; set {PREFIX}{name.upper()}__BASE_URL to turn it on"
        yield Check(f"provider {name}", True, sentence)


def text_messages(settings: Settings) -> Check:
    """Can a payment's text message be sent? That none can is no fault: it is refused, or waits, with that reason."""
    if settings.ubill.base_url is None:
        return Check("text messages", True, "none are sent: ubill is off")
    if settings.ubill.brand_id is None:
        return Check("text messages", True, f"each is refused: set {PREFIX}UBILL__BRAND_ID to send them")
    return Check("text messages", True, f"sent under brand {settings.ubill.brand_id}")


def callback(settings: Settings) -> Check:
    """Can delivery callbacks be received, and over what?"""
    ubill = settings.ubill
    where = f"on {ubill.callback_host}:{ubill.callback_port}"
    if ubill.callback_cert_file is None or ubill.callback_cert_key_file is None:
        return Check("sms callback", True, f"HTTP {where}; ubill calls https alone: a proxy has to stand in front")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(ubill.callback_cert_file, ubill.callback_cert_key_file)
    except OSError as error:  # ssl.SSLError is one
        reason = f"the certificate and its key can't be used ({type(error).__name__})"
        return Check("sms callback", False, f"{reason}; both must be readable PEM files that fit each other")
    return Check("sms callback", True, f"HTTPS {where}")


def database(url: str) -> Iterator[Check]:
    """Does PostgreSQL answer, is its schema this version's, does its clock agree with ours, does it keep what it was
    given, and what has its owner set that changes how sessions work?"""
    try:
        with session.connect(url, "settlepipe doctor", statement_s=TIMEOUT_S) as connection:
            before = time.monotonic()
            row = connection.execute("SELECT clock_timestamp(), current_setting('server_version')").fetchone()
            now, travelled_s = datetime.now(UTC), time.monotonic() - before
            about = [Check(*found) for found in server.look(connection)]
            new_enough = connection.info.server_version >= OLDEST_POSTGRES * 10_000
    except session.Unusable as error:
        yield Check("database", False, str(error))
        return
    except psycopg.Error as error:
        reason = str(error).strip().split("\n")[0]
        yield Check("database", False, f"PostgreSQL does not answer: {reason}")
        return
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    sentence = f"PostgreSQL {row[1]} answers" + ("" if new_enough else f"; {OLDEST_POSTGRES} or newer is needed")
    yield Check("database", new_enough, sentence)
    yield _migrations(url)
    yield _held(url)
    yield _at_risk(url)
    yield _people(url)
    yield from about
    skew_s = abs((now - row[0]).total_seconds()) - travelled_s
    agree = skew_s <= CLOCK_TOLERANCE_S
    sentence = f"this machine and the database differ by {max(0.0, skew_s):.1f} s" + ("" if agree else "; use NTP")
    yield Check("clock", agree, sentence)


def _held(url: str) -> Check:
    """Has the database lost time, and is a window after that open?"""
    try:
        with session.connect(url, "settlepipe doctor", row_factory=dict_row, statement_s=TIMEOUT_S) as connection:
            found = store.look(connection)
            window = connection.execute(
                "SELECT since, closes_at FROM lost_times WHERE closed_at IS NULL AND closes_at > clock() LIMIT 1"
            ).fetchone()
    except psycopg.Error as error:
        return Check("store", False, f"whether it is held can't be read ({type(error).__name__})")
    if found.held_at is not None:
        return Check("store", False, found.told)
    if window is not None:
        since, until = (f"{window[name]:%Y-%m-%dT%H:%M:%SZ}" for name in ("since", "closes_at"))
        return Check("store", True, f"it lost the time since {since}: until {until} all is looked up before it is sent")
    return Check("store", True, f"it goes on (epoch {found.recorded.epoch})")


def alerts(settings: Settings) -> Check:
    """How are people told of what stands still? That nobody is told is no fault: the log is."""
    set_ = settings.alerts
    found = {"webhook": set_.webhook_url, "Alertmanager": set_.alertmanager_url, "mail": set_.mail.host}
    names = [name for name, value in found.items() if value]
    if not names:
        return Check("alerts", True, f"sent to nobody; set {PREFIX}ALERTS__WEBHOOK_URL or another way (docs/alerts.md)")
    return Check("alerts", True, f"sent by {', '.join(names)}; `settlepipe alerts test` tries that")


def reports(settings: Settings) -> Check:
    """Can the place be read where the reports of all machines stand?"""
    from shared.reconciliation.report import place  # noqa: PLC0415 - see there

    try:
        where = place.place(settings.report)
        found = place.days(where) if where else {}
    except place.Unkept as error:
        return Check("reports", False, f"{settings.report.store_url}: {error}")
    newest = f"; the newest is of {next(iter(found))}" if found else ""
    return Check("reports", True, f"{settings.report.store_url} has {counted(len(found), 'day', 'days')}{newest}")


def _at_risk(url: str) -> Check:
    """How much may have been applied while nobody knows? That some is, is no fault: alerts tell when it is much."""
    try:
        with session.connect(url, "settlepipe doctor", row_factory=dict_row, statement_s=TIMEOUT_S) as connection:
            return Check("money at risk", True, in_words(at_risk(connection)))
    except psycopg.Error as error:
        return Check("money at risk", False, f"it can't be read ({type(error).__name__})")


def _migrations(url: str) -> Check:
    try:
        with session.connect(url, "settlepipe doctor", statement_s=TIMEOUT_S) as connection:
            schema = version.look(connection)
            sentence = version.wrong(schema)
    except psycopg.Error as error:
        return Check("migrations", False, f"the schema's version can't be read ({type(error).__name__})")
    if sentence is not None or schema is None:
        return Check("migrations", False, sentence or "")
    left = len(version.pending(schema.version))
    later = f"; {left} to run when no older process runs: settlepipe db upgrade --post" if left else ""
    return Check("migrations", True, f"at {schema.version}{later}" if left else "at head")


def _people(url: str) -> Check:
    """Does whoever decides have to say who they are, and can two agree?"""
    from shared.people import prove  # noqa: PLC0415 - few of the checks need it

    try:
        with session.connect(url, "settlepipe doctor", row_factory=dict_row, statement_s=TIMEOUT_S) as connection:
            is_set_up, approvers = prove.set_up(connection), prove.approvers(connection)
    except psycopg.Error as error:
        return Check("people", False, f"who is set up can't be read ({type(error).__name__})")
    if not is_set_up:
        return Check(
            "people", True, "nobody is set up: any name counts, one person decides alone; see `settlepipe people add`"
        )
    enough = approvers > 1
    sentence = f"{approvers} may approve" + ("" if enough else "; it takes two people, add an approver")
    return Check("people", enough, sentence)
