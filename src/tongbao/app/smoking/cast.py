"""Who is in the story, and the amounts in fen that they move."""

from __future__ import annotations

from typing import Any

import msgspec

from tongbao.app.smoking.clients import Client
from tongbao.channels.api import Account

PASSWORD = "smoke-and-mirrors"  # noqa: S105 (of a database that lives for seconds)
PIN, WRONG_PIN = "135790", "246802"
FEE_PPM = 6_000
SHOP, STORE = "烟火面馆", "一号店"

TOPUP_A, TOPUP_B = 200_00, 50_00
TRANSFER = 33_30
ORDER, REFUND = 36_75, 10_00  # fee 0.2205: 0.22, of which 0.05986… goes back: 0.05
STATIC = 12_50  # fee 0.075: half a fen, rounded up to 0.08
WITHDRAWAL = 20_00
LOST = 15_15


class Person(msgspec.Struct):
    """A customer: how they log in, their account at the bank, their browser, and the bills they should have, oldest first."""

    login: str
    account: Account
    client: Client
    bank_account_id: str = ""
    bills: list[dict[str, Any]] = []

    @property
    def name(self) -> str:
        return self.account.holder_name

    def expect_bill(self, **fields: Any) -> None:
        """Remember a bill that the statement must show."""
        self.bills.append({"currency": "CNY", **fields})
