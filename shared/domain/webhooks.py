"""webhooks: what a URL and an address must be like, how long a failure waits, what an answer means. Pure."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

MAX_URL = 2048
ILL_AFTER = 3  # payments in a row that could not be delivered say that it is the receiver: all of it waits
_EMBEDDED = (
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64: the last 32 bits
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4: the 32 behind the first 16
)
# Special to IANA, and not to each Python that we run on.
_SPECIAL = tuple(
    ipaddress.ip_network(network)
    for network in (
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "64:ff9b:1::/48",
        "2001::/23",
        "3fff::/20",
        "5f00::/16",
    )
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def right_url(url: str, *, allow_http: bool, networks: Sequence[str] = ()) -> SplitResult:
    """The URL's parts, where events may be posted to it. Raises ValueError, in a sentence without the URL.

    A name is not resolved: where it leads is looked at with each connection.
    """
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"the URL must be up to {MAX_URL} printable ASCII characters without a blank")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("the URL is none; write it as https://host/path") from None
    if parts.scheme not in ("https", "http") or not host:
        raise ValueError("the URL must start with https:// and name a host")
    if parts.scheme == "http" and not allow_http:
        raise ValueError("the URL must start with https://; SETTLEPIPE_WEBHOOKS__ALLOW_HTTP allows http://")
    if parts.username is not None or parts.fragment:
        raise ValueError("the URL may hold no user:password@ and no #; the signature says who sends")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return parts
    if not reachable(host, networks):
        raise ValueError(f"{host} is not public; SETTLEPIPE_WEBHOOKS__ALLOW_NETWORKS may name its network")
    return parts


def reachable(address: str, networks: Sequence[str] = ()) -> bool:
    """May a connection go to this address? Public ones alone, and those in these networks. An IPv4 address that stands
    in one of IPv6 is judged itself."""
    found: Address = ipaddress.ip_address(address.partition("%")[0])
    inner = _embedded(found)
    allowed = [ipaddress.ip_network(network) for network in networks]
    if any(one in network for one in (found, inner) if one is not None for network in allowed):
        return True
    return _public(found) if inner is None else _public(inner)


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    for network, shift in _EMBEDDED:
        if address in network:
            return ipaddress.IPv4Address(int(address) >> shift & 0xFFFF_FFFF)
    return None


def _public(address: Address) -> bool:
    odd = (
        any(address in network for network in _SPECIAL),
        address.is_multicast,
        address.is_reserved,
        address.is_unspecified,
        address.is_loopback,
        address.is_link_local,
        address.is_private,
        isinstance(address, ipaddress.IPv6Address) and address.is_site_local,
    )
    return address.is_global and not any(odd)


def wait_s(failures: int, base_s: float, cap_s: float, draw: float) -> float:
    """Seconds until the next try after so many failures (1 or more): doubling up to the cap. draw: 0 to 1; takes up to
    a quarter off, so that what failed together does not come together."""
    longest = min(cap_s, base_s * 2.0 ** min(max(failures, 1) - 1, 40))
    return longest * (1 - 0.25 * draw)


class Verdict(StrEnum):
    """What an attempt came to."""

    DELIVERED = "delivered"
    FAILED = "failed"  # this event; it is tried again
    BUSY = "busy"  # the receiver says when it wants to be asked again
    GONE = "gone"  # there is nobody any more


@dataclass(frozen=True, slots=True)
class Attempt:
    """said: what the receiver answered, or why it did not, in a few words of ours. retry_after_s: where BUSY."""

    verdict: Verdict
    said: str
    retry_after_s: float | None = None


_NO_ANSWER: Mapping[str, str] = {
    "AddressRefused": "its name leads to no public address (SETTLEPIPE_WEBHOOKS__ALLOW_NETWORKS)",
    "SSLCertVerificationError": "its certificate is not good for its name",
    "gaierror": "its name is not known",
}


def answered(status: int, retry_after_s: float | None) -> Attempt:
    """2xx is a yes, whatever the body says; 410 is for ever."""
    said = f"it answered {status}"
    if 200 <= status <= 299:
        return Attempt(Verdict.DELIVERED, said)
    if status == 410:
        return Attempt(Verdict.GONE, f"{said}: gone")
    if status in (429, 503) and retry_after_s is not None:
        return Attempt(Verdict.BUSY, f"{said}, and to come later", retry_after_s)
    if 300 <= status <= 399:
        said += ", a redirect, which is not followed; give the URL that it leads to"
    return Attempt(Verdict.FAILED, said)


def unanswered(kind: str, detail: str) -> Attempt:
    """No answer, of this kind of fault and for this error's class."""
    return Attempt(Verdict.FAILED, _NO_ANSWER.get(detail, f"no answer: {kind} ({detail})"))


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that was put aside. due: it may be tried now, as far as it goes. order: by this the longest waits."""

    event: int
    subject: str
    tries: int
    due: bool
    order: float = 0.0


def due_groups(waiting: Sequence[Waiting], most: int) -> list[list[int]]:
    """Of those that wait, in their order: the events that may go out now, by payment, `most` in all. A payment whose
    first event may not is left out."""
    heads: set[str] = set()
    groups: dict[str, list[int]] = {}
    count = 0
    for one in waiting:
        if one.subject not in heads:
            heads.add(one.subject)
            if one.due:
                groups[one.subject] = []
        if one.subject in groups and count < most:
            groups[one.subject].append(one.event)
            count += 1
    return [group for group in groups.values() if group]


def probe(waiting: Sequence[Waiting], *, untried: bool) -> int | None:
    """Of those that wait, the one that is tried at a receiver that seems ill: the first event of a payment. untried:
    only one that was never tried."""
    heads: dict[str, Waiting] = {}
    for one in waiting:
        heads.setdefault(one.subject, one)
    found = [one for one in heads.values() if not untried or one.tries == 0]
    return min(found, key=lambda one: (one.tries > 0, one.order, one.event)).event if found else None
