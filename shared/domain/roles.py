"""Who may do what: the one table of deeds and roles. Pure.

Reading is not in it: whoever has the database's URL reads the database. The control room masks what is personal.
"""

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """What a person is there for."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ACCOUNTANT = "accountant"


class Deed(StrEnum):
    """What a person does, or proposes where two have to agree."""

    RESOLVE = "resolve"
    CANCEL = "cancel"
    CONFIRM = "confirm"  # an account: confirmed, or chosen
    BRAKE = "brake"  # pause and resume a lane
    REPLAY = "replay"  # quarantine, events; have a webhook go on, or stand still
    DISMISS = "dismiss"  # from quarantine
    RECOVER = "recover"
    CLOSE = "close"  # a discrepancy, or open it again
    ASSIGN = "assign"  # a discrepancy to somebody; and say something about it
    SIGN = "sign"  # a day
    PROVE = "prove"  # to say who one is, and no more: one's own proposal
    ROTATE = "rotate"  # to have a new token for oneself
    COME_IN = "come_in"  # to set a password for oneself, and one-time codes beside it
    APPROVE = "approve"  # what somebody else proposed
    PEOPLE = "people"  # add and revoke them
    KEYS = "keys"  # of upstreams that come by HTTP: create and revoke them
    WEBHOOKS = "webhooks"  # where a source's events go: add and remove one, and its secret


_WORK = frozenset({Role.OPERATOR, Role.APPROVER})

MAY: Mapping[Deed, frozenset[Role]] = {
    Deed.RESOLVE: _WORK,
    Deed.CANCEL: _WORK,
    Deed.CONFIRM: _WORK,
    Deed.BRAKE: _WORK,
    Deed.REPLAY: _WORK,
    Deed.DISMISS: _WORK,
    Deed.RECOVER: _WORK,
    Deed.CLOSE: frozenset({Role.APPROVER, Role.ACCOUNTANT}),
    Deed.ASSIGN: _WORK | {Role.ACCOUNTANT},
    Deed.SIGN: frozenset({Role.APPROVER, Role.ACCOUNTANT}),
    Deed.PROVE: frozenset(Role),
    Deed.ROTATE: frozenset(Role),
    Deed.COME_IN: frozenset(Role),
    Deed.APPROVE: frozenset({Role.APPROVER}),
    Deed.PEOPLE: frozenset({Role.APPROVER}),
    Deed.KEYS: frozenset({Role.APPROVER}),
    Deed.WEBHOOKS: frozenset({Role.APPROVER}),
}

# Who sees accounts, phone numbers and what else is about a customer in the control room: whoever decides or compares.
SEES_PERSONAL: frozenset[Role] = frozenset({Role.OPERATOR, Role.APPROVER, Role.ACCOUNTANT})
