"""The section of the settings for what people are told stands still."""

from decimal import Decimal
from email.utils import getaddresses
from typing import Self
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from shared.settings.sections import SMTP_PORTS, Seconds, Section, mail_addresses


class AlertMailSettings(Section):
    """The mail server by which people are told of what stands still. TLS is always on, and its certificate verified."""

    host: str = Field("", max_length=253, description="the mail server; unset: no alert is mailed")
    port: int | None = Field(None, ge=1, le=65_535, description="its port; unset: 587 for starttls, 465 for implicit")
    username: str = Field("", description="of the log-in there; unset: without one")
    password: SecretStr = Field(SecretStr(""), description="of the log-in there")
    tls: str = Field("starttls", pattern="^(starttls|implicit)$", description="starttls, or implicit: from the start")
    sender: str = Field("", alias="from", description="the mails' sender")
    to: str = Field("", description="the mails' recipients, with commas between them")

    @field_validator("host")
    @classmethod
    def _host(cls, value: str) -> str:
        if value and (urlsplit(f"smtp://{value}").hostname or "") != value.strip("[]").lower():
            raise ValueError("must be a host's name or address alone")
        return value

    @field_validator("sender", "to")
    @classmethod
    def _addresses(cls, value: str) -> str:
        return mail_addresses(value)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.host and not (self.sender and self.to):
            raise ValueError("with host set, from and to must be set too")
        return self

    @property
    def url(self) -> SecretStr:
        """As `shared.messaging.mail` takes it."""
        scheme = "smtp" if self.tls == "starttls" else "smtps"
        login = f"{quote(self.username, safe='')}:{quote(self.password.get_secret_value(), safe='')}@"
        port = self.port or SMTP_PORTS[scheme]
        return SecretStr(f"{scheme}://{login if self.username else ''}{self.host}:{port}")

    @property
    def recipients(self) -> list[str]:
        """The addresses alone."""
        return [address for _, address in getaddresses([self.to])]


class AlertSettings(Section):
    """From when on people are told of what stands still, and how."""

    unknown_s: Seconds = Field(3600, description="a payment is unknown, and was accepted longer ago than this")
    held_s: Seconds = Field(86_400, description="a payment is held, and was accepted longer ago than this")
    stopped_s: Seconds = Field(900, description="a lane is paused or open for longer than this; halted: at once")
    due_s: Seconds = Field(900, description="payments of a lane that runs are due for longer than this")
    events_s: Seconds = Field(60, description="an event waits for longer than this to be told")
    intake_s: Seconds = Field(120, description="an intent waits for longer than this to be accepted")
    job_s: Seconds = Field(3600, description="a periodic job is late by more than this")
    webhook_s: Seconds = Field(3600, description="a webhook has failed, or is behind, for longer than this")
    money: dict[str, Decimal] = Field(
        {}, description="by currency (JSON), the sum of sending, unknown and parked payments above which it is told"
    )
    webhook_url: SecretStr | None = Field(
        None, description="gets what stands still as JSON (docs/alerts.md); may hold user:password@; unset: nobody"
    )
    alertmanager_url: SecretStr | None = Field(
        None, description="Prometheus' Alertmanager, up to the path before /api/v2; unset: nobody"
    )
    mail: AlertMailSettings = AlertMailSettings()
    send_timeout_s: Seconds = Field(10, le=60, description="limit for sending once, by whichever way")
    again_s: Seconds = Field(3600, description="when more payments stand still, it is told again after this at least")
    send_cap_s: Seconds = Field(900, description="longest wait after a sending that failed; the first is 5 s")
    give_up_s: Seconds = Field(86_400, description="what could not be sent for so long is given up, and logged")

    @field_validator("webhook_url", "alertmanager_url")
    @classmethod
    def _absolute(cls, value: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(value.get_secret_value()) if value else None
        if parts and (parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment):
            raise ValueError("must start with http:// or https:// and name a host")
        return value
