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

LEVELS: dict[str, tuple[str, str]] = {"error": ("错误", "error"), "warning": ("提醒", "warning")}

STATES: dict[str, tuple[str, str]] = {
    "CLOSED": ("损益未结转", "Closed, result not carried yet"),
    "CARRIED": ("已关账", "Closed"),
    "REOPENED": ("已重新打开", "Reopened"),
}
