"""What stands in the way of closing an account for ever, said so that its owner can clear it away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import asyncpg
import msgspec

from tongbao.kernel.money import format_minor
from tongbao.kernel.web import Words
from tongbao.privacy.types import QUERIES


class Obstacle(msgspec.Struct, frozen=True):
    """One thing to be done first. `kind` is stable: balance, hold, frozen, bank_transfer, authorisation,
    delayed_transfer, guardianship, review, merchant, …"""

    kind: str
    message: Words


#: What a module knows of: plugged in by `app/registry.py`.
ObstaclesOf = Callable[[UUID], Awaitable[Sequence[Obstacle]]]
#: By what a customer is found who logs in.
LoginIndexOf = Callable[[UUID], Awaitable[bytes]]


def obstacles_in(pool: asyncpg.Pool, login_index_of: LoginIndexOf) -> ObstaclesOf:
    """Money, holds, freezes, transfers under way or yet to arrive, authorisations that are not over, minors answered for, reviews
    without an answer, and merchants that belong to the same log-in."""

    async def found(customer_id: UUID) -> list[Obstacle]:
        obstacles: list[Obstacle] = []
        for row in await pool.fetch(QUERIES["money_of"], customer_id):
            currency = row["currency"]
            if row["held_minor"]:
                held = format_minor(row["held_minor"], currency.split(":")[0])
                obstacles.append(Obstacle("hold", Words(f"有 {currency} {held} 被冻结待结。", f"{currency} {held} is on hold.")))
            if row["posted_minor"]:
                left = format_minor(row["posted_minor"], currency.split(":")[0])
                obstacles.append(
                    Obstacle(
                        "balance",
                        Words(f"余额还有 {currency} {left}，请先提现或转出。", f"{currency} {left} is left: withdraw it first."),
                    )
                )
            if row["debit_freeze"] or row["credit_freeze"]:
                obstacles.append(Obstacle("frozen", Words("账户被依法止付或冻结。", "The account is frozen.")))
        if count := await pool.fetchval(QUERIES["unfinished_transfers"], customer_id):
            obstacles.append(
                Obstacle(
                    "bank_transfer",
                    Words(
                        f"有 {count} 笔充值、提现、银行卡付款或退款未完成。",
                        f"{count} top-ups, withdrawals, or payments or refunds by card are still under way.",
                    ),
                )
            )
        if count := await pool.fetchval(QUERIES["open_authorisations_of"], customer_id):
            obstacles.append(
                Obstacle(
                    "authorisation",
                    Words(
                        f"有 {count} 笔冻结尚未结束，请等商户完成扣款或解冻。",
                        f"{count} of your authorisations are still open: wait until the shop takes or releases them.",
                    ),
                )
            )
        delayed = await pool.fetchrow(QUERIES["delayed_transfers_of"], customer_id)
        if delayed["leaving"]:
            count = delayed["leaving"]
            obstacles.append(
                Obstacle(
                    "delayed_transfer",
                    Words(
                        f"您有 {count} 笔延时转账尚未到账，请等待到账或先撤销。",
                        f"{count} of your delayed transfers have not arrived yet: wait for them, or cancel them.",
                    ),
                )
            )
        if delayed["coming"]:
            count = delayed["coming"]
            obstacles.append(
                Obstacle(
                    "delayed_transfer",
                    Words(
                        f"有 {count} 笔转给您的延时转账尚未到账，请等待到账。",
                        f"{count} delayed transfers to you have not arrived yet: wait for them.",
                    ),
                )
            )
        if count := await pool.fetchval(QUERIES["wards_answered_for"], customer_id):
            obstacles.append(
                Obstacle(
                    "guardianship",
                    Words(
                        f"您是 {count} 名未成年人的监护人。请先撤回监护同意；他们须由其他监护人同意后才能继续支付。",
                        f"You are the guardian of {count} minors here. Take your consent back first: they pay again once another "
                        "guardian agrees.",
                    ),
                )
            )
        if count := await pool.fetchval(QUERIES["open_reviews"], customer_id):
            obstacles.append(Obstacle("review", Words(f"有 {count} 项人工复核未答复。", f"{count} reviews wait for an answer.")))
        if await pool.fetchval(QUERIES["merchants_of_login"], await login_index_of(customer_id)):
            obstacles.append(
                Obstacle(
                    "merchant",
                    Words(
                        "您的手机号或邮箱还用于登录商户，请先转交或注销商户。",
                        "Your phone or email still logs in to a merchant: hand it over first.",
                    ),
                )
            )
        return obstacles

    return found
