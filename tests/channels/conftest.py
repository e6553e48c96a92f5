"""The banks of `bank_rigs` as fixtures."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.channels.bank_rigs import KEY, TIMEOUT_S, ProgramRig, Rig, memory_rig
from tongbao.channels.api import HttpBank
from tongbao.channels.simulated.process import BackOffice, BankProcess


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running_bank(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ProgramRig]:
    """One bank program for the whole run: its tests use references and accounts of their own."""
    process = await BankProcess.start(tmp_path_factory.mktemp("bank"), key=KEY)
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
