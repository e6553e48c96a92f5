"""Headings of `tongbao books`, in Chinese and English."""

from __future__ import annotations

HEADINGS: dict[str, tuple[str, str]] = {
    "account": ("账户", "Account"),
    "amount": ("金额", "Amount"),
    "balance": ("余额", "Balance"),
    "closing": ("期末", "Closing"),
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
    "posted": ("入账时间", "Posted"),
    "state": ("状态", "State"),
    "through": ("账期截止", "Closed through"),
    "total": ("合计", "Total"),
    "version": ("版本", "Version"),
}
