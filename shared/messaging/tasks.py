"""The Celery app's settings and the publishing of dispatched ids. Redis and PostgreSQL stay the caller's."""

from collections.abc import Sequence

from celery import Celery

from shared.messaging import links, rabbitmq, transport
from shared.messaging.queues import JOBS_QUEUE, lane_queue
from shared.settings import SettingsError, broker_address
from shared.settings.sections import BrokerTlsSettings as Tls

MAX_IDS = 50  # payments in one message: this is where the speed is (docs/measured.md, "Sending")
VISIBILITY_TIMEOUT_S = links.VISIBILITY_TIMEOUT_S
_VERIFIED = Tls()
_ACQUIRE_S = 5

SEND = "settlepipe.send"
CHECK = "settlepipe.check"
FOLLOW_UP = "settlepipe.follow_up"
REFRESH = "settlepipe.refresh"
TICK = "settlepipe.tick"
RUN_JOB = "settlepipe.job"


# What a message names: a payment by its id and its reference, so that a database which lost time, and gave the id to
# another payment since, is not taken at its word; a follow-up by its id.
Name = tuple[int, str] | int


def celery_app(celery_url: str, name: str = "settlepipe", tls: Tls = _VERIFIED, prefix: str = "") -> Celery:
    """A Celery app as this product needs it: acknowledged late, no results, no broker waits, JSON only.

    Raises SettingsError for what is no broker's URL, and for files of TLS that can't be read."""
    transport.register()
    try:
        of_broker = links.celery(broker_address.read(celery_url, queues_only=True), tls, prefix)
    except broker_address.BadAddress as error:
        raise SettingsError(f"SETTLEPIPE_CELERY_URL {error}") from None
    app = Celery(name)
    app.conf.update(
        of_broker,
        task_acks_late=True,
        task_acks_on_failure_or_timeout=True,
        task_reject_on_worker_lost=False,  # the lease recovers; a redelivery would only repeat the loss
        worker_prefetch_multiplier=1,
        task_ignore_result=True,
        result_backend=None,
        worker_disable_rate_limits=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        accept_content=["json"],
        task_serializer="json",
        task_default_queue="unrouted",
        task_create_missing_queues=True,
        worker_send_task_events=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        enable_utc=True,
        timezone="UTC",
    )
    return app


def publish(app: Celery, provider: str, batches: Sequence[tuple[str, Sequence[Name]]]) -> None:
    """Put (task name, names) messages on a lane's queue: in one round trip on Redis, each confirmed by RabbitMQ.

    Raises KombuError (OperationalError: the broker is away; BatchPublishError: it refused or was lost midway, and some
    of the messages may be there all the same), redis.RedisError, OSError. What isn't there is dispatched again when
    its lease ends.
    """
    queue = lane_queue(provider)
    if rabbitmq.holds_queues_of(app):
        rabbitmq.publish(app, queue, [(task, list(names)) for task, names in batches])
        return
    with app.producer_pool.acquire(block=True, timeout=_ACQUIRE_S) as producer, producer.batch():
        for task, names in batches:
            app.send_task(task, args=(list(names),), queue=queue, producer=producer, retry=False)


def send_job(app: Celery, run_id: int, time_limit_s: float) -> None:
    """Have a run of a job done, which is ended after so long. Raises what `publish` does."""
    if rabbitmq.holds_queues_of(app):
        rabbitmq.publish(app, JOBS_QUEUE, [(RUN_JOB, run_id)], time_limit=time_limit_s)
    else:
        app.send_task(RUN_JOB, args=(run_id,), queue=JOBS_QUEUE, time_limit=time_limit_s, retry=False)


def split(names: Sequence[Name], idle_senders: int) -> list[Sequence[Name]]:
    """Names in messages: one a message while senders are idle, up to MAX_IDS as the backlog grows."""
    size = 1 if len(names) <= max(idle_senders, 4) else min(MAX_IDS, -(-len(names) // 4))
    return [names[start : start + size] for start in range(0, len(names), size)]


def queue_length(app: Celery, provider: str) -> int:
    """Messages waiting in a lane's queue. Raises what `publish` does."""
    queue = lane_queue(provider)
    if rabbitmq.holds_queues_of(app):
        return rabbitmq.queue_length(app, queue)
    with app.pool.acquire(block=True, timeout=_ACQUIRE_S) as connection:
        # At once or not at all: kombu would try for seconds, and whoever asks holds the lane's row meanwhile.
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        return int(connection.default_channel.client.llen(queue))
