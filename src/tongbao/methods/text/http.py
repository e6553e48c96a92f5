"""Routes of paying by text: the network's gateway, who switches their phone on, and a merchant's till number."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import MediaType, Request, get, post

from tongbao.identity.service import Caller, command_id_for
from tongbao.identity.wire import ConfirmedBody
from tongbao.kernel import web
from tongbao.kernel.clock import Clock
from tongbao.merchants.http import merchant_of
from tongbao.methods.text.gateway import MOST_BYTES, SIGNATURE, SMS_PATH, TIMESTAMP, USSD_PATH, Gateway, dialled, said
from tongbao.methods.text.phones import TextPhones
from tongbao.methods.text.service import TextService
from tongbao.methods.text.types import Language
from tongbao.security.masking import mask_login

Phone = Annotated[str, msgspec.Meta(max_length=40)]
AnyRequest = Request[Any, Any, Any]


class TextCodeBody(web.Request, frozen=True, kw_only=True):
    """The phone that is to pay by text."""

    phone: Phone


class SwitchOnBody(ConfirmedBody, frozen=True, kw_only=True):
    """The phone, the code that it was sent, and a confirmation (the act `bind_instrument`, its detail "text,0,0")."""

    phone: Phone
    code: Annotated[str, msgspec.Meta(max_length=12)]
    language: Language


class TextPhoneAnswer(msgspec.Struct, frozen=True):
    """A phone that pays by text. It is switched off, and its caps are set, as those of any instrument: by `number`.
    `waits_until`: its SIM is new, and nothing is paid before."""

    number: str
    phone: str
    language: Language
    switched_on_at: datetime
    waits_until: datetime | None


class TextPhonesAnswer(msgspec.Struct, frozen=True):
    """A customer's phones that pay by text, and what to dial."""

    service_code: str
    phones: list[TextPhoneAnswer]


class TillNumberAnswer(msgspec.Struct, frozen=True):
    """A merchant's short number, to be typed on plain phones."""

    till_number: str


async def _checked(request: AnyRequest, gateway: Gateway, clock: Clock) -> bytes:
    body = await request.body()
    client = request.client.host if request.client else ""
    forwarded = request.headers.get("x-forwarded-for", "").encode()
    address = request.app.state.limits.address(client, forwarded)
    given = request.headers.get(SIGNATURE, ""), request.headers.get(TIMESTAMP, "")
    gateway.check(address, given[1], given[0], request.url.path, body, clock.now().timestamp())
    return body


@post(USSD_PATH, tags=["Text"], status_code=200, media_type=MediaType.TEXT, security=[], request_max_body_size=MOST_BYTES)
async def dial(request: AnyRequest, text_gateway: Gateway, texts: TextService, clock: Clock) -> str:
    """For a mobile network's gateway: the next screen of a session, `CON …` or `END …`. A form (sessionId, serviceCode,
    phoneNumber, text), signed. Refuses `gateway_unknown`, `gateway_signature`, `gateway_form`."""
    return str(await texts.dial(dialled(await _checked(request, text_gateway, clock))))


@post(SMS_PATH, tags=["Text"], status_code=204, security=[], request_max_body_size=MOST_BYTES)
async def hear(request: AnyRequest, text_gateway: Gateway, texts: TextService, clock: Clock) -> None:
    """For a mobile network's gateway: a message from a phone (from, to, text, id), signed as a session is. It is answered by a
    message. Refuses `gateway_unknown`, `gateway_signature`, `gateway_form`."""
    await texts.messages.hear(said(await _checked(request, text_gateway, clock)))


@get("/v1/wallet/text", tags=["Text"])
async def phones_of(customer: Caller, text_phones: TextPhones, text_code: str) -> TextPhonesAnswer:
    """The customer's phones that pay by text."""
    found = await text_phones.of_customer(customer.principal_id)
    lines = [
        TextPhoneAnswer(
            str(each.row.number), mask_login(each.phone), each.row.language, each.row.switched_on_at, each.row.waits_until
        )
        for each in found
    ]
    return TextPhonesAnswer(text_code, lines)


@post("/v1/wallet/text/code", tags=["Text"], status_code=204)
async def send_code(customer: Caller, data: TextCodeBody, text_phones: TextPhones, key: web.IdempotencyKey) -> None:
    """Send a phone the code by which its owner shows that they hold it. Declines `code_too_soon`, `code_too_many`."""
    await text_phones.send_code(command_id_for(customer, key), customer, data.phone)


@post("/v1/wallet/text", tags=["Text"], status_code=204)
async def switch_on(customer: Caller, data: SwitchOnBody, text_phones: TextPhones, key: web.IdempotencyKey) -> None:
    """Let a phone pay by text. Declines `code_wrong`, `confirmation_needed`, what a confirmation declines."""
    given = data.given()
    await text_phones.switch_on(command_id_for(customer, key), customer, data.phone, data.code, data.language, given)


@post("/v1/merchant/till-number", tags=["Text"], status_code=200)
async def till_number(staff: Caller, text_phones: TextPhones, key: web.IdempotencyKey) -> TillNumberAnswer:
    """The merchant's short number; made where it has none yet, and the same for ever."""
    return TillNumberAnswer(await text_phones.open_till(merchant_of(staff)))


ROUTES = (dial, hear, phones_of, send_code, switch_on, till_number)
