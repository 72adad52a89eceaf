"""What an upstream has read on the events stream, and what may never stand there."""

import json
from dataclasses import dataclass, field

import redis

from shared.domain.payment import FINAL
from shared.messaging import events_stream

_PAYMENT = "settlepipe.payment."


@dataclass
class Upstream:
    """told: each event by its id. ends: the final state of each payment that was told to have one. requests: payments
    whose request the stream has told of, as long as it holds that."""

    told: dict[str, str] = field(default_factory=dict)
    ends: dict[str, str] = field(default_factory=dict)
    requests: set[str] = field(default_factory=set)
    read_to: str = "0-0"

    def read(self, client: "redis.Redis") -> None:
        """Read on. Raises AssertionError where one name stands for two events, or an end is taken back."""
        for entry_id, text in events_stream.events_between(client, self.read_to, 10_000):
            self.read_to = entry_id
            event = json.loads(text)
            if event["id"] in self.told:  # it was told again
                assert self.told[event["id"]] == text, f"one name, two events: {self.told[event['id']]} {text}"
                continue
            self.told[event["id"]] = text
            if event["type"].startswith(_PAYMENT):
                self._payment(event["subject"], event["type"].removeprefix(_PAYMENT))
                if event["data"]["request_sha256"]:
                    self.requests.add(event["subject"])

    def _payment(self, subject: str, kind: str) -> None:
        end = self.ends.get(subject)
        assert end is None or kind in (end, "disputed"), f"{subject} was told to be {end}, and then to be {kind}"
        if kind in FINAL:
            self.ends[subject] = kind

    def forget(self, client: "redis.Redis") -> None:
        """The stream loses all that stands on it: what was told then, nobody can know who lost it, too."""
        self.read(client)
        client.xtrim(events_stream.EVENTS, maxlen=0, approximate=False)
        self.ends.clear()
        self.requests.clear()
