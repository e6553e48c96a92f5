"""Who takes part in a replay: the customers with PIN and money, the terminals as merchants with one store each.

Everything is done by commands whose ids follow from the file's content, so doing it again finds it done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from tongbao.app.replaying.flow import Flow
from tongbao.app.replaying.source import Row
from tongbao.engine.api import Command, Engine, Outcome, accepted
from tongbao.identity.enrolment import sealed
from tongbao.identity.types import PinConfirmation, Register, SetPin
from tongbao.kernel.ids import named_id, new_id
from tongbao.merchants.types import NewStore, OpenMerchant
from tongbao.payments.types import PayMerchant, payment_id_of
from tongbao.security.keys import Keys, mac
from tongbao.security.personal import Vault
from tongbao.wallet.types import HOLDER, NUMBER, LinkBankAccount, SettleBankTransfer, StartBankTransfer

#: All customers of a replay have this PIN; without a password nobody can log in as one of them.
_PIN = "135791"
#: What merchants of a replay pay for being paid: 0.6 %.
_FEE_PPM = 6_000
#: Miscellaneous and specialty retail. Source: ISO 18245.
_MCC = "5999"


class Customer(NamedTuple):
    """A customer and how this customer agrees to a payment."""

    customer_id: UUID
    confirmation: PinConfirmation


class Terminal(NamedTuple):
    """Where a payment goes."""

    merchant_id: UUID
    store_id: UUID


def pin_confirmation(pin_key: bytes, customer_id: UUID) -> PinConfirmation:
    """What typing the PIN of a replay's customer comes to."""
    return PinConfirmation(mac(pin_key, customer_id.bytes, _PIN.encode()))


class Parties:
    """Brings the parties of one file into being, and makes its payments between them.

    keys, vault: the installation's. country, currency: of the merchants and the money.
    """

    def __init__(self, engine: Engine, most: int, name: str, *, keys: Keys, vault: Vault, country: str, currency: str) -> None:
        self._engine = engine
        self._most = most
        self._name = name
        self._pin_key, self._ids_key = keys.pin, keys.ids
        self._vault = vault
        self._country = country
        self._currency = currency
        self.customers: dict[str, Customer] = {}
        self.terminals: dict[str, Terminal] = {}

    async def open_terminals(self, terminals: Iterable[str], done: Callable[[], None]) -> None:
        """A merchant with one store for each. `done` is called after each command."""
        opened = await self._all(((name, self._open_merchant(name)) for name in terminals), done)
        self.terminals = {name: Terminal(result.merchant_id, result.store_ids[0]) for name, result in opened.items()}

    async def open_customers(self, funds: dict[str, int], done: Callable[[], None]) -> None:
        """Register each, set the PIN, link a bank account, top up from it. `done` is called after each of the five commands."""
        registered = await self._all(((name, self._register(name)) for name in funds), done)
        for name, result in registered.items():
            self.customers[name] = Customer(result.principal_id, pin_confirmation(self._pin_key, result.principal_id))
        await self._all(((name, self._set_pin(name)) for name in funds), done)
        await self._all(((name, self._link(name)) for name in funds), done)
        started = await self._all(((name, self._top_up(name, amount)) for name, amount in funds.items()), done)
        await self._all(((name, self._settle(name, result.bank_transfer_id)) for name, result in started.items()), done)

    def payment_id(self, row: Row) -> UUID:
        """What a row's payment is called."""
        return payment_id_of(self.terminals[row.terminal].merchant_id, row.transaction, self._ids_key)

    def payment(self, row: Row) -> PayMerchant:
        """The command that makes a row's payment."""
        customer, terminal = self.customers[row.customer], self.terminals[row.terminal]
        return PayMerchant(
            command_id=self._id("payment", row.transaction), payment_id=self.payment_id(row),
            merchant_id=terminal.merchant_id, store_id=terminal.store_id, out_trade_no=row.transaction,
            subject=f"Terminal {row.terminal}", payer_id=customer.customer_id,
            amount_minor=row.amount_minor, currency=self._currency, method="replay", confirmation=customer.confirmation,
        )  # fmt: skip

    async def _all(
        self, commands: Iterable[tuple[str, Command | Awaitable[Command]]], done: Callable[[], None]
    ) -> dict[str, Any]:
        """Send all; their results by name. A decline is raised: none is expected here."""
        results: dict[str, Any] = {}

        def answer(name: str, outcome: Outcome, _: float) -> None:
            results[name] = outcome
            done()

        flow: Flow[str] = Flow(self._engine, self._most, answer)
        for name, command in commands:
            await flow.send(name, command if isinstance(command, Command) else await command)
        await flow.finish()
        return {name: accepted(outcome) for name, outcome in results.items()}

    def _id(self, what: str, name: str) -> UUID:
        return named_id("replay", self._name, what, name)

    def _open_merchant(self, name: str) -> OpenMerchant:
        return OpenMerchant(
            command_id=self._id("merchant", name), name=f"Terminal {name}", mcc=_MCC, city="Replay", country=self._country,
            currency=self._currency, fee_ppm=_FEE_PPM, stores=(NewStore(f"Terminal {name}", "Replay"),),
        )  # fmt: skip

    async def _register(self, name: str) -> Register:
        who = await sealed(
            self._vault, new_id(datetime.now(UTC)), f"customer-{name}@{self._name}.replay.invalid", f"Customer {name}", "en", "-"
        )
        return Register(command_id=self._id("customer", name), audience="wallet", who=who)

    def _set_pin(self, name: str) -> SetPin:
        customer = self.customers[name]
        return SetPin(
            command_id=self._id("pin", name), customer_id=customer.customer_id, mac=customer.confirmation.mac,
            proven_at=datetime.min.replace(tzinfo=UTC),
        )  # fmt: skip

    async def _link(self, name: str) -> LinkBankAccount:
        customer_id, holder = self.customers[name].customer_id, f"Customer {name}"
        return LinkBankAccount(
            command_id=self._id("link", name), customer_id=customer_id, bank_account_id=self._id("bank account", name),
            bank="Replay", number=await self._vault.seal(customer_id, NUMBER, name),
            holder_name=await self._vault.seal(customer_id, HOLDER, holder), holder_index=self._vault.index(HOLDER, holder),
        )  # fmt: skip

    def _top_up(self, name: str, amount_minor: int) -> StartBankTransfer:
        customer = self.customers[name]
        return StartBankTransfer(
            command_id=self._id("top-up", name), customer_id=customer.customer_id,
            bank_account_id=self._id("bank account", name), transfer_kind="topup", amount_minor=amount_minor,
            currency=self._currency, confirmation=customer.confirmation,
        )  # fmt: skip

    def _settle(self, name: str, bank_transfer_id: UUID) -> SettleBankTransfer:
        return SettleBankTransfer(
            command_id=self._id("settle", name), bank_transfer_id=bank_transfer_id, currency=self._currency,
            customer_id=self.customers[name].customer_id, state="SUCCEEDED", bank_reference=f"replay-{self._name}-{name}",
        )  # fmt: skip
