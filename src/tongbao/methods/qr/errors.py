"""What can be wrong with a scanned code. Every message says that nothing was charged, and what to do next."""

from __future__ import annotations

from tongbao.kernel.errors import refusal

CODE_MALFORMED = refusal(
    "code_malformed",
    "这个码的内容不完整或不符合规范，未扣款。请让商家重新出示收款码。",
    "This code is incomplete or not well formed. No money moved. Ask the merchant to show it again.",
)
CODE_CHECKSUM = refusal(
    "code_checksum",
    "这个码没有读清楚，未扣款。请对准后重新扫描。",
    "This code was not read cleanly. No money moved. Hold steady and scan it again.",
)
CODE_TOO_LONG = refusal(
    "code_too_long",
    "内容过长，最多 {limit} 个字符，未扣款。请让商家重新出示收款码。",
    "This code is longer than {limit} characters. No money moved. Ask the merchant for another one.",
)
CODE_EXPIRED = refusal(
    "code_expired",
    "这个收款码已过期，未扣款。请让商家重新生成。",
    "This code has expired. No money moved. Ask the merchant for a new one.",
    status=410,
)
CODE_SIGNATURE_INVALID = refusal(
    "code_signature_invalid",
    "这个码无法证明出自通宝，可能被改动过，未扣款。请让商家重新生成，不要继续付款。",
    "We cannot confirm that this code is genuine; it may have been altered. No money moved. Ask the merchant for a new one.",
)
CODE_NOT_STATIC = refusal(
    "code_not_static",
    "这不是通宝商户的静态收款码，未扣款。",
    "This is not a Tongbao merchant's static code. No money moved.",
)
