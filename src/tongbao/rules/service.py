"""Use cases of the rules: reading one's limits, choosing one's own, adopting a rulebook, and the worker's part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import cast
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import structlog

from tongbao.engine.api import Engine, accepted
from tongbao.identity.factors import Factors
from tongbao.identity.realname.levels import Allowance
from tongbao.identity.service import Caller
from tongbao.identity.standing import Standing
from tongbao.identity.types import Confirmation
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id, new_id
from tongbao.kernel.money import parse
from tongbao.ledger.api import CUSTOMER_WALLET
from tongbao.rules import errors
from tongbao.rules.book import Book, book_of
from tongbao.rules.explain import LimitLine, RuleLine, allowances_of, limits_of, rules_of
from tongbao.rules.greatest import Greatest, greatest
from tongbao.rules.pack import Pack, merged, merged_text, named_packs
from tongbao.rules.persons import Known
from tongbao.rules.rules import Adopted, CapsSet, Suspended, dormancy, idle_before
from tongbao.rules.types import QUERIES, Act, AdoptRules, Duty, Rulebook, SetCaps, SetOwnLimits, SuspendDormant, Usage
from tongbao.rules.whatif import ANYBODY, Tried, somebody, tried

_log = structlog.get_logger("tongbao.rules")

#: How often those are looked for who never do anything: it is a matter of months.
DORMANT_EVERY = timedelta(hours=1)

#: What somebody wishes for a cap: an amount as a decimal string, a number, or None to have none of their own.
Wish = str | int | None


class LawService:
    """The rules in force and what they say to whom."""

    def __init__(self, engine: Engine, pool: asyncpg.Pool, clock: Clock, *, currency: str, zone: ZoneInfo) -> None:
        self._engine = engine
        self._pool = pool
        self._clock = clock
        self._currency = currency
        self._zone = zone
        self._dormant_at: datetime | None = None

    # ── the rulebook ────────────────────────────────────────────────────────────────────────────────────────────────

    async def row(self) -> Rulebook | None:
        """The rulebook in force."""
        row = await self._pool.fetchrow(QUERIES["rulebook"])
        return Rulebook(*row) if row else None

    async def book(self) -> Book | None:
        """The same, made ready."""
        row = await self.row()
        return book_of(row) if row else None

    async def rules(self) -> list[RuleLine]:
        """Every rule of the rulebook in force, in the order of its packs; none if there is none."""
        book = await self.book()
        return rules_of(book, book.today(self._clock.now()).day) if book else []

    async def adopt(self, packs: Sequence[Pack], by: str, reason: str, *, after_version: int | None = None) -> Adopted:
        """Put packs in force by hand. Raises PackError; declines `rules_outdated`."""
        text = merged_text(merged(packs, self._currency, str(self._zone)))
        command = AdoptRules(
            command_id=new_id(self._clock.now()), text=text, by_hand=True, adopted_by=by, reason=reason,
            after_version=after_version,
        )  # fmt: skip
        return cast(Adopted, accepted(await self._engine.submit(command)))

    async def adopt_shipped(self, names: str) -> None:
        """For a server that starts: put the packs of the setting in force, unless somebody adopted others by hand or these are in
        force already. Raises PackError."""
        packs = named_packs(names)
        if not packs:
            return
        text = merged_text(merged(packs, self._currency, str(self._zone)))
        before = await self.row()
        if before is not None and (before.by_hand or before.text == text):
            return
        version = 0 if before is None else before.version
        command = AdoptRules(
            command_id=named_id("shipped rules", str(version), text), text=text, by_hand=False, adopted_by="the server",
            reason=f"the setting: {names}",
        )  # fmt: skip
        done = cast(Adopted, accepted(await self._engine.submit(command)))
        _log.info("rules_adopted", packs=names, version=done.version, changed=done.changed)

    async def versions(self, before: UUID | None, limit: int) -> list[asyncpg.Record]:
        """What was ever adopted, newest first, without the texts; `limit` + 1 at most."""
        return cast(list[asyncpg.Record], await self._pool.fetch(QUERIES["rulebook_versions"], before, limit + 1))

    # ── limits ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def limits(self, subject_id: UUID, scope: str = "customer", *, for_staff: bool = False) -> list[LimitLine]:
        """Every limit that applies to a customer, or to a subject of another scope; to staff also what only they may know."""
        book = await self.book()
        if book is None:
            return []
        return limits_of(book, scope, await self._known(subject_id, scope), self._clock.now(), for_staff=for_staff)

    async def subject(self, customer_id: UUID) -> tuple[Rulebook, Known]:
        """The rulebook, and what a customer is and has done. Declines `limits_not_in_force`."""
        row = await self.row()
        if row is None:
            raise Refusal(errors.LIMITS_NOT_IN_FORCE)
        return row, await self._known(customer_id)

    async def allowances(self) -> dict[int, list[Allowance]]:
        """What the rules in force allow by real-name level, of those that speak of levels at all."""
        book = await self.book()
        return {} if book is None else {level: allowances_of(book, level, self._clock.now()) for level in range(4)}

    async def known(self, customer_id: UUID) -> Known:
        """What a customer is and has done."""
        return await self._known(customer_id)

    def now(self) -> datetime:
        """The moment for which limits are told."""
        return self._clock.now()

    async def greatest(self, customer_id: UUID, factors: Factors, method: str) -> Greatest:
        """What a customer may pay who confirms by these factors, by the rules in force."""
        return greatest(await self.row(), await self._known(customer_id), customer_id, factors, method, self._clock.now())

    async def what_if(self, customer_id: UUID | None, level: int, act: Act) -> Tried:
        """What the rules would say to an act of a customer's, or of somebody's of this level who has done nothing yet."""
        row, now = await self.row(), self._clock.now()
        if customer_id is None:
            return tried(row, Known(somebody(level, now), None), ANYBODY, act, now)
        return tried(row, await self._known(customer_id), customer_id, act, now)

    async def _known(self, subject_id: UUID, scope: str = "customer") -> Known:
        standing = await self._standing(subject_id) if scope == "customer" else None
        person_id = standing.subject_id if standing is not None else None
        ids = [subject_id] if person_id is None else [subject_id, person_id]
        usages = {row["subject_id"]: Usage(*row) for row in await self._pool.fetch(QUERIES["usage"], ids)}
        if person_id is None:
            return Known(standing, usages.get(subject_id))
        first = await self._standing(person_id)
        return Known(standing, usages.get(subject_id), usages.get(person_id), first.opened_at if first is not None else None)

    async def _standing(self, customer_id: UUID) -> Standing | None:
        row = await self._pool.fetchrow(QUERIES["standing"], customer_id)
        return Standing(*row) if row else None

    async def set_own(
        self, command_id: UUID, customer: Caller, wishes: Mapping[str, Wish], confirmation: Confirmation | None
    ) -> CapsSet:
        """Change a customer's own caps. Refuses `limit_format`, those of `parse`; declines `limits_not_in_force`,
        `limit_unknown`, `stronger_confirmation_needed`, what `confirm` declines."""
        caps = await self._caps(wishes, "")
        command = SetOwnLimits(command_id=command_id, customer_id=customer.principal_id, caps=caps, confirmation=confirmation)
        return cast(CapsSet, accepted(await self._engine.submit(command)))

    async def set_caps(self, command_id: UUID, merchant_id: UUID, wishes: Mapping[str, Wish], by: UUID, reason: str) -> CapsSet:
        """Change a merchant's caps. Refuses and declines as `set_own`, without the confirmation."""
        caps = await self._caps(wishes, "merchant.")
        command = SetCaps(command_id=command_id, subject_id=merchant_id, caps=caps, by=by, reason=reason)
        return cast(CapsSet, accepted(await self._engine.submit(command)))

    async def check_caps(self, wishes: Mapping[str, Wish]) -> None:
        """Whether a merchant's caps could be changed so. Refuses as `set_caps`."""
        await self._caps(wishes, "merchant.")

    async def _caps(self, wishes: Mapping[str, Wish], prefix: str) -> dict[str, int | None]:
        book = await self.book()
        if book is None:
            raise Refusal(errors.LIMITS_NOT_IN_FORCE)
        return {name: self._wished(book.caps.get(prefix + name), name, wish) for name, wish in wishes.items()}

    def _wished(self, metric: str | None, name: str, wish: Wish) -> int | None:
        if metric is None:
            raise Refusal(errors.LIMIT_UNKNOWN, limit=name[:80])
        if wish is None:
            return None
        if metric == "count" and isinstance(wish, int) and 0 <= wish <= 1_000_000:
            return wish
        if metric == "amount" and isinstance(wish, str):
            return 0 if wish == "0" else parse(wish, self._currency).minor
        raise Refusal(errors.LIMIT_FORMAT)

    # ── duties, and the worker's part ───────────────────────────────────────────────────────────────────────────────

    async def duties(self, subject_id: UUID | None, before: UUID | None, limit: int) -> list[Duty]:
        """What acts oblige the staff to, newest first; `limit` + 1 at most."""
        return [Duty(*row) for row in await self._pool.fetch(QUERIES["duties"], subject_id, before, limit + 1)]

    async def suspend_dormant(self, limit: int = 100) -> int:
        """For the worker's rounds: suspend who never did anything, where a rule says so. Answers how many. All customers are gone
        through to find them: where there are no more, not again within the hour."""
        now = self._clock.now()
        if self._dormant_at is not None and now < self._dormant_at:
            return 0
        book = await self.book()
        rule = dormancy(book, book.today(now).day) if book else None
        if book is None or rule is None:
            self._dormant_at = now + DORMANT_EVERY
            return 0
        before = _day_after(idle_before(rule, book.today(now).day), book.zone)
        rows = await self._pool.fetch(QUERIES["never_active"], before, CUSTOMER_WALLET.code, self._currency, limit)
        self._dormant_at = None if len(rows) == limit else now + DORMANT_EVERY
        done = 0
        for row in rows:
            command = SuspendDormant(command_id=new_id(now), customer_id=row["customer_id"], currency=self._currency)
            done += cast(Suspended, accepted(await self._engine.submit(command))).suspended
        return done


def _day_after(day: int, zone: ZoneInfo) -> datetime:
    return datetime.combine(date.fromordinal(day + 1), time(), zone).astimezone(UTC)
