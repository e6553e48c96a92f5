"""Why privacy says no."""

from tongbao.kernel.errors import decline, refusal

PURPOSE_UNKNOWN = decline("purpose_unknown", "没有这个用途。", "There is no such purpose.", status=404)
CONSENT_NOT_NEEDED = decline(
    "consent_not_needed",
    "该用途不需要您的同意，依据为：{because_zh}。",
    "This purpose does not rest on your consent but on: {because_en}.",
    status=409,
)
CONSENT_NOT_WITHDRAWABLE = decline(
    "consent_not_withdrawable",
    "该用途无法撤回，依据为：{because_zh}。注销账户后，仅依法保存。",
    "This cannot be withdrawn. It rests on: {because_en}. Once you close your account, data is only kept as the law asks.",
    status=409,
)
CONSENT_TEXT_CHANGED = decline(
    "consent_text_changed",
    "同意书已更新至第 {version} 版，请阅读后再确认。",
    "The text has changed: please read version {version} and agree to that.",
    status=409,
)

REVIEW_NOT_FOUND = decline("review_not_found", "没有这项复核申请。", "There is no such review.", status=404)
REVIEW_ANSWERED = decline("review_answered", "该复核申请已有答复。", "This review has been answered already.", status=409)
REVIEW_EXISTS = decline(
    "review_exists", "您已就此决定申请人工复核。", "You have asked for a person to look at this decision already.", status=409
)
DECISION_NOT_FOUND = decline(
    "decision_not_found",
    "没有找到您的这次请求，或该请求未被拒绝。",
    "No request of yours with this key was declined.",
    status=404,
)
ANSWER_EMPTY = refusal("answer_empty", "请填写答复。", "Please write an answer.")

ASSESSMENT_NOT_FOUND = decline("assessment_not_found", "没有这项影响评估。", "There is no such impact assessment.", status=404)
ASSESSMENT_SIGNED = decline(
    "assessment_signed", "该影响评估已签署。", "This impact assessment has been signed off already.", status=409
)
ASSESSMENT_SUPERSEDED = decline(
    "assessment_superseded", "该影响评估已有更新的版本。", "There is a later version of this impact assessment.", status=409
)
SECOND_PERSON_NEEDED = decline(
    "second_person_needed", "须由另一位人员签署。", "Somebody other than the author has to sign it off.", status=403
)

BREACH_NOT_FOUND = decline("breach_not_found", "没有这起事件。", "There is no such breach.", status=404)
BREACH_CLOSED = decline("breach_closed", "该事件已结束。", "This breach is closed.", status=409)
BREACH_TASK_NOT_FOUND = decline("breach_task_not_found", "没有这项任务。", "There is no such task.", status=404)
BREACH_TASK_DONE = decline("breach_task_done", "该任务已完成。", "This task is done already.", status=409)
BREACH_TASKS_OPEN = decline(
    "breach_tasks_open",
    "尚有 {open} 项任务未完成，不能结束。",
    "{open} tasks are not done yet: it cannot be closed.",
    status=409,
)
BREACH_KNOWN_LATER = refusal(
    "breach_known_later", "获知时间不能晚于现在。", "The time it was known cannot lie ahead, nor more than ten years back."
)
CATEGORY_UNKNOWN = refusal("category_unknown", "没有这类数据：{category}。", "There is no such category of data: {category}.")
TEXT_MISSING = refusal("text_missing", "请填写{field}。", "Please fill in {field}.")

CORRECT_ELSEWHERE = refusal(
    "correct_elsewhere",
    "{because_zh}请前往：{where}",
    "{because_en} Please go to: {where}",
    status=409,
)

COPY_MADE = refusal(
    "copy_made",
    "该请求的副本已生成。如需再次获取，请重新确认。",
    "The copy for this request has been made. To get another, please confirm anew.",
    status=409,
)

ERASURE_REQUESTED = decline(
    "erasure_requested", "您已申请注销。", "You have asked for your account to be closed already.", status=409
)
ERASURE_NOT_REQUESTED = decline(
    "erasure_not_requested", "没有可处理的注销申请。", "No closing of the account is under way.", status=409
)
ERASURE_OBSTRUCTED = decline(
    "erasure_obstructed",
    "暂不能注销：{obstacles}",
    "The account cannot be closed yet: {obstacles}",
    status=409,
)
ERASURE_RETAINED = decline("erasure_retained", "依法保存期限未满。", "The law still has this kept.", status=409)
LETTER_WRITTEN = decline(
    "letter_written", "该事件的告知信已经发出过。", "People have been written to about this breach already.", status=409
)
LETTER_TEXT = refusal(
    "letter_text",
    "告知内容中英文均须 {least} 至 {most} 个字符。",
    "The letter takes {least} to {most} characters in each language.",
)
LETTER_PEOPLE = refusal("letter_people", "名单中有不是客户的编号。", "Somebody on the list is no customer.")
