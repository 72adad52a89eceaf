"""Every setting, in one frozen object read from the environment and validated at start.

Names are the environment's: prefix `SETTLEPIPE_`, nested with `__` (`SETTLEPIPE_HTTP__TOTAL_TIMEOUT_S`). Each can
stand in a file, too (`files`). Units are last in the names. The README's table is generated from this module.
"""

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from shared.domain import broker_keys
from shared.domain.broker_keys import BadPrefix
from shared.domain.reference import MIN_KEY_CHARACTERS
from shared.settings import broker_address, files
from shared.settings.alerting import AlertSettings
from shared.settings.broker_address import BadAddress
from shared.settings.reporting import ReportSettings
from shared.settings.sections import (
    BillcenterSettings,
    BmmsSettings,
    BreakerSettings,
    BrokerTlsSettings,
    CheckSettings,
    HttpSettings,
    IntakeSettings,
    InvoicepaymentSettings,
    LeaseSettings,
    MtnSettings,
    PeopleSettings,
    ProviderSettings,
    RecoverySettings,
    RetentionSettings,
    RetrySettings,
    Seconds,
    UbillSettings,
)
from shared.settings.web import WebSettings
from shared.settings.webhooks import WebhookSettings

PREFIX = "SETTLEPIPE_"


class SettingsError(Exception):
    """The environment holds mistakes; the message names every one of them."""


class Settings(BaseSettings):
    """All settings. Frozen: a process reads them once, at start."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid", env_ignore_empty=True
    )

    home: Path = Field(Path(".settlepipe"), description="where the embedded servers and generated secrets live")
    secrets_dir: Path | None = Field(
        None, description="folder with a file for each setting that is not in the environment, called as its variable"
    )
    database_url: SecretStr | None = Field(None, description="PostgreSQL; unset: the embedded one")
    database_pool_url: SecretStr | None = Field(
        None, description="a pooler in front of it (PgBouncer, transaction mode), for statements; unset: DATABASE_URL"
    )
    database_read_url: SecretStr | None = Field(
        None, description="a standby of it, for `payments`, `export` and what metrics count; unset: DATABASE_URL"
    )
    broker_url: SecretStr | None = Field(
        None, description="Redis or Valkey, also behind Sentinel, for the streams and the bell; unset: the embedded one"
    )
    celery_url: SecretStr | None = Field(
        None, description="where Celery's queues are: as BROKER_URL, or RabbitMQ (amqp, amqps); unset: BROKER_URL"
    )
    broker_key_prefix: str = Field(
        "",
        description="stands before each key and channel on both brokers, the streams included (not on RabbitMQ), where"
        " installations share a database, as shop-a:; unset: none",
    )
    database_owner_url: SecretStr | None = Field(
        None, description="the role that owns the tables, for `db upgrade` alone; unset: DATABASE_URL"
    )
    secret_keys: tuple[SecretStr, ...] = Field(
        (),
        description="Fernet keys that encrypt provider tokens and webhooks' secrets, newest first (JSON list);"
        " unset: one kept in HOME",
    )
    reference_key: SecretStr | None = Field(
        None,
        min_length=MIN_KEY_CHARACTERS,
        description="makes the references that providers get; the same for ever and in every process; unset: one kept"
        " in HOME by `up`",
    )
    refund_wait_s: Seconds = Field(86_400, description="how long a refund waits for the settle that it names")
    events_keep_s: Seconds = Field(604_800, description="age at which events leave the stream")
    events_keep_entries: int = Field(
        5_000_000, ge=1000, description="the most events on the stream, about 0.6 kB each; above it the oldest leave"
    )
    events_replay_s: Seconds = Field(86_400, description="how much is replayed when the stream was wiped")
    dispatch_interval_s: Seconds = Field(0.5, description="the dispatcher looks this often when nothing rings")
    dispatch_lease_s: Seconds = Field(60, description="a dispatched payment nobody claimed is dispatched again")
    frozen_after_s: Seconds = Field(
        30, description="a process that says nothing for so long in a transaction, or holding a lock, loses it"
    )
    jobs_tick_s: Seconds = Field(10, description="how often periodic jobs that have come due are looked for")
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="port of the metrics' exporter; unset: `up` runs none"
    )
    metrics_address: str = Field("127.0.0.1", description="address that it listens on; it asks nobody who they are")
    health_port: int | None = Field(
        None,
        ge=1,
        le=65_535,
        description="each process answers /livez and /readyz here; unset: none does. `up` watches its processes itself,"
        " and takes it from them",
    )
    health_address: str = Field("127.0.0.1", description="address that probes are answered on")
    health_stuck_after_s: Seconds = Field(
        120, description="a process whose main loop did not turn for so long says that it is not alive"
    )
    flower_address: str = Field("127.0.0.1", description="address that `settlepipe run flower` listens on")
    flower_port: int = Field(5555, ge=1, le=65_535, description="port that `settlepipe run flower` listens on")
    flower_password: SecretStr | None = Field(
        None,
        min_length=16,
        description="password of Flower's user `settlepipe`; unset: FLOWER_BASIC_AUTH (user:password) counts, and on a"
        " loopback address it needs none",
    )
    person_token: SecretStr | None = Field(None, description="who you are, for commands that decide (docs/people.md)")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR")

    broker_tls: BrokerTlsSettings = BrokerTlsSettings()
    http: HttpSettings = HttpSettings()
    retry: RetrySettings = RetrySettings()
    check: CheckSettings = CheckSettings()
    lease: LeaseSettings = LeaseSettings()
    breaker: BreakerSettings = BreakerSettings()
    intake: IntakeSettings = IntakeSettings()
    recovery: RecoverySettings = RecoverySettings()
    retention: RetentionSettings = RetentionSettings()
    report: ReportSettings = ReportSettings()
    alerts: AlertSettings = AlertSettings()
    people: PeopleSettings = PeopleSettings()
    web: WebSettings = WebSettings()
    webhooks: WebhookSettings = WebhookSettings()
    billcenter: BillcenterSettings = BillcenterSettings()
    ubill: UbillSettings = UbillSettings()
    mtn: MtnSettings = MtnSettings()
    invoicepayment: InvoicepaymentSettings = InvoicepaymentSettings()
    bmms: BmmsSettings = BmmsSettings()

    @field_validator("broker_url")
    @classmethod
    def _broker(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            broker_address.read(value.get_secret_value())
        return value

    @field_validator("broker_key_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        return broker_keys.checked(value)

    @field_validator("celery_url")
    @classmethod
    def _queues(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            broker_address.read(value.get_secret_value(), queues_only=True)
        return value

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: object, **__: object
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given in Python, then the environment with what stands in files."""
        source = EnvSettingsSource(settings_cls)
        inline = {name: value for name, value in source.env_vars.items() if not _of_file(name.upper())}
        source.env_vars = inline | {name.lower(): value for name, value in in_files().items()}
        return init_settings, source

    def provider(self, name: str) -> ProviderSettings:
        """The section of provider `name`. Raises KeyError when there is none."""
        section = getattr(self, name, None)
        if not isinstance(section, ProviderSettings):
            raise KeyError(name)
        return section

    @property
    def message_max_age_s(self) -> float:
        """Seconds for which a text message may wait, also while the provider that sends it is off."""
        return self.ubill.sms_max_age_s

    @property
    def lease_s(self) -> float:
        """Seconds a claimed payment may be on the wire before it counts as an ambiguous attempt."""
        return self.http.total_timeout_s + self.lease.margin_s


def load_settings() -> Settings:
    """Settings from the environment. Raises SettingsError that names every mistake, unknown names included."""
    mistakes = [f"{name} is not a setting" for name in _unknown_names()]
    try:
        settings = Settings()
    except ValidationError as error:
        mistakes += [
            _told(e["loc"], e["msg"], e.get("ctx")) for e in error.errors(include_url=False, include_input=False)
        ]
    except files.Unreadable as error:
        mistakes += error.mistakes
    except Exception as error:  # pydantic-settings wraps bad JSON in an error of its own
        mistakes.append(_not_json(error))
    if len(mistakes) == 1:
        raise SettingsError(f"the environment has a mistake: {mistakes[0]}")
    if mistakes:
        raise SettingsError("the environment has mistakes; correct them and start again:\n  " + "\n  ".join(mistakes))
    return settings


def _not_json(error: Exception) -> str:
    """pydantic-settings names the section alone; which variable of it can't be read is told by its text."""
    text = getattr(error.__cause__, "doc", None)
    given = {**os.environ, **in_files()}
    names = sorted(name for name, value in given.items() if name.startswith(PREFIX) and value == text)
    return f"{' or '.join(names)} is not JSON; write a JSON list or object" if names else str(error)


def _told(location: tuple[int | str, ...], message: str, context: dict[str, Any] | None) -> str:
    wrong, variable = (context or {}).get("error"), _variable(location)
    return f"{variable} {wrong}" if isinstance(wrong, BadAddress | BadPrefix) else f"{variable}: {message}"


def in_files() -> dict[str, str]:
    """The settings that stand in files: variable to value. Raises files.Unreadable."""
    return files.read(os.environ, PREFIX, _known)


def _variable(location: tuple[int | str, ...]) -> str:
    return PREFIX + "__".join(str(part) for part in location).upper()


def _unknown_names() -> list[str]:
    names = sorted(name for name in os.environ if name.startswith(PREFIX))
    return [name for name in names if not (_known(name[len(PREFIX) :].lower()) or _of_file(name))]


def _of_file(name: str) -> bool:
    """Does this variable name the file of a setting?"""
    return name.startswith(PREFIX) and files.file_of(name, PREFIX, _known) is not None


def _known(path: str) -> bool:
    model: type[BaseModel] = Settings
    for part in path.split("__"):
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if part not in fields:
            return False
        annotation = fields[part].annotation
        model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else BaseModel
    return True
