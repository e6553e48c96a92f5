"""A round does what is due to each, whatever becomes of one of them."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import CapturingLogger

from tongbao.kernel import rounds
from tongbao.kernel.rounds import do_each, do_every


async def test_one_failure_stops_nothing_else_and_is_logged_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    log = CapturingLogger()
    monkeypatch.setattr(rounds, "_log", log)
    done: list[int] = []

    async def halve(number: int) -> None:
        await asyncio.sleep(0)
        if number % 2:
            raise ValueError(f"{number} is odd")
        done.append(number // 2)

    assert await do_each("halving", [2, 3, 4], halve, lambda number: f"number {number}") == 3
    assert done == [1, 2]
    (call,) = log.calls
    assert (call.args, call.kwargs["task"], call.kwargs["id"]) == (("not_done",), "halving", "number 3")
    assert str(call.kwargs["exc_info"]) == "3 is odd"
    assert await do_each("halving", [], halve, str) == 0


async def test_one_failure_stops_nothing_else_and_is_raised_when_all_were_tried() -> None:
    done: list[int] = []

    async def halve(number: int) -> None:
        await asyncio.sleep(0)
        if number % 2:
            raise ValueError(f"{number} is odd")
        done.append(number // 2)

    with pytest.raises(ValueError, match="1 is odd"):
        await do_every("halving", [1, 2, 3, 4], halve, str)
    assert done == [1, 2]
    assert await do_every("halving", [2, 4], halve, str) == 2
