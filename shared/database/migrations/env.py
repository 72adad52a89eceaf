"""Alembic's entry: one transaction for each migration, one migrator at a time."""

from alembic import context
from sqlalchemy import text

from shared.database import locks

connection = context.config.attributes["connection"]
connection.execute(text(f"SELECT pg_advisory_lock({locks.MIGRATIONS})"))
connection.commit()
context.configure(connection=connection, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
