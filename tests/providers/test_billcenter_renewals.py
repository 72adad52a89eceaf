"""A refresh address that does not work, in the sandbox: whoever has the name and the password gets in all the same."""

import pytest
from pydantic import SecretStr

from shared.providers.base import Connected, Provider
from shared.providers.registry import connect
from shared.settings import Settings
from shared.settings.sections import BillcenterSettings, HttpSettings
from tests.support.memory import MemoryTokens
from tests.support.sandbox import SandboxClient

LIFE_S = 20


@pytest.fixture
def sandbox(sandbox_process: SandboxClient) -> SandboxClient:
    sandbox_process.reset()
    sandbox_process.call("POST", "billcenter/options", {"token_ttl_s": LIFE_S})
    return sandbox_process


def connected(sandbox: SandboxClient, tokens: MemoryTokens) -> Connected:
    section = BillcenterSettings(base_url=sandbox.billcenter_url, username="sandbox", password=SecretStr("sandbox"))
    http = HttpSettings(connect_timeout_s=1, total_timeout_s=2)
    return connect("billcenter", Settings(billcenter=section, http=http), tokens)


def provider_of(product: Connected) -> Provider:
    assert product.provider is not None
    return product.provider


def asked(sandbox: SandboxClient, operation: str) -> int:
    return len(sandbox.requests(operation=operation))


def ending(sandbox: SandboxClient) -> MemoryTokens:
    """A token of the sandbox's that is about to end."""
    tokens = MemoryTokens()
    provider_of(connected(sandbox, tokens)).authorise()
    tokens.age(900)
    return tokens


@pytest.mark.parametrize(
    "fault",
    [
        *("error_500_before", "error_502", "error_503", "error_429", "error_401", "error_403", "error_404"),
        *("refuse_400", "redirect_302", "hang_before", "reset_before", "not_json_200", "truncated_200", "close_after"),
    ],
)
def test_where_the_refresh_address_fails_it_logs_in(sandbox: SandboxClient, fault: str) -> None:
    tokens = ending(sandbox)
    sandbox.set_faults({"operation": "refresh", "fault": fault})
    product = connected(sandbox, tokens)
    assert provider_of(product).authorise().version == 1
    assert provider_of(product).authorise().version == 2
    assert (asked(sandbox, "refresh") > 0, asked(sandbox, "token")) == (True, 2)
    assert product.lookups["invoices"].call()["results"] is not None


def test_while_the_token_is_good_a_login_address_that_fails_stops_nobody(sandbox: SandboxClient) -> None:
    tokens = ending(sandbox)
    sandbox.set_faults(
        {"operation": "refresh", "fault": "error_500_before"}, {"operation": "token", "fault": "error_500_before"}
    )
    product = connected(sandbox, tokens)
    for _ in range(3):
        assert provider_of(product).authorise().version == 1
    assert product.lookups["invoices"].call()["results"] is not None
    assert (asked(sandbox, "refresh"), asked(sandbox, "token")) == (1, 2)
