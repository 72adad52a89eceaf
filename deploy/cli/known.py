"""Is what somebody typed the name of something there is?"""

from deploy.cli import output
from deploy.cli.failures import WrongUse


def must_be_provider(name: str) -> None:
    """Raises WrongUse, with the names that there are."""
    from shared.providers.registry import REGISTRATIONS

    if name not in REGISTRATIONS:
        raise WrongUse(f"there is no provider {output.safe(name)}; the providers are {', '.join(REGISTRATIONS)}")
