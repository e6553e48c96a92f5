"""Correcting what is wrong: the display name at once, the rest where it is verified. What it was before is kept.

Source: PIPL Art. 46; GDPR Art. 16.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Key, Relation, View
from tongbao.identity.alerts import tell
from tongbao.identity.devices import counts, unproven
from tongbao.identity.standing import standing_keys, standing_of
from tongbao.identity.types import PRINCIPAL
from tongbao.kernel.web import Words

Field = Literal["name", "login", "real_name", "document", "bank_account"]

#: What cannot be corrected by saying so, and where it can.
ELSEWHERE: dict[Field, tuple[str, Words]] = {
    "login": ("/v1/wallet/recovery", Words("更换手机号或邮箱须验证新的号码。", "A new phone or email is verified first.")),
    "real_name": ("/v1/wallet/real-name", Words("真实姓名须重新核验。", "The real name is verified again.")),
    "document": ("/v1/wallet/real-name", Words("证件信息须重新核验。", "The document is verified again.")),
    "bank_account": (
        "/v1/wallet/bank-accounts",
        Words("请解绑后重新绑定，由银行核验户名。", "Unlink it and link it anew: the bank verifies the holder."),
    ),
}


class Correction(msgspec.Struct, frozen=True, gc=False):
    """A correction: both values encrypted as the column itself is."""

    correction_id: UUID
    customer_id: UUID
    field: str
    former: bytes
    corrected: bytes
    at: datetime


CORRECTION: Relation[Correction] = Relation("correction", Correction, key=("correction_id",), rank=943, append_only=True)


class CorrectName(Command, frozen=True, kw_only=True):
    """Be called otherwise. `name` is encrypted; `name_index` finds it. `proven_at`: of the session's device."""

    kind = "privacy.correct_name"
    customer_id: UUID
    name: bytes
    name_index: bytes
    proven_at: datetime | None = None

    def hashed(self) -> CorrectName:
        return msgspec.structs.replace(self, name=b"", proven_at=None)


def correct_name(command: CorrectName, view: View, now: datetime) -> Decision:
    """Declines `device_unproven` of a customer who is verified: by that name others know whom they pay. The name was checked at
    the edge, the one before is kept, and the customer is told."""
    principal = view.need(PRINCIPAL, command.customer_id)
    if standing_of(view, command.customer_id, now).level and not counts(command.proven_at, now):
        return unproven(command.proven_at)
    view.put(PRINCIPAL, replace(principal, name=command.name, name_index=command.name_index))
    view.put(CORRECTION, Correction(view.new_id(), command.customer_id, "name", principal.name, command.name, now))
    tell(view, command.customer_id, "name_changed", {}, now)
    view.emit("names", "name.corrected", {"principal_id": command.customer_id})
    return Accepted()


DECIDERS = (
    Decider(
        CorrectName,
        lambda command: [Key(PRINCIPAL, command.customer_id), *standing_keys(command.customer_id)],
        correct_name,
    ),
)
