"""Use cases of the ledger for operators and for programs: bounded inputs here, every rule in the deciders.

Each changing method takes the command's id, answers the command's result, and raises its decline as a `Refusal` with the
decline's code. Nobody is authenticated here: whoever offers these methods to somebody does that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import asyncpg

from tongbao.engine.api import Command, Decider, Decision, Declined, Engine, accepted
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import MAX_AMOUNT_MINOR, places
from tongbao.ledger import accounts, bulk, errors, holds, journals
from tongbao.ledger import commands as wishes
from tongbao.ledger.bounds import (
    LONGEST_HOLD,
    MOST_DAYS,
    a_side,
    amount_in_range,
    bounded_count,
    colour_code,
    short_text,
    sound_journals,
    sound_place,
    sound_postings,
)
from tongbao.ledger.commands import FreezeReason, PlaceName
from tongbao.ledger.rehearsal import Preview, rehearse, rows_for, would_post
from tongbao.ledger.rules import account_keys
from tongbao.ledger.types import QUERIES, Account, Hold

#: What can be rehearsed.
_DECIDERS: dict[type[Command], Decider[Any]] = {
    decider.command: decider for decider in (*accounts.DECIDERS, *holds.DECIDERS, *journals.DECIDERS, *bulk.DECIDERS)
}


class LedgerService:
    """The ledger's use cases over one engine and one pool for reading.

    `undone_elsewhere`: kinds of journals that have an act of their own that undoes them (a payment its refund); reversing
    one would leave that act's rows saying something else.
    """

    def __init__(
        self, engine: Engine, pool: asyncpg.Pool, clock: Clock, *, undone_elsewhere: frozenset[str] = frozenset()
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._clock = clock
        self._undone_elsewhere = undone_elsewhere

    # ── accounts ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def open_accounts(self, command_id: UUID, names: Sequence[PlaceName]) -> wishes.AccountsOpened:
        """Open accounts so that they can be named by id."""
        bounded_count(len(names))
        for name in names:
            sound_place(name)
        return cast(wishes.AccountsOpened, await self._do(wishes.OpenAccounts(command_id=command_id, places=tuple(names))))

    async def freeze(
        self, command_id: UUID, account: UUID | PlaceName, *, debits: bool, credits: bool, reason: FreezeReason,
        note: str = "", by: UUID | None = None, lift: bool = False,
    ) -> UUID:  # fmt: skip
        """Freeze sides of an account for one reason more, or `lift` the freezes of that reason. Declines `account_not_found`;
        `account_closed` and `freeze_exists`, or `freeze_not_found`."""
        at = await self._place_of(account)
        a_side(debits, credits)
        wish = wishes.UnfreezeAccount if lift else wishes.FreezeAccount
        return await self._change(
            wish(
                command_id=command_id, code=at.code, currency=at.currency, owner_id=at.owner_id, debits=debits, credits=credits,
                reason=reason, note=short_text(note), by=by,
            )
        )  # fmt: skip

    async def close(self, command_id: UUID, account: UUID | PlaceName, note: str = "", by: UUID | None = None) -> UUID:
        """Declines `account_not_found`, `account_not_closable`, `account_closed`, `account_frozen_…`, `account_has_holds`,
        `account_not_empty`."""
        at = await self._place_of(account)
        return await self._change(
            wishes.CloseAccount(
                command_id=command_id,
                code=at.code,
                currency=at.currency,
                owner_id=at.owner_id,
                note=short_text(note),
                by=by,
            )
        )

    async def reopen(self, command_id: UUID, account: UUID | PlaceName, note: str = "", by: UUID | None = None) -> UUID:
        """Declines `account_not_found`, `account_open`."""
        at = await self._place_of(account)
        return await self._change(
            wishes.ReopenAccount(
                command_id=command_id,
                code=at.code,
                currency=at.currency,
                owner_id=at.owner_id,
                note=short_text(note),
                by=by,
            )
        )

    async def set_limits(
        self, command_id: UUID, account: UUID | PlaceName, *, floor_minor: int | None, ceiling_minor: int | None,
        note: str = "", by: UUID | None = None,
    ) -> UUID:  # fmt: skip
        """Declines `account_not_found`, `account_closed`, `floor_not_allowed`, `ceiling_not_allowed`, `floor_above_balance`,
        `ceiling_below_balance`."""
        at = await self._place_of(account)
        for bound in (floor_minor, ceiling_minor):
            if bound is not None and abs(bound) > MAX_AMOUNT_MINOR:
                raise Refusal(errors.AMOUNT_OUT_OF_RANGE, most=MAX_AMOUNT_MINOR)
        return await self._change(
            wishes.SetLimits(
                command_id=command_id, code=at.code, currency=at.currency, owner_id=at.owner_id, floor_minor=floor_minor,
                ceiling_minor=ceiling_minor, note=short_text(note), by=by,
            )
        )  # fmt: skip

    # ── holds ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def hold(
        self, command_id: UUID, hold_id: UUID, account: UUID | PlaceName, amount_minor: int, expires_at: datetime,
        agreed_minor: int | None = None,
    ) -> wishes.Held:  # fmt: skip
        """Declines `account_not_found`, `hold_exists`, `hold_expired`, `account_closed`, `account_frozen_debit`,
        `insufficient_funds`."""
        at = await self._place_of(account)
        amount_in_range(amount_minor)
        if agreed_minor is not None:
            amount_in_range(agreed_minor)
            if agreed_minor < amount_minor:
                raise Refusal(errors.AGREED_BELOW_AMOUNT)
        if expires_at > self._clock.now() + LONGEST_HOLD:
            raise Refusal(errors.HOLD_TOO_LONG, days=LONGEST_HOLD.days)
        command = wishes.PlaceHold(
            command_id=command_id, code=at.code, currency=at.currency, owner_id=at.owner_id, hold_id=hold_id,
            amount_minor=amount_minor, expires_at=expires_at, agreed_minor=agreed_minor,
        )  # fmt: skip
        return cast(wishes.Held, await self._do(command))

    async def capture(
        self, command_id: UUID, hold_id: UUID, to_code: str, to_owner_id: UUID | None, amount_minor: int, *, final: bool = True
    ) -> wishes.Captured:
        """Declines `hold_not_found`, `hold_ended`, `hold_expired`, `capture_exceeds_…`, and what a posting declines."""
        at = await self._place_of_hold(hold_id)
        amount_in_range(amount_minor)
        sound_place(PlaceName(to_code, at.currency, to_owner_id))
        command = wishes.CaptureHold(
            command_id=command_id, code=at.code, currency=at.currency, owner_id=at.owner_id, hold_id=hold_id, to_code=to_code,
            to_owner_id=to_owner_id, amount_minor=amount_minor, final=final,
        )  # fmt: skip
        return cast(wishes.Captured, await self._do(command))

    async def void(self, command_id: UUID, hold_id: UUID) -> None:
        """Declines `hold_not_found`, `hold_ended`."""
        at = await self._place_of_hold(hold_id)
        await self._do(
            wishes.VoidHold(command_id=command_id, code=at.code, currency=at.currency, owner_id=at.owner_id, hold_id=hold_id)
        )

    async def hold_row(self, hold_id: UUID) -> Hold:
        """One hold. Declines `hold_not_found`."""
        row = await self._pool.fetchrow(QUERIES["hold"], hold_id)
        if row is None:
            raise Refusal(errors.HOLD_NOT_FOUND)
        return Hold(*row)

    # ── journals ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def post_linked(self, command_id: UUID, wished: Sequence[wishes.DraftJournal], by: UUID | None = None) -> wishes.Posted:
        """Post journals at places, all of them or none. Refuses what `would_post` refuses; declines what a posting declines."""
        sound_journals(wished)
        return cast(wishes.Posted, await self._do(wishes.PostLinked(command_id=command_id, journals=tuple(wished), by=by)))

    async def would_post(self, wished: Sequence[wishes.DraftJournal]) -> Preview | Declined:
        """What `post_linked` would come to now: the entries with the balances after them, or the decline. Refuses `no_postings`,
        `too_many_postings`, `legs_unbalanced`, `place_malformed`, `amount_out_of_range`."""
        sound_journals(wished)
        drafts = [journals.draft_of("ledger.post", each) for each in wished]
        keys = account_keys({leg.place for draft in drafts for leg in draft.legs})
        return would_post(await rows_for(self._pool, keys), drafts, self._clock.now())

    async def would(self, command: Command) -> tuple[Decision, Preview]:
        """The decision that a command of accounts, holds, journals or bulk postings would have now, and what it would post."""
        decider = _DECIDERS[type(command)]
        return rehearse(await rows_for(self._pool, decider.keys(command)), decider, command, self._clock.now())

    async def move_up_to(
        self, command_id: UUID, source: PlaceName, target: PlaceName, amount_minor: int, memo: str = "",
        value_date: date | None = None,
    ) -> wishes.Moved:  # fmt: skip
        """Move what there is, up to an amount. Declines `nothing_to_move` and what a posting declines."""
        sound_place(source)
        sound_place(target)
        if source.currency != target.currency:
            raise Refusal(errors.CURRENCIES_DIFFER)
        if source == target:
            raise Refusal(errors.SAME_ACCOUNT)
        command = wishes.MoveUpTo(
            command_id=command_id, source=source, target=target, amount_minor=amount_in_range(amount_minor),
            memo=short_text(memo),
            value_date=value_date,
        )  # fmt: skip
        return cast(wishes.Moved, await self._do(command))

    async def reverse(
        self, command_id: UUID, journal_id: UUID, reason: str, value_date: date | None = None, by: UUID | None = None
    ) -> wishes.Reversed:
        """Undo a journal by its exact opposite. Declines `journal_not_found`, `reversed_elsewhere`, `journal_is_reversal`,
        `journal_reversed`, and what a posting declines."""
        return cast(wishes.Reversed, await self._do(await self.reversal_of(command_id, journal_id, reason, value_date, by)))

    async def reversal_of(
        self, command_id: UUID, journal_id: UUID, reason: str, value_date: date | None = None, by: UUID | None = None
    ) -> wishes.ReverseJournal:
        """The command that `reverse` sends, for showing with `would` what it would do."""
        if not reason.strip():
            raise Refusal(errors.REASON_MISSING)
        journal = await self._pool.fetchrow(QUERIES["journal_head"], journal_id)
        if journal is None:
            raise Refusal(errors.JOURNAL_NOT_FOUND)
        if journal["kind"] in self._undone_elsewhere:
            raise Refusal(errors.REVERSED_ELSEWHERE)
        rows = await self._pool.fetch(QUERIES["legs_of_journal"], journal_id)
        legs = tuple(wishes.ReversedLeg(*row) for row in rows)
        return wishes.ReverseJournal(
            command_id=command_id, journal_id=journal_id, legs=legs, reverses=journal["reverses"],
            reason=short_text(reason.strip()),
            value_date=value_date, by=by,
        )  # fmt: skip

    async def bulk(
        self, command_id: UUID, postings: Sequence[wishes.Posting | wishes.ManyLegs], timeout_s: float = 60.0
    ) -> wishes.BulkPosted:
        """Post many at once, each with its own outcome. Refuses `no_postings`, `too_many_postings`, `amount_out_of_range`,
        `ledger_text_too_long`, `place_malformed` (a kind that is not "bulk" or "bulk.…")."""
        sound_postings(postings)
        command = wishes.PostBulk(command_id=command_id, postings=tuple(postings))
        return cast(wishes.BulkPosted, accepted(await self._engine.submit(command, timeout_s)))

    # ── the book, restricted money ──────────────────────────────────────────────────────────────────────────────────

    async def set_book(
        self, command_id: UUID, zone: str, backdating_days: int, forward_days: int, by: UUID | None = None
    ) -> None:
        """Refuses `zone_unknown`, `amount_out_of_range`."""
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise Refusal(errors.ZONE_UNKNOWN) from None
        if not (0 <= backdating_days <= MOST_DAYS and 0 <= forward_days <= MOST_DAYS):
            raise Refusal(errors.AMOUNT_OUT_OF_RANGE, most=MOST_DAYS)
        await self._do(
            wishes.SetBook(command_id=command_id, zone=zone, backdating_days=backdating_days, forward_days=forward_days, by=by)
        )

    async def define_colour(
        self, command_id: UUID, code: str, currency: str, title_zh: str, title_en: str, merchants: Sequence[UUID] | None,
        valid_until: datetime,
    ) -> None:  # fmt: skip
        """Restricted money; `merchants` None: to be spent everywhere. Refuses `colour_malformed`, `currency_unknown`; declines
        `colour_exists`, `colour_expired`."""
        colour_code(code)
        places(currency)
        if merchants is not None:
            bounded_count(len(merchants), least=0)
        for title in (title_zh, title_en):
            if not short_text(title).strip():
                raise Refusal(errors.COLOUR_MALFORMED)
        await self._do(
            wishes.DefineColour(
                command_id=command_id, code=code, currency=currency, title_zh=title_zh.strip(), title_en=title_en.strip(),
                merchants=None if merchants is None else tuple(merchants), valid_until=valid_until,
            )
        )  # fmt: skip

    async def allow_colour_at(self, command_id: UUID, code: str, merchant_id: UUID, allowed: bool) -> None:
        """Declines `colour_not_found`, `colour_ended`."""
        colour_code(code)
        await self._do(wishes.AllowColourAt(command_id=command_id, code=code, merchant_id=merchant_id, allowed=allowed))

    async def end_colour(self, command_id: UUID, code: str) -> None:
        """Declines `colour_not_found`, `colour_ended`."""
        colour_code(code)
        await self._do(wishes.EndColour(command_id=command_id, code=code))

    async def issue_colour(
        self, command_id: UUID, code: str, source: PlaceName, customer_id: UUID, amount_minor: int
    ) -> wishes.Moved:
        """Declines `colour_not_found`, `colour_ended`, `colour_expired`, `colour_other_currency`, what a posting declines."""
        colour_code(code)
        sound_place(source)
        command = wishes.IssueColour(
            command_id=command_id,
            code=code,
            source=source,
            customer_id=customer_id,
            amount_minor=amount_in_range(amount_minor),
        )
        return cast(wishes.Moved, await self._do(command))

    async def reclaim_colour(self, command_id: UUID, code: str, target: PlaceName, customer_id: UUID) -> wishes.Moved:
        """Declines `colour_not_found`, `colour_still_valid`, `colour_other_currency`, `nothing_to_move`, what `post` declines."""
        colour_code(code)
        sound_place(target)
        command = wishes.ReclaimColour(command_id=command_id, code=code, target=target, customer_id=customer_id)
        return cast(wishes.Moved, await self._do(command))

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _do(self, command: Command) -> Any:
        return accepted(await self._engine.submit(command))

    async def _change(self, command: Command) -> UUID:
        return cast(wishes.AccountChanged, await self._do(command)).account_id

    async def _place_of(self, account: UUID | PlaceName) -> PlaceName:
        if isinstance(account, PlaceName):
            sound_place(account)
            return account
        row = await self._pool.fetchrow(QUERIES["account"], account)
        if row is None:
            raise Refusal(errors.ACCOUNT_NOT_FOUND)
        found = Account(*row)
        return PlaceName(found.code, found.currency, found.owner_id)

    async def _place_of_hold(self, hold_id: UUID) -> PlaceName:
        return await self._place_of((await self.hold_row(hold_id)).account_id)
