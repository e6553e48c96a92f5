"""What becomes of a request under a fault, and of its answer: the same for the bank and for the card network."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from litestar import Response
from litestar.types import ASGIApp

from tongbao.channels.signing import MAX_SKEW_S
from tongbao.channels.simulated.books import Malformed, Processing, ReferenceConflict
from tongbao.channels.simulated.door import AnyRequest, Door, silence
from tongbao.channels.simulated.faults import Fault, FaultPlan

T = TypeVar("T")
Answer = Response[bytes] | ASGIApp
#: Write a request into the books; `refuse` and `processing` are for a reference not seen before. Its report.
Deliver = Callable[..., Awaitable[object]]


async def linking(
    door: Door, request: AnyRequest, plan: FaultPlan, reference: str, work: Callable[[], object], number: str | None = None
) -> Answer:
    """Do what the fault leaves to be done about a link, then answer as it lets us. Raises `LinkConflict`."""
    fault = plan.next("link", reference, number)
    if fault and fault.kind in ("timeout_before", "server_error_before"):
        return await spoil(door, request, fault, None)
    return await spoil(door, request, fault, door.answer(request, 200, work()))


async def submitting(door: Door, request: AnyRequest, fault: Fault | None, deliver: Deliver) -> Answer:
    """Do what the fault leaves to be done, then answer as the fault lets us. Raises what `deliver` does."""
    kind = fault.kind if fault else None
    if fault and kind in ("timeout_before", "server_error_before"):
        return await spoil(door, request, fault, None)
    if fault and kind == "late_arrival":
        door.later(_arrive_late(deliver, fault.wait_ms))
        return silence(door, fault.wait_ms + 30_000)
    if fault and kind == "refuse":
        return door.answer(request, 200, await deliver(refuse=fault.code))
    if fault and kind == "pending_then_success":
        return door.answer(request, 200, await deliver(processing=Processing(fault.wait_ms)))
    if fault and kind == "pending_then_failure":
        return door.answer(request, 200, await deliver(processing=Processing(fault.wait_ms, fault.code)))
    if fault and kind == "duplicate_delivery":
        _, report = await asyncio.gather(deliver(), deliver())
        return door.answer(request, 200, report)
    return await spoil(door, request, fault, door.answer(request, 200, await deliver()))


async def _arrive_late(deliver: Deliver, wait_ms: int) -> None:
    if wait_ms > MAX_SKEW_S * 1000:
        return  # signed too long ago by then: the door would not let it in
    await asyncio.sleep(wait_ms / 1000)
    try:
        await deliver()
    except (ReferenceConflict, Malformed):
        pass  # nobody is waiting for this answer any more


async def spoil(door: Door, request: AnyRequest, fault: Fault | None, answer: Response[bytes] | None) -> Answer:
    """What the network makes of a finished answer."""
    kind = fault.kind if fault else None
    if fault and kind == "delay":
        if not await door.hold(fault.wait_ms):
            return silence(door, 0)
    elif fault and kind == "timeout_before":
        return silence(door, fault.wait_ms)
    elif kind in ("lost_answer", "lost_inquiry"):
        return silence(door, 0)
    elif kind in ("server_error_before", "server_error_after"):
        return Response(b"upstream error", status_code=500, media_type="text/plain")
    elif kind == "garbage_answer":
        return door.answer(request, 200, b'{"status":"SUCC')
    assert answer is not None
    return answer


def decoded(body: bytes, shape: type[T]) -> T | None:
    """A body as `shape`; None where it is not one."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
