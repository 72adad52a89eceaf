"""metrics: what Prometheus would be told now."""

import sys
from contextlib import suppress

from deploy.cli import stack

COUNT_S = 30.0  # how long is waited for what has to be counted


def metrics() -> None:
    """Print the metrics once, in Prometheus' text format."""
    from scheduler.exporter import page
    from scheduler.gathered import Asked, Gathering

    settings = stack.settings_with_sandbox()
    with stack.broker() as client:
        gathering = Gathering(stack.with_servers(settings), client)
        with suppress(Exception):  # `settlepipe_up` tells
            Asked(gathering.count).begin().result(COUNT_S)
        sys.stdout.write(page(gathering.samples()).decode())
