"""Who may do what at the console: roles as data. A role is a set of permissions; an operator has the permissions of all their
roles, and nothing else is asked anywhere.

    support      finds payments, accounts and people, to answer questions
    finance      keeps the books: freezes, closes, reverses, exports, proposes what needs a second pair of eyes
    risk         stops accounts, watches limits
    compliance   the law: limits, suspensions, books, who did what
    kyc          verifies people's real names
    security     operators, keys, tampering, who did what
    admin        everything that acts; alone nothing that needs two
    auditor      reads everything, changes nothing

Source: NIST SP 800-53 r5, AC-5 (separation of duties), AC-6 (least privilege); PCI DSS 4.0.1, 7.2.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Literal, get_args

Role = Literal["support", "finance", "risk", "compliance", "kyc", "security", "admin", "auditor"]
ROLE_NAMES: tuple[Role, ...] = get_args(Role)


class Permission(StrEnum):
    """One thing an operator may do. Names are stable: they stand in proposals and acts."""

    SELF = "self"
    PAYMENTS_READ = "payments.read"
    PAYMENTS_REFUND = "payments.refund"
    ACCOUNTS_READ = "accounts.read"
    ACCOUNTS_STOP = "accounts.stop"
    ACCOUNTS_RELEASE = "accounts.release"
    ACCOUNTS_BOUND = "accounts.bound"
    BOOKS_READ = "books.read"
    BOOKS_ACT = "books.act"
    BOOKS_CLOSE = "books.close"
    BOOKS_REOPEN = "books.reopen"
    BOOKS_TRY_OPENING = "books.try_opening"
    BOOKS_OPENING = "books.opening"
    BOOKS_EXPORT = "books.export"
    BOOKS_EXPORT_WHOLE = "books.export_whole"
    PEOPLE_READ = "people.read"
    REAL_NAMES_READ = "real_names.read"
    REAL_NAMES_VERIFY = "real_names.verify"
    SUSPEND = "people.suspend"
    LIFT_SUSPENSION = "people.lift_suspension"
    PRIVACY_READ = "privacy.read"
    PRIVACY_ACT = "privacy.act"
    MERCHANTS_READ = "merchants.read"
    MERCHANTS_OPEN = "merchants.open"
    RULES_READ = "rules.read"
    RULES_CHANGE = "rules.change"
    CHAIN_READ = "chain.read"
    CHAIN_VERIFY = "chain.verify"
    KEYS_READ = "keys.read"
    KEYS_ROTATE = "keys.rotate"
    OPERATORS_READ = "operators.read"
    OPERATORS_CHANGE = "operators.change"
    PROPOSALS = "proposals"
    ACTS_READ = "acts.read"
    INCIDENTS_READ = "incidents.read"
    INCIDENTS_REVIEW = "incidents.review"


_P = Permission
_EVERYBODY = frozenset(
    {_P.SELF, _P.PAYMENTS_READ, _P.ACCOUNTS_READ, _P.BOOKS_READ, _P.PEOPLE_READ, _P.MERCHANTS_READ, _P.CHAIN_READ, _P.PROPOSALS,
     _P.RULES_READ, _P.INCIDENTS_READ}
)  # fmt: skip
_FINANCE = {
    _P.ACCOUNTS_STOP, _P.ACCOUNTS_RELEASE, _P.ACCOUNTS_BOUND, _P.BOOKS_ACT, _P.BOOKS_CLOSE, _P.BOOKS_TRY_OPENING,
    _P.BOOKS_EXPORT, _P.CHAIN_VERIFY, _P.PAYMENTS_REFUND,
}  # fmt: skip

#: The whole of who may do what.
ROLES: Mapping[Role, frozenset[Permission]] = {
    "support": _EVERYBODY,
    "finance": _EVERYBODY | _FINANCE,
    "risk": _EVERYBODY | {_P.ACCOUNTS_STOP, _P.ACCOUNTS_RELEASE, _P.ACCOUNTS_BOUND, _P.SUSPEND, _P.LIFT_SUSPENSION},
    "compliance": _EVERYBODY
    | {_P.ACCOUNTS_STOP, _P.ACCOUNTS_RELEASE, _P.ACCOUNTS_BOUND, _P.SUSPEND, _P.LIFT_SUSPENSION, _P.RULES_CHANGE,
       _P.BOOKS_EXPORT, _P.BOOKS_EXPORT_WHOLE,
       _P.REAL_NAMES_READ, _P.PRIVACY_READ, _P.PRIVACY_ACT, _P.ACTS_READ, _P.OPERATORS_READ, _P.INCIDENTS_REVIEW},
    "kyc": _EVERYBODY | {_P.REAL_NAMES_READ, _P.REAL_NAMES_VERIFY},
    "security": frozenset(
        {_P.SELF, _P.PROPOSALS, _P.CHAIN_READ, _P.CHAIN_VERIFY, _P.KEYS_READ, _P.KEYS_ROTATE, _P.OPERATORS_READ,
         _P.OPERATORS_CHANGE, _P.ACTS_READ, _P.INCIDENTS_READ, _P.INCIDENTS_REVIEW, _P.SUSPEND, _P.ACCOUNTS_STOP,
         _P.PRIVACY_READ, _P.PRIVACY_ACT}
    ),
    "admin": frozenset(Permission),
    "auditor": _EVERYBODY | {_P.PRIVACY_READ, _P.ACTS_READ, _P.OPERATORS_READ, _P.KEYS_READ, _P.BOOKS_EXPORT,
                              _P.BOOKS_EXPORT_WHOLE, _P.CHAIN_VERIFY},
}  # fmt: skip


@lru_cache(maxsize=512)
def _permissions(roles: frozenset[str]) -> frozenset[Permission]:
    return frozenset().union(*(ROLES[role] for role in ROLE_NAMES if role in roles))


def permissions_of(roles: Collection[str]) -> frozenset[Permission]:
    """What an operator of these roles may do; a role that is no longer one grants nothing."""
    return _permissions(frozenset(roles))


def grants(roles: str, permission: str) -> bool:
    """Whether roles as a principal's row has them (comma-separated) grant a permission."""
    return permission in permissions_of(roles.split(","))
