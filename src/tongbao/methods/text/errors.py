"""Why paying by text says no."""

from __future__ import annotations

from tongbao.kernel.errors import decline, refusal

TEXT_OFF = decline(
    "text_off", "该手机号未开通短信与拨号付款，请在钱包中开通。",
    "Paying by text is not switched on for this phone. Switch it on in the wallet.", status=403,
)  # fmt: skip
TEXT_RESTS = decline(
    "text_rests", "SIM 卡刚更换，短信与拨号付款暂停至 {until}。",
    "The SIM of this phone is new: paying by text rests until {until}.", status=403,
)  # fmt: skip
TEXT_SESSION_OVER = decline(
    "text_session_over",
    "本次会话已结束，未扣款，请重新拨号。",
    "This session is over. No money moved. Please dial again.",
    status=409,
)
TEXT_TOO_OFTEN = decline(
    "text_too_often", "今日拨号次数过多，请明天再试。", "Dialled too often today. Please try again tomorrow.", status=403
)
TEXT_WISH_OVER = decline(
    "text_wish_over", "没有待确认的操作，未扣款。", "Nothing waits to be confirmed. No money moved.", status=409
)
TEXT_CODE_WRONG = decline("text_code_wrong", "确认码不正确，未扣款。", "That is not the code. No money moved.", status=403)
TILL_NUMBER_TAKEN = decline("till_number_taken", "收款号已被占用，请重试。", "The till number is taken. Try again.", status=409)
TILL_UNKNOWN = decline("till_unknown", "没有该商户号，请核对。", "There is no such till number. Please check it.", status=404)
TEXT_STATEMENT_WRONG = refusal(
    "text_statement_wrong", "短信付款凭证无效，未扣款。", "What the network says of this SIM does not hold. No money moved."
)
TEXT_STATEMENT_OVER = refusal(
    "text_statement_over",
    "短信付款凭证已过期，未扣款。",
    "What the network said of this SIM is over. No money moved.",
    status=410,
)
TEXT_PHONE_FORMAT = refusal("text_phone_format", "请输入带国家区号的手机号。", "Give a mobile number with its country code.")
GATEWAY_UNKNOWN = refusal("gateway_unknown", "不接受该地址的请求。", "Requests from this address are not taken.", status=403)
GATEWAY_SIGNATURE = refusal(
    "gateway_signature", "网关签名无效。", "The gateway's signature is not right, or too old.", status=401
)
GATEWAY_FORM = refusal("gateway_form", "网关请求内容不完整。", "The gateway's form lacks something, or has too much.")
