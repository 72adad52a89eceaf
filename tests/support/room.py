"""The control room as somebody with a browser sees it: cookies, forms, and the headers that browsers send."""

import http.client
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from unittest.mock import patch
from urllib.parse import urlencode

from argon2 import PasswordHasher

from shared.database.engine import Database
from shared.domain.roles import Role
from shared.people import change, passwords
from tests.support.door import Answer
from tests.support.patience import PATIENCE

PASSWORD = "made-up-words-of-a-person"
_QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # a hash names what it takes to look at it


def set_up(database_url: str, people: Mapping[str, Role]) -> None:
    """These people, each with PASSWORD, by a hash that is quickly made and looked at. The first has to be an
    approver."""
    database = Database(database_url, pool_size=1)
    try:
        with database.transaction() as connection, patch.object(passwords, "_HASHER", _QUICK):
            for name, role in people.items():
                change.add(connection, name, role, by="somebody")
                passwords.keep(connection, name, PASSWORD)
    finally:
        database.dispose()


@dataclass
class Browser:
    """One, with its cookies. It says where its forms come from, as browsers do."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> Answer:
        """One request; nothing is followed. A header's name has _ for -; an empty one is left out."""
        given = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        body = None if fields is None else urlencode(fields)
        if method == "POST":
            given |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://127.0.0.1:{self.port}"}
            given |= {"Sec-Fetch-Site": "same-origin"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60 * PATIENCE)
        try:
            connection.request(method, path, body, {name: value for name, value in given.items() if value})
            found = connection.getresponse()
            answer = Answer(found.status, {n.lower(): v for n, v in found.getheaders()}, found.read())
            for name, value in found.getheaders():
                if name.lower() == "set-cookie":
                    self._keep(value)
            return answer
        finally:
            connection.close()

    def _keep(self, header: str) -> None:
        name, _, value = header.partition(";")[0].partition("=")
        if "max-age=0" in header.lower():
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value

    def get(self, path: str) -> str:
        """A page that there is."""
        answer = self.ask("GET", path)
        assert answer.status == 200, (answer.status, answer.headers, answer.body[:2000])
        return answer.body.decode()

    def log_in(self, name: str, password: str = PASSWORD, code: str = "") -> Answer:
        return self.ask("POST", "/login", {"name": name, "password": password, "code": code})

    def form(self, page: str, action: str) -> dict[str, str]:
        """The hidden fields of a page's form that goes there."""
        found = re.search(rf'<form[^>]*action="{re.escape(action)}"[^>]*>(.*?)</form>', self.get(page), re.DOTALL)
        assert found is not None, (page, action)
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', found.group(1))
        return {name: unescape(value) for name, value in hidden}

    def send(self, page: str, action: str, **fields: str) -> Answer:
        """Fill a page's form, and send it."""
        return self.ask("POST", action, {**self.form(page, action), **fields})


def inside(port: int, name: str) -> Browser:
    """A browser in which this person is in."""
    browser = Browser(port)
    answer = browser.log_in(name)
    assert (answer.status, answer.headers.get("location")) == (303, "/"), answer.body
    return browser
