"""The pipeline that people write: a row for each payment, updated before and after the call, late acknowledgement,
automatic retries.

It is as fast as its kind gets (one UPDATE and one commit each, a connection for each thread), and it loses and
repeats payments: a time-out is retried whatever it meant, and a killed worker's message comes back after an hour or
never.
"""

import os
from typing import Any

import requests
import sqlalchemy as sa
from celery import Celery

from tests.bench.plain import session

QUEUE = "bench.naive"

app = Celery("naive", broker=os.environ.get("BENCH_BROKER_URL"))
app.conf.update(task_ignore_result=True, task_default_queue=QUEUE, broker_connection_retry_on_startup=True)

metadata = sa.MetaData()
payments = sa.Table(
    "bench_naive_payments",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("answer", sa.Text),
    sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.func.now()),
)

_URL = os.environ.get("BENCH_PROVIDER_URL", "") + "/api/third_party/settle_payment/"
_engine = sa.create_engine(
    os.environ.get("BENCH_DATABASE_URL", "postgresql+psycopg://"), pool_size=int(os.environ.get("BENCH_THREADS", "32"))
)
_start = (
    sa.update(payments)
    .where(payments.c.id == sa.bindparam("payment_id"))
    .values(state="sending", attempts=payments.c.attempts + 1, updated_at=sa.func.now())
    .returning(payments.c.body)
)
_finish = (
    sa.update(payments)
    .where(payments.c.id == sa.bindparam("payment_id"))
    .values(state="succeeded", answer=sa.bindparam("text"), updated_at=sa.func.now())
)


@app.task(  # type: ignore[untyped-decorator]
    name="naive.settle",
    acks_late=True,
    autoretry_for=(requests.RequestException,),
    retry_backoff=True,
    max_retries=10,
)
def settle(payment_id: str) -> None:
    with _engine.begin() as connection:
        body: dict[str, Any] = connection.execute(_start, {"payment_id": payment_id}).scalar_one()
    response = session().post(_URL, json=body, timeout=30)
    response.raise_for_status()
    with _engine.begin() as connection:
        connection.execute(_finish, {"payment_id": payment_id, "text": response.text})
