"""`settlepipe trigger` where there is no sandbox."""

import json

from tests.integration.conftest import Run


def test_without_a_sandbox_nothing_is_triggered(run: Run) -> None:
    status, out, err = run("trigger", "succeeded")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "up --sandbox" in err
    assert json.dumps(run("trigger", "whatever")[0]) == "2"
