"""A phone dials: from what the network sends to the screen it shows.

    is it switched on? ─▶ is its SIM the one it was? ─▶ does the session live? ─▶ where does it stand? ─▶ a screen, or the act

Whatever fails, the phone is shown a sentence that says whether money moved; what was typed is in no log.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from hashlib import sha256
from typing import NamedTuple

import structlog

from tongbao.engine.api import Engine, accepted
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id
from tongbao.kernel.money import parse
from tongbao.methods.text.acts import TextActs, Wish
from tongbao.methods.text.gateway import Dialled
from tongbao.methods.text.menus import FORMS, Local, Stand, is_pin, stand_after
from tongbao.methods.text.messages import TextMessages
from tongbao.methods.text.phones import TextPhones
from tongbao.methods.text.screens import screen
from tongbao.methods.text.types import Language, Speak, Step, TextPhone
from tongbao.methods.text.words import declined, word

_log = structlog.get_logger("tongbao.text")

#: The network waits ten seconds for a screen.
ANSWERS_WITHIN_S = 8.0
#: A request that comes again this much later is not an answer that was lost.
_REPEATS_WITHIN = timedelta(seconds=60)


class Screen(NamedTuple):
    """What a phone shows; `more`: and waits for something to be typed."""

    text: str
    more: bool

    def __str__(self) -> str:
        return f"{'CON' if self.more else 'END'} {self.text}"


class TextService:
    """Answers phones that dial."""

    def __init__(
        self,
        engine: Engine,
        phones: TextPhones,
        acts: TextActs,
        messages: TextMessages,
        clock: Clock,
        *,
        currency: str,
        language: Language,
    ) -> None:
        self._engine = engine
        self.phones = phones
        self.acts = acts
        self.messages = messages
        self._clock = clock
        self._local = Local(currency, phones.country)
        self._stranger: Language = language

    async def dial(self, dialled: Dialled) -> Screen:
        """The next screen of a session. Never raises: a network that is answered nothing shows something of its own."""
        stand = stand_after(dialled.typed, self._local)
        language = self._stranger
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                row = await self.phones.known(dialled.phone)
                if row is None:
                    return Screen(word("off", language), False)
                language = row.language
                return await self._next(dialled, row, stand)
        except Refusal as refusal:
            return Screen(screen(declined(refusal.code, refusal.detail, language)), False)
        except Exception as failure:
            # What was typed stands in none of its words: the PIN leaves `menus` as a MAC only.
            _log.error("text_failed", at=stand.what, exc_info=failure)
            return Screen(word("unknown" if is_pin(dialled.typed) else "later", language), False)

    async def _next(self, dialled: Dialled, row: TextPhone, stand: Stand) -> Screen:
        session = sha256(dialled.session_id.encode()).digest()[:16]
        depth = len(dialled.typed.parts)
        if not depth:
            row = await self.phones.look_at_sim(row, dialled.phone)
        names = (row.phone_index.hex(), session.hex())
        step = Step(
            command_id=named_id("text step", *names, str(depth)), phone_index=row.phone_index, session=session, depth=depth
        )
        outcome = await self._engine.submit(step)
        accepted(outcome)
        if before := await self.messages.typed_before(row, session, depth):
            stand = stand_after(dialled.typed.after(before), self._local)
        language = row.language
        if stand.over or (outcome.repeated and self._clock.now() > outcome.decided_at + _REPEATS_WITHIN):
            return Screen(word("over", language), False)
        if row.waits_until is not None and self._clock.now() < row.waits_until:
            return Screen(word("rests", language, until=self.acts.moment(row.waits_until)), False)
        if stand.what is None:
            return self._asking("home", stand, language)
        if stand.field is not None:
            return self._asking(f"ask_{stand.field.name}", stand, language)
        if not FORMS[stand.what].confirm:
            return await self._without_pin(row, stand, names)
        wish = Wish(named_id("text act", *names), row, stand.what, stand.values)
        if stand.typed_pin is not None:
            return Screen(await self.acts.do(wish, stand.typed_pin), False)
        return await self._confirming(wish, stand)

    def _asking(self, key: str, stand: Stand, language: Language) -> Screen:
        asked = word(key, language)
        return Screen(screen(f"{word(stand.bad, language)}\n{asked}" if stand.bad else asked), True)

    async def _confirming(self, wish: Wish, stand: Stand) -> Screen:
        """Whom, how much, and the PIN."""
        language, name = wish.phone.language, await self.acts.whom(wish)
        facts = dict(stand.values)
        if "amount" in facts:
            facts["amount"] = self.acts.shown(parse(facts["amount"], self._local.currency).minor)
        facts = {key: facts[key] for key in ("amount", "reference") if key in facts}
        asked = word(FORMS[wish.what].confirm, language, **facts)
        return Screen(screen(f"{word(stand.bad, language)}\n{asked}" if stand.bad else asked, name), True)

    async def _without_pin(self, row: TextPhone, stand: Stand, names: tuple[str, str]) -> Screen:
        """Another language: the one thing that takes no PIN."""
        language: Language = stand.values["language"]  # type: ignore[assignment]
        command_id = named_id("text act", *names)
        accepted(
            await self._engine.submit(
                Speak(command_id=command_id, phone_index=row.phone_index, customer_id=row.customer_id, language=language)
            )
        )
        return Screen(word("done_language", language), False)
