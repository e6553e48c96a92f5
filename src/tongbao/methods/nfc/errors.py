"""What can be wrong with a tap, as a cashier reads it. Nothing was charged in any of these."""

from __future__ import annotations

from tongbao.kernel.errors import refusal

TAP_UNREADABLE = refusal(
    "tap_unreadable", "没有读清楚，未扣款。请再碰一次。",
    "The tap was not read cleanly. No money moved. Tap again.",
)  # fmt: skip
TAP_ELSEWHERE = refusal(
    "tap_elsewhere", "这次碰一碰是为另一家商户或另一金额做的，未扣款。请再碰一次。",
    "This tap was made for another merchant or another amount. No money moved. Tap again.",
)  # fmt: skip
TAP_LATE = refusal(
    "tap_late", "这次碰一碰已经过了时间，未扣款。请再碰一次。",
    "This tap is over. No money moved. Tap again.", status=410,
)  # fmt: skip
TAP_RELAYED = refusal(
    "tap_relayed", "对方回应太慢，可能不在近旁，未扣款。请把手机或卡贴近再碰一次。",
    "The answer came too slowly to be from close by. No money moved. Hold the phone or card closer and tap again.",
)  # fmt: skip
TAP_WRONG = refusal(
    "tap_wrong", "这张卡无法验证，未扣款。请换一种方式付款。",
    "This token could not be verified. No money moved. Pay another way.",
)  # fmt: skip
