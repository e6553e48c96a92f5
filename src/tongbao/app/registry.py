"""Which parts make up the product: one explicit line each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

import msgspec

from tongbao.app.settings import Settings
from tongbao.channels.api import (
    BankAnswer,
    BankChannel,
    BankRequest,
    BindingAnswer,
    CardBinding,
    CardNetwork,
    HttpBank,
    HttpCards,
    LinkRequest,
    NotFound,
)
from tongbao.channels.messages import HttpMessages
from tongbao.channels.registries.adapter import HttpRegistries
from tongbao.engine.api import Decider, Relation
from tongbao.engine.verify import Check
from tongbao.identity import (
    alerts,
    certificates,
    codes,
    daily,
    devices,
    enrolling,
    instrument_rules,
    instruments,
    lookups,
    passkeys,
    recovery,
    takeover,
    tidying,
    totp,
    totp_rules,
    tries,
)
from tongbao.identity import rules as identity_rules
from tongbao.identity import types as identity_types
from tongbao.identity.alerts import ALERT, MESSAGE
from tongbao.identity.instrument_service import InstrumentService
from tongbao.identity.realname import guardians as guardian_rules
from tongbao.identity.realname import rules as realname_rules
from tongbao.identity.realname import types as realname_types
from tongbao.identity.realname.channels import NameChannel
from tongbao.identity.service import IdentityService
from tongbao.identity.standing import STANDING
from tongbao.kernel.web import Words
from tongbao.ledger import api as ledger
from tongbao.ledger import periods
from tongbao.ledger import types as ledger_types
from tongbao.ledger.closing import check_periods
from tongbao.ledger.exchange import opening
from tongbao.ledger.verify import check_ledger
from tongbao.merchants import entities
from tongbao.merchants import rules as merchant_rules
from tongbao.merchants import types as merchant_types
from tongbao.merchants.service import MerchantService
from tongbao.methods.api import Methods
from tongbao.methods.code.method import PayerCode
from tongbao.methods.nfc.method import TappedToken
from tongbao.methods.text import rules as text_rules
from tongbao.methods.text import types as text_types
from tongbao.methods.text import wishes as text_wishes
from tongbao.methods.text.gateway import Gateway
from tongbao.operators import invitations, suspensions
from tongbao.operators import rules as operator_rules
from tongbao.operators import types as operator_types
from tongbao.payments import agreements as agreement_rules
from tongbao.payments import agreements_debits as debit_rules
from tongbao.payments import agreements_types as agreement_types
from tongbao.payments import asks, funding_types
from tongbao.payments import authorisations as authorisation_rules
from tongbao.payments import funded as funding_rules
from tongbao.payments import rules as payment_rules
from tongbao.payments import types as payment_types
from tongbao.payments.funding_service import CardOnFile
from tongbao.payments.verify import check_agreements, check_payments
from tongbao.privacy import assessments, breaches, consents, copies, corrections, erasure, letters, reviews
from tongbao.privacy.obstacles import Obstacle, ObstaclesOf
from tongbao.rules import api as law
from tongbao.security import classes, people
from tongbao.security.keys import Keys, mac
from tongbao.security.masking import mask_card, mask_login, mask_name
from tongbao.wallet import card_binding, cards, links, small_payments, transfers
from tongbao.wallet import rules as wallet_rules
from tongbao.wallet import types as wallet_types
from tongbao.wallet.card_service import CardService
from tongbao.wallet.statement import CounterpartiesOf, Counterparty
from tongbao.wallet.types import BankTransfer, LinkedAccount

#: Packages with a `migrations/` folder, in the order in which they may rely on each other.
MIGRATIONS = (
    "tongbao.engine",
    "tongbao.ledger",
    "tongbao.security",
    "tongbao.identity",
    "tongbao.operators",
    "tongbao.rules",
    "tongbao.merchants",
    "tongbao.wallet",
    "tongbao.payments",
    "tongbao.methods.text",
    "tongbao.privacy",
)

#: Which class of personal data each column is of.
CLASSES = classes.read(MIGRATIONS)

#: Everything the engine can decide.
DECIDERS: tuple[Decider[Any], ...] = (
    *ledger.DECIDERS,
    *periods.DECIDERS,
    *opening.DECIDERS,
    *people.DECIDERS,
    *identity_rules.DECIDERS,
    *law.carrying(realname_rules.DECIDERS),
    *realname_rules.FORGETTING,
    *guardian_rules.DECIDERS,
    *operator_rules.DECIDERS,
    *invitations.DECIDERS,
    *suspensions.DECIDERS,
    *devices.DECIDERS,
    *passkeys.DECIDERS,
    *certificates.DECIDERS,
    *instrument_rules.DECIDERS,
    *enrolling.DECIDERS,
    *law.DECIDERS,
    *alerts.DECIDERS,
    *codes.DECIDERS,
    *tries.DECIDERS,
    *tidying.DECIDERS,
    *lookups.DECIDERS,
    *recovery.DECIDERS,
    *takeover.DECIDERS,
    *totp_rules.DECIDERS,
    *merchant_rules.DECIDERS,
    *entities.DECIDERS,
    *wallet_rules.DECIDERS,
    *links.DECIDERS,
    *cards.DECIDERS,
    *card_binding.DECIDERS,
    *transfers.DECIDERS,
    *small_payments.DECIDERS,
    *payment_rules.DECIDERS,
    *funding_rules.DECIDERS,
    *authorisation_rules.DECIDERS,
    *asks.DECIDERS,
    *agreement_rules.DECIDERS,
    *debit_rules.DECIDERS,
    *text_rules.DECIDERS,
    *text_wishes.DECIDERS,
    *consents.DECIDERS,
    *reviews.DECIDERS,
    *breaches.DECIDERS,
    *letters.DECIDERS,
    *assessments.DECIDERS,
    *copies.DECIDERS,
    *corrections.DECIDERS,
    *erasure.DECIDERS,
)

#: Kinds of journals that have an act of their own which undoes them: a refund, a transfer back, a period opened again.
UNDONE_ELSEWHERE = frozenset(
    {
        "payment", "payment.reversed", "capture", "refund", "card.given_back", "card.refunded", "card.refund_to_wallet",
        "transfer", "topup.succeeded", "withdrawal.start", "withdrawal.succeeded", "withdrawal.failed",
        "ledger.issue_colour", "ledger.reclaim_colour", "ledger.carry_forward",
    }
)  # fmt: skip

#: What `verify` compares besides the chain.
CHECKS: tuple[Check, ...] = (check_ledger, check_periods, check_agreements, check_payments)

#: Every table that commands write.
RELATIONS: tuple[Relation[Any], ...] = (
    people.PERSON_KEY, identity_types.LOGIN, identity_types.PRINCIPAL, identity_types.PIN, identity_types.SESSION, STANDING,
    *law.RELATIONS,
    realname_types.REAL_NAME, realname_types.NEXT_NAME, realname_types.NAME_CHECK, realname_types.DOCUMENT_HOLDER,
    realname_types.PHONE_HOLDER, realname_types.GUARDIANSHIP, realname_types.NAME_EVENT,
    operator_types.PROPOSAL, invitations.INVITATION, suspensions.SUSPENSION, operator_types.INCIDENT, operator_types.OPERATOR_ACT,
    devices.DEVICE, passkeys.PASSKEY, certificates.CERTIFICATE, instruments.INSTRUMENT, totp.TOTP, codes.CODE, tries.TRIES,
    daily.COUNT, ALERT, MESSAGE,
    merchant_types.MERCHANT, merchant_types.STORE, merchant_types.API_KEY,
    entities.ENTITY, entities.ENTITY_PERSON, entities.ENTITY_CHECK,
    wallet_types.BANK_ACCOUNT, cards.CARD, cards.FUNDING_ORDER,
    links.BANK_LINK, card_binding.CARD_BINDING, wallet_types.BANK_TRANSFER, wallet_types.DELAYED_TRANSFER, wallet_types.BILL,
    small_payments.SMALL_PAYMENTS,
    payment_types.PAYMENT, payment_types.REFUND, payment_types.AUTHORISATION, payment_types.CAPTURE, asks.ASK,
    funding_types.FUNDING, funding_types.CARD_REQUEST,
    agreement_types.AGREEMENT, agreement_types.DEBIT,
    text_types.TEXT_PHONE, text_types.TEXT_SESSION, text_types.TILL, text_types.TEXT_WISH,
    consents.CONSENT, consents.CONSENT_STATE, reviews.REVIEW, reviews.CHOICE,
    breaches.BREACH, breaches.BREACH_TASK, breaches.BREACH_NOTICE, letters.LETTER, assessments.ASSESSMENT,
    copies.COPY, corrections.CORRECTION, erasure.ERASURE,
    ledger_types.REVERSAL, ledger_types.HOLD, ledger_types.COLOUR, ledger_types.COLOUR_MERCHANT, ledger_types.BOOK,
    periods.PERIOD, ledger_types.ACCOUNT, ledger_types.JOURNAL, ledger_types.ENTRY, ledger_types.LEDGER_DAY,
)  # fmt: skip


def methods(instruments: InstrumentService) -> Methods:
    """Every way to pay that a till can read."""
    return Methods((PayerCode(instruments), TappedToken(instruments)))


class BankAdapter:
    """The wallet's `Bank` over a `BankChannel`."""

    def __init__(self, channel: BankChannel) -> None:
        self._channel = channel

    async def submit(self, transfer: BankTransfer, account: LinkedAccount) -> wallet_types.BankAnswer:
        kind: Literal["debit", "credit"] = "debit" if transfer.kind == "topup" else "credit"
        return _answer(
            await self._channel.submit(
                BankRequest(
                    str(transfer.bank_transfer_id),
                    kind,
                    account.number,
                    account.holder_name,
                    transfer.amount_minor,
                    transfer.currency,
                )
            )
        )

    async def inquire(self, transfer: BankTransfer) -> wallet_types.BankAnswer:
        answer = await self._channel.inquire(str(transfer.bank_transfer_id))
        return wallet_types.BankAnswer("NOT_FOUND") if isinstance(answer, NotFound) else _answer(answer)

    async def start_link(self, question: wallet_types.BankLinkQuestion) -> wallet_types.BankLinkAnswer:
        return (await self._channel.start_link(LinkRequest(**msgspec.structs.asdict(question)))).state

    async def confirm_link(self, reference: str, code: str) -> wallet_types.BankLinkAnswer:
        return (await self._channel.confirm_link(reference, code)).state

    async def inquire_link(self, reference: str) -> wallet_types.BankLinkAnswer:
        return (await self._channel.inquire_link(reference)).state

    async def reserve_minor(self, currency: str) -> int:
        return await self._channel.reserve_balance(currency)

    async def close(self) -> None:
        await self._channel.close()


def _answer(answer: BankAnswer) -> wallet_types.BankAnswer:
    return wallet_types.BankAnswer(answer.state, answer.bank_reference, answer.failure_code)


def open_bank(settings: Settings, keys: Keys) -> BankAdapter:
    """The bank of the settings; the demonstration's simulated bank listens beside the server."""
    return BankAdapter(HttpBank(settings.bank_url or f"http://127.0.0.1:{settings.port + 1}", key=keys.bank.hex()))


class CardsAdapter:
    """The wallet's `Cards` over a `CardNetwork`."""

    def __init__(self, network: CardNetwork) -> None:
        self._network = network

    async def start_binding(self, question: cards.CardQuestion) -> cards.BindingAnswer:
        return _binding(await self._network.start_binding(CardBinding(**msgspec.structs.asdict(question))))

    async def confirm_binding(self, reference: UUID, code: str) -> cards.BindingAnswer:
        return _binding(await self._network.confirm_binding(reference, code))

    async def inquire_binding(self, reference: UUID) -> cards.BindingAnswer:
        return _binding(await self._network.inquire_binding(reference))

    async def unbind(self, token: str) -> bool:
        return await self._network.unbind(token)


def _binding(answer: BindingAnswer) -> cards.BindingAnswer:
    card = answer.card
    if card is None:
        return cards.BindingAnswer(answer.state)
    return cards.BindingAnswer(answer.state, card.token, card.bank, card.kind, card.last4)


class CardsOnFile:
    """Cards as payments need them, over the wallet's."""

    def __init__(self, cards: CardService) -> None:
        self._cards = cards

    async def card(self, customer_id: UUID, card_id: UUID) -> CardOnFile | None:
        card = (await self._cards.cards_by_id([card_id])).get(card_id)
        if card is None or card.customer_id != customer_id or card.removed_at is not None:
            return None
        token = await self._cards.token(card)
        return CardOnFile(card_id, token) if token else None


def open_cards(settings: Settings, keys: Keys) -> HttpCards:
    """The card network of the settings; the demonstration's simulated one is the same program as its bank."""
    return HttpCards(settings.cards_url or f"http://127.0.0.1:{settings.port + 1}", key=cards_key(keys))


def cards_key(keys: Keys) -> str:
    """What authenticates us to the card network and the network to us."""
    return mac(keys.bank, b"cards").hex()


def open_registries(settings: Settings, keys: Keys) -> NameChannel:
    """Those who know people, of the settings; the demonstration's simulated ones listen beside the bank."""
    url = settings.registries_url or f"http://127.0.0.1:{settings.port + 2}"
    return HttpRegistries(url, key=registries_key(keys))


def registries_key(keys: Keys) -> str:
    """What authenticates us to the registries and them to us."""
    return mac(keys.bank, b"registries").hex()


def open_messages(settings: Settings, keys: Keys) -> HttpMessages:
    """The provider of messages of the settings; the demonstration's simulated one listens beside the server."""
    url = settings.messages_url or f"http://127.0.0.1:{settings.port + 3}"
    return HttpMessages(url, key=messages_key(keys))


def messages_key(keys: Keys) -> str:
    """What authenticates us to the provider of messages."""
    return mac(keys.bank, b"messages").hex()


def text_key(settings: Settings, keys: Keys) -> bytes:
    """What the gateway of the mobile networks signs with."""
    return settings.text_key.encode() if settings.text_key else mac(keys.bank, b"text gateway").hex().encode()


def text_gateway(settings: Settings, keys: Keys) -> Gateway:
    """The gateway of the mobile networks, of the settings; `tongbao phone` is one that is simulated."""
    return Gateway(text_key(settings, keys), settings.text_addresses)


def cards_returning(cards: CardService) -> ObstaclesOf:
    """Cards that were removed and that their network has not heard of: their tokens must be given back while they can be
    opened."""

    async def found(customer_id: UUID) -> list[Obstacle]:
        if not (count := await cards.returning(customer_id)):
            return []
        words = Words(
            f"有 {count} 张银行卡正在解绑，完成后即可注销。",
            f"{count} of your cards are still being unbound: that ends by itself.",
        )
        return [Obstacle("card", words)]

    return found


#: Who was on the other side and has been erased since.
FORMER_CUSTOMER = Counterparty("已注销用户 · Former customer", "customer")


def counterparties(
    identity: IdentityService,
    merchants: MerchantService,
    bank_accounts: Callable[[Sequence[UUID]], Awaitable[Mapping[UUID, LinkedAccount]]],
) -> dict[str, CounterpartiesOf]:
    """How each kind of counterparty of a bill is named."""

    async def customers(ids: Sequence[UUID]) -> dict[UUID, Counterparty]:
        people = await identity.several(list(ids))
        return {
            id: Counterparty(mask_name(one.name), "customer", mask_login(one.login)) if one.name else FORMER_CUSTOMER
            for id, one in people.items()
        }

    async def sellers(ids: Sequence[UUID]) -> dict[UUID, Counterparty]:
        return {id: Counterparty(one.name, "merchant") for id, one in (await merchants.several(ids)).items()}

    async def banks(ids: Sequence[UUID]) -> dict[UUID, Counterparty]:
        found = await bank_accounts(ids)
        return {id: Counterparty(mask_card(one.number), "bank") for id, one in found.items()}

    return {"customer": customers, "merchant": sellers, "bank": banks}
