"""Why security says no."""

from tongbao.kernel.errors import decline

PERSON_GONE = decline("person_gone", "该用户的个人信息已被删除。", "The personal data of this user has been erased.", status=410)
