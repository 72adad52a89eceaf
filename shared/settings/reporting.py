"""The section of the settings for the nightly report."""

from email.utils import getaddresses
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from shared.settings.sections import SMTP_PORTS, Seconds, Section, mail_addresses

STORES = ("s3", "gs", "az", "file")
LANGUAGES = ("en", "mn", "ka", "ru", "tr", "uz", "fr")


class ReportSettings(Section):
    """The nightly comparison with the providers' books, and who is told of it."""

    keep_lines_days: int = Field(
        90,
        ge=1,
        le=36_500,
        description="age at which what a night compared is forgotten; what it found stays",
    )
    language: str | None = Field(
        None, description=f"of pages, workbooks and mails: {', '.join(LANGUAGES)}; unset: English"
    )
    csv_locale: str | None = Field(
        None,
        description="whose decimal mark and separator the CSV files have, like tr or ru_RU; unset: a point and a comma,"
        " for programs",
    )
    workbook_payments: int = Field(
        1_000_000,
        ge=0,
        description="with more payments in a night than this report.xlsx leaves the single ones out; payments.csv has"
        " them",
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="smtp://user:password@host:587 (STARTTLS), smtps://… (TLS at once) or smtp+plain://… (neither);"
        " unset: no mail is sent",
    )
    smtp_timeout_s: Seconds = Field(60, description="limit for the whole sending of one mail")
    sender: str = Field("", alias="from", description="the mail's sender")
    to: str = Field("", description="the mail's recipients, with commas between them")

    store_url: str | None = Field(
        None,
        description="where the reports of all machines stand together, beside HOME/reports: s3://bucket/prefix, gs://…,"
        " az://… or file:///a/shared/folder; unset: nowhere",
    )
    store_timeout_s: Seconds = Field(60, description="limit for one request to that place, its repeats included")

    @field_validator("store_url")
    @classmethod
    def _place(cls, value: str | None) -> str | None:
        parts = urlsplit(value) if value else None
        if parts is None:
            return None
        if parts.scheme not in STORES:
            raise ValueError(f"must begin with one of {', '.join(f'{scheme}://' for scheme in STORES)}")
        if parts.username or parts.password or parts.query:
            raise ValueError("credentials don't stand in it: the object store's own variables have them")
        if bool(parts.netloc) == (parts.scheme == "file"):
            raise ValueError("must name a bucket, like s3://bucket/prefix, or a folder, like file:///srv/reports")
        return value

    @field_validator("language")
    @classmethod
    def _known_language(cls, value: str | None) -> str | None:
        if value is not None and value not in LANGUAGES:
            raise ValueError(f"must be one of {', '.join(LANGUAGES)}")
        return value

    @field_validator("csv_locale")
    @classmethod
    def _known_locale(cls, value: str | None) -> str | None:
        from babel import Locale, UnknownLocaleError  # noqa: PLC0415 - most processes have no use for it

        try:
            return value and str(Locale.parse(value.replace("-", "_")))
        except (UnknownLocaleError, ValueError):
            raise ValueError("must be a locale like en, tr or ru_RU") from None

    @field_validator("smtp_url")
    @classmethod
    def _server(cls, value: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(value.get_secret_value()) if value else None
        if parts and (parts.scheme not in SMTP_PORTS or not parts.hostname or parts.path not in ("", "/")):
            raise ValueError(f"must be like smtp://host:587; one of {', '.join(SMTP_PORTS)}")
        if parts and parts.port == 0:  # `port` raises ValueError itself for what is no port
            raise ValueError("port 0 can't be connected to")
        return value

    @field_validator("sender", "to")
    @classmethod
    def _addresses(cls, value: str) -> str:
        return mail_addresses(value)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.smtp_url is not None and not (self.sender and self.to):
            raise ValueError("with smtp_url set, from and to must be set too")
        return self

    @property
    def recipients(self) -> list[str]:
        """The addresses alone."""
        return [address for _, address in getaddresses([self.to])]
