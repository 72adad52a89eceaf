"""What stands still is told from its limit on, once for each thing that it is about."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shared.alerts.judge import Broker, judge
from shared.domain.payment import FINAL, HoldReason, State
from shared.metrics.read import Counted, Open, Standing
from shared.metrics.store.standing import LaneStanding
from shared.settings.alerting import AlertSettings
from shared.telemetry.alerts import Alert
from shared.webhooks.views import Standing as Webhook

LANE = LaneStanding("mtn", False, False, False, 0, 0.0, None, 1, 0)
NOTHING = Standing(0, False, 0.5, [LANE], True, 0.0)
LIMITS = AlertSettings()


def payments(state: State, **changes: Any) -> Open:
    given: dict[str, Any] = {"provider": "mtn", "state": state, "hold_reason": None, "currency": "GHS", "due": False}
    numbers: dict[str, Any] = {"payments": 1, "amount": Decimal("10.50"), "oldest_s": 0.0, "due_s": 0.0}
    return Open(**{**given, **numbers, **changes})


def counted(
    *found: Open,
    pending: int = 0,
    accounts: Sequence[tuple[str, int]] = (),
    discrepancies: Sequence[tuple[str, str, int]] = (),
    quarantine: int = 0,
) -> Counted:
    return Counted(found, pending, discrepancies, 7, accounts, quarantine)


def test_nothing_stands_where_all_is_well() -> None:
    well = [payments(state) for state in State if state not in FINAL and state is not State.PARKED]
    assert judge(counted(*well), NOTHING, {"tokens": 0.0}, LIMITS) == {}


def test_parked_payments_are_told_at_once_together_with_their_sum_by_currency() -> None:
    found = judge(
        counted(
            payments(State.PARKED, payments=15, oldest_s=60.4),
            payments(State.PARKED, currency="USD", amount=Decimal(1)),
            payments(State.PARKED, provider="ubill", currency="GEL"),
        ),
        NOTHING,
        {},
        LIMITS,
    )
    assert found == {
        (Alert.PAYMENT_PARKED, "mtn"): {"payments": 16, "oldest_s": 60, "money": {"GHS": "10.50", "USD": "1"}},
        (Alert.PAYMENT_PARKED, "ubill"): {"payments": 1, "oldest_s": 0, "money": {"GEL": "10.50"}},
    }


@pytest.mark.parametrize(
    ("state", "reason", "limit_s", "about"),
    [
        (State.UNKNOWN, None, LIMITS.unknown_s, (Alert.PAYMENT_UNKNOWN_LONG, "mtn")),
        (State.ACCEPTED, HoldReason.NO_ACCOUNT, LIMITS.held_s, (Alert.PAYMENT_HELD_LONG, "mtn/no_account")),
    ],
)
def test_what_is_normal_for_a_while_is_told_when_it_is_that_for_long(
    state: State, reason: HoldReason | None, limit_s: float, about: tuple[Alert, str]
) -> None:
    one = payments(state, hold_reason=reason, oldest_s=limit_s)
    assert judge(counted(one), NOTHING, {}, LIMITS) == {}
    assert set(judge(counted(replace(one, oldest_s=limit_s + 1)), NOTHING, {}, LIMITS)) == {about}


@pytest.mark.parametrize("why", ["paused", "open"])
def test_a_lane_that_stands_still_for_long_is_told_with_its_reason(why: str) -> None:
    changes: Any = {why: True, "stopped_s": LIMITS.stopped_s}
    lane = replace(LANE, **changes)
    assert judge(counted(), replace(NOTHING, lanes=[lane]), {}, LIMITS) == {}
    longer = replace(lane, stopped_s=LIMITS.stopped_s + 1)
    late = payments(State.ACCEPTED, due=True, due_s=LIMITS.due_s + 1)  # it stands still: of course they are late
    found = judge(counted(late), replace(NOTHING, lanes=[longer]), {}, LIMITS)
    assert found == {(Alert.LANE_STANDS_STILL, "mtn"): {"stopped_s": 901, "because": why}}


def test_payments_that_nobody_takes_are_told_where_their_lane_runs() -> None:
    late = payments(State.ACCEPTED, due=True, due_s=LIMITS.due_s + 1)
    lane = replace(LANE, workers=0)
    found = judge(counted(late), replace(NOTHING, lanes=[lane]), {}, LIMITS)
    assert found == {(Alert.PAYMENTS_DUE_LATE, "mtn"): {"late_s": 901, "workers": 0}}


def test_payments_of_a_provider_that_was_switched_off_are_told() -> None:
    late = payments(State.WAITING, provider="ubill", due=True, due_s=LIMITS.due_s + 1)
    found = judge(counted(late), NOTHING, {}, LIMITS)
    assert found == {(Alert.PAYMENTS_DUE_LATE, "ubill"): {"late_s": 901, "workers": 0}}


def test_money_at_risk_is_told_above_what_is_allowed_in_its_currency() -> None:
    at_risk = [payments(state) for state in (State.SENDING, State.UNKNOWN, State.PARKED)]
    safe = [payments(state, amount=Decimal(1_000)) for state in (State.ACCEPTED, State.DISPATCHED, State.WAITING)]
    limits = AlertSettings(money={"GHS": Decimal("31.50"), "USD": Decimal(0)})
    assert (Alert.MONEY_AT_RISK, "GHS") not in judge(counted(*at_risk, *safe), NOTHING, {}, limits)
    less = AlertSettings(money={"GHS": Decimal("31.49")})
    found = judge(counted(*at_risk, *safe), NOTHING, {}, less)
    assert found[Alert.MONEY_AT_RISK, "GHS"] == {"amount": "31.50", "above": "31.49"}


def test_late_events_late_jobs_and_waiting_accounts_are_told() -> None:
    standing = replace(NOTHING, oldest_event_s=LIMITS.events_s + 1)
    late_s = {"tokens": LIMITS.job_s, "reconcile": LIMITS.job_s + 1}
    found = judge(counted(pending=7, accounts=[("billcenter", 2)]), standing, late_s, LIMITS)
    assert found == {
        (Alert.EVENTS_LATE, ""): {"oldest_s": 61, "events": 7},
        (Alert.JOB_LATE, "reconcile"): {"late_s": 3601},
        (Alert.ACCOUNT_WAITS, "billcenter"): {"accounts": 2},
    }


def test_a_lane_that_is_halted_is_told_at_once() -> None:
    lane = replace(LANE, halted=True, stopped_s=1.0)
    found = judge(counted(), replace(NOTHING, lanes=[lane]), {}, LIMITS)
    assert found == {(Alert.LANE_STANDS_STILL, "mtn"): {"stopped_s": 1, "because": "halted"}}


def test_open_discrepancies_are_told_by_provider_but_for_those_that_end_by_themselves() -> None:
    listed = [("mtn", "late", 5), ("mtn", "still_unknown", 2), ("ubill", "late", 1)]
    assert judge(counted(discrepancies=listed), NOTHING, {}, LIMITS) == {}
    more = [*listed, ("mtn", "missing_at_provider", 2), ("mtn", "paid_elsewhere", 1)]
    assert judge(counted(discrepancies=more), NOTHING, {}, LIMITS) == {
        (Alert.DISCREPANCIES_OPEN, "mtn"): {"discrepancies": 3, "missing_at_provider": 2, "paid_elsewhere": 1}
    }


def test_what_waits_in_quarantine_and_on_the_intake_and_a_full_broker_are_told() -> None:
    broker = Broker(late_s={"in": LIMITS.intake_s, "other": LIMITS.intake_s + 1})
    found = judge(counted(quarantine=3), NOTHING, {}, LIMITS, broker)
    assert found == {
        (Alert.QUARANTINE_WAITS, ""): {"entries": 3},
        (Alert.INTAKE_LATE, "other"): {"oldest_s": 121},
    }
    full = judge(counted(), NOTHING, {}, LIMITS, Broker(full=(90, 100)))
    assert full == {(Alert.BROKER_NEARLY_FULL, ""): {"used_mb": 90, "limit_mb": 100}}


def test_a_webhook_that_gave_up_is_told_and_one_that_fails_or_is_behind_from_its_limit_on() -> None:
    well = Webhook(1, "shop", 5, runs=True, gave_up=False, because=None, failing_s=0.0, oldest_s=LIMITS.webhook_s)
    stopped = replace(well, number=2, runs=False, because="Ann: moves")
    gave_up = replace(well, number=3, runs=False, gave_up=True, because="it answered 410: gone")
    failing = replace(well, number=4, failing_s=LIMITS.webhook_s + 1, oldest_s=7.0)
    behind = replace(well, number=5, oldest_s=LIMITS.webhook_s + 1)
    found = judge(counted(), replace(NOTHING, webhooks=[well, stopped, gave_up, failing, behind]), {}, LIMITS)
    assert found == {
        (Alert.WEBHOOK_DISABLED, "shop/3"): {"because": "it answered 410: gone"},
        (Alert.WEBHOOK_FAILING, "shop/4"): {"failing_s": 3601, "oldest_s": 7},
        (Alert.WEBHOOK_FAILING, "shop/5"): {"failing_s": 0, "oldest_s": 3601},
    }
