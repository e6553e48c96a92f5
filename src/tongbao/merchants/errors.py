"""Why merchants says no."""

from tongbao.kernel.errors import decline, refusal

MERCHANT_NOT_FOUND = decline("merchant_not_found", "商户不存在。", "There is no such merchant.", status=404)
STORE_NOT_FOUND = decline("store_not_found", "门店不存在。", "There is no such store.", status=404)
FEE_OUT_OF_RANGE = refusal(
    "fee_out_of_range", "费率须在 0 至 100000 ppm（10%）之间。", "The fee must be between 0 and 100,000 ppm (10 %)."
)
MCC_FORMAT = refusal("mcc_format", "商户类别码须为 4 位数字。", "The merchant category code is four digits.")
MERCHANT_NAME_FORMAT = refusal(
    "merchant_name_format", "请填写 1 至 60 个字的名称与城市。", "Names and cities have 1 to 60 characters."
)
STORES_COUNT = refusal("stores_count", "请填写 1 至 100 个门店。", "Give 1 to 100 stores.")
