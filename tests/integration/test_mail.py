"""Mails go to a real SMTP server, or it is said in a sentence why not."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from shared.messaging.mail import Unsent, send
from tests.support.certificate import self_signed
from tests.support.mail_server import PASSWORD, USER, mail_server

SENDER, TO = "books@example.com", ["a@example.com", "b@example.com"]
LOGIN = f"{USER}:{quote(PASSWORD, safe='')}@"


def mail(text: str = "тест: 1 500,00 ₾") -> EmailMessage:
    written = EmailMessage()
    written["Subject"], written["From"], written["To"] = "ანგარიში", SENDER, ", ".join(TO)
    written.set_content(text)
    return written


def deliver(url: str, timeout_s: float = 10, message: EmailMessage | None = None) -> int:
    return send(SecretStr(url), message or mail(), SENDER, TO, timeout_s)


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A certificate that this process trusts, and its key."""
    made = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made[0]))
    return made


def test_a_mail_goes_over_starttls_with_a_login(trusted: tuple[Path, Path]) -> None:
    with mail_server(trusted) as box:
        assert deliver(f"smtp://{LOGIN}127.0.0.1:{box.port}") == 0
    assert (box.over_tls, box.logins, box.recipients) == ([True], 1, [TO])
    assert box.mails[0]["Subject"] == "ანგარიში"
    assert box.mails[0].get_content().strip() == "тест: 1 500,00 ₾"


def test_a_mail_goes_over_tls_at_once(trusted: tuple[Path, Path]) -> None:
    with mail_server(trusted, at_once=True) as box:
        assert deliver(f"smtps://{LOGIN}127.0.0.1:{box.port}") == 0
    assert len(box.mails) == 1


def test_a_mail_goes_in_the_clear_only_where_that_is_asked_for() -> None:
    with mail_server() as box:
        with pytest.raises(Unsent, match="does not offer STARTTLS"):
            deliver(f"smtp://127.0.0.1:{box.port}")
        assert box.mails == []
        assert deliver(f"smtp+plain://127.0.0.1:{box.port}") == 0
    assert box.over_tls == [False]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_certificate_that_nobody_trusts_is_not_spoken_to(tmp_path: Path, scheme: str) -> None:
    with mail_server(self_signed(tmp_path), at_once=scheme == "smtps") as box, pytest.raises(Unsent, match="SSL"):
        deliver(f"{scheme}://{LOGIN}127.0.0.1:{box.port}")
    assert (box.mails, box.logins) == ([], 0)


def test_a_wrong_password_is_told_without_it(trusted: tuple[Path, Path]) -> None:
    with mail_server(trusted) as box, pytest.raises(Unsent, match=r"refuses the log-in .* 535") as caught:
        deliver(f"smtp://{USER}:another-secret@127.0.0.1:{box.port}")
    assert "another-secret" not in str(caught.value)
    assert box.mails == []


def test_a_refused_mail_is_told_without_the_servers_words() -> None:
    with mail_server() as box:
        box.refuse = "554 a@example.com is a made-up secret"
        with pytest.raises(Unsent, match=r"refuses the mail .* 554") as caught:
            deliver(f"smtp+plain://127.0.0.1:{box.port}")
    assert "example.com" not in str(caught.value)


def test_the_others_get_it_when_one_recipient_is_refused() -> None:
    with mail_server() as box:
        box.refuse_recipient = TO[0]
        assert deliver(f"smtp+plain://127.0.0.1:{box.port}") == 1
    assert box.recipients == [TO[1:]]


def test_nobody_listening_is_told() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unsent, match="can't be connected to"):
        deliver(f"smtp+plain://127.0.0.1:{port}")


@contextmanager
def dripping() -> Iterator[int]:
    """A server that greets a letter at a time and never ends; its port."""
    over = threading.Event()

    def drip() -> None:
        connection, _ = server.accept()
        with connection:
            while not over.wait(0.05):
                try:
                    connection.sendall(b"2")
                except OSError:
                    return

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        thread = threading.Thread(target=drip)
        thread.start()
        yield server.getsockname()[1]
        over.set()
        thread.join()


def test_a_server_that_drips_is_given_up_in_time() -> None:
    with dripping() as port:
        begun = time.monotonic()
        with pytest.raises(Unsent):
            deliver(f"smtp+plain://127.0.0.1:{port}", timeout_s=0.5)
        assert time.monotonic() - begun < 5
