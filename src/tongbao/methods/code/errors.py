"""What can be wrong with a payer's code, as a cashier reads it. Nothing was charged in any of these."""

from __future__ import annotations

from tongbao.kernel.errors import refusal

PAYER_CODE_MISTYPED = refusal(
    "payer_code_mistyped", "付款码输错或没有读清楚，未扣款。请重新扫描或核对数字。",
    "The code was mistyped or not read cleanly. No money moved. Scan it again, or check the digits.",
)  # fmt: skip
PAYER_CODE_WRONG = refusal(
    "payer_code_wrong", "付款码无效或已过期，未扣款。请顾客刷新付款码。",
    "This code is not valid or is over. No money moved. Ask the customer to refresh it.", status=410,
)  # fmt: skip
