"""What a channel may refuse with, and the declines that a bank's no turns into further up.

An adapter returns a bank's no as an answer and never raises it; `DECLINES` is for whoever has to tell a customer.
"""

from __future__ import annotations

from tongbao.kernel.errors import Code, decline, refusal

BANK_UNAVAILABLE = refusal(
    "bank_unavailable",
    "暂时无法联系银行，请稍后重试。",
    "The bank cannot be reached right now. Please try again shortly.",
    status=503,
    retryable=True,
)
BANK_REFERENCE_CONFLICT = refusal(
    "bank_reference_conflict",
    "银行参考号 {reference} 已用于另一笔不同的请求。",
    "The bank already knows reference {reference} for a different request.",
    status=409,
)
BANK_REFERENCE_MALFORMED = refusal(
    "bank_reference_malformed",
    "银行参考号格式不正确。",
    "A bank reference is 1 to 64 letters, digits, dots, dashes or underscores.",
)

REGISTRY_REFERENCE_CONFLICT = refusal(
    "registry_reference_conflict",
    "核验参考号 {reference} 已用于另一次不同的核验。",
    "The registry already knows reference {reference} for a different question.",
    status=409,
)

CARD_REFERENCE_CONFLICT = refusal(
    "card_reference_conflict",
    "银行卡交易参考号 {reference} 已用于另一笔不同的请求。",
    "The card network already knows reference {reference} for a different request.",
    status=409,
)

#: A network's reason (`cards.CardRefusal`) -> the decline it becomes.
CARD_DECLINES: dict[str, Code] = {
    "insufficient": decline("card_insufficient", "银行卡可用余额或额度不足。", "The card does not have enough money or credit."),
    "limit": decline("card_limit", "超出银行卡支付限额。", "The amount is above the card's limit."),
    "card_closed": decline("card_closed", "银行卡已失效，请更换银行卡。", "The card no longer works. Please use another."),
    "risk": decline(
        "card_risk", "发卡行出于安全考虑未同意，请联系发卡行。", "The bank did not agree, for your safety. Please ask it."
    ),
    "refused": decline("card_refused", "发卡行未同意该交易，请联系发卡行。", "The card's bank did not agree. Please ask it."),
}

#: A normalised failure code (`types.FailureCode`) -> the decline it becomes.
DECLINES: dict[str, Code] = {
    "insufficient_funds": decline(
        "bank_insufficient_funds", "银行账户余额不足。", "The bank account does not hold enough money."
    ),
    "account_closed": decline("bank_account_closed", "银行账户已销户或冻结。", "The bank account is closed."),
    "limit_exceeded": decline("bank_limit_exceeded", "超出银行单笔限额。", "The amount is above the bank's limit."),
    "refused": decline("bank_refused", "银行拒绝了该交易，请联系发卡行。", "The bank refused. Please ask the bank."),
}  # fmt: skip
