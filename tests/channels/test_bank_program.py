"""The bank as a process: it survives being killed, starts once a folder, ends cleanly, and obeys magic amounts."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import pytest

from tests.channels.bank_rigs import KEY, ProgramRig, top_up
from tongbao.channels.api import MAGIC_AMOUNTS, BankAnswer, Fault, HttpBank, Match, NotFound
from tongbao.channels.simulated import bank as program_module
from tongbao.channels.simulated.process import BackOffice, BankProcess
from tongbao.kernel.errors import Refusal

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(60)]


@asynccontextmanager
async def bank(folder: Path, timeout_s: float = 2.0, magic_amounts: bool = False) -> AsyncIterator[ProgramRig]:
    process = await BankProcess.start(folder, key=KEY, magic_amounts=magic_amounts)
    rig = ProgramRig(HttpBank(process.url, key=KEY, timeout_s=timeout_s), BackOffice(process.url, key=KEY), process)
    try:
        yield rig
    finally:
        await rig.channel.close()
        await rig.office.close()
        await process.kill()


async def test_killed_while_transfers_arrive_it_keeps_what_it_acknowledged_and_its_books_balance(tmp_path: Path) -> None:
    requests = [top_up(amount_minor=100) for _ in range(150)]
    async with bank(tmp_path, timeout_s=30.0) as rig:
        running = [asyncio.create_task(rig.channel.submit(request)) for request in requests]
        while sum(task.done() for task in running) < 20:
            await asyncio.sleep(0.005)
        await rig.process.kill()
        answers = await asyncio.gather(*running)
    assert {answer.state for answer in answers} == {"SUCCEEDED", "UNKNOWN"}
    async with bank(tmp_path) as rig:
        for request, answer in zip(requests, answers, strict=True):
            if answer.state == "SUCCEEDED":
                assert await rig.channel.inquire(request.reference) == answer
        repeated = [await rig.channel.submit(request) for request in requests]
        assert {answer.state for answer in repeated} == {"SUCCEEDED"}
        assert await rig.channel.reserve_balance("CNY") == 150 * 100
        assert await rig.office.audit() == []


async def test_processing_survives_a_kill_and_is_decided_after_it(tmp_path: Path) -> None:
    request = top_up()
    async with bank(tmp_path) as rig:
        await rig.order(Fault("pending_then_success", delay_ms=1))
        assert (await rig.channel.submit(request)).state == "UNKNOWN"
        await rig.process.kill()
    async with bank(tmp_path) as rig:
        assert await rig.channel.reserve_balance("CNY") == request.amount_minor


async def test_sigterm_ends_it_cleanly_even_while_an_answer_is_held_back(tmp_path: Path) -> None:
    async with bank(tmp_path, timeout_s=5.0) as rig:
        await rig.order(Fault("delay", match=Match(operation="submit"), delay_ms=60_000))
        request = top_up()
        waiting = asyncio.create_task(rig.channel.submit(request))
        while isinstance(await rig.channel.inquire(request.reference), NotFound):
            await asyncio.sleep(0.02)
        assert await asyncio.wait_for(rig.process.stop(), 10) == 0
        assert (await waiting).state == "UNKNOWN"


async def test_second_bank_on_the_same_books_does_not_start(tmp_path: Path) -> None:
    async with bank(tmp_path):
        with pytest.raises(RuntimeError, match="exit status 2"):
            await BankProcess.start(tmp_path, key=KEY)


async def test_it_does_not_start_without_a_key(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="exit status 2"):
        await BankProcess.start(tmp_path, key="short")


async def test_the_books_forbid_changing_an_entry_and_going_below_zero(tmp_path: Path) -> None:
    async with bank(tmp_path) as rig:
        await rig.channel.submit(top_up())
        await rig.process.stop()
    books = sqlite3.connect(tmp_path / "bank.sqlite")
    for statement in ("update entries set amount_minor = 1", "delete from entries", "update accounts set balance_minor = -1"):
        with pytest.raises(sqlite3.IntegrityError):
            books.execute(statement)
    books.close()


async def test_audit_notices_a_balance_that_was_tampered_with(tmp_path: Path) -> None:
    async with bank(tmp_path) as rig:
        assert await rig.office.audit() == []
        books = sqlite3.connect(tmp_path / "bank.sqlite")
        with books:
            books.execute("update accounts set balance_minor = balance_minor + 1 where holder_name = '张小明'")
        books.close()
        assert await rig.office.audit() == ["1 balances unlike their entries"]


async def test_faults_are_listed_used_up_and_cleared(program: ProgramRig) -> None:
    await program.order(Fault("refuse", count=2))
    await program.channel.submit(top_up())
    (left,) = await program.office.faults()
    assert (left["kind"], left["count"]) == ("refuse", 1)
    await program.office.clear_faults()
    assert await program.office.faults() == []


@pytest.mark.parametrize(
    "body",
    [
        {}, {"kind": "earthquake"}, {"kind": "delay", "probability": 2},
        {"kind": "delay", "count": 0}, {"kind": "delay", "matches": {}},
    ],
)  # fmt: skip
async def test_malformed_fault_is_not_taken(program: ProgramRig, body: dict[str, object]) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=program.process.url, trust_env=False, headers=headers) as client:
        assert (await client.post("/admin/faults", json=body)).status_code == 400
    assert await program.office.faults() == []


async def test_statement_of_another_day_is_empty_and_nonsense_is_refused(program: ProgramRig) -> None:
    assert await program.channel.statement(date(2020, 2, 29)) == []
    with pytest.raises(Refusal):
        await program.channel.statement(date.max)


# .01 and .05 and .09 outlast the adapter's patience by seconds; they are shown with a short patience.
MAGIC = [
    (1, "UNKNOWN", "SUCCEEDED"), (2, "UNKNOWN", "SUCCEEDED"), (3, "refused", "FAILED"), (4, "SUCCEEDED", "SUCCEEDED"),
    (5, "UNKNOWN", "not found"), (6, "UNKNOWN", "SUCCEEDED"), (7, "UNKNOWN", "UNKNOWN"), (8, "UNKNOWN", "UNKNOWN"),
    (9, "UNKNOWN", "not found"), (11, "UNKNOWN", "SUCCEEDED"), (12, "UNKNOWN", "not found"), (13, "UNKNOWN", "UNKNOWN"),
    (51, "insufficient_funds", "FAILED"), (61, "limit_exceeded", "FAILED"), (62, "account_closed", "FAILED"),
    (63, "refused", "FAILED"),
    (0, "SUCCEEDED", "SUCCEEDED"), (10, "SUCCEEDED", "SUCCEEDED"), (99, "SUCCEEDED", "SUCCEEDED"),
]  # fmt: skip


async def test_magic_amounts_do_what_the_table_says(tmp_path: Path) -> None:
    assert {ending for ending, _, _ in MAGIC} >= set(MAGIC_AMOUNTS)
    documented = program_module.__doc__ or ""
    assert all(f".{ending:02d}   " in documented for ending in MAGIC_AMOUNTS)
    async with bank(tmp_path, timeout_s=0.4, magic_amounts=True) as rig:

        async def shown(ending: int) -> tuple[int, str, str]:
            request = top_up(amount_minor=10_000 + ending)
            first = await rig.channel.submit(request)
            then = await rig.channel.inquire(request.reference)
            return ending, first.failure_code or first.state, then.state if isinstance(then, BankAnswer) else "not found"

        assert [await shown(ending) for ending, _, _ in MAGIC] == MAGIC


async def test_magic_fault_meets_only_the_first_submission(tmp_path: Path) -> None:
    async with bank(tmp_path, timeout_s=0.4, magic_amounts=True) as rig:
        request = top_up(amount_minor=10_005)
        assert (await rig.channel.submit(request)).state == "UNKNOWN"
        assert (await rig.channel.submit(request)).state == "SUCCEEDED"


async def test_amounts_are_not_magic_unless_asked(program: ProgramRig) -> None:
    assert (await program.channel.submit(top_up(amount_minor=10_003))).state == "SUCCEEDED"


async def test_help_is_shown() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tongbao.channels.simulated.bank", "--help", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0 and b"--magic-amounts" in out


async def test_today_is_the_programs_day(program: ProgramRig) -> None:
    request = top_up()
    await program.channel.submit(request)
    assert request.reference in {line.reference for line in await program.channel.statement(datetime.now(UTC).date())}
