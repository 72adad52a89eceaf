"""Sending a mail. What goes wrong is told without the server's words: they may hold addresses."""

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from shared.settings.sections import SMTP_PORTS

GREETS = 220


class Unsent(Exception):  # noqa: N818 - says what happened
    """The server did not take the mail, for any of its recipients. The message says why; it holds no secret."""


def send(url: SecretStr, message: EmailMessage, sender: str, recipients: Sequence[str], timeout_s: float) -> int:
    """Hand the mail to the server; how many of the recipients it refused. Raises Unsent.

    `smtp` in the URL goes on only over STARTTLS, `smtps` is TLS from the first byte; both want a certificate that the
    system trusts (or SSL_CERT_FILE). `timeout_s` limits all of it, however slowly the server drips.
    """
    parts = urlsplit(url.get_secret_value())
    port = parts.port or SMTP_PORTS[parts.scheme]
    step = "the mail server can't be connected to"
    try:
        with _connected(parts.scheme, parts.hostname or "", port, timeout_s) as server:
            step = "the mail server does not offer STARTTLS, or not with a trusted certificate"
            if parts.scheme == "smtp":
                server.starttls(context=ssl.create_default_context())
            step = "the mail server refuses the log-in"
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            step = "the mail server refuses the mail"
            return len(server.send_message(message, sender, list(recipients)))
    except (OSError, smtplib.SMTPException, ValueError) as error:  # ValueError: of what is no address or no header
        code = getattr(error, "smtp_code", None)
        raise Unsent(f"{step} ({type(error).__name__}{f' {code}' if code else ''})") from None


@contextmanager
def _connected(scheme: str, host: str, port: int, timeout_s: float) -> Iterator[smtplib.SMTP]:
    if scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(timeout=timeout_s, context=ssl.create_default_context())
    else:
        server = smtplib.SMTP(timeout=timeout_s)
    # smtplib's time-out is of each read. This one ends them all.
    end = threading.Timer(timeout_s, _cut, [server])
    end.daemon = True
    end.start()
    try:
        server._host = host  # type: ignore[attr-defined]  # what TLS compares the certificate with
        code, text = server.connect(host, port)
        if code != GREETS:
            raise smtplib.SMTPConnectError(code, text)
        yield server
        with suppress(OSError, smtplib.SMTPException):  # the mail is taken: how it says good-bye doesn't matter
            server.quit()
    finally:
        end.cancel()
        server.close()


def _cut(server: smtplib.SMTP) -> None:
    if server.sock is not None:
        with suppress(OSError):
            server.sock.shutdown(socket.SHUT_RDWR)
