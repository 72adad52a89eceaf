"""What `settlepipe doctor` says of a pooler in front of PostgreSQL."""

from collections.abc import Iterator
from contextlib import ExitStack

import psycopg

from deploy.local.brokers import Check
from shared.database import pooler, session
from shared.settings import Settings

_CLIENTS = 3  # connections whose sessions are looked at, each in a transaction: a pooler gives each another one


def examine(settings: Settings) -> Iterator[Check]:
    """Nothing where no pooler is set."""
    if settings.database_url is None or settings.database_pool_url is None:
        return
    try:
        yield _pooler(settings.database_url.get_secret_value(), settings.database_pool_url.get_secret_value())
    except session.Unusable as error:
        yield Check("pooler", False, str(error))
    except psycopg.Error as error:
        reason = str(error).strip().split("\n")[0]
        yield Check("pooler", False, f"it does not answer, or has no session to give: {reason}")


def _pooler(url: str, pool_url: str) -> Check:
    with ExitStack() as stack:
        direct = stack.enter_context(session.connect(url, "settlepipe doctor"))
        clients = [stack.enter_context(session.connect_pooled(pool_url, "settlepipe doctor")) for _ in range(_CLIENTS)]
        pooler.require(direct, clients[0])
        shares = pooler.shares(*clients[:2])
        wrong = set[str]()
        for client in clients:
            stack.enter_context(client.transaction())
            wrong.update(pooler.unpinned(client))
    if wrong:
        return Check(
            "pooler",
            False,
            f"its sessions are not as settlepipe's are: {', '.join(sorted(wrong))}; run what `settlepipe db pins`"
            " prints, then RECONNECT in its console",
        )
    if not shares:
        return Check(
            "pooler", True, "it works, and shares no session: pool_mode is not transaction, or no pooler is there"
        )
    return Check("pooler", True, "transactions share its sessions, which are as settlepipe's own")
