"""The small rules of the simulated bank, as tables."""

from __future__ import annotations

import pytest

from tongbao.channels.api import DECLINES, DEMO_ACCOUNTS, Fault
from tongbao.channels.simulated.demo import DEMO_BALANCE_MINOR, demo_accounts
from tongbao.channels.simulated.faults import FaultPlan
from tongbao.channels.simulated.rules import luhn_digit, same_name
from tongbao.channels.wire import normalise


@pytest.mark.parametrize("number", ["4111111111111111", "5500005555555559", "371449635398431", "79927398713"])
def test_check_digit_of_known_card_numbers(number: str) -> None:
    assert luhn_digit(number[:-1]) == number[-1]


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [("Alice Chen", "alice  chen ", True), ("Ａｌｉｃｅ Chen", "Alice Chen", True),
     ("张小明", "张小民", False), ("Alice Chen", "AliceChen", False)],
)  # fmt: skip
def test_names_agree_up_to_case_width_and_spacing(left: str, right: str, same: bool) -> None:
    assert same_name(left, right) is same


@pytest.mark.parametrize(
    ("code", "ours"),
    [("NSF", "insufficient_funds"), ("ACCT_CLOSED", "account_closed"), ("OVER_LIMIT", "limit_exceeded"),
     ("NAME_MISMATCH", "refused"), ("SOMETHING_NEW", "refused"), (None, "refused")],
)  # fmt: skip
def test_bank_codes_read_as_ours_and_each_has_a_decline(code: str | None, ours: str) -> None:
    assert normalise(code) == ours
    assert DECLINES[ours].family == "decline"


def test_documented_demonstration_accounts_do_not_change() -> None:
    assert [(account.number, account.holder_name) for account in DEMO_ACCOUNTS[:3]] == [
        ("6222020000000007", "张小明"), ("6222020000000015", "李雨桐"), ("6222020000000023", "Alice Chen"),
    ]  # fmt: skip
    assert len({account.number for account in DEMO_ACCOUNTS}) == len({account.holder_name for account in DEMO_ACCOUNTS}) == 100
    assert {account.balance_minor for account in DEMO_ACCOUNTS} == {DEMO_BALANCE_MINOR} == {100_000_000}
    assert demo_accounts(7)[:3] == DEMO_ACCOUNTS[:3] and demo_accounts(7) != DEMO_ACCOUNTS


def test_fault_with_a_probability_applies_about_that_often_and_the_same_for_the_same_seed() -> None:
    def hits(seed: int) -> list[bool]:
        plan = FaultPlan(seed=seed, faults=[Fault("lost_answer", probability=0.25)])
        return [plan.next("submit", f"r{number}") is not None for number in range(2_000)]

    assert 400 < sum(hits(1)) < 600
    assert hits(1) == hits(1) != hits(2)
