"""What Celery's queues are called. Apart from `tasks`, so that who only names one does not import Celery."""

JOBS_QUEUE = "jobs"


def lane_queue(provider: str) -> str:
    """The queue of a provider's lane."""
    return f"lane.{provider}"


def lane_of(queue: str) -> str:
    """The provider whose lane's queue this is."""
    return queue.removeprefix("lane.")
