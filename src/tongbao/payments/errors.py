"""Why payments says no."""

from tongbao.kernel.errors import decline, refusal

PAYMENT_NOT_FOUND = decline("payment_not_found", "未找到该订单。", "There is no such order.", status=404)
OUT_TRADE_NO_USED = decline(
    "out_trade_no_used", "该商户订单号已用于另一笔订单。", "This out_trade_no was already used for a different order.", status=409
)
ORDER_PAID = decline("order_paid", "该订单已支付，请勿重复付款。", "This order has been paid already.", status=409)
ORDER_CLOSED = decline("order_closed", "该订单已关闭。", "This order is closed.", status=409)
ORDER_EXPIRED = decline(
    "order_expired", "该订单已过期，请商家重新下单。", "This order has expired. Ask the merchant for a new one.", status=409
)
ORDER_NOT_PAID = decline(
    "order_not_paid", "该订单尚未支付，不能退款。", "This order has not been paid, so nothing can be refunded.", status=409
)
AMOUNT_MISMATCH = decline(
    "amount_mismatch",
    "订单金额与您确认的不一致，未付款。",
    "The order's amount is not what you confirmed. Nothing was paid.",
    status=409,
)
REFUND_EXCEEDS_PAID = decline(
    "refund_exceeds_paid", "退款金额超过可退余额。", "The refund is more than what is left of the payment."
)
TOO_MANY_REFUNDS = decline("too_many_refunds", "每笔订单最多退款 50 次。", "A payment can be refunded at most 50 times.")
OUT_REFUND_NO_USED = decline(
    "out_refund_no_used",
    "该退款单号已用于另一笔退款。",
    "This out_refund_no was already used for a different refund.",
    status=409,
)
MERCHANT_FUNDS = decline(
    "merchant_funds_insufficient", "商户余额不足，暂时无法退款。", "The merchant's balance is not enough for this refund."
)
OUT_TRADE_NO_FORMAT = refusal(
    "out_trade_no_format",
    "商户订单号须为 1 至 64 位字母、数字、_ 或 -。",
    "An order or refund number has 1 to 64 letters, digits, _ or -.",
)
SUBJECT_FORMAT = refusal("subject_format", "商品说明须为 1 至 127 个字。", "A subject has 1 to 127 characters.")
REASON_TOO_LONG = refusal("reason_too_long", "退款原因最多 80 个字。", "A reason may have at most 80 characters.")
EXPIRY_RANGE = refusal("expiry_range", "有效期须在 30 秒至 24 小时之间。", "An order lives between 30 seconds and 24 hours.")
