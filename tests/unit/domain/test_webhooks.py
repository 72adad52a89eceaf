"""Where a webhook may go, how long it waits, what goes out next."""

import pytest

from shared.domain.webhooks import Verdict, Waiting, answered, due_groups, probe, reachable, right_url, wait_s


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254"),
        *(
            "0.0.0.0",  # noqa: S104 - it is refused
            "0.1.2.3",
            "100.64.0.1",
            "100.127.255.254",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
        ),
        *("203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "fec0::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::10.0.0.1", "64:ff9b::a00:1"),
        *("64:ff9b::7f00:1", "2002:a00:1::", "2002:7f00:1::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "100::1"),
    ],
)
def test_what_is_not_public_is_not_reached(address: str) -> None:
    assert not reachable(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "172.32.0.1"]
)
def test_what_is_public_is_reached(address: str) -> None:
    assert reachable(address)


def test_a_network_that_is_named_is_reached_and_no_other() -> None:
    networks = ["10.1.2.0/24", "fd00:1::/64"]
    assert [
        a for a in ("10.1.2.9", "::ffff:10.1.2.9", "10.1.3.9", "fd00:1::5", "fd00:2::5") if reachable(a, networks)
    ] == [
        "10.1.2.9",
        "::ffff:10.1.2.9",
        "fd00:1::5",
    ]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://shop.example/hook", "https"),
        ("ftp://shop.example/", "https"),
        ("https:///hook", "host"),
        ("shop.example/hook", "https"),
        ("https://user:word@shop.example/", "password"),
        ("https://shop.example/#a", "#"),
        ("https://shop.example:99999/", "none"),
        ("https://[::1/", "none"),
        ("https://shop.example/a b", "blank"),
        ("https://shop.example/\n", "printable"),
        ("https://shöp.example/", "ASCII"),
        ("https://127.0.0.1/hook", "not public"),
        ("https://[::1]/hook", "not public"),
        ("https://shop.example/" + "a" * 2048, "2048"),
    ],
)
def test_a_url_that_is_none_is_refused_in_a_sentence(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        right_url(url, allow_http=False)


def test_a_good_url_is_taken_and_http_where_it_is_allowed() -> None:
    assert right_url("https://shop.example:8443/hook?a=1", allow_http=False).port == 8443
    assert right_url("http://127.0.0.1:9/", allow_http=True, networks=["127.0.0.0/8"]).hostname == "127.0.0.1"


def test_waits_double_up_to_the_cap() -> None:
    assert [wait_s(n, 5, 3600, 0) for n in (1, 2, 3, 11, 99)] == [5, 10, 20, 3600, 3600]
    assert wait_s(2, 5, 3600, 1) == 7.5


@pytest.mark.parametrize(
    ("status", "after", "verdict"),
    [
        *((status, None, Verdict.DELIVERED) for status in (200, 201, 204, 299)),
        *((status, None, Verdict.FAILED) for status in (301, 302, 307, 308, 400, 404, 429, 500, 503)),
        *((status, 60.0, Verdict.BUSY) for status in (429, 503)),
        (500, 60.0, Verdict.FAILED),
        (410, None, Verdict.GONE),
    ],
)
def test_what_an_answer_means(status: int, after: float | None, verdict: Verdict) -> None:
    assert answered(status, after).verdict is verdict


def test_a_redirect_is_told_as_one() -> None:
    assert "redirect" in answered(302, None).said


def waiting(*rows: tuple[int, str, int, bool]) -> list[Waiting]:
    return [Waiting(event, subject, tries, due, order=float(event)) for event, subject, tries, due in rows]


def test_of_a_payment_whose_first_event_waits_nothing_goes_out() -> None:
    rows = waiting((1, "a", 1, False), (2, "b", 1, True), (3, "a", 0, True), (4, "b", 0, True), (5, "c", 0, True))
    assert due_groups(rows, 10) == [[2, 4], [5]]
    assert due_groups(rows, 2) == [[2, 4]]
    assert due_groups(rows, 1) == [[2]]
    assert due_groups([], 10) == []


def test_a_receiver_that_seems_ill_is_asked_with_what_was_never_refused() -> None:
    rows = waiting((1, "a", 4, False), (2, "a", 0, True), (3, "b", 2, False), (4, "c", 0, True))
    assert probe(rows, untried=True) == 4
    assert probe(rows[:3], untried=True) is None, "2 stands behind 1, which was refused"
    assert probe(rows[:3], untried=False) == 1, "the one that waits for the longest"
    assert probe([], untried=False) is None
