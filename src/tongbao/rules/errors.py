"""Why the law, the house or the customer's own limits say no."""

from tongbao.kernel.errors import decline, refusal

# What a rule is called in either language stands in the detail (`name_zh`, `name_en`), beside its id.
LIMIT_REACHED = decline(
    "limit_reached",
    "超出限额 {limit}：已用 {used}，还可用 {left}。依据：{citation_zh}。",
    "Over the limit of {limit}: used {used}, left {left}. Under {citation}.",
)
STRONGER_CONFIRMATION = decline(
    "stronger_confirmation_needed",
    "这需要更强的验证方式。依据：{citation_zh}。",
    "This needs a stronger confirmation. Under {citation}.",
)
REAL_NAME_NEEDED = decline(
    "real_name_needed",
    "请先完成 {level} 级实名认证。依据：{citation_zh}。",
    "Please verify your identity to level {level} first. Under {citation}.",
)
ACCOUNT_SUSPENDED = decline(
    "account_suspended", "您的账户已暂停付款，请联系客服。", "Payments from your account are suspended. Please contact us."
)
DELAY_REQUIRED = decline(
    "delay_required",
    "这至少须延迟 {hours} 小时到账。依据：{citation_zh}。",
    "This may arrive in {hours} hours at the earliest. Under {citation}.",
)
CURRENCY_NOT_COVERED = decline("currency_not_covered", "现行规则不涵盖该币种。", "The rules in force do not cover this currency.")
LIMIT_UNKNOWN = decline("limit_unknown", "没有名为 {limit} 的限额。", "There is no limit called {limit}.", status=404)
LIMITS_NOT_IN_FORCE = decline("limits_not_in_force", "现在没有限额规则。", "No rules are in force.", status=409)
LIMIT_FORMAT = refusal(
    "limit_format", "限额应为金额（如 500.00）、次数或 null。", "A limit is an amount such as 500.00, a number, or null."
)
RULES_OUTDATED = decline(
    "rules_outdated",
    "规则已被他人更换，请重新核对。",
    "Somebody else has adopted other rules meanwhile. Please look again.",
    status=409,
)
