"""The banks of `bank_rigs` and the card networks of `card_rigs` as fixtures."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.channels.bank_rigs import KEY, TIMEOUT_S, ProgramRig, Rig, memory_rig
from tests.channels.card_rigs import CARDS_KEY, CardRig, ProgramCardRig, memory_card_rig
from tongbao.channels.api import HttpBank, HttpCards
from tongbao.channels.simulated.process import BackOffice, BankProcess, CardsOffice


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running_bank(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ProgramRig]:
    """One bank program for the whole run: its tests use references and accounts of their own."""
    process = await BankProcess.start(tmp_path_factory.mktemp("bank"), key=KEY, cards_key=CARDS_KEY)
    rig = ProgramRig(HttpBank(process.url, key=KEY, timeout_s=TIMEOUT_S), BackOffice(process.url, key=KEY), process)
    try:
        yield rig
        assert await rig.office.audit() == []
    finally:
        await rig.channel.close()
        await rig.office.close()
        status = await process.stop()
    assert status == 0


@pytest_asyncio.fixture(loop_scope="session")
async def program(running_bank: ProgramRig) -> AsyncIterator[ProgramRig]:
    yield running_bank
    await running_bank.office.clear_faults()


@pytest.fixture(params=["memory", "program"])
def rig(request: pytest.FixtureRequest) -> Rig:
    """Each bank in turn."""
    if request.param == "memory":
        return memory_rig()
    chosen: ProgramRig = request.getfixturevalue("program")
    return chosen


@pytest_asyncio.fixture(loop_scope="session")
async def card_program(running_bank: ProgramRig) -> AsyncIterator[ProgramCardRig]:
    """The card network of the same program."""
    process = running_bank.process
    network, office = HttpCards(process.url, key=CARDS_KEY, timeout_s=TIMEOUT_S), CardsOffice(process.url, key=CARDS_KEY)
    try:
        yield ProgramCardRig(network, office, running_bank.office, process)
    finally:
        await office.clear_faults()
        await office.close()
        await network.close()


@pytest.fixture(params=["memory", "program"])
def card_rig(request: pytest.FixtureRequest) -> CardRig:
    """Each card network in turn."""
    if request.param == "memory":
        return memory_card_rig()
    chosen: ProgramCardRig = request.getfixturevalue("card_program")
    return chosen
