"""A phone writes: what it asks for waits for its owner's word (`wishes`), and every message is answered by one.

Strangers are answered nothing: whoever writes in another's name must not have us send them messages;
nor, in that of a phone that is on, more than so many a day.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Protocol
from uuid import UUID

from tongbao.engine.api import Declined, Engine, accepted
from tongbao.identity.instrument_rules import RevokeInstrument
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id
from tongbao.methods.text.acts import TextActs, Wish
from tongbao.methods.text.gateway import Said
from tongbao.methods.text.menus import Local, Stand, Typed, stand_after
from tongbao.methods.text.phones import TextPhones
from tongbao.methods.text.types import WISH_FIELD, Hear, MakeWish, TakeWish, TextPhone, TextWish, WishCode
from tongbao.methods.text.wishes import Read, is_open, read
from tongbao.methods.text.words import declined, word
from tongbao.security.keys import Keys, mac
from tongbao.security.personal import Vault
from tongbao.wallet.errors import PAYER_MUST_CONFIRM


class Channel(Protocol):
    """Takes messages, as `identity.alerts.MessageChannel` does."""

    async def send(self, reference: str, to: str, text: str) -> str: ...


class TextMessages:
    """Answers phones that write."""

    def __init__(
        self,
        engine: Engine,
        phones: TextPhones,
        acts: TextActs,
        channel: Channel,
        keys: Keys,
        vault: Vault,
        clock: Clock,
        *,
        currency: str,
        service_code: str,
    ) -> None:
        self._engine = engine
        self._phones = phones
        self._acts = acts
        self._channel = channel
        self._key = keys.pin
        self._vault = vault
        self._clock = clock
        self._local = Local(currency, phones.country)
        self._service_code = service_code

    async def hear(self, said: Said) -> None:
        """Answer a message; the same one again is answered the same, and changes nothing twice. STOP is heard however many came
        before it and whatever the SIM is: it is answered once, for then the phone is off."""
        row = await self._phones.known(said.phone)
        if row is None:
            return
        asked, message_id = read(said.text), named_id("text message", row.phone_index.hex(), said.message_id)
        try:
            if asked.order == "stop":
                text = await self._stop(message_id, row)
            else:
                heard = await self._engine.submit(
                    Hear(command_id=named_id("text heard", str(message_id)), phone_index=row.phone_index)
                )
                if isinstance(heard.decision, Declined):
                    return
                row = await self._phones.look_at_sim(row, said.phone)
                text = await self._answer(message_id, row, asked, heard.decided_at)
        except Refusal as refusal:
            text = declined(refusal.code, refusal.detail, row.language)
        if text:
            await self._channel.send(str(message_id), said.phone, text)

    async def _stop(self, message_id: UUID, row: TextPhone) -> str:
        command = RevokeInstrument(command_id=message_id, number=row.number, customer_id=row.customer_id)
        accepted(await self._engine.submit(command))
        return word("stopped", row.language)

    async def _answer(self, message_id: UUID, row: TextPhone, asked: Read, heard_at: datetime) -> str:
        """`heard_at`: when this message came for the first time."""
        if row.waits_until is not None and self._clock.now() < row.waits_until:
            return word("rests", row.language, until=self._acts.moment(row.waits_until))
        if asked.order == "code":
            return await self._by_code(row, asked.code, heard_at)
        if asked.order == "wish":
            stand = stand_after(Typed(asked.typed), self._local)
            if stand.typed_pin is not None:
                return word("pin_in_message", row.language)
            if stand.what is not None and stand.field is None:
                return await self._wished(message_id, row, asked.typed, stand)
            return word(stand.bad or "sms_help", row.language)
        return word("sms_help" if asked.order == "help" else "pin_in_message", row.language)

    async def _wished(self, message_id: UUID, row: TextPhone, typed: str, stand: Stand) -> str:
        """Keep the wish, and ask for its sender's word."""
        assert stand.what is not None
        name = await self._acts.whom(Wish(message_id, row, stand.what, stand.values))
        sealed = await self._vault.seal(row.customer_id, WISH_FIELD, typed)
        digits = self._code(message_id)
        command = MakeWish(
            command_id=message_id, phone_index=row.phone_index, customer_id=row.customer_id, wish=sealed,
            mac=self._mac(message_id, digits),
        )  # fmt: skip
        accepted(await self._engine.submit(command))
        if stand.what not in ("till", "bill"):  # all else takes the PIN, whatever the sum
            return word("wish_dial", row.language, dial=self._service_code)
        amount = f"{self._local.currency} {stand.values['amount']}"
        text = word("wish", row.language, dial=self._service_code, code=digits, amount=amount)
        return text.replace("{name}", name)

    async def _by_code(self, row: TextPhone, digits: str, heard_at: datetime) -> str:
        found = await self._phones.wish(row)
        if found is None:
            return word("wish_over", row.language)
        mac_of_code = self._mac(found.wish_id, digits)
        if found.made_at > heard_at or (found.done and hmac.compare_digest(found.mac, mac_of_code)):
            return ""  # it comes again, and was answered; what it paid has its receipt
        if not is_open(found, self._clock.now()):
            return word("wish_over", row.language)
        stand = stand_after(Typed(await self.opened(found)), self._local)
        assert stand.what is not None
        # Named after what was answered: a wrong code is tried once, however often its message comes.
        command_id = named_id("text by code", str(found.wish_id), mac_of_code.hex())
        try:
            await self._acts.do(Wish(command_id, row, stand.what, stand.values), "", WishCode(found.wish_id, mac_of_code))
            return ""  # the receipt says it
        except Refusal as refusal:
            if refusal.code is PAYER_MUST_CONFIRM:
                return word("wish_dial", row.language, dial=self._service_code)
            raise

    # ── what a session knows of wishes ──────────────────────────────────────────────────────────────────────────────

    async def typed_before(self, row: TextPhone, session: bytes, depth: int) -> str:
        """What a session begins with: the wish that waits for its phone's PIN, if there is one; "" else."""
        found = await self._phones.wish(row)
        if found is None or (found.session != session and (depth or not is_open(found, self._clock.now()))):
            return ""
        if found.session != session:
            command_id = named_id("text take", str(found.wish_id), session.hex())
            command = TakeWish(command_id=command_id, phone_index=row.phone_index, wish_id=found.wish_id, session=session)
            accepted(await self._engine.submit(command))
        return await self.opened(found)

    async def opened(self, wish: TextWish) -> str:
        """A wish as it would be typed."""
        return await self._vault.open(wish.customer_id, WISH_FIELD, wish.wish)

    def _code(self, wish_id: UUID) -> str:
        return f"{int.from_bytes(mac(self._key, b'text wish', wish_id.bytes)[:8], 'big') % 10**6:06d}"

    def _mac(self, wish_id: UUID, digits: str) -> bytes:
        return mac(self._key, b"text wish code", wish_id.bytes, digits.encode())
