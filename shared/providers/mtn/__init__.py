"""mtn (Africa): settles postpaid bills. See the README beside this file."""

from shared.domain.payment import Operation
from shared.providers.base import Connected, OperationRule, Registration
from shared.providers.mtn.bodies import Target
from shared.providers.mtn.wire import ANSWERS
from shared.providers.ours import TokenStore
from shared.settings import Settings
from shared.settings.sections import MtnSettings, ProviderSettings


def _connect(settings: Settings, section: ProviderSettings, tokens: TokenStore) -> Connected:
    # Here, for whoever calls the provider: what does is slow to import, and most commands need the registration alone.
    from shared.providers.http import Http
    from shared.providers.mtn.adapter import Mtn, headers
    from shared.providers.mtn.login import Door
    from shared.providers.mtn.lookups import Lookups
    from shared.providers.mtn.statement import StatementReads

    if not isinstance(section, MtnSettings) or section.base_url is None:
        raise ValueError("mtn needs its own settings section, with a base URL")
    http = Http(section.base_url, settings.http)
    door = Door(http, section, tokens, wait_s=settings.http.total_timeout_s)
    lookups = Lookups(http, door, headers(section))
    adapter = Mtn(section, http, door, lookups)
    statement = StatementReads(door, lookups).statement()
    return Connected(adapter, lookups.entries(), learn=adapter.learn, renew=door.renew, statement=statement)


REGISTRATION = Registration(
    name="mtn",
    title="mtn, Africa",
    zone="UTC",
    currency=None,  # each request names its own, in `Money.unit`
    target=Target,
    operations={Operation.SETTLE: OperationRule(resend_safe=False, learns=True)},
    answers=ANSWERS,
    connect=_connect,
    has_statement=True,
    reads="bill id={id} customerType={customer_type} queryType=paidBill",
)
