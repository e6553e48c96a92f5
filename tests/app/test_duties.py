"""A task of the worker that fails ends neither its round nor the worker, does not spin, and a bug is told to somebody."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from tests.support.quiet import quiet
from tongbao.app.asgi import open_services
from tongbao.app.commands import work
from tongbao.app.duties import FIRST_PAUSE_S, LONGEST_PAUSE_S, Duty, is_ours
from tongbao.app.settings import Settings
from tongbao.kernel.errors import UNAVAILABLE, InvariantBroken, Refusal

quiet()


class _Failing:
    """A task that fails as long as it has failures left."""

    def __init__(self, *failures: Exception) -> None:
        self.left = list(failures)
        self.asked = 0

    async def __call__(self) -> int:
        self.asked += 1
        if self.left:
            raise self.left.pop(0)
        return 1


async def test_a_task_that_fails_is_left_alone_for_longer_and_longer_and_is_as_new_once_it_works() -> None:
    task = _Failing(*(ValueError() for _ in range(9)))
    duty = Duty("task", task)
    now, pauses = 0.0, []
    for failures in range(1, 10):
        assert isinstance(await duty.turn(now), ValueError) and duty.failures == failures
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (failures - 1))
        assert await duty.turn(now + pause - 0.001) is None and task.asked == failures, "not before its pause is over"
        pauses.append(pause)
        now += pause
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert await duty.turn(now) is None and (task.asked, duty.failures) == (10, 0)
    task.left = [ValueError()]
    assert await duty.turn(now) is not None and duty.failures == 1
    assert await duty.turn(now + FIRST_PAUSE_S) is None and task.asked == 12


@pytest.mark.parametrize(
    ("failure", "ours"),
    [
        (InvariantBroken("a payment was refunded more than it cost"), True),
        (KeyError("VOIDED"), True),
        (asyncpg.CheckViolationError("payment_refunded"), True),
        (asyncpg.UndefinedColumnError("fee"), True),
        (asyncpg.ConnectionDoesNotExistError("gone"), False),
        (asyncpg.AdminShutdownError("stopped"), False),
        (asyncpg.InterfaceError("closed"), False),
        (ConnectionRefusedError(), False),
        (TimeoutError(), False),
        (Refusal(UNAVAILABLE), False),
    ],
)  # fmt: skip
def test_what_the_world_does_to_us_is_no_bug_of_ours(failure: Exception, ours: bool) -> None:
    assert is_ours(failure) is ours


async def test_a_broken_task_lets_all_others_go_on_and_opens_one_incident(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=database, master_key_file="")
    monkeypatch.setattr(work, "_ROUND_S", 0.0)
    monkeypatch.setattr("tongbao.app.duties.FIRST_PAUSE_S", 0.0)
    stopping = asyncio.Event()
    broken = _Failing(*(InvariantBroken(str(uuid4())) for _ in range(3)))
    outside = _Failing(*(OSError() for _ in range(3)))
    rounds_ended = 0

    async def last() -> int:
        nonlocal rounds_ended
        rounds_ended += 1
        if not broken.left:
            stopping.set()
        return 0

    monkeypatch.setattr(work, "tasks", lambda _: [("broken", broken), ("outside", outside), ("last", last)])
    async with open_services(settings, database) as services:
        connection = await asyncpg.connect(database)
        try:
            async with asyncio.timeout(30):
                await work.rounds(services, stopping, connection)
            incidents = await connection.fetch("select kind, subject_id, text from incident")
        finally:
            await connection.close()
    assert (broken.asked, outside.asked, rounds_ended) == (3, 3, 3)
    assert [tuple(row)[:2] for row in incidents] == [("task_broken", "broken")]
    assert "InvariantBroken" in incidents[0]["text"]


async def test_a_worker_whose_own_connection_is_gone_learns_it_from_a_task_that_failed(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=database, master_key_file="")
    async with open_services(settings, database) as services:
        connection = await asyncpg.connect(database)
        other = await asyncpg.connect(database)

        async def cut() -> int:
            await other.execute("select pg_terminate_backend($1)", connection.get_server_pid())
            raise OSError

        monkeypatch.setattr(work, "tasks", lambda _: [("cut", cut)])
        try:
            async with asyncio.timeout(30):
                with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)):
                    await work.rounds(services, asyncio.Event(), connection)
        finally:
            await other.close()
            connection.terminate()
