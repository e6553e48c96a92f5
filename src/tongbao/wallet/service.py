"""Use cases of the wallet.

A bank transfer is three steps: record the wish (a command), ask the bank (outside any batch), record its answer (a
command). Whoever dies between them leaves a row that the janitor finds: `settle_due` asks the bank again, under the same
reference, until it knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from tongbao.engine.api import Engine, accepted
from tongbao.identity.acts import Act
from tongbao.identity.evidence import Given
from tongbao.identity.realname.service import RealNameService
from tongbao.identity.service import Caller, IdentityService, Person
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import CURRENCY_UNSUPPORTED, Refusal
from tongbao.kernel.ids import named_id, new_id
from tongbao.kernel.money import Money
from tongbao.kernel.rounds import do_each
from tongbao.kernel.texts import plain
from tongbao.ledger.api import QUERIES as LEDGER
from tongbao.ledger.api import Account
from tongbao.security.personal import Vault
from tongbao.wallet import errors
from tongbao.wallet.card_service import CardService
from tongbao.wallet.cards import Cards
from tongbao.wallet.delayed import DelayedTransfers
from tongbao.wallet.link_service import BankLinks
from tongbao.wallet.rules import BankTransferStarted, wallet_of
from tongbao.wallet.small_payments_service import SmallPaymentsService
from tongbao.wallet.statement import NOTE, CounterpartiesOf, ShownBill, Statement, StatesOf
from tongbao.wallet.transfers import Transferred
from tongbao.wallet.types import (
    HOLDER,
    NUMBER,
    QUERIES,
    Arrival,
    Bank,
    BankAccount,
    BankAnswer,
    BankTransfer,
    BankTransferKind,
    BillState,
    LinkedAccount,
    SettleBankTransfer,
    StartBankTransfer,
    Transfer,
    UnlinkBankAccount,
)

_LONGEST_RETRY_S = 300


class WalletService:
    """A customer's money. What is read of its bills is `statement`.

    `states` by bill kind (bank transfers' are our own) and `counterparties` by their kind come from the modules that own them.
    """

    def __init__(
        self,
        engine: Engine,
        pool: asyncpg.Pool,
        identity: IdentityService,
        names: RealNameService,
        vault: Vault,
        bank: Bank,
        cards: Cards,
        clock: Clock,
        *,
        currency: str,
        zone: ZoneInfo,
        states: Mapping[str, StatesOf],
        counterparties: Mapping[str, CounterpartiesOf],
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._identity = identity
        self._vault = vault
        self._bank = bank
        self._clock = clock
        self.currency = currency
        self.zone = zone
        self.delayed = DelayedTransfers(engine, pool, clock)
        self.small_payments = SmallPaymentsService(engine, pool, clock, currency=currency, zone=zone)
        self.cards = CardService(engine, pool, identity, names, vault, cards, clock, currency)
        self.links = BankLinks(engine, pool, identity, names, vault, bank, clock, currency)
        states = {
            **states,
            "transfer": self.delayed.states,
            "topup": self.bank_transfer_states,
            "withdrawal": self.bank_transfer_states,
        }
        self.statement = Statement(pool, vault, currency=currency, zone=zone, states=states, counterparties=counterparties)
        self._settling: set[asyncio.Task[None]] = set()

    # ── balance ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def balance(self, customer_id: UUID) -> tuple[Account | None, int]:
        """The wallet's account (None before its first entry) and what is on its way to the bank, in minor units."""
        row = await self._pool.fetchrow(LEDGER["account"], wallet_of(customer_id, self.currency).account_id)
        transit = await self._pool.fetchval(QUERIES["withdrawals_in_transit"], customer_id, self.currency)
        return (Account(*row) if row else None), transit

    def own_currency(self, amount: Money) -> Money:
        """The amount, if the wallet is kept in its currency. Refuses `currency_unsupported`."""
        if amount.currency != self.currency:
            raise Refusal(CURRENCY_UNSUPPORTED, currency=amount.currency, supported=self.currency)
        return amount

    # ── bank accounts ───────────────────────────────────────────────────────────────────────────────────────────────

    async def unlink_bank_account(self, caller: Caller, bank_account_id: UUID) -> None:
        """Declines `bank_account_unknown`, `device_unproven`."""
        command = UnlinkBankAccount(
            command_id=new_id(self._clock.now()), customer_id=caller.principal_id, bank_account_id=bank_account_id,
            proven_at=caller.proven_at,
        )  # fmt: skip
        accepted(await self._engine.submit(command))

    async def bank_accounts(self, customer_id: UUID, before: UUID | None, limit: int) -> list[LinkedAccount]:
        """Linked accounts; `limit` + 1 at most."""
        rows = await self._pool.fetch(QUERIES["bank_accounts"], customer_id, before, limit + 1)
        return await self._opened([BankAccount(*row) for row in rows])

    async def bank_accounts_by_id(self, ids: Sequence[UUID]) -> dict[UUID, LinkedAccount]:
        """Bank accounts by id, unlinked ones too."""
        rows = await self._pool.fetch(QUERIES["bank_accounts_by_id"], list(ids))
        return {each.bank_account_id: each for each in await self._opened([BankAccount(*row) for row in rows])}

    async def _opened(self, rows: Sequence[BankAccount]) -> list[LinkedAccount]:
        values = [
            each for row in rows for each in ((row.customer_id, NUMBER, row.number), (row.customer_id, HOLDER, row.holder_name))
        ]
        texts = await self._vault.open_many(values)
        return [
            LinkedAccount(row.bank_account_id, row.customer_id, row.bank, number, holder)
            for row, number, holder in zip(rows, texts[::2], texts[1::2], strict=True)
        ]

    # ── top-up and withdrawal ───────────────────────────────────────────────────────────────────────────────────────

    async def start_bank_transfer(
        self, command_id: UUID, caller: Caller, kind: BankTransferKind, bank_account_id: UUID, amount: Money, given: Given
    ) -> BankTransfer:
        """Start, ask the bank, and say what is known: within the bank's time-out it is settled or UNKNOWN.

        Declines `bank_account_unknown`, `pin_…`, `insufficient_funds`. The bank's own no is the transfer's state FAILED.
        """
        act = Act(kind, bank_account_id, amount.minor, amount.currency)
        command = StartBankTransfer(
            command_id=command_id, customer_id=caller.principal_id, bank_account_id=bank_account_id, transfer_kind=kind,
            amount_minor=amount.minor, currency=amount.currency,
            confirmation=await self._identity.confirmation(caller, given, command_id, act),
        )  # fmt: skip
        outcome = await self._engine.submit(command)
        started = cast(BankTransferStarted, accepted(outcome))
        transfer = await self.bank_transfer(started.bank_transfer_id, caller.principal_id)
        if transfer.state == "PENDING" and not outcome.repeated:
            # Shielded: a customer who hangs up does not take the bank's answer with them.
            task = asyncio.create_task(self._ask_and_record(transfer))
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)
            await asyncio.shield(task)
            transfer = await self.bank_transfer(started.bank_transfer_id, caller.principal_id)
        return transfer

    async def _ask_and_record(self, transfer: BankTransfer) -> None:
        account = (await self.bank_accounts_by_id([transfer.bank_account_id]))[transfer.bank_account_id]
        await self._record(transfer, await self._bank.submit(transfer, account))

    async def _record(self, transfer: BankTransfer, answer: BankAnswer) -> None:
        state = "UNKNOWN" if answer.state == "NOT_FOUND" else answer.state
        retry_in_s = min(_LONGEST_RETRY_S, 2 ** min(transfer.attempts + 1, 10))
        if state == "UNKNOWN":
            command_id = named_id("unknown", str(transfer.bank_transfer_id), str(transfer.attempts))
        else:
            said = (state, answer.bank_reference or "", answer.failure_code or "")
            # With the attempt: an answer whose money had to wait must be heard again, not just be told what became of it then.
            command_id = named_id("settle", str(transfer.bank_transfer_id), str(transfer.attempts), *said)
        outcome = await self._engine.submit(
            SettleBankTransfer(
                command_id=command_id, bank_transfer_id=transfer.bank_transfer_id, customer_id=transfer.customer_id,
                currency=transfer.currency, state=state, bank_reference=answer.bank_reference,
                failure_code=answer.failure_code, retry_in_s=retry_in_s if state == "UNKNOWN" else 0,
            )
        )  # fmt: skip
        accepted(outcome)

    async def settle_due(self, limit: int = 50) -> int:
        """The janitor's round: ask the bank about every transfer that is due. Answers how many were looked at.

        A transfer the bank has never heard of is submitted again under its own reference, which the bank takes once:
        that ends the doubt whether the first request is still on its way.
        """
        rows = await self._pool.fetch(QUERIES["bank_transfers_due"], self._clock.now(), limit)
        due = [BankTransfer(*row) for row in rows]
        return await do_each("bank_transfers", due, self._settle_one, lambda transfer: transfer.bank_transfer_id)

    async def _settle_one(self, transfer: BankTransfer) -> None:
        answer = await self._bank.inquire(transfer)
        if answer.state == "NOT_FOUND":
            await self._ask_and_record(transfer)
        else:
            await self._record(transfer, answer)

    async def bank_transfer(self, bank_transfer_id: UUID, customer_id: UUID | None) -> BankTransfer:
        """One transfer, of this customer if one is given. Declines `bank_transfer_unknown`."""
        row = await self._pool.fetchrow(QUERIES["bank_transfer"], bank_transfer_id)
        if row is None or (customer_id is not None and row["customer_id"] != customer_id):
            raise Refusal(errors.BANK_TRANSFER_UNKNOWN)
        return BankTransfer(*row)

    async def bank_transfers(self, state: str | None, before: UUID | None, limit: int) -> list[BankTransfer]:
        """For the console; `limit` + 1 at most."""
        return [BankTransfer(*row) for row in await self._pool.fetch(QUERIES["bank_transfers"], state, before, limit + 1)]

    async def bank_transfer_states(self, ids: Sequence[UUID]) -> dict[UUID, BillState]:
        """State of each bank transfer: what `states` says of top-ups and withdrawals."""
        rows = await self._pool.fetch(QUERIES["bank_transfers_by_id"], list(ids))
        return {row["bank_transfer_id"]: row["state"] for row in rows}

    async def bill_of(self, customer_id: UUID, reference_id: UUID) -> UUID | None:
        """The bill that a bank transfer made."""
        return cast(UUID | None, await self._pool.fetchval(QUERIES["bill_of_reference"], customer_id, reference_id))

    async def reserve_at_bank_minor(self, currency: str) -> int:
        """What the bank says our reserve holds. Refuses `bank_unavailable`."""
        return await self._bank.reserve_minor(currency)

    # ── transfers between customers ─────────────────────────────────────────────────────────────────────────────────

    async def resolve_payee(self, caller: Caller, login: str) -> Person:
        """The customer behind a phone or email. Refuses `login_format`; declines `too_many_lookups`, `payee_not_found`,
        `payee_is_payer`."""
        payee = await self._identity.look_up(caller, login)
        if payee is None:
            raise Refusal(errors.PAYEE_NOT_FOUND)
        if payee.principal_id == caller.principal_id:
            raise Refusal(errors.PAYEE_IS_PAYER)
        return await self._identity.person(payee.principal_id)

    async def transfer(
        self, command_id: UUID, caller: Caller, payee_id: UUID, amount: Money, note: str, given: Given, arrival: Arrival = "now"
    ) -> ShownBill:
        """Send money, to arrive when the payer chose, or later if a rule says so. Refuses `control_characters`; declines
        `payee_is_payer`, `payee_not_found`, `pin_…`, what the rules decline, `payee_cannot_receive`, `insufficient_funds`."""
        payer_id, note = caller.principal_id, plain(note.strip())
        act = Act("transfer", payee_id, amount.minor, amount.currency)
        confirmation = await self._identity.confirmation(caller, given, command_id, act)
        try:
            sealed = [await self._vault.seal(each, NOTE, note) for each in (payer_id, payee_id)]
        except Refusal:
            raise Refusal(errors.PAYEE_NOT_FOUND) from None  # nobody, or somebody whose data was erased
        command = Transfer(
            command_id=command_id, payer_id=payer_id, payee_id=payee_id, amount_minor=amount.minor, currency=amount.currency,
            note=sealed[0], payee_note=sealed[1], note_index=self._vault.index(NOTE, note), confirmation=confirmation,
            arrival=arrival,
        )  # fmt: skip
        done = cast(Transferred, accepted(await self._engine.submit(command)))
        return await self.statement.bill(caller.principal_id, done.bill_id)
