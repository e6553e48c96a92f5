"""What `tongbao books` says, in Chinese and English."""

from __future__ import annotations

HEADINGS: dict[str, tuple[str, str]] = {
    "account": ("账户", "Account"),
    "amount": ("金额", "Amount"),
    "balance": ("余额", "Balance"),
    "closing": ("期末", "Closing"),
    "closing_credit": ("期末贷方", "Closing Cr"),
    "closing_debit": ("期末借方", "Closing Dr"),
    "code": ("科目", "Code"),
    "credit": ("贷方", "Credit"),
    "currency": ("币种", "Currency"),
    "date": ("日期", "Value date"),
    "debit": ("借方", "Debit"),
    "entries": ("分录数", "Entries"),
    "journal": ("凭证", "Journal"),
    "kind": ("类型", "Kind"),
    "memo": ("摘要", "Memo"),
    "opening": ("期初", "Opening"),
    "opening_credit": ("期初贷方", "Opening Cr"),
    "opening_debit": ("期初借方", "Opening Dr"),
    "posted": ("入账时间", "Posted"),
    "side": ("方向", "Side"),
    "state": ("状态", "State"),
    "through": ("账期截止", "Closed through"),
    "total": ("合计", "Total"),
    "version": ("版本", "Version"),
}

#: On which side a balance stands.
SIDES: dict[str, tuple[str, str]] = {"none": ("平", "–"), "debit": ("借", "Dr"), "credit": ("贷", "Cr")}

#: Kinds of journals.
KINDS: dict[str, tuple[str, str]] = {
    "payment": ("支付", "Payment"),
    "refund": ("退款", "Refund"),
    "transfer": ("转账", "Transfer"),
    "wallet.transfer": ("转账", "Transfer"),
    "topup.succeeded": ("充值到账", "Top-up received"),
    "withdrawal.start": ("提现发起", "Withdrawal started"),
    "withdrawal.succeeded": ("提现到账", "Withdrawal paid out"),
    "withdrawal.failed": ("提现退回", "Withdrawal returned"),
    "ledger.post": ("记账", "Posting"),
    "ledger.opening": ("期初余额", "Opening balances"),
    "ledger.reverse": ("冲正", "Reversal"),
    "ledger.carry_forward": ("结转损益", "Result carried forward"),
    "ledger.capture": ("冻结扣款", "Hold captured"),
    "ledger.move_up_to": ("划转", "Movement"),
    "bulk": ("批量入账", "Bulk posting"),
}

LEVELS: dict[str, tuple[str, str]] = {"error": ("错误", "error"), "warning": ("提醒", "warning")}

STATES: dict[str, tuple[str, str]] = {
    "CLOSED": ("损益未结转", "Closed, result not carried yet"),
    "CARRIED": ("已关账", "Closed"),
    "REOPENED": ("已重新打开", "Reopened"),
}
