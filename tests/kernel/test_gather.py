"""Reads that gather: who waits for whom, who hears of a failure, and that nobody reads what was there before he asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from tongbao.kernel.gather import Gatherer


class Shelf:
    """A store whose every query stands still, between reading and answering, until it is let go."""

    def __init__(self, **rows: int) -> None:
        self.rows = rows
        self.queries: list[list[str]] = []
        self._gates: list[asyncio.Future[None]] = []

    async def fetch(self, keys: list[str]) -> Mapping[str, int]:
        self.queries.append(keys)
        found = {key: self.rows[key] for key in keys if key in self.rows}
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._gates.append(gate)
        await gate
        return found

    async def let_go(self, failure: Exception | None = None) -> None:
        """Let the query under way end, and everybody it concerns hear of it."""
        gate = next(gate for gate in self._gates if not gate.done())
        if failure is None:
            gate.set_result(None)
        else:
            gate.set_exception(failure)
        await turns()


async def turns() -> None:
    """Let everything run that can run without waiting for anything."""
    for _ in range(10):
        await asyncio.sleep(0)


async def asking(gatherer: Gatherer[str, int], *keys: str) -> list[asyncio.Task[int | None]]:
    """Readers, who have all asked by the time this returns."""
    readers = [asyncio.create_task(gatherer.get(key)) for key in keys]
    await turns()
    return readers


async def test_a_lone_read_starts_at_once() -> None:
    shelf = Shelf(a=1)
    [reader] = await asking(Gatherer(shelf.fetch), "a")
    assert shelf.queries == [["a"]] and not reader.done()
    await shelf.let_go()
    assert reader.result() == 1


async def test_what_does_not_exist_is_none() -> None:
    shelf = Shelf(a=1)
    [reader] = await asking(Gatherer(shelf.fetch), "b")
    await shelf.let_go()
    assert reader.result() is None


async def test_reads_asked_for_at_once_share_a_query() -> None:
    shelf = Shelf(a=1, b=2)
    readers = await asking(Gatherer(shelf.fetch), "a", "b", "a", "c")
    assert shelf.queries == [["a", "b", "c"]]
    await shelf.let_go()
    assert [reader.result() for reader in readers] == [1, 2, 1, None]


async def test_reads_asked_for_during_a_query_share_the_next() -> None:
    shelf = Shelf(a=1, b=2, c=3)
    gatherer = Gatherer(shelf.fetch)
    first = await asking(gatherer, "a")
    later = [*await asking(gatherer, "b"), *await asking(gatherer, "c"), *await asking(gatherer, "b")]
    assert shelf.queries == [["a"]], "one query at a time"
    await shelf.let_go()
    assert first[0].result() == 1 and shelf.queries == [["a"], ["b", "c"]]
    assert not any(reader.done() for reader in later)
    await shelf.let_go()
    assert [reader.result() for reader in later] == [2, 3, 2]


async def test_a_query_has_no_more_keys_than_it_may() -> None:
    shelf = Shelf(a=1, b=2, c=3, d=4, e=5)
    readers = await asking(Gatherer(shelf.fetch, most=2), "a", "b", "c", "d", "e")
    for _ in range(3):
        await shelf.let_go()
    assert shelf.queries == [["a", "b"], ["c", "d"], ["e"]]
    assert [reader.result() for reader in readers] == [1, 2, 3, 4, 5]


async def test_a_read_asked_for_after_a_write_sees_it() -> None:
    shelf = Shelf(a=1)
    gatherer = Gatherer(shelf.fetch)
    before = await asking(gatherer, "a")
    shelf.rows["a"] = 2  # the query under way has read already
    after = await asking(gatherer, "a")
    await shelf.let_go()
    assert before[0].result() == 1 and not after[0].done()
    await shelf.let_go()
    assert after[0].result() == 2


async def test_a_failure_reaches_everybody_of_its_query_and_the_next_read_works() -> None:
    shelf = Shelf(a=1, b=2, c=3)
    gatherer = Gatherer(shelf.fetch)
    struck, spared = await asking(gatherer, "a", "b", "a"), await asking(gatherer, "c")
    await shelf.let_go(ConnectionResetError("gone"))
    for reader in struck:
        with pytest.raises(ConnectionResetError, match="gone"):
            reader.result()
    await shelf.let_go()
    assert spared[0].result() == 3
    again = await asking(gatherer, "a")
    await shelf.let_go()
    assert again[0].result() == 1


async def test_a_failure_after_which_nobody_waits_does_not_stop_the_next_read() -> None:
    shelf = Shelf(a=1)
    gatherer = Gatherer(shelf.fetch)
    [reader] = await asking(gatherer, "a")
    await shelf.let_go(ConnectionResetError("gone"))
    assert isinstance(reader.exception(), ConnectionResetError)
    [again] = await asking(gatherer, "a")
    await shelf.let_go()
    assert again.result() == 1


@pytest.mark.parametrize("failure", [None, ConnectionResetError("gone")], ids=["answered", "failed"])
async def test_a_cancelled_reader_leaves_the_others_alone(failure: Exception | None) -> None:
    shelf = Shelf(a=1, b=2)
    gatherer = Gatherer(shelf.fetch)
    under_way = await asking(gatherer, "a", "a", "b")
    waiting = await asking(gatherer, "b", "b")
    for reader in (under_way[0], under_way[2], waiting[0]):
        assert reader.cancel()
    await turns()
    assert all(reader.cancelled() for reader in (under_way[0], under_way[2], waiting[0]))
    await shelf.let_go(failure)
    assert under_way[1].exception() is failure
    if failure is None:
        assert under_way[1].result() == 1
    await shelf.let_go()
    assert waiting[1].result() == 2


async def test_a_reader_whose_patience_ends_leaves_the_others_alone() -> None:
    shelf = Shelf(a=1)
    gatherer = Gatherer(shelf.fetch)
    patient = await asking(gatherer, "a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(gatherer.get("a"), 0.01)
    await shelf.let_go()
    assert patient[0].result() == 1


async def test_a_query_that_was_cancelled_is_not_waited_for_and_the_next_read_works() -> None:
    """The task of the queries is nobody's but the loop's; if that is cancelled all the same, nobody may hang."""
    shelf = Shelf(a=1, b=2)
    gatherer = Gatherer(shelf.fetch)
    under_way, waiting = await asking(gatherer, "a"), await asking(gatherer, "b")
    [queries] = [task for task in asyncio.all_tasks() if task.get_name() == "gatherer"]
    queries.cancel()
    await turns()
    assert under_way[0].cancelled()
    assert shelf.queries == [["a"], ["b"]]
    await shelf.let_go()
    assert waiting[0].result() == 2
    again = await asking(gatherer, "b")
    await shelf.let_go()
    assert again[0].result() == 2


async def test_several_asks_for_all_at_once_and_answers_those_that_exist() -> None:
    shelf = Shelf(a=1, b=2)
    reading = asyncio.create_task(Gatherer(shelf.fetch).several(["a", "b", "a", "c"]))
    await turns()
    assert len(shelf.queries) == 1 and sorted(shelf.queries[0]) == ["a", "b", "c"]
    await shelf.let_go()
    assert reading.result() == {"a": 1, "b": 2}


async def test_several_that_fail_fail_once_and_leave_nothing_behind() -> None:
    shelf = Shelf(a=1, b=2)
    gatherer = Gatherer(shelf.fetch)
    reading = asyncio.create_task(gatherer.several(["a", "b"]))
    await turns()
    await shelf.let_go(ConnectionResetError("gone"))
    assert isinstance(reading.exception(), ConnectionResetError)
    again = asyncio.create_task(gatherer.several(["a", "b"]))
    await turns()
    await shelf.let_go()
    assert again.result() == {"a": 1, "b": 2}


async def test_several_of_nothing_ask_nothing() -> None:
    shelf = Shelf(a=1)
    assert await Gatherer(shelf.fetch).several([]) == {} and shelf.queries == []


# ── what never changes is remembered ────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_remembered_is_not_asked_again() -> None:
    shelf = Shelf(a=1, b=2)
    gatherer = Gatherer(shelf.fetch, remember=10)
    await asking(gatherer, "a")
    await shelf.let_go()
    assert await gatherer.get("a") == 1 and len(shelf.queries) == 1
    reading = asyncio.create_task(gatherer.several(["a", "b"]))
    await turns()
    await shelf.let_go()
    assert reading.result() == {"a": 1, "b": 2} and shelf.queries == [["a"], ["b"]]


async def test_what_was_not_there_is_asked_again() -> None:
    shelf = Shelf()
    gatherer = Gatherer(shelf.fetch, remember=10)
    [early] = await asking(gatherer, "a")
    await shelf.let_go()
    shelf.rows["a"] = 1
    [late] = await asking(gatherer, "a")
    await shelf.let_go()
    assert (early.result(), late.result()) == (None, 1)


async def test_no_more_is_remembered_than_may_be() -> None:
    shelf = Shelf(a=1, b=2, c=3)
    gatherer = Gatherer(shelf.fetch, remember=2)
    for key in ("a", "b", "c"):
        await asking(gatherer, key)
        await shelf.let_go()
    assert await gatherer.get("c") == 3 and len(shelf.queries) == 3
    [again] = await asking(gatherer, "a")
    assert len(shelf.queries) == 4
    await shelf.let_go()
    assert again.result() == 1
