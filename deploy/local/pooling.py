"""What `settlepipe doctor` says of a pooler in front of PostgreSQL, and of a standby."""

from collections.abc import Iterator
from contextlib import ExitStack

import psycopg

from deploy.local.brokers import Check
from shared.database import pooler, session, standby
from shared.settings import PREFIX, Settings

_LATE_S = 60.0  # later than this is a standby that does not follow
_CLIENTS = 3  # connections whose sessions are looked at, each in a transaction: a pooler gives each another one


def examine(settings: Settings) -> Iterator[Check]:
    """Nothing of what is not set."""
    others = (("pooler", _pooler, settings.database_pool_url), ("standby", _standby, settings.database_read_url))
    for name, look, other in others:
        if settings.database_url is None or other is None:
            continue
        try:
            yield look(settings.database_url.get_secret_value(), other.get_secret_value())
        except session.Unusable as error:
            yield Check(name, False, str(error))
        except psycopg.Error as error:
            reason = str(error).strip().split("\n")[0]
            yield Check(name, False, f"it does not answer, or has no session to give: {reason}")


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


def _standby(url: str, read_url: str) -> Check:
    with (
        session.connect(url, "settlepipe doctor") as primary,
        session.connect(read_url, "settlepipe doctor") as other,
    ):
        if pooler.place(primary) != pooler.place(other):
            wrong = (
                f"{PREFIX}DATABASE_READ_URL leads to another database than {PREFIX}DATABASE_URL; name a standby of it"
            )
            return Check("standby", False, wrong)
        late_s = standby.late_s(other)
    if late_s is None:
        return Check("standby", True, "it is no standby, so nothing is late there")
    follows = late_s <= _LATE_S
    sentence = f"what is read there is {late_s:.1f} s old at most"
    return Check("standby", follows, sentence if follows else f"{sentence}: see whether it follows its primary")
