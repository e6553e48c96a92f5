"""What the simulated card network agrees to: pure rules, shared by the program's books and by `MemoryCards`; and the cards that
it knows from the start, fixed so that guides and tests may quote them.

The holders of the bank's first twenty-four demonstration accounts (see `demo`) have a debit card each with 100,000.00 on it and,
but for every third, a credit card that may spend 20,000.00, of banks in turn:

    张小明        debit 6214830000000009      credit 6225760000000005 (11/29, 321)
    李雨桐        debit 6217000000000000012   credit 6221660000000019 (11/29, 322)
    Alice Chen    debit 6216600000000000026

and three debit cards more belong to 张小明: 6225880000009002 has expired, 6225880000009010 is empty, and the issuer of
6225880000009028 takes every debit for fraud.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

import msgspec
from stdnum import luhn

from tongbao.channels.cards import BoundCard, CardBinding, CardDebit, CardKind, CardRefund
from tongbao.channels.simulated.demo import DEMO_ACCOUNTS
from tongbao.channels.simulated.rules import same_name
from tongbao.channels.wire import BankCode
from tongbao.kernel.money import CURRENCIES, MAX_AMOUNT_MINOR

#: One debit may not be above this many minor units.
LIMIT_MINOR: Final = 50_000_00
DEBIT_MINOR: Final = 100_000_00
CREDIT_MINOR: Final = 20_000_00


class Card(msgspec.Struct, frozen=True):
    """A card that the network reaches. `available_minor`: what its holder opened it with, in money or in credit. `expiry`: MMYY.
    `suspicious`: its issuer takes every debit for fraud."""

    number: str
    bank: str
    kind: CardKind
    holder_name: str
    document_number: str
    phone: str
    expiry: str
    cvn2: str
    available_minor: int
    currency: str = "CNY"
    state: Literal["open", "closed"] = "open"
    suspicious: bool = False

    def bound(self, token: str) -> BoundCard:
        """The card as it is told to who bound it."""
        return BoundCard(token, self.bank, self.kind, self.number[-4:])


def belongs(binding: CardBinding, card: Card | None, now: datetime) -> bool:
    """Whether it is a card in use, and this person's, by the four elements; of a credit card also by what is printed on it."""
    return (
        card is not None
        and card.state == "open"
        and not expired(card, now)
        and same_name(card.holder_name, binding.holder_name)
        and card.document_number == binding.document_number
        and card.phone.removeprefix("+86") == binding.phone.removeprefix("+86")
        and (card.kind == "debit" or (card.expiry, card.cvn2) == (binding.expiry, binding.cvn2))
    )


def malformed(request: CardDebit | CardRefund) -> bool:
    """Whether the network would not even record this request."""
    if not 0 < request.amount_minor <= MAX_AMOUNT_MINOR:
        return True
    return isinstance(request, CardDebit) and (request.currency not in CURRENCIES or len(request.merchant_name) > 200)


def judge_debit(debit: CardDebit, card: Card | None, available_minor: int, now: datetime) -> BankCode | None:
    """The reason for a no, or None when the money may move. `card`: None where the token stands for none, or no longer."""
    if card is None or card.state == "closed" or expired(card, now):
        return "ACCT_CLOSED"
    if card.suspicious:
        return "SUSPECTED_FRAUD"
    if card.currency != debit.currency:
        return "WRONG_CURRENCY"
    if debit.amount_minor > LIMIT_MINOR:
        return "OVER_LIMIT"
    return "NSF" if debit.amount_minor > available_minor else None


def judge_refund(amount_minor: int, left_minor: int) -> BankCode | None:
    """`left_minor`: what the debit took and was not given back; 0 of a debit that did not succeed."""
    return None if amount_minor <= left_minor else "NOT_PERMITTED"


def expired(card: Card, now: datetime) -> bool:
    """Whether the month printed on the card is over."""
    month, year = int(card.expiry[:2]), 2000 + int(card.expiry[2:])
    local = now.astimezone(UTC)
    return (local.year, local.month) > (year, month)


def _number(prefix: str, digits: int, index: int) -> str:
    body = f"{prefix}{index:0{digits - len(prefix) - 1}d}"
    return body + luhn.calc_check_digit(body)


_DEBIT = (("CMB", "621483", 16), ("CCB", "621700", 19), ("BOC", "621660", 19), ("ICBC", "622202", 19), ("ABC", "622848", 19))
_CREDIT = (("CMB", "622576"), ("CCB", "622166"), ("BOC", "622760"), ("BOCOM", "622252"))
_HOLDERS = 24
_EXPIRY = "1129"


def _demo_cards() -> tuple[Card, ...]:
    cards: list[Card] = []
    for index, account in enumerate(DEMO_ACCOUNTS[:_HOLDERS]):
        who = (account.holder_name, account.document_number, account.phone)
        bank, prefix, digits = _DEBIT[index % len(_DEBIT)]
        cards.append(Card(_number(prefix, digits, index), bank, "debit", *who, "1235", "", DEBIT_MINOR))
        if index % 3 != 2:
            bank, prefix = _CREDIT[index % len(_CREDIT)]
            cards.append(Card(_number(prefix, 16, index), bank, "credit", *who, _EXPIRY, str(321 + index), CREDIT_MINOR))
    first = DEMO_ACCOUNTS[0]
    who = (first.holder_name, first.document_number, first.phone)
    cards.append(Card(_number("622588", 16, 900), "CMB", "debit", *who, "0124", "", DEBIT_MINOR))
    cards.append(Card(_number("622588", 16, 901), "CMB", "debit", *who, "1235", "", 0))
    cards.append(Card(_number("622588", 16, 902), "CMB", "debit", *who, "1235", "", DEBIT_MINOR, suspicious=True))
    return tuple(cards)


DEMO_CARDS: Final = _demo_cards()
DEMO_CARD_EXPIRED, DEMO_CARD_EMPTY, DEMO_CARD_SUSPECT = DEMO_CARDS[-3:]
