"""Use cases of agreements to be debited."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import msgspec

from tongbao.engine.api import Command, Declined, Engine, accepted
from tongbao.identity.acts import Act, limits_detail
from tongbao.identity.alerts import Message
from tongbao.identity.evidence import Given
from tongbao.identity.service import Caller, IdentityService
from tongbao.identity.types import Confirmation, Locale
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import CURRENCY_UNSUPPORTED, Refusal
from tongbao.kernel.ids import named_id
from tongbao.kernel.money import Money, format_minor
from tongbao.kernel.rounds import do_each
from tongbao.kernel.texts import plain
from tongbao.merchants.service import MerchantService
from tongbao.payments import errors
from tongbao.payments.agreements_lifecycle import AgreementState, refusal_of
from tongbao.payments.agreements_types import (
    Agreement,
    AskAgreement,
    Caps,
    ChangeAgreement,
    Debit,
    EndAgreement,
    ExpireAgreement,
    NoticeDebit,
    PauseAgreement,
    Period,
    RecordDeclinedDebit,
    ResumeAgreement,
    RevokeAgreement,
    Scene,
    SignAgreement,
    StopDebit,
    TakeDebit,
    agreement_id_of,
)
from tongbao.payments.agreements_words import agreement_text
from tongbao.payments.service import QUERIES
from tongbao.payments.types import payment_id_of
from tongbao.security.keys import Keys

_NUMBER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DAYS = 5 * 366
#: By field: the least and the most of what a merchant may ask.
_RANGES = {
    "debits_a_day": (1, 1_000),
    "debits_a_month": (1, 10_000),
    "notice_hours": (0, 240),
    "attempts": (1, 5),
    "retry_hours": (1, 72),
    "sign_within_s": (60, 30 * 86_400),
}

Place = tuple[datetime, UUID]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a merchant asks for. `first_debit_on`: today if absent; `ends_on`: the last day, a year from today if absent."""

    purpose: str
    scene: Scene
    debit: Money
    day: Money
    debits_a_day: int
    debits_a_month: int
    period: Period
    first_debit_on: date | None
    ends_on: date | None
    notice_hours: int
    attempts: int
    retry_hours: int
    sign_within_s: int


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a merchant wishes to take, or says that it will. Without `out_trade_no` we make one, without `subject` it is the
    agreement's purpose."""

    out_trade_no: str | None
    subject: str | None
    amount: Money


class AgreementService:
    """Agreements and what is taken under them. `base_url`: where the wallet is, for the link that is signed."""

    def __init__(
        self,
        engine: Engine,
        pool: asyncpg.Pool,
        identity: IdentityService,
        merchants: MerchantService,
        keys: Keys,
        clock: Clock,
        *,
        currency: str,
        zone: ZoneInfo,
        base_url: str,
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._identity = identity
        self._merchants = merchants
        self._secret = keys.ids
        self._clock = clock
        self._base_url = base_url.rstrip("/")
        self.currency = currency
        self.zone = zone

    def link(self, agreement: Agreement) -> str:
        """Where a customer reads and signs it: what its code says."""
        return f"{self._base_url}/wallet/agreements/{agreement.agreement_id}"

    # ── the merchant's side ─────────────────────────────────────────────────────────────────────────────────────────

    async def ask(self, command_id: UUID, merchant_id: UUID, out_agreement_no: str | None, terms: Terms) -> Agreement:
        """Refuses `out_trade_no_format`, `purpose_format`, `control_characters`, `agreement_range` (which field),
        `currency_unsupported`; declines `out_agreement_no_used`."""
        number = self._number(out_agreement_no, "A", command_id)
        purpose = self._text(terms.purpose)
        today = self._clock.now().astimezone(self.zone).date()
        first, last = terms.first_debit_on or today, terms.ends_on or today + timedelta(days=365)
        for name, (least, most) in _RANGES.items():
            if not least <= getattr(terms, name) <= most:
                raise Refusal(errors.AGREEMENT_RANGE, field=name)
        caps = Caps(self._own(terms.debit), self._own(terms.day), terms.debits_a_day, terms.debits_a_month)
        if not caps.are_caps():
            raise Refusal(errors.AGREEMENT_RANGE, field="per_day")
        if not today <= last <= today + timedelta(days=_DAYS):
            raise Refusal(errors.AGREEMENT_RANGE, field="ends_on")
        if not today - timedelta(days=1) <= first <= last:
            raise Refusal(errors.AGREEMENT_RANGE, field="first_debit_on")
        agreement_id = agreement_id_of(merchant_id, number, self._secret)
        command = AskAgreement(
            command_id=command_id, agreement_id=agreement_id, merchant_id=merchant_id, out_agreement_no=number, purpose=purpose,
            scene=terms.scene, currency=self.currency, caps=caps, period=terms.period, first_debit_on=first,
            notice_hours=terms.notice_hours, attempts=terms.attempts, retry_hours=terms.retry_hours, zone=str(self.zone),
            sign_within_s=terms.sign_within_s,
            ends_at=datetime.combine(last + timedelta(days=1), time(), self.zone).astimezone(UTC),
        )  # fmt: skip
        await self._do(command)
        return await self._agreement(agreement_id)

    async def of_merchant(self, merchant_id: UUID, out_agreement_no: str) -> Agreement:
        """Declines `agreement_not_found`."""
        return await self._agreement(agreement_id_of(merchant_id, out_agreement_no, self._secret))

    async def by_merchant(
        self, merchant_id: UUID, state: AgreementState | None, place: Place | None, limit: int
    ) -> list[Agreement]:
        """A merchant's, newest first; `limit` + 1 at most."""
        at, last_id = place or (None, None)
        now = self._clock.now()
        rows = await self._pool.fetch(QUERIES["agreements_of_merchant"], merchant_id, state, at, last_id, limit + 1, now)
        return [Agreement(*row) for row in rows]

    async def end(self, command_id: UUID, merchant_id: UUID, out_agreement_no: str, reason: str) -> Agreement:
        """Refuses `reason_too_long`; declines `agreement_not_found`, `agreement_expired`."""
        found = await self.of_merchant(merchant_id, out_agreement_no)
        reason = plain(reason.strip())
        if len(reason) > 80:
            raise Refusal(errors.REASON_TOO_LONG)
        command = EndAgreement(command_id=command_id, agreement_id=found.agreement_id, merchant_id=merchant_id, reason=reason)
        await self._do(command)
        return await self._agreement(found.agreement_id)

    async def notice(self, command_id: UUID, merchant_id: UUID, out_agreement_no: str, wish: Wish) -> Debit:
        """Have the payer told of a debit. Refuses `out_trade_no_format`, `subject_format`, `currency_unsupported`; declines what
        `notice_debit` does."""
        agreement = await self.of_merchant(merchant_id, out_agreement_no)
        fields = self._fields(command_id, agreement, wish)
        await self._do(NoticeDebit(command_id=command_id, **fields))
        return await self.debit_of(fields["payment_id"])

    async def debit(self, command_id: UUID, merchant_id: UUID, out_agreement_no: str, wish: Wish) -> Debit:
        """Take money. Where the payer's is not enough, and the agreement has more attempts, the debit is WAITING and the worker
        tries again. Refuses as `notice`; declines what `take_debit` does."""
        agreement = await self.of_merchant(merchant_id, out_agreement_no)
        fields = self._fields(command_id, agreement, wish)
        outcome = await self._engine.submit(TakeDebit(command_id=command_id, **fields))
        lacking = isinstance(outcome.decision, Declined) and outcome.decision.code is errors.DEBIT_FUNDS
        if lacking and agreement.attempts > 1:
            await self._declined(fields, 1, errors.DEBIT_FUNDS.name)
        else:
            accepted(outcome)
        return await self.debit_of(fields["payment_id"])

    async def _declined(self, fields: dict[str, Any], attempt: int, code: str) -> None:
        # Named after the attempt: whoever died after the decline finds it again, and it is written once.
        command_id = named_id("declined debit", str(fields["payment_id"]), str(attempt))
        await self._do(RecordDeclinedDebit(command_id=command_id, attempt=attempt, code=code, **fields))

    def _fields(self, command_id: UUID, agreement: Agreement, wish: Wish) -> dict[str, Any]:
        number = self._number(wish.out_trade_no, "D", command_id)
        subject = agreement.purpose if wish.subject is None else self._text(wish.subject)
        if agreement.payer_id is None:
            raise Refusal(refusal_of(agreement.state_at(self._clock.now())))
        return {
            "agreement_id": agreement.agreement_id, "payment_id": payment_id_of(agreement.merchant_id, number, self._secret),
            "merchant_id": agreement.merchant_id, "payer_id": agreement.payer_id, "out_trade_no": number, "subject": subject,
            "amount_minor": self._own(wish.amount), "currency": wish.amount.currency,
        }  # fmt: skip

    # ── the payer's side ────────────────────────────────────────────────────────────────────────────────────────────

    async def for_customer(self, customer: Caller, agreement_id: UUID) -> Agreement:
        """An agreement as a customer may see it: an unsigned one anybody who has its link, a signed one its payer only. Declines
        `agreement_not_found`."""
        found = await self._agreement(agreement_id)
        if found.payer_id != customer.principal_id and (found.payer_id is not None or found.state != "ASKED"):
            raise Refusal(errors.AGREEMENT_NOT_FOUND)
        return found

    async def by_payer(self, payer_id: UUID, place: Place | None, limit: int) -> list[Agreement]:
        """What a customer signed, newest first; `limit` + 1 at most."""
        at, last_id = place or (None, None)
        rows = await self._pool.fetch(QUERIES["agreements_of_payer"], payer_id, at, last_id, limit + 1)
        return [Agreement(*row) for row in rows]

    async def sign(self, command_id: UUID, payer: Caller, agreement_id: UUID, caps: Caps, given: Given) -> Agreement:
        """Declines what `sign_agreement` does; refuses what a confirmation does."""
        agreement = await self.for_customer(payer, agreement_id)
        confirmation = await self._confirmed("sign_agreement", command_id, payer, agreement, caps, given)
        await self._do(
            SignAgreement(
                command_id=command_id, agreement_id=agreement_id, payer_id=payer.principal_id, caps=caps,
                confirmation=confirmation,
            )
        )  # fmt: skip
        return await self._agreement(agreement_id)

    async def change(self, command_id: UUID, payer: Caller, agreement_id: UUID, caps: Caps, given: Given | None) -> Agreement:
        """Declines what `change_agreement` does; refuses what a confirmation does."""
        agreement = await self.for_customer(payer, agreement_id)
        confirmation = (
            None if given is None else await self._confirmed("change_agreement", command_id, payer, agreement, caps, given)
        )
        command = ChangeAgreement(
            command_id=command_id, agreement_id=agreement_id, payer_id=payer.principal_id, caps=caps, confirmation=confirmation
        )
        await self._do(command)
        return await self._agreement(agreement_id)

    async def pause(self, command_id: UUID, payer: Caller, agreement_id: UUID) -> Agreement:
        """Declines what `pause_agreement` does."""
        await self._do(PauseAgreement(command_id=command_id, agreement_id=agreement_id, payer_id=payer.principal_id))
        return await self._agreement(agreement_id)

    async def resume(self, command_id: UUID, payer: Caller, agreement_id: UUID) -> Agreement:
        """Declines what `resume_agreement` does."""
        await self._do(ResumeAgreement(command_id=command_id, agreement_id=agreement_id, payer_id=payer.principal_id))
        return await self._agreement(agreement_id)

    async def revoke(self, command_id: UUID, payer: Caller, agreement_id: UUID) -> Agreement:
        """Declines what `revoke_agreement` does."""
        await self._do(RevokeAgreement(command_id=command_id, agreement_id=agreement_id, payer_id=payer.principal_id))
        return await self._agreement(agreement_id)

    async def stop_debit(self, command_id: UUID, payer: Caller, agreement_id: UUID, payment_id: UUID) -> Debit:
        """Declines `debit_not_found` (also another agreement's), `debit_ended`."""
        if (await self.debit_of(payment_id)).agreement_id != agreement_id:
            raise Refusal(errors.DEBIT_NOT_FOUND)
        await self._do(StopDebit(command_id=command_id, payment_id=payment_id, payer_id=payer.principal_id))
        return await self.debit_of(payment_id)

    async def _confirmed(
        self, kind: str, command_id: UUID, payer: Caller, agreement: Agreement, caps: Caps, given: Given
    ) -> Confirmation:
        act = Act(
            "sign_agreement" if kind == "sign_agreement" else "change_agreement", agreement.agreement_id, caps.debit_minor,
            agreement.currency, caps_detail(caps, agreement.currency),
        )  # fmt: skip
        return await self._identity.confirmation(payer, given, command_id, act)

    # ── what both see ───────────────────────────────────────────────────────────────────────────────────────────────

    async def debits(self, agreement_id: UUID, place: Place | None, limit: int) -> list[Debit]:
        """Under one agreement, newest first; `limit` + 1 at most."""
        at, last_id = place or (None, None)
        rows = await self._pool.fetch(QUERIES["debits_of"], agreement_id, at, last_id, limit + 1)
        return [Debit(*row) for row in rows]

    async def ahead(self, agreement_ids: Sequence[UUID]) -> dict[UUID, Debit]:
        """The next debit that is told or waited for, by agreement."""
        rows = await self._pool.fetch(QUERIES["debits_ahead"], list(agreement_ids))
        return {row["agreement_id"]: Debit(*row) for row in rows}

    async def debit_of(self, payment_id: UUID) -> Debit:
        """One debit. Declines `debit_not_found`."""
        row = await self._pool.fetchrow(QUERIES["debit"], payment_id)
        if row is None:
            raise Refusal(errors.DEBIT_NOT_FOUND)
        return Debit(*row)

    async def merchants_debit(self, merchant_id: UUID, agreement: Agreement, out_trade_no: str) -> Debit:
        """One debit by its number. Declines `debit_not_found`, also under another agreement."""
        found = await self.debit_of(payment_id_of(merchant_id, out_trade_no, self._secret))
        if found.agreement_id != agreement.agreement_id:
            raise Refusal(errors.DEBIT_NOT_FOUND)
        return found

    async def text(self, message: Message, locale: Locale) -> str:
        """What a message about an agreement says."""
        facts = msgspec.json.decode(message.facts, type=dict[str, str])
        merchant = await self._merchants.merchant(UUID(facts["merchant_id"]))
        return agreement_text(facts, merchant.name, locale, self.zone)

    # ── the worker's rounds ─────────────────────────────────────────────────────────────────────────────────────────

    async def retry_due(self, limit: int = 100) -> int:
        """Try those again that wait for money and whose time has come. Answers how many."""
        rows = await self._pool.fetch(QUERIES["debits_due"], self._clock.now(), limit)
        return await do_each("debits", [Debit(*row) for row in rows], self._retry, lambda debit: debit.payment_id)

    async def _retry(self, debit: Debit) -> None:
        attempt = debit.attempts + 1
        fields: dict[str, Any] = {
            "agreement_id": debit.agreement_id, "payment_id": debit.payment_id, "merchant_id": debit.merchant_id,
            "payer_id": debit.payer_id, "out_trade_no": debit.out_trade_no, "subject": debit.subject,
            "amount_minor": debit.amount_minor, "currency": debit.currency,
        }  # fmt: skip
        command_id = named_id("debit", str(debit.payment_id), str(attempt))
        outcome = await self._engine.submit(TakeDebit(command_id=command_id, attempt=attempt, **fields))
        if isinstance(outcome.decision, Declined):
            await self._declined(fields, attempt, outcome.decision.code.name)

    async def expire_due(self, limit: int = 200) -> int:
        """Write down which agreements' time is over. Answers how many."""
        now = self._clock.now()
        rows = await self._pool.fetch(QUERIES["agreements_to_expire"], now, limit)
        for row in rows:
            # By the minute: a wish that came to nothing, because a clock was set back, must not stand for all later ones.
            command_id = named_id("expire agreement", str(row["agreement_id"]), f"{now:%Y%m%d%H%M}")
            await self._do(ExpireAgreement(command_id=command_id, agreement_id=row["agreement_id"]))
        return len(rows)

    # ── helpers ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _agreement(self, agreement_id: UUID) -> Agreement:
        row = await self._pool.fetchrow(QUERIES["agreement"], agreement_id)
        if row is None:
            raise Refusal(errors.AGREEMENT_NOT_FOUND)
        return Agreement(*row)

    async def _do(self, command: Command) -> None:
        accepted(await self._engine.submit(command))

    def _number(self, given: str | None, prefix: str, command_id: UUID) -> str:
        number = given or f"{prefix}{command_id.hex[:24]}"
        if not _NUMBER.fullmatch(number):
            raise Refusal(errors.OUT_TRADE_NO_FORMAT)
        return number

    def _text(self, text: str) -> str:
        text = plain(text.strip())
        if not 1 <= len(text) <= 127 or not text.isprintable():
            raise Refusal(errors.PURPOSE_FORMAT)
        return text

    def _own(self, amount: Money) -> int:
        if amount.currency != self.currency:
            raise Refusal(CURRENCY_UNSUPPORTED, currency=amount.currency, supported=self.currency)
        return amount.minor


def caps_detail(caps: Caps, currency: str) -> str:
    """The caps besides that of one debit, as an act names them."""
    day = format_minor(caps.day_minor, currency)
    return limits_detail({"per_day": day, "debits_a_day": caps.day_count, "debits_a_month": caps.month_count})
