"""billcenter (Mongolia): settles, refunds and VAT receipts of bills. See the README beside this file."""

from datetime import time

from shared.domain.payment import Operation
from shared.providers.base import Connected, DailyList, FollowUp, OperationRule, Registration
from shared.providers.billcenter.bodies import CURRENCY, RECEIPT, Target
from shared.providers.billcenter.wire import ANSWERS
from shared.providers.ours import TokenStore
from shared.settings import Settings
from shared.settings.sections import BillcenterSettings, ProviderSettings


def _connect(settings: Settings, section: ProviderSettings, tokens: TokenStore) -> Connected:
    # Here, for whoever calls the provider: what does is slow to import, and most commands need the registration alone.
    from shared.providers.billcenter.adapter import Billcenter
    from shared.providers.billcenter.login import login
    from shared.providers.billcenter.lookups import Lookups
    from shared.providers.billcenter.statement import StatementReads
    from shared.providers.credentials import TokenSource
    from shared.providers.http import Http

    if not isinstance(section, BillcenterSettings) or section.base_url is None:
        raise ValueError("billcenter needs its own settings section, with a base URL")
    http = Http(section.base_url, settings.http)
    total_s = settings.http.total_timeout_s
    source = TokenSource("billcenter", tokens, login(http, section, total_s=total_s), wait_s=total_s)
    lookups = Lookups(http, source)
    adapter = Billcenter(section, http, source, lookups)
    return Connected(
        adapter,
        lookups.entries(),
        lookups.refreshes(),
        follow_ups={RECEIPT: FollowUp(adapter.build_receipt, adapter.send_receipt)},
        learn=adapter.learn,
        renew=source.renew,
        statement=StatementReads(http, source).statement(),
    )


REGISTRATION = Registration(
    name="billcenter",
    title="billcenter, Mongolia",
    zone="Asia/Ulaanbaatar",
    currency=CURRENCY,
    target=Target,
    operations={
        Operation.SETTLE: OperationRule(resend_safe=True),
        Operation.REFUND: OperationRule(resend_safe=False, reads_first=True, learns=True),
    },
    answers=ANSWERS,
    connect=_connect,
    service="biller_service_id",
    reads="invoices invoice_code={invoice_code} biller_service_id={biller_service_id}",
    rests_on=lambda payment: ("bank_accounts", str(payment.target["biller_service_id"])),
    lists=(
        DailyList("services", time(3, 50), "which services there are, and which give VAT receipts"),
        DailyList(
            "bank_accounts",
            time(4, 0),
            "where the money of each service goes; once a day is enough, says billcenter",
        ),
    ),
    renews_tokens=True,
    has_statement=True,
)
