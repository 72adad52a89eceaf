"""Who may come into the control room, and what a stranger's page can do: a table over every page that there is."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.database.engine import Connection, Database
from shared.domain import totp
from shared.domain.roles import MAY, Role
from shared.people import change, passwords, sessions
from shared.people.sessions import Credentials, NotIn, Rules
from tests.support.by_itself import KEY
from tests.support.door import Door, door, intent
from tests.support.room import PASSWORD, Browser, inside, set_up
from worker.web.rooms.table import PAGES

PEOPLE = {"Bob": Role.APPROVER, "Ann": Role.OPERATOR, "Eve": Role.VIEWER, "Dan": Role.ACCOUNTANT}
RULES = Rules(idle_s=600, most_s=3600, keys=(KEY,))
# What stands for each part of a path.
PARTS = {
    "source": "shop",
    "intent_id": "ord-1",
    "name": "room.css",
    "number": "1",
    "provider": "mtn",
    "day": "2026-11-21",
    "file": "x.csv",
}


@pytest.fixture
def opened(database_url: str, broker_url: str, tmp_path: Path) -> Iterator[Door]:
    set_up(database_url, PEOPLE)
    with door(database_url, broker_url, tmp_path) as found:
        assert found.client("shop").submit(intent("ord-1", metadata={"note": "a-made-up-secret"})).status == 202
        yield found


def path_of(route: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: PARTS[found[1]], route)


def test_no_page_but_the_log_in_tells_a_stranger_anything(opened: Door) -> None:
    ended = inside(opened.port, "Bob")
    assert ended.ask("POST", "/logout", ended.form("/", "/logout")).status == 303
    kept = inside(opened.port, "Bob")
    cookies = dict(kept.cookies)
    kept.ask("POST", "/logout", kept.form("/", "/logout"))
    given: list[dict[str, str]] = [{}, cookies, {"settlepipe": "x" * 43}]
    strangers = [ended, *(Browser(opened.port, one) for one in given)]
    assert len(PAGES) > 7
    for page in PAGES:
        for stranger in strangers if not page.open else ():
            before = dict(stranger.cookies)
            answer = stranger.ask(page.method, path_of(page.path), {} if page.method == "POST" else None)
            assert (answer.status, answer.headers["location"]) == (303, "/login"), page
            assert answer.body == b""
            stranger.cookies = before


def test_each_role_sees_every_page_and_sends_only_its_own_forms(opened: Door) -> None:
    for name, role in PEOPLE.items():
        browser = inside(opened.port, name)
        form = browser.form("/", "/logout")
        for page in PAGES:
            if page.method == "GET":
                answer = browser.ask("GET", path_of(page.path))
                assert answer.status in (200, 303, 404), (page, answer.body)
                assert answer.headers.get("location") != "/login"
                assert_guarded(answer.headers, page.path)
            elif page.deed is not None:
                answer = browser.ask("POST", path_of(page.path), form)
                assert (answer.status == 403) == (role not in MAY[page.deed]), (page, name, answer.body)


def assert_guarded(headers: "dict[str, str] | object", path: str) -> None:
    assert isinstance(headers, dict)
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    if not path.startswith("/static/"):
        assert headers["cache-control"] == "no-store"


def test_a_form_of_another_site_or_of_another_log_in_does_nothing(opened: Door, connection: Connection) -> None:
    bob, other = inside(opened.port, "Bob"), inside(opened.port, "Bob")
    before = connection.execute("SELECT count(*) AS n FROM audit").fetchone()
    for page in PAGES:
        if page.method != "POST":
            continue
        path, mine = path_of(page.path), bob.form("/", "/logout")
        for origin, site in (
            ("http://evil.example", "cross-site"),
            ("http://evil.example", ""),
            ("null", "same-origin"),
            ("", ""),
            (f"http://127.0.0.1:{opened.port}", "same-site"),
            (f"http://127.0.0.1:{opened.port + 1}", ""),
        ):
            answer = bob.ask("POST", path, mine, Origin=origin, Sec_Fetch_Site=site)
            assert (answer.status, b"another site" in answer.body) == (403, True), (page, origin, site)
        if not page.open:
            for token in ("", "0" * 64, other.form("/", "/logout")["form"]):
                answer = bob.ask("POST", path, {**mine, "form": token})
                assert (answer.status, b"another log-in" in answer.body) == (403, True), page
        answer = bob.ask("POST", path, mine, Content_Type="text/plain")
        assert answer.status == 415, page
    assert connection.execute("SELECT count(*) AS n FROM audit").fetchone() == before
    assert "Log out" in bob.get("/")


def test_a_session_ends_with_the_person_the_password_and_the_time(opened: Door, connection: Connection) -> None:
    ann, eve, dan = (inside(opened.port, name) for name in ("Ann", "Eve", "Dan"))
    with connection.transaction():
        change.revoke(connection, "Eve", by="Bob")
        passwords.keep(connection, "Dan", PASSWORD + " anew")
    for browser in (eve, dan):
        assert browser.ask("GET", "/search").status == 303
    assert Browser(opened.port).log_in("Eve").status == 403
    assert "Log out" in ann.get("/search")
    connection.execute("UPDATE people_sessions SET used_at = used_at - interval '1801 s'")
    assert ann.ask("GET", "/search").status == 303
    again = inside(opened.port, "Ann")
    connection.execute("UPDATE people_sessions SET used_at = clock() - interval '20 min'")
    again.get("/now")  # a page that looks by itself does not keep the session alive
    assert connection.execute("SELECT FROM people_sessions WHERE used_at > clock() - interval '19 min'").rowcount == 0
    again.get("/")
    assert connection.execute("SELECT FROM people_sessions WHERE used_at > clock() - interval '19 min'").rowcount == 1
    connection.execute("UPDATE people_sessions SET ends_at = clock()")
    assert again.ask("GET", "/").status == 303


def test_a_person_set_up_anew_does_not_come_in_by_what_was_before(database_url: str, connection: Connection) -> None:
    set_up(database_url, PEOPLE)
    database = Database(database_url, pool_size=2)
    token = entered(database, "Ann").session
    with connection.transaction():
        connection.execute("UPDATE people SET added_at = clock() + interval '1 s' WHERE name = 'Ann'")
    assert sessions.find(connection, token, RULES, used=True) is None
    with pytest.raises(NotIn):
        entered(database, "Ann")
    database.dispose()


def entered(
    database: Database,
    name: str,
    password: str = PASSWORD,
    *,
    code: str = "",
    browser: str | None = None,
    at: str = "::1",
) -> sessions.Entered:
    return sessions.enter(database, Credentials(name, password, code, at, browser), RULES)


def test_who_fails_waits_and_keeps_nobody_out_of_a_browser_that_is_known(
    database_url: str, connection: Connection
) -> None:
    set_up(database_url, PEOPLE)
    database = Database(database_url, pool_size=2)
    known = entered(database, "Bob").browser
    for _ in range(sessions.FREE):
        with pytest.raises(NotIn) as refused:
            entered(database, "bob", "a wrong password", at="192.0.2.1")
        assert refused.value.wait_s == 0
    # The first wait is of seconds, which a slow machine takes for a password: it is not over before it is looked at.
    longer = "UPDATE people_attempts SET wait_until = clock() + interval '30 s' WHERE wait_until > last_at"
    assert connection.execute(longer).rowcount == 2, "the name and the address have to wait"
    for name, at in (("Bob", "192.0.2.2"), ("Ann", "192.0.2.1")):  # the name from elsewhere; the address for another
        with pytest.raises(NotIn, match="try again in") as waits:
            entered(database, name, at=at)
        assert 0 < waits.value.wait_s <= sessions.MOST_WAIT_S
    assert entered(database, "Bob", browser=known, at="192.0.2.1").name == "Bob"
    assert entered(database, "Ann", at="192.0.2.3").name == "Ann"
    with pytest.raises(NotIn, match="try again in"):
        entered(database, "Dan", browser=known, at="192.0.2.1")  # it is Bob's browser
    for _ in range(20):
        connection.execute("UPDATE people_attempts SET wait_until = clock()")
        with pytest.raises(NotIn):
            entered(database, "Bob", "a wrong password", at="192.0.2.1")
    row = connection.execute(
        "SELECT max(wait_until) < clock() + interval '61 s' AS bounded FROM people_attempts"
    ).fetchone()
    assert row == {"bounded": True}, "nobody is locked out for ever"
    connection.execute("UPDATE people_attempts SET wait_until = clock()")
    assert entered(database, "Bob", at="192.0.2.9").name == "Bob"
    database.dispose()


def test_a_one_time_code_is_asked_for_and_taken_once(database_url: str, connection: Connection) -> None:
    set_up(database_url, PEOPLE)
    database = Database(database_url, pool_size=2)
    with connection.transaction():
        secret = passwords.keep_totp(connection, "Bob", (KEY,))
    kept = connection.execute("SELECT totp FROM people_passwords WHERE name = 'Bob'").fetchone()
    assert kept is not None
    assert secret not in bytes(kept["totp"])
    row = connection.execute("SELECT extract(epoch FROM clock())::float8 AS now").fetchone()
    assert row is not None
    step = int(row["now"] // totp.STEP_S)
    for wrong in ("", "000000", totp.code(secret, step - 5)):
        with pytest.raises(NotIn):
            entered(database, "Bob", code=wrong)
    assert entered(database, "Bob", code=totp.code(secret, step)).name == "Bob"
    with pytest.raises(NotIn):
        entered(database, "Bob", code=totp.code(secret, step))
    database.dispose()


def test_what_a_stranger_is_told_is_the_same_whatever_is_wrong(opened: Door) -> None:
    told = set()
    for name, password in (("Bob", "a wrong password"), ("Nobody", PASSWORD), ("", PASSWORD), ("Bob", "")):
        answer = Browser(opened.port).log_in(name, password)
        assert answer.status == 403
        told.add(re.sub(rb'value="[^"]*"', b"", answer.body))
    assert len(told) == 1


def test_while_nobody_is_set_up_the_local_password_lets_in_and_no_longer(
    database_url: str, broker_url: str, tmp_path: Path, connection: Connection
) -> None:
    with door(database_url, broker_url, tmp_path, WEB__LOCAL_PASSWORD="made-up-local") as found:
        assert "settlepipe people add NAME" in Browser(found.port).get("/login")
        assert Browser(found.port).log_in("Ann", "a wrong password").status == 403
        ann = Browser(found.port)
        assert ann.log_in("Ann", "made-up-local").status == 303
        assert "one person decides alone" in ann.get("/")
        set_up(database_url, PEOPLE)
        assert ann.ask("GET", "/").status == 303
        assert Browser(found.port).log_in("Ann", "made-up-local").status == 403
        assert inside(found.port, "Ann").get("/")


def test_without_a_local_password_nobody_comes_in_while_nobody_is_set_up(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    with door(database_url, broker_url, tmp_path) as found:
        page = Browser(found.port).get("/login")
        assert "settlepipe people add NAME" in page
        assert 'name="password"' not in page
        assert Browser(found.port).log_in("Ann", "").status == 403


def test_cookies_are_for_this_host_alone_and_over_tls_bound_to_it(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    set_up(database_url, PEOPLE)
    with door(database_url, broker_url, tmp_path, WEB__TLS_IN_FRONT="true") as found:
        browser = Browser(found.port)
        browser.log_in("Bob")
        assert set(browser.cookies) == {"__Host-settlepipe", "__Host-settlepipe-browser"}
        assert "Log out" in browser.get("/")
    with door(database_url, broker_url, tmp_path) as found:
        answer = Browser(found.port).log_in("Bob")
        for part in ("HttpOnly", "SameSite=strict", "Path=/"):
            assert part in answer.headers["set-cookie"]


def test_a_viewer_sees_no_account_and_no_metadata(opened: Door) -> None:
    for name, sees in (("Eve", False), ("Ann", True), ("Dan", True)):
        page = inside(opened.port, name).get("/payments/shop/ord-1")
        assert ("00700001" in page, "a-made-up-secret" in page) == (sees, sees), name


def test_a_payment_is_found_by_its_id_its_reference_and_its_account(opened: Door, connection: Connection) -> None:
    ann = inside(opened.port, "Ann")
    row = connection.execute("SELECT sent_reference FROM payments").fetchone()
    assert row is not None
    for word in ("ord-1", "shop/ord-1", row["sent_reference"], "00700001"):
        assert ann.ask("GET", f"/search?q={word}").headers["location"] == "/payments/shop/ord-1", word
    assert "No payment was found" in ann.get("/search?q=ord-2")
    assert "No payment was found" in ann.get("/search?q=%25%27%3B--")
    assert opened.client("shop").submit(*(intent(f"ord-{number}") for number in range(2, 60))).status == 207
    page = ann.get("/search")
    assert page.count("/payments/shop/") == 50
    before = re.search(r'href="(/search\?before=\d+)"', page)
    assert before is not None
    assert ann.get(before[1]).count("/payments/shop/") == 9
    assert ann.get("/search?state=succeeded").count("/payments/shop/") == 0


def test_odd_addresses_are_nothing_and_no_mistake(opened: Door) -> None:
    bob = inside(opened.port, "Bob")
    for path in (
        *("/payments/shop/a%00b", "/payments/%ff/x", "/payments/a%2F..%2Fb/c", "/payments/shop/" + "x" * 3000),
        *("/proposals/0", "/proposals/x", "/proposals/99999999999999999999", "/quarantine/-1", "/days/mtn/x"),
        *("/discrepancies?provider=%00", "/search?q=%00&x=1"),
    ):
        assert bob.ask("GET", path).status == 404, path
    for path in (
        *("/search?q=%25", "/search?before=x&state=x&provider=x", "/search?before=" + "9" * 40, "/inbox?skip=-1"),
        *("/inbox?kind=x&order=x", "/accounts?skip=x", "/quarantine?after=%D9%A1", "/days?before=2026-02-31~mtn"),
        *(f"/{page}?skip=%C2%B2" for page in ("accounts", "jobs", "discrepancies", "inbox")),
        *("/audit?before=%D9%A1", "/discrepancies?which=x&skip=%D9%A1", "/?said=%3Cb%3E", "/?live=x&said=nothing"),
    ):
        assert bob.ask("GET", path).status == 200, path


def test_the_page_now_shows_lanes_and_looks_again(opened: Door) -> None:
    ann = inside(opened.port, "Ann")
    page = ann.get("/")
    assert "mtn" in page
    assert 'hx-get="/now"' in page
    assert "hx-get" not in ann.get("/?live=off")
    assert ann.get("/now").lstrip().startswith('<div id="live"')
    ann.cookies.clear()
    assert ann.ask("GET", "/now", HX_Request="true").headers["hx-redirect"] == "/login"
