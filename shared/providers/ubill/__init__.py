"""ubill (Georgia): adds payments to its accounts, sends text messages. See the README beside this file."""

from shared.domain.payment import Operation
from shared.providers.base import Connected, OperationRule, Registration
from shared.providers.ours import TokenStore
from shared.providers.ubill import sms_wire
from shared.providers.ubill.bodies import CURRENCY, Target
from shared.providers.ubill.wire import ANSWERS
from shared.settings import Settings
from shared.settings.sections import ProviderSettings, UbillSettings


def _connect(settings: Settings, section: ProviderSettings, _tokens: TokenStore) -> Connected:
    # Here, for whoever calls the provider: what does is slow to import, and most commands need the registration alone.
    from shared.providers.http import Http
    from shared.providers.ubill import lookups, sms_lookups, statement
    from shared.providers.ubill.adapter import Ubill
    from shared.providers.ubill.sms import Sms

    if not isinstance(section, UbillSettings) or section.base_url is None:
        raise ValueError("ubill needs its own settings section, with a base URL")
    http = Http(section.base_url, settings.http)
    adapter, sms = Ubill(section, http), Sms(section, http)
    return Connected(
        adapter,
        {**lookups.entries(http, section), **sms_lookups.entries(http, section)},
        follow_ups={sms_wire.OPERATION: sms.follow_up()},
        learn=adapter.learn,
        statement=statement.statement(http, section),
        reports=sms.reports,
    )


REGISTRATION = Registration(
    name="ubill",
    title="UBill, Georgia",
    zone="Asia/Tbilisi",
    currency=CURRENCY,
    target=Target,
    operations={Operation.SETTLE: OperationRule(resend_safe=False, learns=True)},
    answers={**ANSWERS, **sms_wire.ANSWERS},
    connect=_connect,
    sends_messages=True,
    has_statement=True,
    reads="account_payments id={account_id}",
)
