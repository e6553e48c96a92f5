"""Why identity says no."""

from tongbao.kernel.errors import decline, refusal

LOGIN_TAKEN = decline(
    "login_taken", "该手机号或邮箱已注册，请直接登录。", "This phone or email is registered already. Please log in.", status=409
)
LOGIN_LOCKED = decline(
    "login_locked",
    "密码错误次数过多，已暂时锁定，请稍后再试。",
    "Too many wrong passwords. Log-in is locked for a while; please try again later.",
    status=403,
)
WRONG_CREDENTIALS = decline("wrong_credentials", "账号或密码不正确。", "The account or the password is not right.", status=401)
WRONG_PIN = decline(
    "wrong_pin",
    "支付密码不正确，还可尝试 {attempts_left} 次。",
    "That PIN is not right. {attempts_left} attempts left.",
    status=403,
)
PIN_LOCKED = decline(
    "pin_locked",
    "支付密码错误次数过多，已锁定。请稍后再试，或用通行密钥、已验证设备上的验证码重设。",
    "Too many wrong PINs: it is locked. Try again later, or set a new one by a passkey, or by a code on a device that is proven.",
    status=403,
)
PIN_NOT_SET = decline("pin_not_set", "请先设置支付密码。", "Please set a payment PIN first.", status=409)
PRINCIPAL_NOT_FOUND = decline("principal_not_found", "用户不存在。", "There is no such user.", status=404)
SESSION_NOT_FOUND = decline(
    "session_not_found", "该登录不存在或已退出。", "There is no such session, or it has ended.", status=404
)
DEVICE_NOT_FOUND = decline("device_not_found", "未找到该设备。", "There is no such device.", status=404)
DEVICE_REVOKED = decline(
    "device_revoked",
    "该设备已被移除，请重新登录。",
    "This device was removed. Please log in again.",
    status=401,
)
PASSKEY_UNKNOWN = decline("passkey_unknown", "未找到该通行密钥。", "There is no such passkey.", status=403)
PASSKEY_KNOWN = decline("passkey_known", "该通行密钥已添加。", "This passkey was added already.", status=409)
PASSKEY_REVOKED = decline("passkey_revoked", "该通行密钥已停用。", "This passkey was removed.", status=403)
PASSKEY_CLONED = decline(
    "passkey_cloned",
    "该通行密钥可能被复制，请改用其他方式并移除它。",
    "This passkey may have been copied. Use another way, and remove it.",
    status=403,
)
CERTIFICATE_UNKNOWN = decline("certificate_unknown", "未找到该数字证书。", "There is no such certificate.", status=403)
CERTIFICATE_REVOKED = decline("certificate_revoked", "该数字证书已吊销。", "This certificate was revoked.", status=403)
CERTIFICATE_EXPIRED = decline("certificate_expired", "该数字证书已过期。", "This certificate has expired.", status=403)
INSTRUMENT_UNKNOWN = decline("instrument_unknown", "未找到该支付工具。", "There is no such means of payment.", status=403)
INSTRUMENT_REVOKED = decline("instrument_revoked", "该支付工具已停用。", "This means of payment was revoked.", status=403)
INSTRUMENT_EXPIRED = decline(
    "instrument_expired", "该支付工具已过期，请在钱包中更新。", "This means of payment has expired. Renew it in the wallet.",
    status=403,
)  # fmt: skip
INSTRUMENT_USED = decline(
    "instrument_used", "已使用过，请顾客刷新后再试。", "It was used already. Ask the customer for a fresh one.", status=409
)
INSTRUMENT_CAP = decline(
    "instrument_cap", "超出该支付工具的限额。", "This is more than this means of payment may pay.", status=403
)
INSTRUMENT_NUMBER_TAKEN = decline(
    "instrument_number_taken", "号码已被占用，请重试。", "The number is taken. Try again.", status=409
)
TOO_MANY_WRONG_PROOFS = decline(
    "too_many_wrong_proofs", "今日错误的付款码过多，本店暂停收付款码，请联系客服。",
    "Too many wrong payment codes here today. Codes are not taken until tomorrow; please call us.", status=403,
)  # fmt: skip
INSTRUMENT_CAP_RANGE = refusal(
    "instrument_cap_range", "限额须为零（不设）或正数，且每笔不高于每日。",
    "A cap is nothing or a positive amount, that of a payment no higher than that of a day.", status=422,
)  # fmt: skip
CONFIRMATION_NEEDED = decline("confirmation_needed", "请确认是您本人。", "Confirm that it is you.", status=403)
TOTP_NOT_SET = decline("totp_not_set", "尚未设置身份验证器。", "No authenticator app is set up.", status=409)
TOTP_SET = decline(
    "totp_set", "已设置身份验证器，请先移除再添加。", "There is an authenticator app already. Remove it first.", status=409
)
TOTP_WRONG = decline("totp_wrong", "身份验证器的验证码不正确。", "That is not the code of your authenticator app.", status=401)
TOTP_USED = decline(
    "totp_used",
    "该验证码已使用过，请等待下一个验证码。",
    "That code was used already. Please wait for the next one.",
    status=401,
)
TOTP_LOCKED = decline(
    "totp_locked",
    "验证码错误次数过多，已暂时锁定，请稍后再试。",
    "Too many wrong codes: they are not taken for a while. Please try again later.",
    status=403,
)
SECOND_FACTOR_NEEDED = decline(
    "second_factor_needed",
    "还需要身份验证器的验证码。",
    "The code of your authenticator app is needed too.",
    status=401,
)
OLD_PIN_NEEDED = decline(
    "old_pin_needed",
    "更改支付密码还需原支付密码、通行密钥，或发送给您的验证码。",
    "To change the PIN takes the PIN you have, a passkey, or a code sent to you.",
    status=403,
)
DEVICE_UNPROVEN = decline(
    "device_unproven",
    "您刚开始使用此设备，仅凭登录密码不能进行此操作。请使用支付密码、通行密钥或常用设备，或在首次登录一天后再试。",
    "This device is new, and a password is not enough for this here. Use your PIN, a passkey or a device you had before, "
    "or come back a day after you first logged in.",
    status=403,
)
TOO_MANY_LOOKUPS = decline(
    "too_many_lookups",
    "今天查找用户的次数过多，请明天再试。",
    "You have looked up too many people today. Please go on tomorrow.",
)
CODE_NEEDED = refusal("code_needed", "请先获取并填写验证码。", "A code is needed here: ask for one, then type it.", status=401)
CODE_WRONG = decline("code_wrong", "验证码不正确或已失效。", "The code is not right, or no longer good.", status=401)
CODE_TOO_SOON = decline("code_too_soon", "验证码已发送，请稍后再试。", "A code was sent a moment ago. Please wait.", status=422)
CODE_TOO_MANY = decline(
    "code_too_many", "今日验证码次数已达上限。", "No more codes today. Please try again tomorrow.", status=422
)
ACCOUNT_CLOSING = decline("account_closing", "该账户正在注销。", "This account is being closed.", status=409)
RECOVERY_NEEDS_MORE = decline(
    "recovery_needs_more",
    "还需在常用设备上操作，或提供支付密码。",
    "This needs a device that we know, or the payment PIN.",
    status=403,
)

PASSKEY_WRONG = refusal("passkey_wrong", "通行密钥验证未通过。", "The passkey's answer is not right.", status=401)
PASSKEY_ORIGIN = refusal(
    "passkey_origin",
    "该页面不能使用您的通行密钥，请警惕仿冒网站。",
    "This page may not use your passkey. Beware of imitations.",
    status=403,
)
PASSKEY_UNVERIFIED = refusal(
    "passkey_unverified",
    "通行密钥须验证您本人（指纹、面容或设备密码）。",
    "The passkey has to verify that it is you (fingerprint, face or the device's code).",
    status=401,
)
CHALLENGE_WRONG = refusal(
    "challenge_wrong",
    "验证内容与本次操作不一致，未执行。",
    "What was confirmed is not what was asked for. Nothing was done.",
    status=401,
)
CHALLENGE_EXPIRED = refusal("challenge_expired", "验证已超时，请重试。", "This took too long. Please try again.", status=401)
CHALLENGE_USED = refusal("challenge_used", "该验证已使用过，请重试。", "This was used already. Please try again.", status=401)
SIGNATURE_WRONG = refusal("signature_wrong", "签名验证未通过。", "The signature is not right.", status=401)
PUBLIC_KEY_FORMAT = refusal("public_key_format", "公钥格式不正确。", "The public key is not valid.")
ENCODING_WRONG = refusal("encoding_wrong", "编码格式不正确，应为 base64url。", "This should be base64url.")
CONFIRMATION_FORMAT = refusal(
    "confirmation_format",
    "请以支付密码或其他一种方式确认，且只用一种。",
    "Confirm by PIN or in one other way: exactly one of `pin` and `confirmation`.",
)
TOTP_FORMAT = refusal(
    "totp_format",
    "请填写身份验证器显示的 6 位数字，或一个恢复码。",
    "Please give the six digits that the app shows, or a recovery code.",
)
SECOND_FACTOR_REQUIRED = refusal(
    "second_factor_required",
    "操作员须先设置身份验证器并以其登录。",
    "Operators need an authenticator app: set one up first, and log in with it.",
    status=403,
)
UNAUTHENTICATED = refusal("unauthenticated", "请先登录。", "Please log in first.", status=401)
FORBIDDEN = refusal("forbidden", "您没有此项权限。", "You are not allowed to do this.", status=403)
CSRF = refusal(
    "csrf",
    "请求来源无法确认。",
    "The origin of this request cannot be confirmed: the header X-Tongbao-App is missing.",
    status=403,
)
DEVICE_PROOF_MISSING = refusal(
    "device_proof_missing",
    "无法确认该请求来自您登录的设备，请重新登录。",
    "This request does not show that it comes from the device you logged in on. Please log in again.",
    status=401,
)
DEVICE_PROOF_WRONG = refusal(
    "device_proof_wrong",
    "设备验证未通过，请检查设备时间后重试。",
    "The proof of your device is not right. Please check the device's clock and try again.",
    status=401,
)
LOGIN_FORMAT = refusal("login_format", "请填写正确的手机号或邮箱。", "Please give a valid phone number or email address.")
NAME_FORMAT = refusal("name_format", "请填写 1 至 60 个字的姓名。", "Please give a name of 1 to 60 characters.")
DEVICE_NAME_FORMAT = refusal("device_name_format", "设备名称须为 1 至 80 个字。", "A device's name has 1 to 80 characters.")
PASSWORD_TOO_SHORT = refusal("password_too_short", "登录密码至少 8 个字符。", "The password needs at least 8 characters.")
PASSWORD_COMMON = refusal(
    "password_common",
    "这个密码太常见，最先被猜到。请换一个，例如几个不相关的词。",
    "That password is among the first to be guessed. Choose another, such as a few words that do not belong together.",
)
PASSWORD_TOO_LONG = refusal("password_too_long", "登录密码最多 128 个字符。", "The password may have at most 128 characters.")
PIN_FORMAT = refusal("pin_format", "支付密码须为 6 位数字。", "The payment PIN is six digits.")
PIN_TOO_SIMPLE = refusal(
    "pin_too_simple",
    "支付密码过于简单，请勿使用重复或连续数字。",
    "That PIN is too easy to guess: no repeated or consecutive digits.",
)
