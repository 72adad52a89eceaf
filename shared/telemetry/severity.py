"""How soon somebody has to look."""

from enum import StrEnum


class Severity(StrEnum):
    """critical: somebody looks now, also at night. warning: at the next working hours."""

    CRITICAL = "critical"
    WARNING = "warning"
