"""Where a broker is, as its URL says. Pure; no sentence of it shows a password."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

REDIS, SENTINEL, AMQP = "redis", "sentinel", "amqp"
# What stands before :// : the family, is it TLS, the port where none is said.
SCHEMES = {
    "redis": (REDIS, False, 6379),
    "rediss": (REDIS, True, 6379),
    "sentinel": (SENTINEL, False, 26379),
    "sentinels": (SENTINEL, True, 26379),
    "amqp": (AMQP, False, 5672),
    "amqps": (AMQP, True, 5671),
}
_SENTINELS_OWN = ("master", "sentinel_username", "sentinel_password")
_ELSEWHERE = ("ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")  # is set there
_MAX_PORT = 65_535
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+-]{0,19}")
CLUSTER = (
    "is not a broker's URL: Redis Cluster is not supported, because queues and streams are used together and have to be"
    " on one server; use a single server or Sentinel"
)


class BadAddress(ValueError):  # noqa: N818 - says what is wrong
    """The URL is no broker's that can be used. The message is a sentence that says what to write."""


@dataclass(frozen=True, slots=True)
class Address:
    """A broker. places: hosts and ports, one for redis, the sentinels for sentinel, the nodes for amqp.

    user, password: of the server that holds the data, never of the sentinels. path: the number of Redis' database, or
    RabbitMQ's virtual host. master: the name that the sentinels know the data's server by.
    """

    family: str
    tls: bool
    places: tuple[tuple[str, int], ...]
    user: str | None
    password: str | None = field(repr=False)
    path: str = ""
    master: str = ""
    sentinel_user: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)

    @property
    def database(self) -> int:
        """Of Redis, or behind a Sentinel."""
        return int(self.path or 0)


def read(url: str, *, queues_only: bool = False) -> Address:
    """The broker that the URL names. queues_only: it holds Celery's queues and no stream. Raises BadAddress."""
    scheme, found, rest = url.partition("://")
    allowed = [name for name, (family, *_) in SCHEMES.items() if queues_only or family != AMQP]
    if not found or not _SCHEME.fullmatch(scheme):
        raise BadAddress(f"is not a broker's URL; write {_spelling(allowed)}")
    scheme = scheme.lower()
    if scheme not in allowed:
        raise BadAddress(_refused(scheme, allowed))
    if ";" in rest:
        raise BadAddress(
            "has a ; in it; write one URL, its hosts with commas between them (and %3B for it in a password)"
        )
    family, tls, port = SCHEMES[scheme]
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    account, _, hosts = authority.rpartition("@")
    user, _, password = account.partition(":")
    given = _query(query, family)
    if family != AMQP:
        path = given.pop("db", path)
        if path and not (path.isascii() and path.isdigit()):
            raise BadAddress("ends with the number of a database: write /0 behind the host")
    if family == SENTINEL and not given.get("master"):
        raise BadAddress("names no master; write ?master=NAME at its end, the name that the sentinels know it by")
    places = tuple(_place(host, port) for host in hosts.split(","))
    if family == REDIS and len(places) > 1:
        raise BadAddress("names several hosts, which only Sentinel has; write sentinel://host,host,host/0?master=NAME")
    return Address(
        family,
        tls,
        places,
        unquote(user) or None,
        unquote(password) or None,
        unquote(path),
        given.get("master", ""),
        given.get("sentinel_username"),
        given.get("sentinel_password"),
    )


def _spelling(allowed: list[str]) -> str:
    return f"redis://default:password@host:6379/0 (or {', '.join(allowed[1:])}; docs/brokers.md)"


def _refused(scheme: str, allowed: list[str]) -> str:
    if "cluster" in scheme:
        return CLUSTER
    if scheme in ("amqp", "amqps"):
        return (
            "is not a broker's URL: RabbitMQ has no streams of Redis' kind; set SETTLEPIPE_CELERY_URL to it, and this"
            " one to a Redis or Valkey"
        )
    return f"is not a broker's URL: {scheme}:// is not supported; write {_spelling(allowed)}"


def _query(query: str, family: str) -> dict[str, str]:
    known = {REDIS: ("db",), SENTINEL: ("db", *_SENTINELS_OWN), AMQP: ()}[family]
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError:
        raise BadAddress("has something behind its ? that is no name=value") from None
    for name, _ in pairs:
        if name not in known:
            said = name if name in _ELSEWHERE else "something"  # it may be of a password that has a ? in it
            raise BadAddress(
                f"has {said} behind its ?, which is not taken from a URL; TLS is set by SETTLEPIPE_BROKER_TLS__CA_FILE,"
                " and a ? in a password is written %3F"
            )
    return dict(pairs)


def _place(text: str, port: int) -> tuple[str, int]:
    """One host and its port. An IPv6 address stands in brackets."""
    host, _, rest = text.rpartition("]") if text.startswith("[") else ("", "", text)
    name, colon, number = rest.partition(":")
    host = host.removeprefix("[") or name
    if not host or (colon and not (number.isascii() and number.isdigit() and 0 < int(number) <= _MAX_PORT)):
        raise BadAddress(
            "has a host or a port that is none; write host:port, several with commas between them, and @ / : ? # in a"
            " password as %40 %2F %3A %3F %23"
        )
    return unquote(host), int(number) if colon else port
