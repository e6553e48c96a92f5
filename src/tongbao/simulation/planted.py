"""Bugs put in on purpose, to see that the simulation finds them. `python -m tongbao.simulation.planted` says at which seed.

Each is put in by replacing what a method answers, so that it stays the same bug while the lines around it move.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any, NamedTuple, cast
from unittest.mock import patch

import click
import msgspec
import structlog
from msgspec.structs import replace

from tongbao.app.registry import DECIDERS
from tongbao.engine import memory, postgres
from tongbao.engine.api import Command, Decider, Engine, View
from tongbao.engine.store import Head, RetryableFailure, Session, Store
from tongbao.ledger.commands import CaptureHold
from tongbao.ledger.types import HOLD
from tongbao.simulation import world
from tongbao.simulation.run import run
from tongbao.wallet.types import BANK_TRANSFER, SettleBankTransfer

_MOST_SEEDS = 1_000


class Bug(NamedTuple):
    """A planted bug: what is wrong, and how it is put in."""

    name: str
    what: str
    plant: Callable[[], AbstractContextManager[None]]


# ── in the store and the engine ─────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _lost_lock() -> Iterator[None]:
    def forgetful(kind: Any) -> Any:
        enter = kind.enter

        async def entered(self: Any, *, keep: bool = False) -> None:
            await enter(self)

        return patch.object(kind, "enter", entered)

    with forgetful(memory._MemorySession), forgetful(postgres._PostgresSession):
        yield


class _Swallowing:
    """A store whose sessions fail in silence."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def session(self) -> AbstractAsyncContextManager[Session]:
        return self._quietly()

    @asynccontextmanager
    async def _quietly(self) -> AsyncIterator[Session]:
        context = self._inner.session()
        session = await context.__aenter__()
        saved = _Saved(session)
        try:
            yield cast(Session, saved)
        except BaseException as error:
            if not await context.__aexit__(type(error), error, error.__traceback__):
                raise
        else:
            try:
                if saved.failure is not None:
                    await context.__aexit__(type(saved.failure), saved.failure, None)
                else:
                    await context.__aexit__(None, None, None)
            except RetryableFailure:
                if saved.failure is None:
                    raise


class _Saved:
    def __init__(self, session: Session) -> None:
        self._session = session
        self.failure: RetryableFailure | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    async def save(self, *arguments: Any) -> None:
        try:
            await self._session.save(*arguments)
        except RetryableFailure as failure:
            self.failure = failure


@contextmanager
def _swallowed_error() -> Iterator[None]:
    begin = Engine.__init__

    def begun(self: Engine, store: Store, *arguments: Any, **named: Any) -> None:
        begin(self, cast(Store, _Swallowing(store)), *arguments, **named)

    with patch.object(Engine, "__init__", begun):
        yield


@contextmanager
def _chain_gap() -> Iterator[None]:
    reclaim = Engine._reclaim

    async def reclaimed(self: Engine) -> None:
        await reclaim(self)
        head = self._head
        if head is not None and head.sequence:
            self._head = Head(head.writer, head.sequence + 1, head.hash)

    with patch.object(Engine, "_reclaim", reclaimed):
        yield


# ── in the rules ────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Seen:
    """A view that shows, and keeps, the rows of one relation otherwise than they are."""

    def __init__(self, view: View, relation: Any, shown: Callable[[Any], Any], kept: Callable[[Any], Any]) -> None:
        self._view = view
        self._relation = relation
        self._shown = shown
        self._kept = kept

    def __getattr__(self, name: str) -> Any:
        return getattr(self._view, name)

    def get(self, relation: Any, key: Any) -> Any:
        row = self._view.get(relation, key)
        return self._shown(row) if row is not None and relation is self._relation else row

    def put(self, relation: Any, row: Any) -> None:
        self._view.put(relation, self._kept(row) if relation is self._relation else row)


@contextmanager
def _with_decider(command: type[Command], decide: Callable[[Callable[..., Any], Any, View, Any], Any]) -> Iterator[None]:
    """One decider asked through another."""

    def bent(decider: Decider[Any]) -> Decider[Any]:
        if decider.command is not command:
            return decider
        return Decider(command, decider.keys, lambda wish, view, now: decide(decider.decide, wish, view, now), decider.result)

    with patch.object(world, "DECIDERS", tuple(map(bent, DECIDERS))):
        yield


def _off_by_one() -> AbstractContextManager[None]:
    def decide(honest: Callable[..., Any], wish: Any, view: View, now: Any) -> Any:
        seen = _Seen(
            view, HOLD, lambda hold: replace(hold, agreed_minor=hold.agreed_minor + 1),
            lambda hold: replace(hold, agreed_minor=hold.agreed_minor - 1),
        )  # fmt: skip
        return honest(wish, seen, now)

    return _with_decider(CaptureHold, decide)


def _double_credit() -> AbstractContextManager[None]:
    def once_unknown(transfer: Any) -> Any:
        # Whoever asked more than once has heard UNKNOWN before, and goes on as if he still heard it.
        return replace(transfer, state="UNKNOWN") if transfer.state == "SUCCEEDED" and transfer.attempts > 1 else transfer

    def decide(honest: Callable[..., Any], wish: Any, view: View, now: Any) -> Any:
        return honest(wish, _Seen(view, BANK_TRANSFER, once_unknown, lambda transfer: transfer), now)

    return _with_decider(SettleBankTransfer, decide)


BUGS = (
    Bug("lost lock", "an engine takes every turn for the one after its own, and decides upon rows that it remembers", _lost_lock),
    Bug("off by one", "a hold is captured to one more than was agreed", _off_by_one),
    Bug("swallowed error", "a save that failed is taken for one that was done", _swallowed_error),
    Bug("double credit", "a bank transfer that was UNKNOWN once is credited at every yes of the bank", _double_credit),
    Bug("chain gap", "an engine that had to claim a writer again leaves a number out", _chain_gap),
)


class Found(msgspec.Struct, frozen=True):
    """Where a bug was found: None if no seed showed it."""

    seed: int | None
    violation: str


def find(bug: Bug, most: int = _MOST_SEEDS, first: int = 1) -> Found:
    """The first seed that shows a bug."""
    with bug.plant():
        for seed in range(first, first + most):
            violation = run(seed).violation
            if violation is not None:
                return Found(seed, violation)
    return Found(None, "")


@click.command(help="Say at which seed each planted bug is found.")
@click.option("--most", default=_MOST_SEEDS, show_default=True, help="Give up after so many seeds.")
def main(most: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    missed = 0
    for bug in BUGS:
        found = find(bug, most)
        if found.seed is None:
            missed += 1
            click.echo(f"{bug.name}: NOT FOUND in {most} seeds ({bug.what})")
        else:
            click.echo(f"{bug.name}: seed {found.seed} ({bug.what})\n    {found.violation[:160]}")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
