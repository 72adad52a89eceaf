"""The sections of the settings: one for each thing that can be set, one for each provider."""

from decimal import Decimal
from email.utils import getaddresses
from pathlib import Path
from string import Template
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, field_validator, model_validator

from shared.domain import broker_keys
from shared.domain.money import parse_amount

SMTP_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}  # the default of each scheme
SMS_NAMES = ("amount", "currency", "intent_id", "source")  # what a payment's text message may name

# Of a field whose change a running process can take up (`reloadable`).
_RELOADS: dict[str, JsonValue] = {"reloads": True}

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def mail_addresses(value: str) -> str:
    """The value, where it holds mail addresses alone, with commas between them. Raises ValueError."""
    if not value.isprintable() or any("@" not in address for _, address in getaddresses([value]) if value):
        raise ValueError("must be mail addresses")
    return value


class HttpSettings(Section):
    connect_timeout_s: Seconds = Field(5, description="limit for DNS, TCP and TLS of one call")
    total_timeout_s: Seconds = Field(30, description="limit for one whole call, however slowly its bytes drip")
    max_body_bytes: int = Field(4 * 1024 * 1024, gt=0, description="the largest answer that is read")


class BrokerTlsSettings(Section):
    """What every connection to a broker over TLS is made with. Nothing turns verification off."""

    ca_file: Path | None = Field(
        None,
        description="PEM file of the authorities that a broker's certificate may be of (rediss, sentinels, amqps);"
        " unset: those the system trusts",
    )
    cert_file: Path | None = Field(None, description="PEM file of the certificate that brokers are shown")
    key_file: Path | None = Field(None, description="PEM file of its private key")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("of cert_file and key_file set both or neither")
        return self


class RetrySettings(Section):
    base_s: Seconds = Field(2, description="first back-off; doubles with each attempt, full jitter")
    cap_s: Seconds = Field(900, description="longest back-off")
    deadline_s: Seconds = Field(259_200, description="from the first claim; past it a payment is parked")


class CheckSettings(Section):
    ladder_s: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        (0, 160, 600, 3600, 21_600), min_length=1, description="waits before each check of an unknown payment"
    )


class LeaseSettings(Section):
    margin_s: Seconds = Field(30, description="a lease is the HTTP deadline plus this")


class BreakerSettings(Section):
    failures: int = Field(10, gt=0, description="failures in a row that say the provider is down: the lane opens")
    open_s: Seconds = Field(30, description="how long an open lane waits before it probes with one payment")


class IntakeSettings(Section):
    sources: dict[str, list[str]] = Field(
        default_factory=lambda: {broker_keys.INTAKE: ["*"]},
        min_length=1,
        description="stream to the sources allowed on it (JSON)",
    )
    batch: int = Field(500, gt=0, le=5000, description="intents read and committed at a time")
    batch_bytes: int = Field(
        4 * 1024 * 1024, gt=0, description="bytes read at a time; only the last entry of them can be larger"
    )
    reclaim_idle_s: Seconds = Field(60, description="entries that an intake has read are taken over after this")


class RecoverySettings(Section):
    window_s: Seconds = Field(
        604_800, description="how long after a recovery every intent counts as possibly sent in the time that was lost"
    )


class RetentionSettings(Section):
    keep_days: int = Field(400, ge=1, le=36_500, description="age at which finished payments go to the archive")
    quarantine_days: int = Field(
        400, ge=30, le=36_500, description="age since it was last seen at which quarantine forgets an entry"
    )
    batch: int = Field(1000, gt=0, le=10_000, description="payments looked at, and moved, in one transaction")


class PeopleSettings(Section):
    """What one person may decide alone, once people are set up."""

    resend_alone: dict[str, Decimal] = Field(
        {}, description="by currency (JSON), the sum up to which one person may have a payment sent again; others: two"
    )

    bulk_most: int = Field(500, gt=0, le=2_000, description="parked payments that one command decides, at most")

    @field_validator("resend_alone")
    @classmethod
    def _countable(cls, sums: dict[str, Decimal]) -> dict[str, Decimal]:
        for currency, amount in sums.items():
            parse_amount(f"{amount:f}", currency)
        return sums


class ProviderSettings(Section):
    """What every provider has. One without a base URL is off."""

    base_url: str | None = Field(None, description="scheme, host, port and any prefix; unset: the provider is off")
    settle_window_s: Seconds = Field(150, description="how long the provider may still be working on a request")
    rate_per_s: Seconds | None = Field(
        None, description="payments, and reads of the books, in any second at most, by the whole fleet; unset: no limit"
    )
    concurrency: int = Field(32, gt=0, le=512, description="sender threads in one worker process")
    lot: int = Field(
        16, gt=0, le=64, description="payments claimed at once, at most, where a resend is promised to be safe"
    )
    in_flight: int = Field(400, gt=0, le=10_000, description="dispatched and not yet claimed, at most")
    on_the_wire: int | None = Field(
        None, gt=0, le=100_000, description="payments sent or looked up at once by the whole fleet; unset: no limit"
    )

    @field_validator("base_url")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/") if value else None


class BillcenterSettings(ProviderSettings):
    username: str = Field("", description="of the third-party account", json_schema_extra=_RELOADS)
    password: SecretStr = Field(SecretStr(""), description="of the third-party account", json_schema_extra=_RELOADS)
    bank_code: str = Field("", description="the bank that made the transfer, where an intent names none")
    duplicate_pattern: str = Field(
        "", description="regular expression: a refusal's detail that says the payment id is known; empty: none does"
    )
    refund_id: str = Field("settle", pattern="^(settle|own)$", description="whose payment_id a refund carries")
    partial_refunds: bool = Field(False, description="may a refund be smaller than its settle")
    confirm_changed_accounts: bool = Field(True, description="hold payments to a changed account until confirmed")


class UbillSettings(ProviderSettings):
    api_key: SecretStr = Field(SecretStr(""), description="sent in the header `key`", json_schema_extra=_RELOADS)
    pay_system: str = Field("WEB", max_length=64, description="`paySystem` of a payment")
    utc_offset_h: float = Field(4, ge=-12, le=14, description="zone of the dates in its lists (our reading: Georgia)")
    brand_id: int | None = Field(
        None, gt=0, description="brand that text messages are sent under; unset: none are sent"
    )
    sms_text: str = Field(
        "Paid $amount $currency. Reference $intent_id.",
        min_length=1,
        max_length=1000,
        description="a payment's text message; may name $amount, $currency, $intent_id, $source",
    )
    sms_low: int = Field(100, ge=0, description="an alert is raised when fewer text messages than this are left")
    sms_max_age_s: Seconds = Field(86_400, description="a message that could not go out for so long is not sent")
    callback_key: SecretStr | None = Field(
        None, min_length=16, description="key of the delivery callbacks; unset: they are not received"
    )
    callback_host: str = Field("127.0.0.1", description="address that the callback's receiver listens on")
    callback_port: int = Field(8480, ge=0, le=65535, description="port that the callback's receiver listens on")
    callback_cert_file: Path | None = Field(None, description="PEM certificate; unset: HTTP, for a proxy in front")
    callback_cert_key_file: Path | None = Field(None, description="PEM key of the certificate")

    @field_validator("sms_text")
    @classmethod
    def _template(cls, value: str) -> str:
        template = Template(value)
        if not value.strip():
            raise ValueError("must say something")
        if not template.is_valid():
            raise ValueError("holds a $ that begins no name; write $$ for a dollar sign")
        unknown = [f"${name}" for name in template.get_identifiers() if name not in SMS_NAMES]
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is none of ${', $'.join(SMS_NAMES)}")
        return value

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if (self.callback_cert_file is None) != (self.callback_cert_key_file is None):
            raise ValueError("callback_cert_file and callback_cert_key_file belong together: set both or neither")
        return self


class MtnSettings(ProviderSettings):
    api_key: SecretStr | None = Field(None, description="sent in `X-API-Key`, where set", json_schema_extra=_RELOADS)
    client_id: str | None = Field(None, description="OAuth2 client credentials, where set", json_schema_extra=_RELOADS)
    client_secret: SecretStr | None = Field(
        None, description="OAuth2 client credentials, where set", json_schema_extra=_RELOADS
    )
    country_code: str | None = Field(None, pattern="^[A-Z]{3}$", description="`countryCode` (ISO 3166-1 alpha-3)")
    target_system: str | None = Field(None, pattern="^(ZSmart|CLM|DCBS|CS)$", description="`targetSystem`")

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if (self.client_id is None) is not (self.client_secret is None):
            raise ValueError("client_id and client_secret belong together: set both or neither")
        key = self.api_key.get_secret_value() if self.api_key else ""
        if not (key.isascii() and key.isprintable()):
            raise ValueError("api_key holds characters that no header can carry")
        return self


class InvoicepaymentSettings(ProviderSettings):
    pass


class BmmsSettings(ProviderSettings):
    pass


def reloadable(section: type[ProviderSettings]) -> list[str]:
    """The fields of a provider's section that a running process can take up anew: what lets it in."""
    return [name for name, field in section.model_fields.items() if field.json_schema_extra == _RELOADS]
