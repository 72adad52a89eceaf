"""The section of webhooks."""

import ipaddress
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from shared.settings.sections import Seconds, Section


class WebhookSettings(Section):
    """How events are posted to receivers, and which of those may be reached."""

    timeout_s: Seconds = Field(15, le=60, description="limit for one delivery, however slowly its bytes drip")
    connect_timeout_s: Seconds = Field(5, description="its share for DNS, TCP and TLS")
    answer_bytes: int = Field(4096, gt=0, le=1024 * 1024, description="of an answer's body, at most; more is not read")
    base_s: Seconds = Field(5, description="first wait after a delivery that failed; doubles, with jitter")
    cap_s: Seconds = Field(3600, description="longest wait, also where a receiver asks for a longer one")
    give_up_s: Seconds = Field(259_200, description="a webhook with an event that fails for so long is disabled")
    overlap_s: Seconds = Field(86_400, description="how long an old secret signs beside the new one")
    batch: int = Field(50, gt=0, le=500, description="events delivered before that is noted: so many come twice")
    concurrency: int = Field(4, gt=0, le=32, description="deliveries of one webhook at once, of different payments")
    aside: int = Field(
        200,
        gt=0,
        le=5000,
        description="undelivered events that others of its webhook overtake; beyond, all wait",
    )
    senders: int = Field(
        8,
        gt=0,
        le=256,
        description="threads that post, of one relay process: webhooks under way share them, and each has one at least",
    )
    slots: int = Field(16, gt=0, le=256, description="webhooks that one relay process delivers to at once")
    allow_http: bool = Field(False, description="may a webhook's URL be http://, which anybody between can read")
    allow_networks: tuple[str, ...] = Field(
        (), description="networks (JSON list of CIDR) to deliver to though they are not public, as 10.1.2.0/24"
    )
    ca_file: Path | None = Field(
        None, description="PEM file of the authorities of receivers' certificates; unset: the public ones"
    )

    @field_validator("allow_networks")
    @classmethod
    def _networks(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            ipaddress.ip_network(value)
        return values

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.cap_s < self.base_s:
            raise ValueError("cap_s must be at least base_s")
        return self
