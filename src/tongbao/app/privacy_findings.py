"""What `tongbao doctor` says of personal data: where the retention key is, who answers for data here, and what is late."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import asyncpg

from tongbao.app.settings import Settings
from tongbao.privacy.office import overdue

#: How bad, about what, what was found.
Found = tuple[Literal["ok", "note", "broken"], str, str]


def privacy_settings(settings: Settings) -> list[Found]:
    """What the settings and the data directory say."""
    found: list[Found] = []
    if (settings.data_dir / "retention.key").exists():
        where = settings.data_dir / "retention.key"
        found.append(
            ("note", "retention key", f"its private half lies in {where}: carry it elsewhere, or whoever has this machine reads "
             "what the law has us keep of erased people")
        )  # fmt: skip
    elif settings.retention_key or (settings.data_dir / "retention.pub").exists():
        found.append(("ok", "retention key", "only its public half is here"))
    if not settings.privacy_contact:
        found.append(("note", "privacy contact", "the register of processing names nobody: set TONGBAO_PRIVACY_CONTACT"))
    return found


async def privacy_state(connection: asyncpg.Connection, now: datetime) -> list[Found]:
    """What is late, as the database says. For one that has every migration."""
    late = await overdue(connection, now)
    if not late.any:
        return []
    return [
        ("broken" if late.breach_tasks else "note", "privacy office",
         f"late: {late.breach_tasks} tasks of breaches, {late.reviews} reviews without an answer, {late.assessments} assessments "
         "to look at again")
    ]  # fmt: skip
