"""Use cases of linking a bank account.

Every question to the bank is three steps: record the wish (a command), ask outside any batch, record the answer (a command).
Whoever dies between them leaves a row that the worker finds (`settle_due`): it asks again, under the same reference.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final
from uuid import UUID

import asyncpg
import msgspec
import structlog

from tongbao.engine.api import Engine, accepted
from tongbao.identity.acts import Act
from tongbao.identity.evidence import Given
from tongbao.identity.realname.service import RealNameService, normal_phone
from tongbao.identity.realname.types import PHONE_FIELD
from tongbao.identity.service import Caller, IdentityService
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id, new_id
from tongbao.security.personal import Vault
from tongbao.wallet import errors
from tongbao.wallet.links import QUESTION_FIELD, BankLink, Question, RecordBankLink, StartBankLink, TryBankCode
from tongbao.wallet.types import HOLDER, NUMBER, QUERIES, Bank, BankLinkAnswer, BankLinkQuestion

BANKS: Final = {"simbank": {"zh": "通宝模拟银行", "en": "Tongbao Simulated Bank"}}

_log = structlog.get_logger("tongbao.wallet")
_LONGEST_RETRY_S = 300
#: A bank that does not keep its deadline does not keep us.
_MOST_WAIT_S = 10.0


class ShownLink(msgspec.Struct, frozen=True):
    """A link, opened for its owner and for the bank."""

    row: BankLink
    number: str
    holder_name: str
    told: Question


class BankLinks:
    """Whose bank account is whose."""

    def __init__(
        self,
        engine: Engine,
        pool: asyncpg.Pool,
        identity: IdentityService,
        names: RealNameService,
        vault: Vault,
        bank: Bank,
        clock: Clock,
        currency: str,
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._identity = identity
        self._names = names
        self._vault = vault
        self._bank = bank
        self._clock = clock
        self._currency = currency

    async def start(self, command_id: UUID, caller: Caller, bank: str, number: str, given: Given, phone: str = "") -> ShownLink:
        """Ask the bank whether the account is the customer's, under their verified name. `phone`: the one left with the bank,
        that of the real name or the log-in unless said. Refuses `bank_unsupported`, `bank_account_format`, `phone_form`; declines
        what `start_bank_link` does. The bank's own no is the link's state, the same whatever of it is different."""
        number = number.replace(" ", "")
        if bank not in BANKS:
            raise Refusal(errors.BANK_UNSUPPORTED, supported=", ".join(sorted(BANKS)))
        if not (12 <= len(number) <= 19 and number.isascii() and number.isdigit()):
            raise Refusal(errors.BANK_ACCOUNT_FORMAT)
        customer_id = caller.principal_id
        known = await self._names.verified(customer_id)
        if known is None:
            raise Refusal(errors.BANK_LINK_NEEDS_NAME)
        real, file = known
        person = await self._identity.person(customer_id)
        phone = normal_phone(phone or file.phone or person.login)
        document = file.document
        index = self._vault.index(NUMBER, number)
        question = msgspec.json.encode(Question(document.number, phone)).decode()
        act = Act("link_bank", customer_id, 0, self._currency, number)
        command = StartBankLink(
            command_id=command_id, customer_id=customer_id, link_id=named_id("bank link", str(command_id)),
            bank_account_id=named_id("bank account", str(customer_id), bank, index.hex()), bank=bank,
            number=await self._vault.seal(customer_id, NUMBER, number),
            holder_name=await self._vault.seal(customer_id, HOLDER, document.name),
            question=await self._vault.seal(customer_id, QUESTION_FIELD, question),
            phone_index=self._vault.index(PHONE_FIELD, phone), attempt=real.attempt,
            confirmation=await self._identity.confirmation(caller, given, command_id, act),
        )  # fmt: skip
        outcome = await self._engine.submit(command)
        accepted(outcome)
        if not outcome.repeated:
            link = await self.link(customer_id, command.link_id)
            await asyncio.shield(self._ask(link.row, self._bank.start_link(_asked(link))))
        return await self.link(customer_id, command.link_id)

    async def confirm(self, command_id: UUID, customer_id: UUID, link_id: UUID, code: str) -> ShownLink:
        """Show the bank the code it sent. A wrong one is told by what is left of the tries. Declines what `try_bank_code`
        does."""
        outcome = await self._engine.submit(TryBankCode(command_id=command_id, customer_id=customer_id, link_id=link_id))
        accepted(outcome)
        if not outcome.repeated:
            link = await self.link(customer_id, link_id)
            await asyncio.shield(self._ask(link.row, self._bank.confirm_link(str(link_id), code.strip())))
        return await self.link(customer_id, link_id)

    async def link(self, customer_id: UUID, link_id: UUID) -> ShownLink:
        """A customer's last link. Declines `bank_link_unknown`."""
        row = await self._pool.fetchrow(QUERIES["bank_link"], customer_id, link_id)
        if row is None:
            raise Refusal(errors.BANK_LINK_UNKNOWN)
        return await self._opened(BankLink(*row))

    async def settle_due(self, limit: int = 50) -> int:
        """The worker's round: ask the bank about every link whose answer is missing. Answers how many were looked at."""
        rows = await self._pool.fetch(QUERIES["bank_links_due"], self._clock.now(), limit)
        due = [BankLink(*row) for row in rows]
        results = await asyncio.gather(*map(self._settle_one, due), return_exceptions=True)
        for link, result in zip(due, results, strict=True):
            if isinstance(result, BaseException):
                _log.error("bank_link_not_settled", id=str(link.link_id), exc_info=result)
        return len(due)

    async def _settle_one(self, row: BankLink) -> None:
        if row.state == "CHECKING":  # the code is not kept: whether it arrived, the bank says
            await self._ask(row, self._bank.inquire_link(str(row.link_id)))
            return
        link = await self._opened(row)
        if link.number:
            await self._ask(row, self._bank.start_link(_asked(link)))
        else:  # its owner was erased meanwhile
            await self._record(row, "ENDED")

    async def _ask(self, row: BankLink, asking: Awaitable[BankLinkAnswer]) -> None:
        """Hear the bank out, within our patience, and write down what it said."""
        answer: BankLinkAnswer = "UNKNOWN"
        try:
            async with asyncio.timeout(_MOST_WAIT_S):
                answer = await asking
        except TimeoutError:
            _log.warning("bank_kept_us_waiting", link=str(row.link_id))
        await self._record(row, answer)

    async def _record(self, row: BankLink, answer: BankLinkAnswer) -> None:
        command = RecordBankLink(
            command_id=new_id(self._clock.now()), customer_id=row.customer_id, link_id=row.link_id,
            bank_account_id=row.bank_account_id, state=answer,
            retry_in_s=min(_LONGEST_RETRY_S, 2 ** min(row.tries + 1, 10)) if answer == "UNKNOWN" else 0,
        )  # fmt: skip
        await self._engine.submit(command)  # declined only where another link has taken its place

    async def _opened(self, row: BankLink) -> ShownLink:
        sealed = ((NUMBER, row.number), (HOLDER, row.holder_name), (QUESTION_FIELD, row.question))
        number, holder, question = await self._vault.open_many([(row.customer_id, field, value) for field, value in sealed])
        told = msgspec.json.decode(question, type=Question) if question else Question("", "")
        return ShownLink(row, number, holder, told)


def _asked(link: ShownLink) -> BankLinkQuestion:
    told = link.told
    return BankLinkQuestion(str(link.row.link_id), link.number, link.holder_name, told.document_number, told.phone)
