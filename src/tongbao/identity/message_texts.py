"""What messages say. Plain, short, and nothing in them that a thief could use."""

from __future__ import annotations

from tongbao.identity.codes import Purpose
from tongbao.identity.types import Locale

_ALERTS: dict[str, tuple[str, str]] = {
    "device_added": ("您的账户在一台新设备上登录。", "Your account was used on a new device."),
    "device_revoked": ("一台设备已从您的账户移除。", "A device was removed from your account."),
    "passkey_added": ("您的账户添加了通行密钥。", "A passkey was added to your account."),
    "passkey_revoked": ("您的账户移除了通行密钥。", "A passkey was removed from your account."),
    "certificate_added": ("您的账户添加了数字证书。", "A certificate was added to your account."),
    "certificate_revoked": ("您的账户吊销了数字证书。", "A certificate of your account was revoked."),
    "instrument_added": ("您的账户添加了付款码或支付设备。", "A payment code or device was added to your account."),
    "instrument_revoked": ("您的账户停用了一个付款码或支付设备。", "A payment code or device of your account was revoked."),
    "sim_changed": (
        "您手机号的 SIM 卡刚更换，短信与拨号付款已暂停三天。",
        "The SIM of your phone was exchanged just now: paying by text rests for three days.",
    ),
    "totp_added": ("您的账户添加了身份验证器。", "An authenticator app was added to your account."),
    "totp_removed": ("您的账户移除了身份验证器。", "The authenticator app was removed from your account."),
    "recovery_code_used": ("您的账户使用了一个恢复码。", "A recovery code of your account was used."),
    "recovery_codes_renewed": ("您的账户换了一组恢复码。", "Your account has a new set of recovery codes."),
    "password_changed": ("您的登录密码已修改。", "Your password was changed."),
    "pin_changed": ("您的支付密码已修改。", "Your payment PIN was changed."),
    "pin_locked": ("您的支付密码输错次数过多，已锁定。", "Your payment PIN was got wrong too often and is locked."),
    "recovered": ("您的账户已通过找回流程重设密码。", "Your account was recovered and has a new password."),
    "takeover_reported": ("已按您的报告暂停账户支付。", "Payments from your account are suspended, as you reported."),
    "level_fell": ("您的实名等级已下降，请在钱包中查看原因。", "Your real-name level has fallen. The wallet says why."),
    "verification_ended": (
        "您的实名核验长时间未获答复，已结束，请重新核验。",
        "Nobody answered for your verification in a long time; it has ended. Please verify again.",
    ),
    "card_bound": ("您的账户绑定了一张银行卡，可用于付款。", "A bank card was bound to your wallet: it can pay."),
    "document_replaced": ("您的账户提交了另一份实名证件。", "Another identity document was given for your account."),
    "name_changed": ("您的账户名称已修改。", "The name of your account was changed."),
    "bank_unlinked": ("您的账户解绑了一张银行卡。", "A bank account was unlinked from your wallet."),
    "bank_linked": ("您的账户绑定了一张银行卡。", "A bank account was linked to your wallet."),
    "small_payments_raised": ("您的账户开启或提高了小额免密支付。", "Small payments without a PIN were switched on or raised."),
    "agreement_signed": ("您签订了一份委托扣款协议。", "You agreed to be debited by a merchant."),
    "agreement_ended": ("您解除了一份委托扣款协议。", "You ended an agreement with a merchant."),
    "large_payment": ("您的账户有一笔大额支出。", "A large amount left your account."),
}
_NOT_YOU = ("如非本人操作，请立即在钱包中报告。", "If it was not you, report it in the wallet at once.")
_CODES: dict[Purpose, tuple[str, str]] = {
    "register": ("注册", "to register"),
    "recover": ("找回密码", "to recover your account"),
    "report": ("暂停账户支付", "to suspend payments from your account"),
    "phone": ("证明手机号由您持有", "to show that you hold this phone"),
    "pin": ("重设支付密码", "to set a new PIN"),
}


def alert_text(kind: str, locale: Locale) -> str:
    """What a customer is told. A kind without words of its own says that something happened."""
    which = 0 if locale == "zh" else 1
    said = _ALERTS.get(kind, ("您的账户安全设置有变动。", "Something about your account's security changed."))[which]
    return f"【通宝】{said}{_NOT_YOU[0]}" if locale == "zh" else f"Tongbao: {said} {_NOT_YOU[1]}"


def code_text(purpose: Purpose, digits: str, locale: Locale) -> str:
    """The message that brings a code."""
    zh, en = _CODES[purpose]
    if locale == "zh":
        return f"【通宝】验证码 {digits}，用于{zh}，5 分钟内有效。任何人索要均为诈骗。"
    return f"Tongbao: {digits} is your code {en}, good for 5 minutes. Whoever asks you for it is a fraud."
