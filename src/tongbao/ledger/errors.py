"""Why the ledger says no."""

from tongbao.kernel.errors import decline

INSUFFICIENT_FUNDS = decline("insufficient_funds", "余额不足。", "The balance is not enough.")
ACCOUNT_NOT_FOUND = decline("account_not_found", "账户不存在。", "There is no such account.", status=404)
CURRENCY_MISMATCH = decline("currency_mismatch", "商户不收这种货币。", "The merchant does not take this currency.")
HOLD_NOT_FOUND = decline("hold_not_found", "冻结不存在。", "There is no such hold.", status=404)
HOLD_EXISTS = decline("hold_exists", "该冻结已存在。", "This hold exists already.", status=409)
HOLD_ENDED = decline("hold_ended", "该冻结已结束，不能再扣款。", "This hold has ended and cannot be captured.", status=409)
HOLD_EXPIRED = decline("hold_expired", "该冻结已过期。", "This hold has expired.", status=409)
CAPTURE_EXCEEDS_HOLD = decline(
    "capture_exceeds_hold", "扣款金额超过冻结余额。", "The capture is more than what is left of the hold."
)
