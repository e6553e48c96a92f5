"""Why a document, a check or a guardian is not accepted."""

from tongbao.kernel.errors import decline, refusal

NAME_CONFIRMATION_NEEDED = decline(
    "name_confirmation_needed",
    "更换已核验的实名证件，须以支付密码或通行密钥确认。",
    "To replace a document that was verified takes your PIN or a passkey.",
    status=403,
)

# ── a document's form ───────────────────────────────────────────────────────────────────────────────────────────────────

DOCUMENT_NUMBER_FORM = refusal(
    "document_number_form",
    "证件号码的位数或格式不正确，应为{expected_zh}。",
    "The document number has the wrong length or form: {expected_en} is expected.",
    status=422,
)
DOCUMENT_CHECK_DIGIT = refusal(
    "document_check_digit",
    "证件号码校验位不符，请核对是否输错。",
    "The document number's check digit is not right. Please look for a mistyped digit.",
    status=422,
)
DOCUMENT_REGION = refusal(
    "document_region",
    "证件号码前两位不是有效的地区代码。",
    "The document number does not begin with a region's code.",
    status=422,
)
DOCUMENT_BIRTH_DATE = refusal(
    "document_birth_date",
    "出生日期无效，或与证件号码不一致。",
    "The birth date is not a possible one, or not the one in the document number.",
    status=422,
)
DOCUMENT_SEX = refusal(
    "document_sex", "性别缺失，或与证件号码不一致。", "The sex is missing, or not the one in the document number.", status=422
)
DOCUMENT_NATIONALITY = refusal(
    "document_nationality",
    "国籍应为三位字母代码，且须与证件一致。",
    "The nationality is a code of three letters, the one on the document.",
    status=422,
)
DOCUMENT_DATES = refusal(
    "document_dates",
    "签发日期与有效期不合理：请核对证件上的起止日期。",
    "The dates of issue and end cannot both be right. Please compare them with the document.",
    status=422,
)
DOCUMENT_ENDED = refusal(
    "document_ended",
    "证件已于 {expired_on} 过期，请使用有效证件。",
    "The document ended on {expired_on}. Please use one that is valid.",
    status=422,
)
DOCUMENT_LONG_TERM = refusal(
    "document_long_term",
    "该证件须填写有效期截止日；只有年满 46 周岁后签发的居民身份证才是长期有效。",
    "This document has an end: only an identity card issued from the age of 46 on is valid without one.",
    status=422,
)
CHINESE_NAME_FORM = refusal(
    "chinese_name_form",
    "请按证件填写中文姓名，少数民族姓名用“·”分隔。",
    "Please give the name in Chinese characters as on the document, its parts separated by “·” where they are.",
    status=422,
)
LATIN_NAME_FORM = refusal(
    "latin_name_form",
    "请按证件填写拉丁字母姓名。",
    "Please give the name in Latin letters as on the document.",
    status=422,
)
MRZ_FORM = refusal(
    "mrz_form",
    "护照机读区应为两行、每行 44 个字符，以 P 开头。",
    "A passport's machine-readable zone is two lines of 44 characters that begin with P.",
    status=422,
)
MRZ_CHECK_DIGIT = refusal(
    "mrz_check_digit",
    "护照机读区的校验位不符（{part}），请重新扫描。",
    "A check digit of the machine-readable zone is not right ({part}). Please scan it again.",
    status=422,
)
MRZ_DISAGREES = refusal(
    "mrz_disagrees",
    "填写的内容与护照机读区不一致：{part}。",
    "What was filled in is not what the passport's machine-readable zone says: {part}.",
    status=422,
)
PHONE_FORM = refusal("phone_form", "请填写正确的手机号。", "Please give a valid phone number.", status=422)
CARD_FORM = refusal(
    "card_form",
    "银行卡号应为 12 至 19 位数字且校验位正确。",
    "A bank card number is 12 to 19 digits with the right check digit.",
    status=422,
)

# ── verification ────────────────────────────────────────────────────────────────────────────────────────────────────────

REAL_NAME_NOT_STARTED = decline("real_name_not_started", "尚未提交证件信息。", "No document has been given yet.", status=409)
NOT_A_CUSTOMER = decline("not_a_customer", "该用户不是钱包客户。", "That is not a customer of the wallet.", status=404)
PHONE_WITH_OTHER_DOCUMENT = decline(
    "phone_with_other_document",
    "该手机号已对应另一份证件：一个手机号只能对应一份证件。",
    "This phone number belongs with another document already: one phone, one document.",
    status=409,
)
PHONE_NOT_PROVEN = decline(
    "phone_not_proven",
    "请先用短信验证码证明该手机号由您持有。",
    "Please prove first, by the code sent to it, that you hold the phone.",
    status=409,
)
POSSESSION_NOT_PROVEN = decline(
    "possession_not_proven",
    "II、III 类须由手机运营商或银行核验，并用短信验证码证明手机号由您持有；也可到柜台当面核实。",
    "Levels 2 and 3 take a phone that you hold (a code is sent) and your operator or bank knows; or a visit face to face.",
    status=409,
)
VERIFICATION_CHANGED = decline(
    "verification_changed",
    "证件信息刚被另一请求更改，请刷新后重试。",
    "Another request changed the document just now. Please look again and retry.",
    status=409,
)
TOO_MANY_ATTEMPTS = decline(
    "too_many_verification_attempts",
    "提交次数过多，请于 {until} 之后再试，或到柜台当面核实。",
    "Too many attempts. Please try again after {until}, or be verified face to face.",
    status=422,
)
CHANNEL_UNKNOWN = decline("channel_unknown", "没有这个核验渠道。", "There is no such channel of verification.", status=404)
CHANNEL_NOT_FOR_DOCUMENT = decline(
    "channel_not_for_document",
    "该渠道无法核验这类证件。",
    "That channel knows nothing of this kind of document.",
)
CHANNEL_NEEDS = decline(
    "channel_needs_more",
    "该渠道还需要：{needs}。",
    "That channel needs more: {needs}.",
)
CHECK_SETTLED = decline(
    "check_settled", "该渠道已核验通过，无需重复核验。", "That channel has confirmed the name already.", status=409
)
CHECK_SUPERSEDED = decline(
    "check_superseded", "该核验已被新的核验取代。", "A newer check has taken this one's place.", status=409
)
FACE_LEVEL = refusal("face_level", "当面核实只能给予 II 类或 III 类。", "Face to face gives level 2 or 3.", status=422)
FACE_NOT_PROPOSED = decline(
    "face_not_proposed",
    "没有待复核的当面核实，或核实内容、证件信息已变更，请刷新后重看。",
    "No such verification face to face waits for approval: it or the document has changed. Please look again.",
    status=409,
)
SAME_OPERATOR = decline("same_operator", "复核人不能是经办人本人。", "Whoever verified cannot approve it too.", status=403)
CLASS_THREE_ELSEWHERE = decline(
    "class_three_elsewhere",
    "该证件名下已有一个 III 类支付账户。",
    "A Class III account is held under this document already.",
    status=409,
)

# ── guardians ───────────────────────────────────────────────────────────────────────────────────────────────────────────

NOT_A_MINOR = decline(
    "not_a_minor",
    "只有已提交证件的未成年人需要监护人同意。",
    "Only a minor who has given a document needs a guardian.",
    status=409,
)
GUARDIAN_UNFIT = decline(
    "guardian_unfit",
    "监护人须为已实名的成年用户，且不能是本人。",
    "A guardian is another customer, of age, whose own name has been verified.",
)
GUARDIANSHIP_UNKNOWN = decline("guardianship_unknown", "没有这项监护关系。", "There is no such guardianship.", status=404)
GUARDIANSHIP_EXISTS = decline(
    "guardianship_exists",
    "已有监护人，请先由其解除。",
    "There is a guardian already, who would have to end it first.",
    status=409,
)
DOCUMENT_STILL_COUNTS = decline(
    "document_still_counts", "该证件的限额仍在累计期内。", "This document still counts for its bearer's limits.", status=409
)
