"""What privacy needs of others, and what several of its files share."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from tongbao.kernel.errors import Refusal
from tongbao.kernel.sql import Queries
from tongbao.kernel.texts import plain
from tongbao.privacy import errors

QUERIES = Queries("tongbao.privacy")


class Sealing(Protocol):
    """Personal data in and out of its columns, under its person's own key: the part of `security.personal.Vault` used here."""

    async def seal(self, person_id: UUID, field: str, text: str, /) -> bytes: ...
    async def open(self, person_id: UUID, field: str, blob: bytes, /) -> str: ...


def paragraphs(text: str, field: str) -> str:
    """A text of several lines, without its outer blanks. Refuses `text_missing`, `control_characters` (within a line)."""
    lines = [plain(line).rstrip() for line in text.replace("\r\n", "\n").strip().split("\n")]
    if not any(lines):
        raise Refusal(errors.TEXT_MISSING, field=field)
    return "\n".join(lines)
