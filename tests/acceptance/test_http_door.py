"""Intents that come by HTTP go the whole way, and who sent them learns of their end the same way."""

import http.client
import threading
from typing import Any
from urllib.parse import urlsplit

from tests.support import audit, contract, intents
from tests.support.door import Client, new_key, within
from tests.support.stack import Stack, wait_until

SINGLES, BATCH = 30, 120


def test_what_was_answered_with_202_is_paid_once_also_while_the_door_is_killed(up: Stack, source: str) -> None:
    client = Client(urlsplit(up.told["web_url"]).port or 0, new_key(up.told["database_url"], source)[1])
    settles = [intents.settle(source, number) for number in range(1, SINGLES + BATCH + 1)]
    refunds = [
        one for number in range(len(settles) + 1, len(settles) + 6) for one in intents.refundable(source, number)
    ]
    start = client.get("/v1/events?after=end").told["next"]
    killed = threading.Event()

    def kill() -> None:
        for _ in range(2):
            up.kill("web")
            wait_until(lambda: _answers(client), "the door is open again", 60)
        killed.set()

    killer = threading.Thread(target=kill)
    killer.start()
    for one in settles[:SINGLES]:
        within(120, lambda one=one: _taken(client, one))
    while not killed.is_set():
        within(120, lambda: _taken(client, *settles[SINGLES:], *refunds))
    killer.join()
    assert _taken(client, *settles[SINGLES:], *refunds)
    whole = [*settles, *refunds]
    audit.wait_ended(up, source, whole)
    found = audit.check_all(up, source, whole)
    assert audit.states(found) == {"succeeded": len(whole)}
    events: list[dict[str, Any]] = []

    def all_told() -> bool:
        """A page may be empty for a while: nothing is told before what was begun earlier has ended."""
        nonlocal start
        page = client.get(f"/v1/events?limit=200&after={start}").told
        events.extend(page["events"])
        start = page["next"]
        return len([one for one in events if one["type"] == "settlepipe.payment.succeeded"]) >= len(whole)

    within(60, all_told)
    contract.assert_kept(events)
    for told in ("accepted", "succeeded"):
        subjects = [one["subject"] for one in events if one["type"] == f"settlepipe.payment.{told}"]
        assert sorted(subjects) == sorted(f"{source}/{one['intent_id']}" for one in whole)
    shown = client.get(f"/v1/payments/{source}/{whole[0]['intent_id']}").told
    assert (shown["state"], shown["history"][0]["what"]) == ("succeeded", "event")


def _taken(client: Client, *given: dict[str, Any]) -> bool:
    """Was it all answered with 202? No answer at all, or a 503, is not that."""
    try:
        answer = client.submit(*given)
    except (OSError, http.client.HTTPException):
        return False
    if answer.status == 207:
        return all(one["status"] == 202 for one in answer.told["results"])
    assert answer.status in (202, 503), answer.told
    return answer.status == 202


def _answers(client: Client) -> bool:
    try:
        return client.get("/v1/payments?limit=1").status == 200
    except (OSError, http.client.HTTPException):
        return False
