"""Why operators are told no."""

from tongbao.kernel.errors import decline, refusal

NOT_PERMITTED = decline(
    "not_permitted",
    "您的角色没有此项权限：{permission}。",
    "Your roles do not include this permission: {permission}.",
    status=403,
)
PROPOSER_NOT_PERMITTED = decline(
    "proposer_not_permitted",
    "提交人已没有此项权限（{permission}），该申请不能批准。",
    "Who proposed this may not propose it any more ({permission}): it cannot be approved.",
    status=403,
)
OPERATOR_NOT_FOUND = decline("operator_not_found", "操作员不存在。", "There is no such operator.", status=404)
PROPOSAL_NOT_FOUND = decline("proposal_not_found", "该申请不存在。", "There is no such proposal.", status=404)
PROPOSAL_DECIDED = decline(
    "proposal_decided", "该申请已有结论：{state}。", "This proposal has been decided already: {state}.", status=409
)
PROPOSAL_EXPIRED = decline(
    "proposal_expired", "该申请已过期，请重新提交。", "This proposal has expired. Please propose it anew.", status=410
)
OWN_PROPOSAL = decline(
    "own_proposal",
    "须由另一位操作员复核：不能复核自己提交的或与自己有关的申请。",
    "Somebody else must decide: nobody approves what they proposed themselves, or what is about them.",
    status=403,
)
NOT_YOUR_PROPOSAL = decline("not_your_proposal", "只有提交人可以撤回申请。", "Only who proposed it may withdraw it.", status=403)
INCIDENT_NOT_FOUND = decline("incident_not_found", "该事件不存在。", "There is no such incident.", status=404)
INCIDENT_REVIEWED = decline("incident_reviewed", "该事件已复核。", "This incident has been reviewed already.", status=409)
OWN_INCIDENT = decline("own_incident", "须由另一位操作员复核此事件。", "Another operator must review this incident.", status=403)

INVITATION_WRONG = decline(
    "invitation_wrong",
    "链接或代码不正确，或已失效。请向批准人核对，或请其重新发起。",
    "The link or the code is wrong, or over. Ask who approved you, or to be invited anew.",
    status=401,
)
INVITATION_ENDED = refusal(
    "invitation_ended",
    "该邀请已使用、已失效或已被新的邀请取代。",
    "This invitation was used, is over, or a newer one took its place.",
    status=410,
)
NOT_THE_APPROVER = refusal("not_the_approver", "代码只显示给批准人。", "The code is shown only to who approved.", status=403)

CUSTOMER_NOT_FOUND = decline("customer_not_found", "客户不存在。", "There is no such customer.", status=404)
ALREADY_SUSPENDED = decline("already_suspended", "该客户已被暂停。", "This customer is suspended already.", status=409)
NOT_SUSPENDED = decline(
    "not_suspended",
    "该客户没有可由操作员解除的这项暂停，或其后又有变动。",
    "This customer is not suspended for that reason, or not by what was read: look again.",
    status=409,
)
SUSPENSION_TOO_LONG = decline(
    "suspension_too_long",
    "暂停期限须在一年以内，且晚于现在；无期限请留空。",
    "A suspension ends in the future and within a year; without an end, leave it empty.",
)

APPROVAL_NEEDED = refusal(
    "approval_needed",
    "此操作须两人复核：请提交申请（{kind}），由另一位操作员批准。",
    "This takes two people: propose it ({kind}), and another operator approves.",
    status=403,
)
ACT_UNKNOWN = refusal("act_unknown", "没有这种操作：{kind}。", "There is no such act: {kind}.")
ACT_MALFORMED = refusal("act_malformed", "申请内容不正确：{problem}", "What is proposed is not valid: {problem}")
REASON_TOO_SHORT = refusal(
    "reason_too_short", "请写明原因，至少 {least} 个字符。", "Please say why, in at least {least} characters."
)
BREAK_GLASS_NOT_ALLOWED = refusal(
    "break_glass_not_allowed",
    "此操作不允许紧急单人执行，须两人复核。",
    "This may not be done alone even in an emergency: it takes two people.",
    status=403,
)
ROLE_UNKNOWN = refusal("role_unknown", "没有这个角色：{role}。", "There is no such role: {role}.")
