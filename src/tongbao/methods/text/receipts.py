"""Receipts by message: written in the commit of what they are about, sent by the worker to the phone that did it."""

from __future__ import annotations

from uuid import UUID

import msgspec

from tongbao.identity.alerts import Message
from tongbao.identity.safety_service import SafetyService
from tongbao.identity.types import Locale
from tongbao.kernel.errors import Refusal
from tongbao.methods.text.acts import TextActs
from tongbao.methods.text.errors import TEXT_OFF
from tongbao.methods.text.phones import KnownPhone, TextPhones
from tongbao.methods.text.types import RECEIPT


class _Facts(msgspec.Struct, frozen=True):
    bill_id: UUID
    number: str


def told_by(safety: SafetyService, phones: TextPhones, acts: TextActs) -> None:
    """Have what carries messages know what a receipt says, and to which phone it goes."""

    async def phone_of(message: Message) -> tuple[_Facts, KnownPhone | None]:
        facts = msgspec.json.decode(message.facts, type=_Facts)
        return facts, await phones.of_number(int(facts.number))

    async def reach(message: Message) -> str:
        _, known = await phone_of(message)
        return known.phone if known is not None else ""

    async def text(message: Message, _: Locale) -> str:
        facts, known = await phone_of(message)
        if known is None:
            raise Refusal(TEXT_OFF)
        return await acts.receipt(known.row, facts.bill_id)

    safety.reach[RECEIPT] = reach
    safety.texts[RECEIPT] = text
