"""Why payments says no."""

from tongbao.kernel.errors import decline, refusal

PAYMENT_NOT_FOUND = decline("payment_not_found", "未找到该订单。", "There is no such order.", status=404)
OUT_TRADE_NO_USED = decline(
    "out_trade_no_used", "该商户订单号已用于另一笔订单。", "This out_trade_no was already used for a different order.", status=409
)
ORDER_PAID = decline("order_paid", "该订单已支付，请勿重复付款。", "This order has been paid already.", status=409)
ORDER_BEING_PAID = decline(
    "order_being_paid",
    "该订单正在等待银行卡扣款结果，请稍候。",
    "A card is being debited for this order, and the answer is not known yet. Wait a moment.",
    status=409,
)
ORDER_CLOSED = decline("order_closed", "该订单已关闭。", "This order is closed.", status=409)
ORDER_EXPIRED = decline(
    "order_expired", "该订单已过期，请商家重新下单。", "This order has expired. Ask the merchant for a new one.", status=409
)
ORDER_VOIDED = decline(
    "order_voided", "该订单冻结的款项已解冻。", "This authorisation was given up, and nothing of it was taken.", status=409
)
ORDER_REVERSED = decline("order_reversed", "该订单已被整笔撤销。", "This payment was undone as a whole.", status=409)
ORDER_AUTHORISED = decline(
    "order_authorised",
    "该订单的款项已冻结，请扣款或解冻。",
    "This order is authorised already. Capture it, or void it.",
    status=409,
)
ORDER_NOT_AUTHORISED = decline(
    "order_not_authorised",
    "该订单没有可扣的冻结款。",
    "This order has not been authorised, so nothing can be captured.",
    status=409,
)
ORDER_NOT_CAPTURED = decline(
    "order_not_captured",
    "该订单的冻结款尚未扣完，请先完成扣款，或解冻余款。",
    "This authorisation is still open. Capture it for the last time, or void it, first.",
    status=409,
)
ORDER_CAPTURED = decline(
    "order_captured", "该订单的款项已扣，冻结已结束。", "This order has been paid, and no authorisation is open.", status=409
)
ORDER_REFUNDED = decline(
    "order_refunded", "该订单已有退款，不能整笔撤销。", "Part of this payment was refunded, so it cannot be undone.", status=409
)
CAPTURED_IN_PARTS = decline(
    "captured_in_parts",
    "该订单分次扣款，不能整笔撤销，请退款。",
    "This payment was captured in parts, so it cannot be undone. Refund it.",
    status=409,
)
REVERSAL_TOO_LATE = decline(
    "reversal_too_late", "已超过可撤销时间，请退款。", "It is too late to undo this payment. Refund it.", status=409
)
CAPTURE_EXCEEDS = decline(
    "capture_exceeds_authorised", "扣款金额超过可扣的冻结款。", "The capture is more than what is left of the authorisation."
)
CAPTURE_WAITS = decline(
    "capture_waits",
    "该笔冻结款正在核实，暂不能扣款，请稍后再试或联系我们。",
    "This authorisation is being looked into and cannot be captured for now. Try later under another key, or ask us.",
    status=409,
)
TOO_MANY_CAPTURES = decline(
    "too_many_captures", "每笔冻结款最多扣款 50 次。", "An authorisation can be captured at most 50 times."
)
OUT_CAPTURE_NO_USED = decline(
    "out_capture_no_used",
    "该扣款单号已用于另一笔扣款。",
    "This out_capture_no was already used for a different capture.",
    status=409,
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
PARTS_NOT_AUTHORISED = decline(
    "parts_not_authorised",
    "先冻结、后扣款的订单只能使用余额。",
    "An authorisation is held in the balance. It cannot be divided, nor held on a card.",
    status=409,
)
CARD_NOT_REACHED = refusal(
    "card_not_reached", "未能联系到发卡行，未付款。", "The card's bank could not be reached. Nothing was paid.", status=409
)
CARD_GIVEN_BACK = refusal(
    "card_given_back",
    "付款未能完成，银行卡已扣款项将原路退回。",
    "The payment could not be completed. What the card paid is on its way back to it.",
    status=409,
)
CARD_ANSWERS_DIFFER = decline(
    "card_answers_differ", "卡组织前后回复不一致。", "The card network now says something else than before.", status=409
)
PARTS_FORMAT = refusal(
    "parts_format",
    "付款方式须为 1 至 5 项，最多一张银行卡，不可重复，合计须等于付款金额。",
    "A payment has one to five different sources, at most one card among them, which together come to its amount.",
)

OUT_TRADE_NO_FORMAT = refusal(
    "out_trade_no_format",
    "商户订单号须为 1 至 64 位字母、数字、_ 或 -。",
    "An order or refund number has 1 to 64 letters, digits, _ or -.",
)
SUBJECT_FORMAT = refusal("subject_format", "商品说明须为 1 至 127 个字。", "A subject has 1 to 127 characters.")
REASON_TOO_LONG = refusal("reason_too_long", "退款原因最多 80 个字。", "A reason may have at most 80 characters.")
EXPIRY_RANGE = refusal("expiry_range", "有效期须在 30 秒至 24 小时之间。", "An order lives between 30 seconds and 24 hours.")
AGREED_RANGE = refusal(
    "agreed_range",
    "最多可扣的金额须不低于订单金额，且不超过其 115%。",
    "The most that may be captured is at least the amount, and at most 115 % of it.",
)
CAPTURE_WITHIN_RANGE = refusal(
    "capture_within_range", "冻结期限须在 1 分钟至 30 天之间。", "An authorisation lives between one minute and 30 days."
)

# ── agreements to be debited ────────────────────────────────────────────────────────────────────────────────────────────

AGREEMENT_NOT_FOUND = decline("agreement_not_found", "未找到该扣款协议。", "There is no such agreement.", status=404)
OUT_AGREEMENT_NO_USED = decline(
    "out_agreement_no_used",
    "该协议号已用于另一份协议。",
    "This out_agreement_no was already used for a different agreement.",
    status=409,
)
AGREEMENT_NOT_SIGNED = decline("agreement_not_signed", "该协议尚未签约。", "This agreement has not been signed.", status=409)
AGREEMENT_ACTIVE = decline("agreement_active", "该协议已签约生效。", "This agreement is signed and in force.", status=409)
AGREEMENT_PAUSED = decline("agreement_paused", "该协议已由付款人暂停。", "The payer has paused this agreement.", status=409)
AGREEMENT_ENDED = decline("agreement_ended", "该协议已解约。", "This agreement has ended.", status=409)
AGREEMENT_EXPIRED = decline("agreement_expired", "该协议已过期。", "This agreement has expired.", status=409)
AGREEMENT_CAPS_RANGE = decline(
    "agreement_caps_range",
    "额度须大于零、每日不低于单笔，且不超过商户申请的额度。",
    "Limits are above zero, a day's not below a debit's, and none above what the merchant asked for.",
)
DEBIT_NOT_FOUND = decline("debit_not_found", "未找到该笔扣款。", "There is no such debit.", status=404)
DEBIT_ENDED = decline("debit_ended", "该笔扣款已完成或已结束。", "This debit has been taken or has ended.", status=409)
DEBIT_STOPPED = decline("debit_stopped", "付款人已取消这笔扣款。", "The payer has stopped this debit.", status=409)
DEBIT_FAILED = decline(
    "debit_failed",
    "该笔扣款已失败，不再重试，请使用新的订单号。",
    "This debit has failed and is not tried again. Use a new out_trade_no.",
    status=409,
)
DEBIT_TOO_EARLY = decline("debit_too_early", "未到可扣款的时间。", "It is too early for this debit.", status=409)
DEBIT_NOTICE_MISSING = decline(
    "debit_notice_missing",
    "该协议须提前 {hours} 小时通知付款人，请先发送扣款通知。",
    "The payer is to be told {hours} hours before: send a notice first.",
    status=409,
)
DEBIT_BEYOND_NOTICE = decline(
    "debit_beyond_notice", "扣款金额超过已通知的金额 {most}。", "The debit is more than the {most} that the payer was told of."
)
DEBIT_NOTICE_LAPSED = decline(
    "debit_notice_lapsed",
    "扣款通知已超过 30 天，请重新通知。",
    "The notice is more than 30 days old. Send another one.",
    status=409,
)
DEBIT_EXCEEDS_CAP = decline(
    "debit_exceeds_cap", "超过协议的单笔额度 {most}。", "Over the agreement's limit of one debit, {most}."
)
DEBIT_EXCEEDS_DAY = decline("debit_exceeds_day", "超过协议的每日额度 {most}。", "Over the agreement's limit of a day, {most}.")
DEBIT_EXCEEDS_COUNT = decline(
    "debit_exceeds_count", "超过协议的扣款次数 {most}。", "The agreement's number of debits, {most}, is used up."
)
DEBIT_PERIOD_USED = decline("debit_period_used", "本期已扣款。", "This period's debit has been taken.", status=409)
DEBIT_FUNDS = decline(
    "debit_funds_insufficient", "付款人余额不足，本次未扣款。", "The payer's balance is not enough. Nothing was taken."
)
DEBIT_NOT_POSSIBLE = decline(
    "debit_not_possible", "该笔扣款目前无法完成。", "This debit cannot be taken at present. Nothing was taken."
)
PURPOSE_FORMAT = refusal("purpose_format", "协议用途须为 1 至 127 个字。", "A purpose has 1 to 127 characters.")
AGREEMENT_RANGE = refusal(
    "agreement_range",
    "协议参数超出范围：{field}。",
    "Out of range: {field}.",
)
