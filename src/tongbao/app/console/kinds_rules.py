"""Acts upon keys, caps and rules that take two operators. The first permission proposes, the second approves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec.structs import replace

from tongbao.app.console.wire import Id, subject_id
from tongbao.kernel import web
from tongbao.kernel.errors import Refusal
from tongbao.merchants.errors import MERCHANT_NOT_FOUND
from tongbao.operators.api import Kind, Permission, Proposal, Subject, act_id
from tongbao.operators.errors import ACT_MALFORMED
from tongbao.rules.http import Caps
from tongbao.rules.pack import Pack, named_packs, shipped

if TYPE_CHECKING:
    from tongbao.app.asgi import Services


class RotateBody(web.Request, frozen=True, kw_only=True):
    """Exchange the key of a class of personal data. `version`: the newest when it was proposed, filled in by the server."""

    purpose: Literal["C2", "C3"]
    version: int | None = None


class CapsBody(web.Request, frozen=True, kw_only=True):
    """Caps of a merchant to change: `per_payment`, `daily_amount`, `daily_count`, `monthly_amount`, or what else the rulebook
    names; null: none."""

    merchant_id: Id
    caps: Caps


class AdoptBody(web.Request, frozen=True, kw_only=True):
    """Packs that ship, to be in force from then on. `version`: of the rulebook in force when it was proposed, filled in by the
    server; if another is by then, nothing is adopted."""

    packs: Annotated[list[Annotated[str, msgspec.Meta(max_length=32)]], msgspec.Meta(min_length=1, max_length=16)]
    version: int | None = None


async def _rotate(services: Services, proposal: Proposal, body: RotateBody) -> str:
    # The worker wraps people's keys anew, round after round; meanwhile both versions open.
    return str(await asyncio.to_thread(services.ring.rotate, body.purpose, body.version))


async def _check_rotate(services: Services, body: RotateBody) -> RotateBody:
    if body.version is not None:
        raise Refusal(ACT_MALFORMED, problem="version")
    return replace(body, version=services.ring.newest(body.purpose).version)


async def _set_caps(services: Services, proposal: Proposal, body: CapsBody) -> str:
    merchant_id = web.parse_id(body.merchant_id, MERCHANT_NOT_FOUND)
    await services.law.set_caps(act_id(proposal), merchant_id, body.caps, proposal.proposed_by, proposal.reason[:200])
    return str(merchant_id)


async def _check_caps(services: Services, body: CapsBody) -> CapsBody:
    await services.merchants.merchant(web.parse_id(body.merchant_id, MERCHANT_NOT_FOUND))
    if not body.caps:
        raise Refusal(ACT_MALFORMED, problem="caps")
    await services.law.check_caps(body.caps)
    return body


async def _adopt(services: Services, proposal: Proposal, body: AdoptBody) -> str:
    packs = _packs(body.packs)
    done = await services.law.adopt(packs, str(proposal.proposed_by), proposal.reason[:200], after_version=body.version)
    return str(done.version)


async def _check_adopt(services: Services, body: AdoptBody) -> AdoptBody:
    if body.version is not None:
        raise Refusal(ACT_MALFORMED, problem="version")
    _packs(body.packs)
    row = await services.law.row()
    return replace(body, version=row.version if row else 0)


def _packs(names: list[str]) -> tuple[Pack, ...]:
    """Refuses `act_malformed`: only what ships is adopted here, never a file of the server's."""
    if unknown := [name for name in names if name not in shipped()]:
        raise Refusal(ACT_MALFORMED, problem=f"there is no pack {unknown[0]}")
    return named_packs(",".join(names))


_P = Permission

KINDS = (
    Kind(
        name="keys.rotate", zh="轮换密钥", en="Exchange a key", body=RotateBody,
        propose=_P.KEYS_ROTATE, approve=_P.KEYS_ROTATE, subject=lambda body: Subject("key", body.purpose), run=_rotate,
        check=_check_rotate,
    ),
    Kind(
        name="merchant.caps", zh="变更商户限额", en="Change a merchant's caps", body=CapsBody,
        propose=_P.RULES_CHANGE, approve=_P.RULES_CHANGE,
        subject=lambda body: Subject("merchant", subject_id(body.merchant_id)), run=_set_caps, check=_check_caps,
    ),
    Kind(
        name="rules.adopt", zh="启用规则包", en="Adopt rules", body=AdoptBody,
        propose=_P.RULES_CHANGE, approve=_P.RULES_CHANGE, subject=lambda body: Subject("rules", ",".join(body.packs)[:64]),
        run=_adopt, check=_check_adopt,
    ),
)  # fmt: skip
