"""What merchants are told of their payments, as it happens."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tongbao.engine.api import View
from tongbao.payments.types import Payment, Refund


def tell_merchant(view: View, payment: Payment, kind: str, now: datetime, refund: Refund | None = None) -> None:
    """An event of the payment as it is now, for the merchant's live page."""
    view.emit(
        f"merchant:{payment.merchant_id}",
        kind,
        {
            "payment_id": payment.payment_id,
            "out_trade_no": payment.out_trade_no,
            "amount_minor": payment.amount_minor,
            "currency": payment.currency,
            "state": payment.state,
            "at": now,
            **(_told_of(refund) if refund else {}),
        },
    )


def _told_of(refund: Refund) -> dict[str, Any]:
    return {"out_refund_no": refund.out_refund_no, "refund_minor": refund.amount_minor, "refund_state": refund.state}
