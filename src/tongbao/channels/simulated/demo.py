"""The accounts that a new bank opens with. Everything here is fixed, so that guides and tests may quote it.

6222020000000007   张小明        CNY 1,000,000.00
6222020000000015   李雨桐        CNY 1,000,000.00
6222020000000023   Alice Chen    CNY 1,000,000.00
… 97 more like them, numbered in order, each with the document that `people` tells of
6222029000000008   空小白        CNY 0.00            every debit fails: insufficient_funds
6222029000000016   Carol Closed  closed              every transfer fails: account_closed
"""

from __future__ import annotations

import random
from datetime import date, timedelta

from stdnum.cn import ric

from tongbao.channels.simulated.rules import Account, luhn_digit

DEMO_BALANCE_MINOR = 1_000_000_00

_FIXED = (("张小明", "13800000001"), ("李雨桐", "13800000002"), ("Alice Chen", "13800000003"))
_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN = (
    "伟", "芳", "秀英", "敏", "静", "建国", "丽", "强", "磊", "洋", "艳", "勇",
    "子涵", "浩然", "欣怡", "梓萱", "宇轩", "思远", "一诺", "若曦",
)  # fmt: skip
_ENGLISH_GIVEN = ("James", "Mary", "Robert", "Linda", "David", "Susan", "Daniel", "Karen", "Grace", "Kevin")
_ENGLISH_SURNAMES = ("Smith", "Wong", "Brown", "Tan", "Miller", "Lim", "Wilson", "Lee", "Taylor", "Clark")


def account_number(series: str, index: int) -> str:
    """The 16-digit number of the bank's `index`-th account in a one-digit series (0 demo, 5 opened on demand, 9 special)."""
    body = f"622202{series}{index:08d}"
    return body + luhn_digit(body)


def _generated(seed: int, count: int, taken: set[str]) -> list[tuple[str, str]]:
    """Distinct holders and phones, two Chinese names to one English, the same for the same seed."""
    chance = random.Random(seed)
    people: list[tuple[str, str]] = []
    while len(people) < count:
        if len(people) % 3 == 2:
            name = f"{chance.choice(_ENGLISH_GIVEN)} {chance.choice(_ENGLISH_SURNAMES)}"
        else:
            name = chance.choice(_SURNAMES) + chance.choice(_GIVEN)
        if name not in taken:
            taken.add(name)
            people.append((name, f"138{len(people) + 4:08d}"))
    return people


def eighteen(head: str, born: date, order: int) -> str:
    """A number of 18 digits with its check digit. `order`: three digits, odd for men."""
    body = f"{head}{born:%Y%m%d}{order:03d}"
    return body + ric.calc_check_digit(body + "0")


def born_on(index: int) -> date:
    """When the holder of the `index`-th account was born."""
    return date(1970, 1, 1) + timedelta(days=index * 137 % 11_000 + 5_000)


def is_visitor(index: int, name: str) -> bool:
    """Whether the holder of the `index`-th account is known by a passport."""
    return name.isascii() and index % 9 == 5


def document_number(index: int, name: str) -> str:
    """The number of the holder's document: of a resident, of a foreigner who lives here, of a visitor."""
    if is_visitor(index, name):
        return f"P{index:07d}A"
    return eighteen("931840" if name.isascii() else "330106", born_on(index), index * 7 % 800)


def demo_accounts(seed: int = 0) -> tuple[Account, ...]:
    """The hundred ordinary accounts. The seed changes the names of all but the first three; numbers and phones never change."""
    people = [*_FIXED, *_generated(seed, 100 - len(_FIXED), {name for name, _ in _FIXED})]
    return tuple(
        Account(account_number("0", index), name, phone, "CNY", DEMO_BALANCE_MINOR, document_number=document_number(index, name))
        for index, (name, phone) in enumerate(people)
    )


#: The accounts of a bank started without `--seed`.
DEMO_ACCOUNTS: tuple[Account, ...] = demo_accounts()
DEMO_EMPTY = Account(account_number("9", 0), "空小白", "13900000001", "CNY", 0)
DEMO_CLOSED = Account(account_number("9", 1), "Carol Closed", "13900000002", "CNY", 0, "closed")
