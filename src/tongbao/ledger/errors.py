"""Why the ledger says no."""

from tongbao.kernel.errors import decline, refusal

# ── moving money ────────────────────────────────────────────────────────────────────────────────────────────────────────
INSUFFICIENT_FUNDS = decline("insufficient_funds", "余额不足。", "The balance is not enough.")
BALANCE_CEILING = decline(
    "balance_ceiling", "该账户余额将超过上限，无法入账。", "The account would hold more than it may: its balance has a ceiling."
)
ACCOUNT_NOT_FOUND = decline("account_not_found", "账户不存在。", "There is no such account.", status=404)
ACCOUNT_CLOSED = decline("account_closed", "该账户已销户。", "This account is closed.")
DEBITS_FROZEN = decline("account_frozen_debit", "该账户已被止付，资金不能转出。", "This account is frozen: nothing may leave it.")
CREDITS_FROZEN = decline(
    "account_frozen_credit", "该账户已被限制收款，资金不能转入。", "This account is frozen: nothing may arrive in it."
)
LINE_NOT_BY_HAND = decline(
    "line_not_by_hand", "该科目只能由专用资金规则入账。", "Only the rules of restricted money post to this line of the chart."
)
NOTHING_TO_MOVE = decline("nothing_to_move", "没有可划转的金额。", "There is nothing that could be moved.")
CURRENCIES_DIFFER = decline(
    "account_currencies_differ", "两个账户的币种不同，不能直接划转。", "The accounts are kept in different currencies."
)
SAME_ACCOUNT = decline("same_account", "转出与转入是同一账户。", "Both sides are the same account.")
LEGS_UNBALANCED = decline("legs_unbalanced", "借贷不平。", "Debits and credits do not balance.")
LINKED_DECLINED = decline(
    "linked_posting_declined",
    "同组的另一笔未能入账，本笔随之取消。",
    "Another posting of the same group was declined, so this one was too.",
)
CHAIN_OPEN = decline(
    "linked_chain_open", "最后一笔仍标记为与下一笔关联。", "The last posting is linked to a next one that is not there."
)
CURRENCY_MISMATCH = decline("currency_mismatch", "商户不收这种货币。", "The merchant does not take this currency.")

# ── the day it counts to ────────────────────────────────────────────────────────────────────────────────────────────────
PERIOD_CLOSED = decline(
    "period_closed",
    "账簿已关账至 {closed_through}，起息日 {value_date} 在此之内。",
    "The books are closed through {closed_through}: {value_date} is past.",
)
BACKDATED_TOO_FAR = decline(
    "backdated_too_far",
    "起息日 {value_date} 过早，最早可为 {earliest}。",
    "The value date {value_date} lies too far back: {earliest} is the earliest.",
)
VALUE_DATE_AHEAD = decline(
    "value_date_ahead",
    "起息日 {value_date} 过晚，最晚可为 {latest}。",
    "The value date {value_date} lies too far ahead: {latest} is the latest.",
)
ZONE_UNKNOWN = refusal("zone_unknown", "未知时区。", "There is no such time zone.")

# ── holds ───────────────────────────────────────────────────────────────────────────────────────────────────────────────
HOLD_NOT_FOUND = decline("hold_not_found", "冻结不存在。", "There is no such hold.", status=404)
HOLD_EXISTS = decline("hold_exists", "该冻结已存在。", "This hold exists already.", status=409)
HOLD_ENDED = decline("hold_ended", "该冻结已结束，不能再扣款。", "This hold has ended and cannot be captured.", status=409)
HOLD_EXPIRED = decline("hold_expired", "该冻结已过期。", "This hold has expired.", status=409)
CAPTURE_EXCEEDS_HOLD = decline(
    "capture_exceeds_hold", "扣款金额超过冻结余额。", "The capture is more than what is left of the hold."
)
CAPTURE_EXCEEDS_AGREED = decline(
    "capture_exceeds_agreed", "扣款金额超过付款人事先同意的上限。", "The capture is more than the payer agreed to in advance."
)

# ── the state of accounts ───────────────────────────────────────────────────────────────────────────────────────────────
FREEZE_EXISTS = decline("freeze_exists", "该账户已因同一原因冻结。", "The account is frozen for this reason already.", status=409)
FREEZE_NOT_FOUND = decline(
    "freeze_not_found", "该账户没有此原因的冻结。", "The account is not frozen for this reason.", status=409
)
ACCOUNT_NOT_EMPTY = decline(
    "account_not_empty", "账户余额不为零，不能销户。", "The account still has a balance and cannot be closed."
)
ACCOUNT_HAS_HOLDS = decline(
    "account_has_holds", "账户尚有冻结金额，不能销户。", "The account still has holds and cannot be closed."
)
ACCOUNT_NOT_CLOSABLE = decline(
    "account_not_closable", "机构自有账户不能销户。", "An account of the institution itself cannot be closed."
)
ACCOUNT_OPEN = decline("account_open", "该账户未销户。", "The account is not closed.", status=409)
FLOOR_NOT_ALLOWED = decline(
    "floor_not_allowed", "该科目的账户不允许这样的余额下限。", "Accounts of this line may not have such a floor."
)
CEILING_NOT_ALLOWED = decline(
    "ceiling_not_allowed", "该科目的账户不允许这样的余额上限。", "Accounts of this line may not have such a ceiling."
)
FLOOR_ABOVE_BALANCE = decline(
    "floor_above_balance", "当前可用余额低于所设下限。", "The account's available balance is below that floor already."
)
CEILING_BELOW_BALANCE = decline(
    "ceiling_below_balance", "当前余额高于所设上限。", "The account's balance is above that ceiling already."
)

# ── reversals ───────────────────────────────────────────────────────────────────────────────────────────────────────────
JOURNAL_NOT_FOUND = decline("journal_not_found", "凭证不存在。", "There is no such journal.", status=404)
JOURNAL_REVERSED = decline("journal_reversed", "该凭证已被冲正。", "This journal has been reversed already.", status=409)
JOURNAL_IS_REVERSAL = decline(
    "journal_is_reversal", "冲正凭证本身不能再被冲正。", "This journal is itself a reversal and cannot be reversed."
)
REVERSED_ELSEWHERE = decline(
    "reversed_elsewhere",
    "该业务有自己的撤销方式（如退款），不能直接冲正。",
    "What this journal records is undone by an act of its own, such as a refund.",
    status=409,
)

# ── restricted money ────────────────────────────────────────────────────────────────────────────────────────────────────
COLOUR_EXISTS = decline("colour_exists", "该专用资金代码已存在。", "Restricted money with this code exists already.", status=409)
COLOUR_NOT_FOUND = decline("colour_not_found", "没有此专用资金。", "There is no such restricted money.", status=404)
COLOUR_ENDED = decline("colour_ended", "该专用资金已停用。", "This restricted money has ended.")
COLOUR_EXPIRED = decline("colour_expired", "该专用资金已过有效期。", "This restricted money is past its validity.")
COLOUR_NOT_HERE = decline(
    "colour_not_here", "该专用资金不能在此商户使用。", "This restricted money cannot be spent at this merchant."
)
COLOUR_OTHER_CURRENCY = decline(
    "colour_other_currency", "该专用资金的币种与付款币种不同。", "This restricted money is of another currency than the payment."
)
COLOUR_VALID = decline(
    "colour_still_valid", "该专用资金仍在有效期内，不能收回。", "This restricted money is still valid and cannot be taken back."
)

# ── refused at the edge ─────────────────────────────────────────────────────────────────────────────────────────────────
AMOUNT_OUT_OF_RANGE = refusal(
    "amount_out_of_range", "金额须在 1 与 {most} 之间（最小单位）。", "Amounts lie between 1 and {most} minor units."
)
AGREED_BELOW_AMOUNT = refusal(
    "agreed_below_amount", "事先同意的上限不能低于冻结金额。", "What the payer agreed to cannot be less than the hold itself."
)
HOLD_TOO_LONG = refusal("hold_too_long", "冻结期限最长 {days} 天。", "A hold lasts at most {days} days.")
LEDGER_DAY_FULL = refusal(
    "ledger_day_full",
    "{day} 当日科目 {line}（{currency}）的发生额已达上限，请用较小的金额或另择日期。",
    "Line {line} ({currency}) has moved as much on {day} as one day can hold. Take smaller amounts, or another day.",
    status=409,
)
TEXT_TOO_LONG = refusal("ledger_text_too_long", "文字最多 {most} 个字。", "A text may have at most {most} characters.")
REASON_MISSING = refusal("reason_missing", "请填写原因。", "A reason is needed.")
NO_SIDE = refusal("freeze_without_side", "请选择限制转出、转入或两者。", "Say whether debits, credits or both are meant.")
TOO_MANY_POSTINGS = refusal("too_many_postings", "一次最多 {most} 笔。", "At most {most} postings go into one request.")
NO_POSTINGS = refusal("no_postings", "没有可入账的内容。", "There is nothing to post.")
PLACE_MALFORMED = refusal("place_malformed", "科目、币种与所有者不匹配。", "Chart line, currency and owner do not go together.")
COLOUR_MALFORMED = refusal(
    "colour_malformed",
    "专用资金代码须为 1 至 32 位小写字母、数字或短横线。",
    "A code of restricted money has 1 to 32 of a–z, 0–9 and -.",
)
OPENING_ACCOUNT_USED = decline(
    "opening_account_used",
    "期初余额只能记入尚无分录的账户；文件中有账户已有分录。",
    "Opening balances are for accounts without entries; the file names one that has some.",
    status=409,
)
