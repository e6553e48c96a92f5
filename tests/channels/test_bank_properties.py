"""Whatever goes wrong and however often we ask, money moves at most once a reference, and an answer once given is kept.

The auditor here knows nothing of the banks' code: it reads statements and balances, and remembers what was answered.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.channels.bank_rigs import MemoryRig, ProgramRig, Rig, memory_rig, top_up
from tongbao.channels.api import BankAnswer, BankRequest, Fault, FaultKind, NotFound
from tongbao.channels.simulated.demo import account_number
from tongbao.channels.simulated.rules import Account

FIRST_MINOR = 50_000
HOLDER = "何不同"

faults = st.builds(
    Fault,
    kind=st.sampled_from(get_args(FaultKind)),
    count=st.integers(1, 3),
    delay_ms=st.sampled_from([0, 20, 900]),
    code=st.sampled_from(["NSF", "OVER_LIMIT", "NOT_PERMITTED"]),
)
references = st.integers(0, 3)
steps = st.one_of(
    st.tuples(st.just("fault"), faults),
    st.tuples(st.just("submit"), references),
    st.tuples(st.just("submit"), references),
    st.tuples(st.just("inquire"), references),
    st.tuples(st.just("wait"), st.sampled_from([10, 500, 1_000])),
)


def request_number(run: str, number: int, account: str) -> BankRequest:
    """Four requests: two top-ups of which the funds allow only one, a small one, and a withdrawal."""
    kind, amount = [("debit", 30_000), ("debit", 30_000), ("debit", 700), ("credit", 20_000)][number]
    return top_up(f"{run}-{number}", amount, kind, account_number=account, holder_name=HOLDER)  # type: ignore[arg-type]


class Auditor:
    """Remembers final answers, and holds the bank's statement against them."""

    def __init__(self) -> None:
        self.final: dict[str, BankAnswer] = {}

    def heard(self, reference: str, answer: BankAnswer | NotFound) -> None:
        known = self.final.get(reference)
        if isinstance(answer, NotFound):
            assert known is None, "a decided transfer is forgotten"
        elif answer.state == "UNKNOWN":
            assert answer.bank_reference is None or known is None, "a decided transfer is processed again"
        else:
            assert known in (None, answer), "a final answer changed"
            self.final[reference] = answer

    def check(self, moved: Counter[str]) -> None:
        assert all(times == 1 for times in moved.values()), "money moved twice"
        for reference, answer in self.final.items():
            assert (answer.state == "SUCCEEDED") == (moved[reference] == 1)


async def play(rig: Rig, run: str, account: str, script: list[tuple[str, object]], longest_wait_ms: int) -> None:
    auditor = Auditor()
    for act, value in script:
        if act == "fault":
            await rig.order(value)  # type: ignore[arg-type]
        elif act == "wait":
            await rig.wait(min(int(value), longest_wait_ms))  # type: ignore[call-overload]
        else:
            request = request_number(run, int(value), account)  # type: ignore[call-overload]
            heard = await (rig.channel.submit(request) if act == "submit" else rig.channel.inquire(request.reference))
            auditor.heard(request.reference, heard)
    await rig.wait(950)
    lines = [line for line in await rig.channel.statement(rig.today().date()) if line.account_number == account]
    auditor.check(Counter(line.reference for line in lines))
    paid = sum(line.amount_minor if line.kind == "debit" else -line.amount_minor for line in lines)
    assert paid <= FIRST_MINOR, "more was taken than was there"


@given(st.lists(steps, max_size=40))
@settings(max_examples=300, deadline=None)
def test_money_moves_once_a_reference_in_memory(script: list[tuple[str, object]]) -> None:
    async def run() -> None:
        rig: MemoryRig = memory_rig()
        account = await rig.open(HOLDER, FIRST_MINOR)
        await play(rig, "m", account, script, 1_000)
        shown = rig.channel.account(account)
        assert isinstance(shown, Account) and account == account_number("5", 0)
        assert shown.balance_minor + await rig.channel.reserve_balance("CNY") == FIRST_MINOR

    asyncio.run(run())


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.timeout(120)
@given(script=st.lists(steps, max_size=8))
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
async def test_money_moves_once_a_reference_in_the_program(program: ProgramRig, script: list[tuple[str, object]]) -> None:
    await program.office.clear_faults()
    account = await program.open(HOLDER, FIRST_MINOR)
    await play(program, f"p{account}", account, script, 100)
    assert await program.office.audit() == []
