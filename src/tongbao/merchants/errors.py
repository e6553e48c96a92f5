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
CREDIT_CODE_FORM = refusal(
    "credit_code_form",
    "统一社会信用代码为 18 位数字或大写字母（不含 I、O、S、V、Z）。",
    "A unified social credit code is 18 digits or capital letters, without I, O, S, V and Z.",
    status=422,
)
CREDIT_CODE_CHECK_DIGIT = refusal(
    "credit_code_check_digit",
    "统一社会信用代码校验位不符，请核对是否输错。",
    "The check digit of the unified social credit code is not right. Please look for a mistyped one.",
    status=422,
)
CREDIT_CODE_OF_MICRO = refusal(
    "credit_code_of_micro",
    "小微商户以个人证件登记，没有统一社会信用代码。",
    "A micro-merchant is registered by a personal document and has no credit code.",
    status=422,
)
LEGAL_NAME_FORMAT = refusal(
    "legal_name_format", "请填写 1 至 100 个字的登记名称。", "Please give the registered name, 1 to 100 characters.", status=422
)
OWNER_SHARE = refusal(
    "owner_share",
    "受益所有人的份额须在 25% 至 100% 之间，合计不超过 100%。",
    "A beneficial owner has 25 % to 100 %, and all of them together no more than 100 %.",
    status=422,
)
OWNER_TWICE = refusal("owner_twice", "同一受益所有人不能填写两次。", "A beneficial owner is named twice.", status=422)
ENTITY_NOT_RECORDED = decline(
    "entity_not_recorded", "尚未登记该商户的主体信息。", "Who stands behind this merchant has not been recorded.", status=404
)
