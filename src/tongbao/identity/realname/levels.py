"""How a level follows from what was checked, and what each level is for. Pure rules, no rows written here.

Source: PBOC announcement 2015 No. 43, Art. 11: Class I by one external channel, II by three, III by five; II and III also face to
face. Yinfa [2016] 261: one Class III account a person at one institution. That II and III take
something that is held, besides facts that are known, is our own rule.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

import msgspec

from tongbao.identity.realname.channels import CHANNELS, Registry
from tongbao.identity.realname.types import Check
from tongbao.kernel.web import Words

#: How well a person is proven: not at all, by facts, by what they hold, by having been seen (see `settling`).
NOTHING, NAME, POSSESSION, FACE = range(4)
#: Who knows whom a phone belongs to.
_POSSESSION: Final[frozenset[Registry]] = frozenset({"mobile", "bank"})


class LevelFacts(msgspec.Struct, frozen=True):
    """What it takes, and what an account of this level may do. How much of it is the rules packs' to say (`Allowance`)."""

    level: int
    channels: int
    face_to_face: bool
    gives: Words


LEVELS: Final[tuple[LevelFacts, ...]] = (
    LevelFacts(0, 0, False, Words("仅可收款与查看", "Receiving and looking only")),
    LevelFacts(1, 1, False, Words("余额付款与转账", "Pay and transfer from the balance")),
    LevelFacts(2, 3, True, Words("余额付款与转账，限额更高", "Pay and transfer from the balance, up to more")),
    LevelFacts(3, 5, True, Words("余额付款与转账，限额最高", "Pay and transfer from the balance, up to the most")),
)


class Allowance(msgspec.Struct, frozen=True):
    """How much of something a level may do, by a rule in force. `window`: as in the limits ("day", "year", "lifetime", …)."""

    rule_id: str
    name: Words
    limit: str
    currency: str
    window: str
    citation: str
    citation_zh: str


#: What the rules in force allow, by level; `app/asgi.py` plugs the rules in.
AllowancesOf = Callable[[], Awaitable[Mapping[int, Sequence[Allowance]]]]


class Policy(msgspec.Struct, frozen=True):
    """How patient we are. Days are calendar days.

    remind_days   how long before a document ends its bearer is told
    grace_days    how long after its end they may still pay
    most_acts     documents given and registries asked in `acts_window`, together
    patience      how long a registry's answer, or a second operator's, is waited for
    """

    remind_days: int = 30
    grace_days: int = 90
    most_acts: int = 40
    acts_window: timedelta = timedelta(hours=24)
    patience: timedelta = timedelta(days=14)


POLICY: Final = Policy()

_FIRST_RETRY = timedelta(seconds=3)
_LONGEST_RETRY = timedelta(hours=1)


def retry_in(tries: int) -> timedelta:
    """When to ask again after that many times without an answer: twice as long each time, an hour at most."""
    return min(_FIRST_RETRY * (1 << min(tries, 11)), _LONGEST_RETRY)


def level_by_channels(matched: int) -> int:
    """The level that so many different channels give."""
    return max(facts.level for facts in LEVELS if matched >= facts.channels)


def denied(checks: Iterable[Check]) -> bool:
    """Whether the authority that issues the document says that something is different."""
    return any(check.state == "MISMATCHED" and CHANNELS[check.registry].authority for check in checks)


def possessed(checks: Iterable[Check]) -> bool:
    """Whether somebody who knows whose the phone is agrees. It counts where the phone was proven by a code."""
    return any(check.state == "MATCHED" and check.registry in _POSSESSION for check in checks)


def matched(checks: Iterable[Check]) -> int:
    """How many different channels know the person as told."""
    return sum(check.state == "MATCHED" for check in checks)
