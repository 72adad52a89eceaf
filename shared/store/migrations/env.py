"""Alembic's entry: one transaction for each migration, one migrator at a time."""

from alembic import context
from sqlalchemy import text

connection = context.config.attributes["connection"]
connection.execute(text("SELECT pg_advisory_lock(7310587403)"))
connection.commit()
context.configure(connection=connection, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
