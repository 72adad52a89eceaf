"""Alembic's entry: one transaction for each migration, one migrator at a time, no lock waited for longer than LOCK_S.

Each step also writes which code can work with what it leaves.
"""

from typing import Any

from alembic import context
from sqlalchemy import text

from shared.database import locks, version
from shared.database.migrate import LOCK_S

_BEFORE = (
    f"SELECT pg_advisory_lock({locks.MIGRATIONS})",  # first: whoever waits for a migrator waits as long as it takes
    f"SET lock_timeout = '{LOCK_S * 1000:.0f}ms'",
)


def _keep_range(ctx: Any, step: Any, **_: Any) -> None:
    """In the step's own transaction: which versions of the code work from now on."""
    if not step.is_upgrade:
        return
    now = step.up_revision_id
    if now < version.RANGE_SINCE:
        return
    missing = version.pending(now)
    most = now if any(one.half == version.PRE for one in missing) else version.known()[-1]
    (half,) = (one.half for one in version.migrations() if one.version == now)
    least = f"'{now}'" if half == version.POST else "least"
    ctx.impl.execute(text(f"UPDATE public.code_range SET least = {least}, most = greatest(most, '{most}')"))


given: dict[str, Any] = {"transaction_per_migration": True, "on_version_apply": _keep_range}
if context.is_offline_mode():
    # named: a style of parameters in which a per cent sign is itself
    given |= {"dialect_name": "postgresql", "dialect_opts": {"paramstyle": "named"}}
    context.configure(literal_binds=True, transactional_ddl=True, **given)
    for statement in ("SET search_path = public", *_BEFORE):
        context.execute(statement)
else:
    connection = context.config.attributes["connection"]
    for statement in _BEFORE:
        connection.execute(text(statement))
    connection.commit()
    context.configure(connection=connection, **given)
with context.begin_transaction():
    context.run_migrations()
