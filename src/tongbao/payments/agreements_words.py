"""What messages about agreements and their debits say. Plain, short, and nothing in them that a thief could use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from tongbao.identity.types import Locale

_SAID: Mapping[str, tuple[str, str]] = {
    "noticed": (
        "{merchant}将于 {when} 后从您的余额扣款 {currency} {amount}。如不同意，可在钱包「免密支付」中取消。",
        "{merchant} will take {currency} {amount} from your balance after {when}. You can stop it in the "
        "wallet under Agreements.",
    ),
    "taken": (
        "{merchant}已按扣款协议从您的余额扣款 {currency} {amount}。",
        "{merchant} has taken {currency} {amount} from your balance, as you agreed.",
    ),
    "waiting": (
        "余额不足，{merchant}的 {currency} {amount} 未扣款，将于 {when} 再试。可在钱包「免密支付」中取消。",
        "Your balance was not enough for {currency} {amount} of {merchant}. It is tried again at {when}; you can stop it in the "
        "wallet under Agreements.",
    ),
    "failed": (
        "{merchant}的 {currency} {amount} 未能扣款，不再重试。",
        "{merchant} could not take {currency} {amount}, and will not try again.",
    ),
    "ended": ("{merchant}已终止与您的扣款协议。", "{merchant} has ended its agreement with you. Nothing more is taken."),
}


def agreement_text(facts: Mapping[str, str], merchant: str, locale: Locale, zone: ZoneInfo) -> str:
    """The message that these facts ask for. `merchant`: its name; `zone`: whose clock is meant."""
    due = facts.get("due_at")
    when = datetime.fromisoformat(due).astimezone(zone).strftime("%Y-%m-%d %H:%M") if due else ""
    zh, en = _SAID[facts["what"]]
    filled = {"merchant": merchant, "amount": facts.get("amount", ""), "currency": facts.get("currency", ""), "when": when}
    return f"【通宝】{zh.format(**filled)}" if locale == "zh" else f"Tongbao: {en.format(**filled)}"
