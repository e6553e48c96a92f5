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
    "支付密码错误次数过多，已锁定。可用登录密码重设，或稍后再试。",
    "Too many wrong PINs: it is locked. Set a new one with your password, or try again later.",
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
PASSWORD_TOO_LONG = refusal("password_too_long", "登录密码最多 128 个字符。", "The password may have at most 128 characters.")
PIN_FORMAT = refusal("pin_format", "支付密码须为 6 位数字。", "The payment PIN is six digits.")
PIN_TOO_SIMPLE = refusal(
    "pin_too_simple",
    "支付密码过于简单，请勿使用重复或连续数字。",
    "That PIN is too easy to guess: no repeated or consecutive digits.",
)
