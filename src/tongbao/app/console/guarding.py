"""What stands before every console route: the permission it needs, and the record of what was done and whose data were read.

A change is recorded with its outcome before its answer leaves; so is a reading of somebody's data. Neither waits for more than
the commit it shares with whatever else is being decided.

Source: PCI DSS 4.0.1, 8.4.2 (more than one factor), 10.2.1; GB/T 35273-2020, 7.1 (access to personal information is recorded).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from tongbao.identity.errors import FORBIDDEN, SECOND_FACTOR_REQUIRED
from tongbao.identity.factors import POSSESSION
from tongbao.identity.service import Caller
from tongbao.kernel.errors import Refusal
from tongbao.operators.api import OperatorService, Permission, Subject, permissions_of

#: Whose data an answer shows, or what a change made.
Shows = Callable[[Any], Iterable[Subject]]

#: Outcome of an act whose handler broke: whether it happened is in the chain.
_BROKEN = "internal_error"


class Right(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the console's table of routes.

    permission  what an operator needs to use it
    about       the parameter of the route that says whom or what it is about, and what kind of thing that is
    shows       whose data the answer shows: a read with either is recorded; a change always is
    takes_two   the kind of act that two operators must agree on: by this route only where four eyes are switched off
    """

    route: HTTPRouteHandler
    permission: Permission
    about: tuple[str, str] | None = None
    shows: Shows | None = None
    takes_two: str = ""

    @property
    def changing(self) -> bool:
        """Whether it does something."""
        return "GET" not in self.route.http_methods

    @property
    def act(self) -> str:
        """What the record calls it."""
        return str(self.route.fn.__name__)

    async def guard(
        self, operator: Caller, services: Any, arguments: Mapping[str, Any], work: Callable[[], Awaitable[Any]]
    ) -> Any:
        """The handler's answer. Refuses `forbidden`, `second_factor_required`, `approval_needed`."""
        operators: OperatorService = services.operators

        async def note(subjects: list[Subject], outcome: str) -> None:
            if self.changing or subjects:
                await operators.record(
                    operator.principal_id, operator.session_id, self.act, subjects, changing=self.changing, outcome=outcome,
                    reason=_reason(arguments),
                )  # fmt: skip

        about = [Subject(self.about[1], str(arguments[self.about[0]])[:64])] if self.about else []
        try:
            if self.permission not in permissions_of(operator.roles):
                raise Refusal(FORBIDDEN)
            proven = self.permission is Permission.SELF or operator.factors & POSSESSION
            if services.second_factor_rule == "required" and not proven:
                raise Refusal(SECOND_FACTOR_REQUIRED)
            if self.takes_two:
                operators.need_two(self.takes_two)
            answer = await work()
        except Refusal as refusal:
            await note(about, refusal.code.name)
            raise
        except Exception:
            await note(about, _BROKEN)
            raise
        await note([*about, *(self.shows(_content(answer)) if self.shows else ())], "ok")
        return answer


def _content(answer: Any) -> Any:
    return getattr(answer, "content", answer)


def _reason(arguments: Mapping[str, Any]) -> str:
    """What was said about why; that a file was fetched with whose everything is stands there too."""
    data = arguments.get("data")
    said = getattr(data, "reason", "") or getattr(data, "note", "") or arguments.get("reason") or arguments.get("approval") or ""
    return f"whole: {said}" if arguments.get("whole") else str(said)
