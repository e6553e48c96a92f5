"""Use cases of invitations: take an operator on, let one in again, and the two halves by which they choose their own password."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import cast
from uuid import UUID

import asyncpg
import msgspec

from tongbao.engine.api import Engine, accepted
from tongbao.identity.alerts import Message
from tongbao.identity.enrolment import sealed
from tongbao.identity.rules import normal_login, normal_name
from tongbao.identity.service import IdentityService
from tongbao.identity.types import Locale
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import new_id
from tongbao.kernel.sql import Queries
from tongbao.operators import errors
from tongbao.operators.invitations import AcceptInvitation, Invitation, Invited, InviteOperator, ResetAccess
from tongbao.security.keys import Keys, mac
from tongbao.security.personal import Vault

_QUERIES = Queries("tongbao.operators")

#: Digits and letters that nobody takes for one another when they are read out. Source: Crockford, Base 32.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_LENGTH = 8
_READ_AS = str.maketrans("OIL", "011", " -")


class Halves(msgspec.Struct, frozen=True):
    """The secret of the link, and the code."""

    link: bytes
    code: str


class Invitations:
    """What lets operators in. `public_url`: where the console is reached."""

    def __init__(
        self,
        engine: Engine,
        pool: asyncpg.Pool,
        identity: IdentityService,
        keys: Keys,
        vault: Vault,
        clock: Clock,
        public_url: str,
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._identity = identity
        self._keys = keys
        self._vault = vault
        self._clock = clock
        self._public_url = public_url

    async def invite(self, command_id: UUID, login: str, name: str, locale: Locale, roles: str) -> UUID:
        """Make an operator without a password, to whom the link is sent; their id. Refuses `login_format`, `name_format`;
        declines `login_taken`."""
        halves = self._halves(command_id)
        who = await sealed(self._vault, new_id(self._clock.now()), normal_login(login), normal_name(name), locale, "", roles)
        command = InviteOperator(
            command_id=command_id, who=who, link_hash=_hash(halves.link), code_mac=self._code_mac(command_id, halves.code)
        )
        return cast(Invited, accepted(await self._engine.submit(command))).operator_id

    async def reset(self, command_id: UUID, operator_id: UUID) -> None:
        """Take an operator's password and sessions away, and invite them anew. Declines `operator_not_found`."""
        halves = self._halves(command_id)
        live = tuple(each.session_id for each in await self._identity.sessions(operator_id, None, 1000))
        command = ResetAccess(
            command_id=command_id, operator_id=operator_id, link_hash=_hash(halves.link),
            code_mac=self._code_mac(command_id, halves.code), sessions=live,
        )  # fmt: skip
        accepted(await self._engine.submit(command))
        for session_id in live:
            self._identity.forget_session(session_id)

    async def accept(self, link: str, code: str, password: str) -> None:
        """Choose a password, by both halves. Refuses `password_…`; declines `invitation_wrong`, whatever is wrong."""
        operator_id, secret = _read_link(link)
        invitation = (await self.of([operator_id])).get(operator_id)
        if invitation is None or invitation.link_hash != _hash(secret):
            raise Refusal(errors.INVITATION_WRONG)  # before anything is hashed: a stranger's link costs nothing
        password_hash = await self._identity.password_hash(password)
        typed = code.upper().translate(_READ_AS)
        command = AcceptInvitation(
            command_id=new_id(self._clock.now()), operator_id=operator_id, link_hash=_hash(secret),
            code_mac=self._code_mac(invitation.name, typed), password_hash=password_hash,
        )  # fmt: skip
        accepted(await self._engine.submit(command))

    async def code(self, name: UUID) -> tuple[str, datetime]:
        """The code of an invitation that waits, for who approved it, and until when it is good. Declines `invitation_ended`."""
        row = await self._pool.fetchrow(_QUERIES["invitation_by_name"], name, self._clock.now())
        if row is None:
            raise Refusal(errors.INVITATION_ENDED)
        code = self._halves(name).code
        return f"{code[:4]}-{code[4:]}", Invitation(*row).expires_at

    async def of(self, operator_ids: Collection[UUID]) -> Mapping[UUID, Invitation]:
        """The last invitation of each who ever had one."""
        rows = await self._pool.fetch(_QUERIES["invitations"], list(operator_ids))
        return {row["operator_id"]: Invitation(*row) for row in rows}

    async def text(self, message: Message, locale: Locale) -> str:
        """The message that brings the link."""
        name = UUID(msgspec.json.decode(message.facts, type=dict[str, str])["invitation"])
        secret = base64.urlsafe_b64encode(message.customer_id.bytes + self._halves(name).link).decode()
        url = f"{self._public_url}/console/welcome#{secret}"
        if locale == "zh":
            return f"【通宝】请在 72 小时内打开此链接并设置控制台密码，另需批准人当面告知的代码：{url}"
        return f"Tongbao: set your console password within 72 hours, with the code your approver tells you in person: {url}"

    def _halves(self, name: UUID) -> Halves:
        drawn = mac(self._keys.session, b"operator invitation, code", name.bytes)
        code = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in drawn[:_CODE_LENGTH])
        return Halves(mac(self._keys.session, b"operator invitation, link", name.bytes), code)

    def _code_mac(self, name: UUID, code: str) -> bytes:
        return mac(self._keys.pin, b"operator invitation", name.bytes, code.encode())


def _hash(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _read_link(link: str) -> tuple[UUID, bytes]:
    """Whose link it is, and its secret. Declines `invitation_wrong`."""
    try:
        read = base64.b64decode(link.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Refusal(errors.INVITATION_WRONG) from None
    if len(read) != 48:
        raise Refusal(errors.INVITATION_WRONG)
    return UUID(bytes=read[:16]), read[16:]
