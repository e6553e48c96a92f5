"""Rows and commands of the rules."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from tongbao.engine.api import Command, Relation
from tongbao.identity.factors import Factors
from tongbao.identity.types import UNSAID, Confirmation
from tongbao.kernel.sql import Queries

QUERIES = Queries("tongbao.rules")

#: The one rulebook that is in force.
CURRENT = "current"


class Rulebook(msgspec.Struct, frozen=True, gc=False):
    """The rules in force: packs merged into one text, and its SHA-256.

    `slots` names the counters, one a line: what is counted where in a subject's `Usage`. It only ever grows, so that what was
    counted under earlier rules goes on being counted.
    """

    name: str
    version: int
    text: str
    digest: bytes
    slots: str
    by_hand: bool
    adopted_by: str
    reason: str
    adopted_at: datetime


class RulebookVersion(msgspec.Struct, frozen=True, gc=False):
    """A rulebook that was adopted: kept for ever, with who adopted it and why."""

    version_id: UUID
    version: int
    text: str
    digest: bytes
    by_hand: bool
    adopted_by: str
    reason: str
    adopted_at: datetime


class Usage(msgspec.Struct, frozen=True, gc=False):
    """What a subject (a person, a merchant, a funding source) has done in all windows, and its own caps.

    Several accounts of one person are counted in one row (`Standing.subject_id`); in their own rows stands
    what is counted of an account alone, and their own caps.

    day      the local day of the last act that was counted, as its ordinal
    counts   a little-endian 64-bit number for each slot of the rulebook; bytes beyond the end are 0
    past     MessagePack: for each slot of a rolling window, the days before `day` with what each came to; empty if there are none
    own      JSON of `OwnCaps`; empty if none was agreed
    """

    subject_id: UUID
    day: int
    counts: bytes
    past: bytes
    own: str


class OwnCaps(msgspec.Struct, frozen=True):
    """Caps that a subject chose, or an operator for a merchant, by name: minor units or a number. `coming` takes their place at
    `coming_from`. `guardian`: caps that a guardian set; while the customer is a minor the lower of both holds."""

    caps: dict[str, int]
    coming: dict[str, int] | None = None
    coming_from: datetime | None = None
    guardian: dict[str, int] = {}


class Duty(msgspec.Struct, frozen=True, gc=False):
    """Something the compliance staff has to do because of an act: `rule_id` says what. Due at the end of the last day, if there
    is a deadline."""

    duty_id: UUID
    rule_id: str
    subject_id: UUID
    kind: str
    amount_minor: int
    total_minor: int
    currency: str
    at: datetime
    due_at: datetime | None


RULEBOOK: Relation[Rulebook] = Relation("rulebook", Rulebook, key=("name",), rank=180)
RULEBOOK_VERSION: Relation[RulebookVersion] = Relation(
    "rulebook_version", RulebookVersion, key=("version_id",), rank=970, append_only=True
)
USAGE: Relation[Usage] = Relation("usage", Usage, key=("subject_id",), rank=190)
DUTY: Relation[Duty] = Relation("duty", Duty, key=("duty_id",), rank=975, append_only=True)


#: The kinds of acts that this product does. Rules about others (cash, wealth products) lie ready for
#: the day on which it does, and whoever adopts them is told.
ACTS_DONE = frozenset({"payment", "quick_payment", "transfer", "withdrawal", "topup", "receive"})


class Act(msgspec.Struct, frozen=True, gc=False):
    """What is about to happen, as the rules look at it.

    `kind` is one of `pack.Kind`; `method` how it is paid ("qr_static"); `factors` how sure we are that it is the customer;
    `account_id` the account that it debits or credits, whose balance only rules about balances ask for; `merchant_id` and
    `funding_id` (a bank account or card) other subjects whose counters it touches; `flags` what else there is to say ("cash").
    `merchant_minor`: what the merchant is paid in all, where the act is one part of it; else it is the amount.
    """

    kind: str
    amount_minor: int
    currency: str
    factors: Factors
    account_id: UUID | None = None
    method: str = ""
    merchant_id: UUID | None = None
    funding_id: UUID | None = None
    flags: frozenset[str] = frozenset()
    tier: str = ""
    merchant_minor: int | None = None


class AdoptRules(Command, frozen=True, kw_only=True):
    """Put a merged rulebook in force. Not `by_hand`: by a server that starts, which never replaces what somebody adopted by hand.
    `after_version`: the version it was made upon, None where that does not matter."""

    kind = "rules.adopt"
    text: str
    by_hand: bool
    adopted_by: str
    reason: str
    after_version: int | None = None


class SetOwnLimits(Command, frozen=True, kw_only=True):
    """A customer changes caps of their own: a name to minor units or a number, None to take it away. Lowering is at once; raising
    takes a confirmation."""

    kind = "rules.set_own_limits"
    customer_id: UUID
    caps: dict[str, int | None]
    confirmation: Confirmation | None = None

    def hashed(self) -> SetOwnLimits:
        return self if self.confirmation is None else msgspec.structs.replace(self, confirmation=UNSAID)


class SetCaps(Command, frozen=True, kw_only=True):
    """An operator sets a merchant's caps; they hold at once."""

    kind = "rules.set_caps"
    subject_id: UUID
    caps: dict[str, int | None]
    by: UUID
    reason: str


class SuspendDormant(Command, frozen=True, kw_only=True):
    """Suspend a customer who has done nothing since the account was opened, if the rules say so and it is still true."""

    kind = "rules.suspend_dormant"
    customer_id: UUID
    currency: str
