"""Why the wallet says no."""

from tongbao.kernel.errors import decline, refusal

PAYEE_IS_PAYER = decline("payee_is_payer", "不能向自己转账。", "You cannot send money to yourself.")
PAYEE_NOT_FOUND = decline(
    "payee_not_found", "未找到该收款人，请核对手机号或邮箱。", "No such recipient. Please check the phone or email.", status=404
)
BANK_ACCOUNT_LINKED = decline("bank_account_linked", "该银行卡已绑定。", "This bank account is linked already.", status=409)
BANK_ACCOUNT_UNKNOWN = decline("bank_account_unknown", "未找到该银行卡。", "There is no such linked bank account.", status=404)
BANK_LINK_NEEDS_NAME = decline(
    "bank_link_needs_name",
    "绑定银行卡须先完成实名认证：只能绑定本人名下的卡。",
    "Linking a bank account takes a verified real name: only your own accounts can be linked.",
)
BANK_LINK_TOO_MANY = decline(
    "bank_link_too_many",
    "今日绑卡尝试次数过多，请明天再试。",
    "Too many bank accounts were tried today. Please try again tomorrow.",
)
BANK_LINK_UNKNOWN = decline("bank_link_unknown", "没有这项绑卡申请。", "There is no such request to link.", status=404)
BANK_LINK_WAITS = decline("bank_link_waits", "银行尚未答复，请稍候。", "The bank has not answered yet. Please wait.", status=409)
BANK_LINK_ENDED = decline(
    "bank_link_ended", "验证已结束，请重新绑定。", "The time for the code is over. Please link the account again.", status=409
)
CARD_UNKNOWN = decline("card_unknown", "未找到该银行卡。", "There is no such card.", status=404)
CARD_BOUND = decline("card_bound", "该银行卡已绑定。", "This card is bound already.", status=409)
CARD_LEAVING = decline(
    "card_leaving",
    "该银行卡正在解绑，请稍后再绑定。",
    "This card is still being unbound. Please bind it again in a while.",
    status=409,
)
CARDS_TOO_MANY = decline("cards_too_many", "最多绑定 {most} 张银行卡。", "At most {most} cards can be bound.")
CARD_BINDING_TOO_MANY = decline(
    "card_binding_too_many", "今日绑卡尝试次数过多，请明天再试。", "Too many cards were tried today. Please try again tomorrow."
)
CARD_BINDING_UNKNOWN = decline("card_binding_unknown", "没有这项绑卡申请。", "There is no such request to bind.", status=404)
CARD_BINDING_WAITS = decline(
    "card_binding_waits", "发卡行尚未答复，请稍候。", "The card's bank has not answered yet. Please wait.", status=409
)
CARD_BINDING_ENDED = decline(
    "card_binding_ended", "验证已结束，请重新绑定。", "The time for the code is over. Please bind the card again.", status=409
)
FUNDING_ORDER_WRONG = decline(
    "funding_order_wrong", "付款顺序中有重复或不存在的付款方式。", "The order names a source twice, or one that is not there."
)
CARD_NUMBER_FORMAT = refusal("card_number_format", "银行卡号不正确，请核对。", "This is not a card's number. Please check it.")
CARD_EXPIRY_FORMAT = refusal(
    "card_expiry_format", "有效期为卡面上的月年，如 11/29。", "The expiry is a month and a year, as on the card: 11/29."
)
CARD_CVN2_FORMAT = refusal(
    "card_cvn2_format", "安全码为卡背面的 3 位数字。", "The security code is the three digits on the back of the card."
)
BANK_TRANSFER_UNKNOWN = decline(
    "bank_transfer_unknown", "未找到该笔充值或提现。", "There is no such top-up or withdrawal.", status=404
)
BANK_TRANSFER_SETTLED = decline(
    "bank_transfer_settled", "该笔充值或提现已有不同结果。", "This top-up or withdrawal has ended otherwise already.", status=409
)
PAYEE_CANNOT_RECEIVE = decline(
    "payee_cannot_receive", "收款人暂时无法收取这笔款项。", "The recipient cannot take this payment at present."
)
TRANSFER_NOT_FOUND = decline("transfer_not_found", "未找到该笔转账。", "There is no such transfer.", status=404)
TRANSFER_ENDED = decline(
    "transfer_ended",
    "该笔转账已到账或已结束，不能撤销。",
    "This transfer has arrived or ended and cannot be cancelled.",
    status=409,
)
PAYER_MUST_CONFIRM = decline(
    "payer_must_confirm",
    "这笔付款需要您验证支付密码。",
    "This payment needs the payer's own confirmation.",
)
SMALL_PAYMENTS_RANGE = decline(
    "small_payments_range",
    "小额免密单笔与每日限额均不超过 {most}，且每日不低于单笔。",
    "Without a PIN at most {most} can go, in one payment and in a day; and a day's limit is not below a payment's.",
)
BILL_NOT_FOUND = decline("bill_not_found", "未找到该账单。", "There is no such bill.", status=404)
BANK_ACCOUNT_FORMAT = refusal("bank_account_format", "卡号须为 12 至 19 位数字。", "A bank account number has 12 to 19 digits.")
BANK_UNSUPPORTED = refusal(
    "bank_unsupported", "暂不支持该银行，目前支持：{supported}。", "This bank is not supported; these are: {supported}."
)
NOTE_TOO_LONG = refusal("note_too_long", "备注最多 100 个字。", "A note may have at most 100 characters.")
