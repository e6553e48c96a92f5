"""Routes of instruments: what a customer pays with where they are not logged in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import delete, get, post, put
from litestar.params import PathParameter

from tongbao.identity import errors
from tongbao.identity.instrument_service import InstrumentService
from tongbao.identity.instruments import InstrumentKind
from tongbao.identity.service import Caller, command_id_for
from tongbao.identity.wire import ConfirmedBody, encoded
from tongbao.kernel import web
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import format_minor, parse

Text = Annotated[str, msgspec.Meta(max_length=200)]
PathNumber = Annotated[str, PathParameter(max_length=20)]


class PayerCodeBody(ConfirmedBody, frozen=True, kw_only=True):
    """A payer's code for the device that asks. The first takes a confirmation (the act `bind_instrument`, its detail
    "code,0,0"); `replaces` names the one before on this device, and then nothing more is asked."""

    name: Text
    replaces: str | None = None


class TapTokenBody(ConfirmedBody, frozen=True, kw_only=True):
    """A token for tapping, on the device that asks. It takes a confirmation (the act `bind_instrument`, its detail
    "nfc,most,day" in minor units, 0 for no cap of its own)."""

    name: Text
    most: Text | None = None
    day: Text | None = None
    currency: Text


class InstrumentCapsBody(ConfirmedBody, frozen=True, kw_only=True):
    """What an instrument may pay, once and in a UTC day; null: no cap of its own. Raising takes a confirmation (the act
    `cap_instrument`, its detail "number,most,day" in minor units)."""

    most: Text | None = None
    day: Text | None = None
    currency: Text


class BoundAnswer(msgspec.Struct, frozen=True):
    """An instrument, bound. `secret` (base64url) is for the device alone and is not told again by anything but the same
    Idempotency-Key. `server_time`: our clock, by which the device sets its codes."""

    number: str
    secret: str
    expires_at: datetime
    server_time: datetime


class InstrumentLine(msgspec.Struct, frozen=True):
    """An instrument that pays. `current`: it lives on the device that asks."""

    number: str
    kind: InstrumentKind
    name: str
    most: str | None
    day: str | None
    spent_today: str
    currency: str
    created_at: datetime
    expires_at: datetime
    current: bool


@post("/v1/wallet/code", tags=["Instruments"], status_code=201)
async def bind_code(
    customer: Caller, data: PayerCodeBody, instruments: InstrumentService, clock: Clock, key: web.IdempotencyKey
) -> BoundAnswer:
    """Have a payer's code made on this device from now on, without a network. Declines `device_unproven`, `confirmation_needed`,
    `instrument_unknown` of one that it cannot replace."""
    given = data.given() if data.pin is not None or data.confirmation is not None else None
    replaces = _number(data.replaces) if data.replaces is not None else None
    bound = await instruments.bind(command_id_for(customer, key), customer, "code", data.name, 0, 0, given, replaces)
    return BoundAnswer(str(bound.number), encoded(bound.secret), bound.expires_at, clock.now())


@post("/v1/wallet/tap", tags=["Instruments"], status_code=201)
async def bind_tap(
    customer: Caller, data: TapTokenBody, instruments: InstrumentService, clock: Clock, key: web.IdempotencyKey
) -> BoundAnswer:
    """Have a token on this device that pays when it is held to a till's reader. Its number is not the account's, and its secret
    is for the device alone. Declines `device_unproven`, `confirmation_needed`, `instrument_cap_range`."""
    most, day = _caps(data.most, data.day, data.currency)
    bound = await instruments.bind(command_id_for(customer, key), customer, "nfc", data.name, most, day, data.given())
    return BoundAnswer(str(bound.number), encoded(bound.secret), bound.expires_at, clock.now())


@get("/v1/wallet/instruments", tags=["Instruments"])
async def instruments_of(
    customer: Caller, instruments: InstrumentService, limit: web.Limit = 20, cursor: web.Cursor = None
) -> web.Page[InstrumentLine]:
    """Everything of the customer's that pays without a log-in, the latest first."""
    place = web.decode_cursor(cursor, tuple[datetime, int])
    rows = await instruments.instruments(customer.principal_id, place, limit)
    found, following = web.page(rows, limit, lambda last: (last.created_at, last.number))
    lines = [
        InstrumentLine(
            str(each.number), each.kind, each.name, _cap(each.most_minor, each.currency),
            _cap(each.day_minor, each.currency), format_minor(each.spent_minor, each.currency), each.currency,
            each.created_at, each.expires_at, each.device_id is not None and each.device_id == customer.device_id,
        )
        for each in found
    ]  # fmt: skip
    return web.Page(lines, following)


@put("/v1/wallet/instruments/{number:str}/caps", tags=["Instruments"], status_code=204)
async def cap_instrument(
    customer: Caller, data: InstrumentCapsBody, instruments: InstrumentService, key: web.IdempotencyKey, number: PathNumber
) -> None:
    """Change what an instrument may pay. Lowering holds at once; raising is confirmed."""
    given = data.given() if data.pin is not None or data.confirmation is not None else None
    most, day = _caps(data.most, data.day, data.currency)
    await instruments.cap(command_id_for(customer, key), customer, _number(number), most, day, given)


@delete("/v1/wallet/instruments/{number:str}", tags=["Instruments"], status_code=204)
async def revoke_instrument(customer: Caller, instruments: InstrumentService, number: PathNumber) -> None:
    """Take nothing from it any more."""
    await instruments.revoke(customer, _number(number))


def _cap(minor: int, currency: str) -> str | None:
    return format_minor(minor, currency) if minor else None


def _caps(most: str | None, day: str | None, currency: str) -> tuple[int, int]:
    """In minor units, 0 for none."""
    most_minor, day_minor = (parse(text, currency).minor if text is not None else 0 for text in (most, day))
    return most_minor, day_minor


def _number(text: str) -> int:
    """Refuses `instrument_unknown`."""
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise Refusal(errors.INSTRUMENT_UNKNOWN)
    return int(text)


ROUTES = (bind_code, bind_tap, instruments_of, cap_instrument, revoke_instrument)
