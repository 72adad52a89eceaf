"""One token for the whole fleet: 2 worker processes with 32 sender threads each."""

from functools import partial

from tests.support import audit, intents
from tests.support.stack import Stack, wait_until

ROUNDS = 3
A_ROUND = 200  # several waves: when the first is through, the others are still to come
LATENCY_S = 0.3


def test_the_fleet_logs_in_once_for_each_revoked_token(up: Stack, source: str) -> None:
    sandbox = up.sandbox
    sandbox.options(latency_s=LATENCY_S)
    sent = []
    for number in range(1, ROUNDS + 1):
        batch = [intents.settle(source, number * 1000 + one) for one in range(A_ROUND)]
        audit.prove_token(up, f"{source[:30]}.token.{number}")
        up.submit(batch)
        sent += batch
        some = (number - 1) * A_ROUND + 1
        wait_until(partial(_went_through, up, source, some), "some went through", 20, 0.01)
        before = _logins(up)
        sandbox.call("POST", "billcenter/revoke", {})
        audit.wait_ended(up, source, sent)
        assert _logins(up) == before + 1
        assert sandbox.requests(operation="refresh") == [], "a refused token is not renewed: it is asked for anew"
    found = audit.check_all(up, source, sent)
    assert audit.states(found) == {"succeeded": len(sent)}
    refused = up.query(
        """SELECT count(DISTINCT a.worker_key) AS workers, count(*) AS attempts FROM attempts a
        JOIN payments p ON p.id = a.payment_id WHERE p.source = %s AND a.meaning = 'reauth'""",
        source,
    )[0]
    assert refused["workers"] == 2, "both workers met a dead token"
    assert refused["attempts"] > ROUNDS, "and several of their threads"


def _succeeded(up: Stack, source: str) -> int:
    rows = up.query("SELECT count(*) AS n FROM payments WHERE source = %s AND state = 'succeeded'", source)
    return int(rows[0]["n"])


def _went_through(up: Stack, source: str, count: int) -> bool:
    return _succeeded(up, source) >= count


def _logins(up: Stack) -> int:
    return sum(row["provider"] == "billcenter" for row in up.sandbox.requests(operation="token"))
