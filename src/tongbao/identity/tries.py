"""Guessing passwords is stopped where it is done: by the pair of a log-in and the device or address that tries it.

Whoever tries from elsewhere is not stopped, so nobody can lock anybody out by guessing: the owner's devices, which are known, are
pairs of their own. Beside the pair there is one count for all that is not known, against guessing from many addresses. What is
counted is named by the log-in as typed, whether somebody has it or not: the answers are the same.

    free ─as many wrong ones as are free─▶ waiting ─time─▶ free for one ─wrong─▶ waiting, twice as long
      ▲                                                       └─right─▶ forgotten
      └── a day without a wrong one

Source: NIST SP 800-63B-4, 3.2.2 (no more than 100 consecutive failed attempts; delays that grow).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from tongbao.engine.api import Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.identity import errors
from tongbao.kernel.errors import Code
from tongbao.kernel.ids import named_id
from tongbao.security.keys import mac

FIRST_WAIT = timedelta(minutes=15)
LONGEST_WAIT = timedelta(hours=24)
FORGOTTEN_AFTER = timedelta(hours=24)
FREE_HERE = 10
FREE_ELSEWHERE = 100


class LoginTries(msgspec.Struct, frozen=True, gc=False):
    """Wrong passwords in a row. `waits_until`: nothing is taken before then."""

    tries_id: UUID
    wrong: int
    last_at: datetime
    waits_until: datetime | None


TRIES: Relation[LoginTries] = Relation("login_tries", LoginTries, key=("tries_id",), rank=156, marks=True, removable=True)


class Trying(msgspec.Struct, frozen=True):
    """Where a password is tried: the pair's count, and the one for everywhere that is not known, if this is not."""

    here: UUID
    elsewhere: UUID | None = None


class CountWrongPassword(Command, frozen=True, kw_only=True):
    """A wrong password was tried, or one for a log-in that nobody has."""

    kind = "identity.wrong_password"
    trying: Trying


def on_device(device_id: UUID) -> Trying:
    """On a device that is known, or in a session."""
    return Trying(named_id("login tries", "device", str(device_id)))


def from_address(key: bytes, audience: str, login_index: bytes, address: str) -> Trying:
    """From a device that is not known. The ids tell nothing of the log-in or the address to who has not the key."""
    pair = mac(key, b"login tries", audience.encode(), login_index, address.encode())
    anywhere = mac(key, b"login tries anywhere", audience.encode(), login_index)
    return Trying(named_id("login tries", "address", pair.hex()), named_id("login tries", "anywhere", anywhere.hex()))


def tries_keys(trying: Trying | None) -> list[Key]:
    """The rows that the functions below need."""
    return [] if trying is None else [Key(TRIES, tries_id) for tries_id in ids_of(trying)]


def ids_of(trying: Trying) -> list[UUID]:
    """What is counted."""
    return [tries_id for tries_id, _ in _counts(trying)]


def _counts(trying: Trying) -> list[tuple[UUID, int]]:
    here = [(trying.here, FREE_HERE)]
    return here if trying.elsewhere is None else [*here, (trying.elsewhere, FREE_ELSEWHERE)]


def check_waiting(view: View, trying: Trying | None, now: datetime, code: Code = errors.LOGIN_LOCKED) -> Declined | None:
    """Declines `login_locked`, or what locks what is tried (detail: until)."""
    if trying is None:
        return None
    until = None
    for tries_id in ids_of(trying):
        tries = view.get(TRIES, tries_id)
        if tries is not None and tries.waits_until is not None and now < tries.waits_until:
            until = max(tries.waits_until, until or tries.waits_until)
    return Declined(code, {"until": until}) if until is not None else None


def forget_wrong(view: View, trying: Trying | None) -> None:
    """The password was right."""
    # Elsewhere too is forgotten: what counts there is how many were wrong in a row.
    for tries_id in ids_of(trying) if trying is not None else ():
        tries = view.get(TRIES, tries_id)
        if tries is not None and tries.wrong:
            view.put(TRIES, LoginTries(tries_id, 0, tries.last_at, None))


def count_wrong_password(command: CountWrongPassword, view: View, now: datetime) -> Decision:
    """Always declines: `wrong_credentials`, or `login_locked` from the tenth on. The count is kept."""
    if refused := check_waiting(view, command.trying, now):
        return refused
    until = count_wrong(view, command.trying, now)
    return Declined(errors.LOGIN_LOCKED, {"until": until}) if until else Declined(errors.WRONG_CREDENTIALS)


def count_wrong(view: View, trying: Trying, now: datetime) -> datetime | None:
    """Something wrong was tried: count it, even if the command is declined. Until when nothing more is taken, if so."""
    until = None
    for tries_id, free in _counts(trying):
        last = view.get(TRIES, tries_id)
        wrong = 1 + (last.wrong if last is not None and not is_forgotten(last, now) else 0)
        waits_until = now + min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(wrong - free, 10)) if wrong >= free else None
        view.mark(TRIES, LoginTries(tries_id, wrong, now, waits_until))
        if waits_until is not None:
            until = max(waits_until, until or waits_until)
    return until


def is_forgotten(tries: LoginTries, now: datetime) -> bool:
    """Whether these wrong ones count no more."""
    return now >= tries.last_at + FORGOTTEN_AFTER + _waited(tries)


def _waited(tries: LoginTries) -> timedelta:
    return tries.waits_until - tries.last_at if tries.waits_until is not None else timedelta()


DECIDERS = (Decider(CountWrongPassword, lambda command: tries_keys(command.trying), count_wrong_password),)
