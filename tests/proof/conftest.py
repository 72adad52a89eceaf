"""The worlds of the model's tests."""

from tests.integration.model.conftest import model_url
from tests.integration.rules.conftest import _waits, rules_url, world

__all__ = ["_waits", "model_url", "rules_url", "world"]
