"""Codes and counts that mean nothing any more are removed: whose password was tried from where is nobody's business for longer
than it takes to stop guessing.

    a one-time code      when it has expired
    a count of a day     when the day is over
    wrong passwords      when they are forgotten
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from tongbao.engine.api import Accepted, Command, Decider, Decision, Key, View, keys_of
from tongbao.identity.codes import CODE, LIVES, RESEND_AFTER
from tongbao.identity.daily import COUNT
from tongbao.identity.tries import FORGOTTEN_AFTER, LONGEST_WAIT, TRIES, is_forgotten

#: After so long none of them means anything, whatever it says: what the worker's round looks for.
CODES_OLD_AFTER = LIVES
COUNTS_OLD_AFTER = timedelta(days=1) + RESEND_AFTER
TRIES_OLD_AFTER = FORGOTTEN_AFTER + LONGEST_WAIT


class ForgetOld(Command, frozen=True, kw_only=True):
    """Remove those of these that mean nothing any more."""

    kind = "identity.forget_old"
    code_ids: tuple[UUID, ...] = ()
    count_ids: tuple[UUID, ...] = ()
    tries_ids: tuple[UUID, ...] = ()


def forget_old(command: ForgetOld, view: View, now: datetime) -> Decision:
    """Never declines: what means something still, or again, stays. Answers how many were removed."""
    removed = 0
    for code_id in command.code_ids:
        code = view.get(CODE, code_id)
        if code is not None and now >= code.sent_at + LIVES:
            view.remove(CODE, code_id)
            removed += 1
    for count_id in command.count_ids:
        count = view.get(COUNT, count_id)
        if count is not None and count.day < now.date() and now >= count.last_at + RESEND_AFTER:
            view.remove(COUNT, count_id)
            removed += 1
    for tries_id in command.tries_ids:
        tries = view.get(TRIES, tries_id)
        if tries is not None and is_forgotten(tries, now):
            view.remove(TRIES, tries_id)
            removed += 1
    return Accepted(removed)


def _keys(command: ForgetOld) -> list[Key]:
    return [
        *keys_of(CODE, command.code_ids), *keys_of(COUNT, command.count_ids), *keys_of(TRIES, command.tries_ids),
    ]  # fmt: skip


DECIDERS = (Decider(ForgetOld, _keys, forget_old, int),)
