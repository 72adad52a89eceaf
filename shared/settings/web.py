"""The section of the HTTP door and the control room."""

import ipaddress
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from shared.settings.sections import Seconds, Section


class WebSettings(Section):
    """Where `settlepipe run web` listens, and what it lets one, and all, take of it. Each process counts for itself."""

    address: str = Field("127.0.0.1", description="address that the HTTP door listens on")
    port: int = Field(8460, ge=0, le=65_535, description="port that it listens on")
    cert_file: Path | None = Field(None, description="PEM certificate; unset: HTTP, for a proxy in front")
    key_file: Path | None = Field(None, description="PEM key of the certificate")
    body_bytes: int = Field(
        8 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024, description="the largest body of a request that is read"
    )
    bodies_bytes: int = Field(
        64 * 1024 * 1024, ge=1024, description="bytes of bodies in memory at once; what goes beyond gets a 503"
    )
    body_s: Seconds = Field(10, description="limit for a request's body, however slowly its bytes drip")
    answer_s: Seconds = Field(10, description="limit for what PostgreSQL does for one request; then it is a 503")
    threads: int = Field(8, gt=0, le=64, description="requests that are with PostgreSQL at once, each on a connection")
    requests: int = Field(256, gt=0, le=10_000, description="requests under way at once; the next one gets a 503")
    connections: int = Field(1024, gt=0, le=50_000, description="connections at once; the next one is ended")
    streams: int = Field(64, ge=0, le=10_000, description="streams of events open at once; the next one gets a 503")
    streams_of_source: int = Field(8, ge=0, le=10_000, description="the same for one source")
    rate_per_s: Seconds = Field(
        5000, description="intents and reads a second for one source; beyond it, after a second's worth, a 429"
    )

    lookups: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="source to the look-ups that its keys may ask for, as PROVIDER.NAME (JSON); unset: none",
    )
    lookups_per_s: Seconds = Field(1, description="look-ups a second for one source; beyond it, after ten, a 429")
    lookup_threads: int = Field(4, gt=0, le=64, description="look-ups that are with a provider at once")
    lookup_s: Seconds = Field(60, description="limit for one look-up; then it is a 503")
    session_idle_s: Seconds = Field(1800, description="the control room: without a click for so long, a log-in is over")
    session_s: Seconds = Field(
        43_200, le=604_800, description="the control room: a log-in is over after this, used or not"
    )
    tls_in_front: bool = Field(
        False, description="the control room's cookies go over TLS alone: set it behind a proxy that speaks TLS"
    )
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="addresses or networks (JSON list) of proxies in front, whose X-Forwarded-For and X-Forwarded-Proto"
        " say who asks; unset: nobody's",
    )
    local_password: SecretStr | None = Field(
        None,
        description="lets whoever is on this machine into the control room while nobody is set up; `up` makes one",
    )

    public_url: str | None = Field(
        None, description="the control room's address as browsers know it, like https://pay.example; OIDC needs it"
    )
    oidc_issuer: str | None = Field(
        None, description="an OpenID Connect provider that says who people are; unset: they log in by password alone"
    )
    oidc_client_id: str = Field("", description="as whom it knows the control room")
    oidc_client_secret: SecretStr | None = Field(None, description="the secret that goes with it")
    oidc_claim: str = Field(
        "email", description="what of its word is a person's name here: email, preferred_username, sub"
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            ipaddress.ip_network(value)  # an address is the network of itself; `*` would be everybody
        return values

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.bodies_bytes < self.body_bytes:
            raise ValueError("bodies_bytes must be at least body_bytes, or no such body could be read")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together: set both or neither")
        if self.oidc_issuer is not None and not (self.public_url and self.oidc_client_id and self.oidc_client_secret):
            raise ValueError("oidc_issuer needs public_url, oidc_client_id and oidc_client_secret: set all four")
        return self
