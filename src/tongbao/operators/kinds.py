"""Acts that take two people: what a kind of act is. The list itself is `app/console/kinds.py`, one line a kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id
from tongbao.operators import errors
from tongbao.operators.permissions import Permission
from tongbao.operators.types import Proposal, Subject

_decode = msgspec.json.Decoder


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of act that one operator proposes and another approves.

    name         stable, "account.unfreeze"
    zh, en       what it is called
    body         what the act needs to be told: a `web.Request`
    propose, approve   the permissions for either
    subject      whom or what a body is about
    run          does it: (services, proposal, body) -> a word for the record, an id at best. Idempotent: it may be called again
                 after a crash, with `act_id(proposal)` as its command's id. Raises `Refusal` when it is declined
    check        looks at a body when it is proposed: (services, body) -> the body to be kept. Raises `Refusal`; changes nothing
    alone        whether one operator may do it in an emergency, and be looked at afterwards
    """

    name: str
    zh: str
    en: str
    body: type[msgspec.Struct]
    propose: Permission
    approve: Permission
    subject: Callable[[Any], Subject]
    run: Callable[[Any, Proposal, Any], Awaitable[str]]
    check: Callable[[Any, Any], Awaitable[Any]] | None = None
    alone: bool = False

    def read(self, body: object) -> Any:
        """A body as it was sent. Refuses `act_malformed`."""
        try:
            return msgspec.convert(body, self.body)
        except msgspec.ValidationError as error:
            raise Refusal(errors.ACT_MALFORMED, problem=str(error)[:200]) from None

    def stored(self, text: str) -> Any:
        """A body as it was kept."""
        return _decode(self.body).decode(text)

    def shown(self, text: str) -> dict[str, Any]:
        """What may be seen of a body that was kept."""
        told: dict[str, Any] = msgspec.json.decode(text)
        return told


def canonical(body: msgspec.Struct) -> str:
    """A body's one spelling."""
    return msgspec.json.encode(body, order="sorted").decode()


def act_id(proposal: Proposal) -> Any:
    """The command by which a proposal's act is done: however often it is tried, it happens once."""
    return named_id("proposal", str(proposal.proposal_id))
