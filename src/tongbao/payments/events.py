"""A merchant's live events (server-sent events), of orders and of agreements, read from the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import msgspec
from litestar import Request, get
from litestar.response import ServerSentEvent, ServerSentEventMessage

from tongbao.engine.listener import OutboxListener, Places, events_from, format_places, is_new, parse_places
from tongbao.engine.types import OutboxRow
from tongbao.identity.service import Caller, IdentityService
from tongbao.kernel.errors import OVERLOADED, Refusal
from tongbao.kernel.money import format_minor
from tongbao.merchants.http import merchant_of

Message = Callable[[OutboxRow, str], ServerSentEventMessage]

_PING_S = 15.0
_MOST_STREAMS = 100


@get("/v1/merchant/events", tags=["Orders"], media_type="text/event-stream")
async def events(
    request: Request[Any, Any, Any], staff: Caller, identity: IdentityService, listener: OutboxListener, pool: asyncpg.Pool
) -> ServerSentEvent:
    """What happens to this merchant's orders, as it happens (server-sent events), until the session ends. `Last-Event-ID` is
    honoured. Refuses `overloaded` beyond a hundred streams of one merchant on one server process."""
    return _events(f"merchant:{merchant_of(staff)}", _of_order, request, staff, identity, listener, pool)


@get("/v1/merchant/agreement-events", tags=["Agreements"], media_type="text/event-stream")
async def agreement_events(
    request: Request[Any, Any, Any], staff: Caller, identity: IdentityService, listener: OutboxListener, pool: asyncpg.Pool
) -> ServerSentEvent:
    """What happens to this merchant's agreements (`agreement.signed`, `agreement.ended`, …) and to what is debited under them
    (`debit.taken`, `debit.waiting`, `debit.failed`, `debit.stopped`), as `/v1/merchant/events` tells of orders."""
    return _events(f"agreements:{merchant_of(staff)}", _of_agreement, request, staff, identity, listener, pool)


def _events(
    topic: str, message: Message, request: Request[Any, Any, Any], staff: Caller, identity: IdentityService,
    listener: OutboxListener, pool: asyncpg.Pool,
) -> ServerSentEvent:  # fmt: skip
    if listener.readers(topic) >= _MOST_STREAMS:
        raise Refusal(OVERLOADED)
    places = parse_places(request.headers.get("last-event-id", ""))
    return ServerSentEvent(_stream(topic, message, staff, identity, listener, pool, places))


async def _stream(
    topic: str, message: Message, staff: Caller, identity: IdentityService, listener: OutboxListener, pool: asyncpg.Pool,
    places: Places | None,
) -> AsyncIterator[ServerSentEventMessage]:  # fmt: skip
    async with listener.subscribe(topic) as subscription:
        yield ServerSentEventMessage(data=None, comment="connected", retry=1000)
        if places is None:
            places = listener.places
        else:
            reached = dict(places)
            for missed in await events_from(pool, [topic], reached):
                if is_new(missed, places):
                    yield message(missed, format_places(places))
        while not subscription.lost:
            try:
                async with asyncio.timeout(_PING_S):
                    heard = await subscription.queue.get()
            except TimeoutError:
                if not await identity.is_live(staff):
                    return
                yield ServerSentEventMessage(data=None, comment="ping")
            else:
                if identity.has_ended(staff):
                    return
                if is_new(heard, places):
                    yield message(heard, format_places(places))


def _of_order(row: OutboxRow, places: str) -> ServerSentEventMessage:
    event = msgspec.json.decode(row.payload)
    currency = event["currency"]
    data = {
        "payment_id": event["payment_id"],
        "out_trade_no": event["out_trade_no"],
        "amount": format_minor(event["amount_minor"], currency),
        "currency": currency,
        "state": event["state"],
        "at": event["at"],
    }
    if "out_refund_no" in event:
        data["refund"] = {
            "out_refund_no": event["out_refund_no"], "amount": format_minor(event["refund_minor"], currency),
            "state": event["refund_state"],
        }  # fmt: skip
    return ServerSentEventMessage(data=msgspec.json.encode(data).decode(), event=row.kind, id=places)


def _of_agreement(row: OutboxRow, places: str) -> ServerSentEventMessage:
    return ServerSentEventMessage(data=row.payload, event=row.kind, id=places)


ROUTES = (events, agreement_events)
