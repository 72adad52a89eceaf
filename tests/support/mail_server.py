"""A real SMTP server on loopback (aiosmtpd) that keeps what it gets."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope

USER, PASSWORD = "reporter", "made-up:p@ss/word"


@dataclass
class Mailbox:
    """What came, with who it was for and whether it came over TLS. refuse: an answer in place of taking a mail."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    over_tls: list[bool] = field(default_factory=list)
    logins: int = 0
    refuse: str | None = None
    refuse_recipient: str | None = None

    def clear(self) -> None:
        for kept in (self.mails, self.recipients, self.over_tls):
            kept.clear()

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Envelope, address: str, _: Any) -> str:  # noqa: N802
        if address == self.refuse_recipient:
            return "550 no such made-up person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802
        if self.refuse:
            return self.refuse
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        self.recipients.append(list(envelope.rcpt_tos))
        self.over_tls.append(session.ssl is not None)
        return "250 OK"

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        right = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
        self.logins += right
        return AuthResult(success=right, handled=False)


@contextmanager
def mail_server(certificate: "tuple[Path, Path] | None" = None, *, at_once: bool = False) -> Iterator[Mailbox]:
    """With a certificate: STARTTLS and a log-in are offered and wanted; at_once: TLS from the first byte."""
    box, tls = Mailbox(), None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(*certificate)
    options: dict[str, Any] = {"authenticator": box.authenticate}
    if at_once:
        options |= {"ssl_context": tls, "auth_require_tls": False}
    elif tls is not None:
        options |= {"tls_context": tls, "require_starttls": True, "auth_required": True}
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        box.port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=box.port, **options)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
