"""Use cases of letters about a breach: write one, tell the next people, say how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg
import msgspec

from tongbao.engine.api import Engine, accepted
from tongbao.identity.alerts import Message
from tongbao.identity.types import Locale
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id
from tongbao.kernel.texts import plain
from tongbao.privacy import errors
from tongbao.privacy.letters import LEAST_TEXT, MOST_TEXT, Letter, TellPeople, WriteLetter
from tongbao.privacy.types import QUERIES

_BATCH = 200


class LetterProgress(msgspec.Struct, frozen=True):
    """A letter, and what became of its messages: taken by the channel, refused by it, or not sent yet."""

    letter: Letter
    sent: int
    failed: int
    waiting: int


class Letters:
    """Tells people of breaches."""

    def __init__(self, engine: Engine, pool: asyncpg.Pool) -> None:
        self._engine = engine
        self._pool = pool
        self._texts: dict[UUID, Letter] = {}

    async def begin(self, command_id: UUID, breach_id: UUID, zh: str, en: str, listed: Sequence[UUID], by: UUID) -> None:
        """Declines `breach_not_found`, `breach_closed`, `letter_written`."""
        command = WriteLetter(command_id=command_id, breach_id=breach_id, zh=zh, en=en, listed=tuple(listed), by=by)
        accepted(await self._engine.submit(command))

    async def check(self, breach_id: UUID, zh: str, en: str, listed: Sequence[UUID]) -> tuple[str, str]:
        """The texts as they would be sent. Refuses `letter_text`, `letter_people`; declines `breach_not_found`,
        `letter_written`."""
        texts = plain(zh.strip()), plain(en.strip())
        if any(not LEAST_TEXT <= len(text) <= MOST_TEXT for text in texts):
            raise Refusal(errors.LETTER_TEXT, least=LEAST_TEXT, most=MOST_TEXT)
        if await self._pool.fetchrow(QUERIES["breach"], breach_id) is None:
            raise Refusal(errors.BREACH_NOT_FOUND)
        if await self._letter(breach_id) is not None:
            raise Refusal(errors.LETTER_WRITTEN)
        known = await self._pool.fetchval(QUERIES["customers_among"], list(listed))
        if known != len(set(listed)):
            raise Refusal(errors.LETTER_PEOPLE)
        return texts

    async def tell_due(self) -> int:
        """The worker's round: one batch of people for each letter under way. Answers how many people were written to."""
        told = 0
        for row in await self._pool.fetch(QUERIES["letters_under_way"]):
            letter = Letter(*row)
            people = await self._next(letter)
            command_id = named_id("breach letter", str(letter.breach_id), str(letter.told_to))
            command = TellPeople(command_id=command_id, breach_id=letter.breach_id, told_to=letter.told_to, people=people)
            accepted(await self._engine.submit(command))
            told += len(people)
        return told

    async def _next(self, letter: Letter) -> tuple[UUID, ...]:
        if letter.listed:
            listed = [UUID(each) for each in letter.listed.split(",")]
            return tuple(each for each in listed if each > letter.told_to)[:_BATCH]
        rows = await self._pool.fetch(QUERIES["people_of_breach"], letter.breach_id, letter.told_to, _BATCH)
        return tuple(row["principal_id"] for row in rows)

    async def progress(self, breach_id: UUID) -> LetterProgress | None:
        """The letter of a breach, if there is one, and how far it is."""
        letter = await self._letter(breach_id)
        if letter is None:
            return None
        states = dict(await self._pool.fetch(QUERIES["letter_messages"], _facts(breach_id)))
        sent, failed = states.get("SENT", 0), states.get("FAILED", 0)
        return LetterProgress(letter, sent, failed, sum(states.values()) - sent - failed)

    async def text(self, message: Message, locale: Locale) -> str:
        """What a message about a breach says."""
        breach_id = UUID(msgspec.json.decode(message.facts, type=dict[str, str])["breach_id"])
        letter = self._texts.get(breach_id) or await self._letter(breach_id)
        assert letter is not None
        self._texts[breach_id] = letter
        return f"【通宝】{letter.zh}" if locale == "zh" else f"Tongbao: {letter.en}"

    async def _letter(self, breach_id: UUID) -> Letter | None:
        row = await self._pool.fetchrow(QUERIES["breach_letter"], breach_id)
        return Letter(*row) if row else None


def _facts(breach_id: UUID) -> str:
    """As the messages of a letter have them."""
    return msgspec.json.encode({"breach_id": str(breach_id)}).decode()
