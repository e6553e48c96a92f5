"""What can be wrong with what a till was shown, whatever it is."""

from __future__ import annotations

from tongbao.kernel.errors import refusal

SHOWN_UNKNOWN = refusal(
    "shown_unknown", "这不是通宝的付款码，未扣款。",
    "This is not a Tongbao payment code. No money moved.",
)  # fmt: skip
