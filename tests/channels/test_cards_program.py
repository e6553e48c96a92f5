"""The card network as a program: what its books hold outlives it, its key is its own, and its adapter believes no stranger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from tests.channels.bank_rigs import KEY, TIMEOUT_S, code_in
from tests.channels.card_rigs import CARDS_KEY, XIAOMING_DEBIT, ProgramCardRig, binding_of, debit_of
from tongbao.channels.api import ARRIVES_WITHIN, BindingAnswer, CardAnswer, Fault, HttpCards, Match, MemoryCards
from tongbao.channels.signing import MAX_SKEW_S
from tongbao.channels.simulated.process import BackOffice, BankProcess, CardsOffice
from tongbao.kernel.clock import VirtualClock

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(60)]


async def test_tokens_and_debits_outlive_a_killed_network(tmp_path: Path) -> None:
    process = await BankProcess.start(tmp_path, key=KEY, cards_key=CARDS_KEY, magic_amounts=True)
    network, office = HttpCards(process.url, key=CARDS_KEY, timeout_s=TIMEOUT_S), BackOffice(process.url, key=KEY)
    binding = binding_of(XIAOMING_DEBIT)
    await network.start_binding(binding)
    bound = await network.confirm_binding(binding.reference, code_in((await office.outbox(binding.phone))[0].text))
    assert bound.card is not None
    lost = debit_of(bound.card.token, 10_002)  # magic: done, but the answer is lost
    assert (await network.debit(lost)).state == "UNKNOWN"
    await process.kill()
    assert (await network.inquire(lost.reference)).state == "UNKNOWN"
    await network.close()
    await office.close()

    process = await BankProcess.start(tmp_path, key=KEY, cards_key=CARDS_KEY)
    network, cards = HttpCards(process.url, key=CARDS_KEY, timeout_s=TIMEOUT_S), CardsOffice(process.url, key=CARDS_KEY)
    try:
        assert await network.inquire_binding(binding.reference) == bound
        assert (await network.inquire(lost.reference)).state == "SUCCEEDED"
        assert (await network.debit(lost)).state == "SUCCEEDED"
        assert await cards.available_minor(XIAOMING_DEBIT.number) == XIAOMING_DEBIT.available_minor - 10_002
    finally:
        await network.close()
        await cards.close()
        await process.stop()


async def test_the_banks_key_is_not_the_networks(card_program: ProgramCardRig) -> None:
    stranger = HttpCards(card_program.process.url, key=KEY, timeout_s=TIMEOUT_S)
    try:
        assert await stranger.inquire(uuid4()) == CardAnswer("UNKNOWN")
        assert await stranger.inquire_binding(uuid4()) == BindingAnswer("UNKNOWN")
        assert not await stranger.unbind("ct_none")
    finally:
        await stranger.close()


async def test_nobody_there_is_not_a_no() -> None:
    network = HttpCards("http://127.0.0.1:9", key=CARDS_KEY, timeout_s=TIMEOUT_S)
    try:
        answers = (await network.debit(debit_of("ct_x")), await network.start_binding(binding_of(XIAOMING_DEBIT)))
        assert [each.state for each in answers] == ["UNKNOWN", "UNKNOWN"]
    finally:
        await network.close()


async def test_after_the_networks_bound_nothing_can_arrive_any_more(card_program: ProgramCardRig) -> None:
    """A timestamp may be `MAX_SKEW_S` old by the network's clock, which may be as far behind ours; what a fault delays for
    longer is never delivered, in the program as in memory."""
    assert ARRIVES_WITHIN.total_seconds() == 2 * MAX_SKEW_S
    late = HttpCards(card_program.process.url, key=CARDS_KEY, timeout_s=TIMEOUT_S, clock=_Behind())
    try:
        assert (await late.debit(debit_of("ct_x"))).state == "UNKNOWN"
    finally:
        await late.close()


class _Behind:
    """Our clock when the network's is further ahead than it accepts."""

    def now(self) -> datetime:
        return datetime.now(UTC) - timedelta(seconds=MAX_SKEW_S + 5)


async def test_a_request_delayed_beyond_the_bound_is_never_delivered() -> None:
    clock = VirtualClock(datetime(2026, 3, 1, tzinfo=UTC))
    network = MemoryCards(clock)
    network.order(Fault("late_arrival", delay_ms=600_000, match=Match(operation="submit")))
    debit = debit_of("ct_x")
    assert (await network.debit(debit)).state == "UNKNOWN"
    clock.advance(ARRIVES_WITHIN * 2)
    assert (await network.inquire(debit.reference)).state == "NOT_FOUND"
