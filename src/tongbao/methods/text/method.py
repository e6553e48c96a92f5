"""What a mobile network says of a SIM, as a way to show who pays: the line that our gateway makes of a session it was sent.

    TEXT 000123456789012 1764000000000 <payee> 2500 CNY <proof>

The network vouches for the SIM, and its gateway for the network (a signature, an address); so the proof, an HMAC under the
instrument's secret, is made where that was checked and says so to what pays. It is over one payee and one sum, and lives as long
as a session may. The nonce is the millisecond. That the customer knows something too (the PIN) is added by who asked for it.
"""

from __future__ import annotations

import hmac
import re
from hashlib import sha256
from uuid import UUID

from tongbao.identity.factors import POSSESSION
from tongbao.identity.types import ClaimConfirmation
from tongbao.kernel.errors import Refusal
from tongbao.methods.api import Capabilities, Claim, Encounter, Held, InstrumentBook, MethodName
from tongbao.methods.text.errors import TEXT_STATEMENT_OVER, TEXT_STATEMENT_WRONG

LIVES_S = 180
#: How far the gateway's clock may be ahead of ours.
_AHEAD_S = 60
_LINE = re.compile(r"TEXT ([0-9]{15}) ([0-9]{13,15}) ([0-9a-f]{32}) ([0-9]{1,16}) ([A-Z]{3}) ([0-9a-f]{32})")


class TextStatement:
    """`PaymentMethod` of what a network says of a SIM."""

    name: MethodName = "text"
    capabilities = Capabilities(
        instrument="text", offline_payer=False, offline_payee=True, binds_merchant=True, binds_amount=True, lives_s=LIVES_S,
        factors=POSSESSION,
    )  # fmt: skip

    def __init__(self, instruments: InstrumentBook) -> None:
        self._instruments = instruments

    def recognises(self, shown: str) -> bool:
        return _LINE.fullmatch(shown) is not None

    def present(self, held: Held, encounter: Encounter) -> str:
        nonce = int(encounter.at.timestamp() * 1000) + held.uses
        said = _said(held.number, nonce, encounter.merchant_id, encounter.amount_minor, encounter.currency)
        return f"{said} {_proof(held.secret, said)}"

    async def verify(self, shown: str, encounter: Encounter) -> Claim:
        """Refuses `text_statement_wrong` (also for another payee or sum, and for a number that nobody has),
        `text_statement_over`. `encounter.merchant_id` is whoever is paid, be it a customer."""
        line = _LINE.fullmatch(shown)
        if line is None:
            raise Refusal(TEXT_STATEMENT_WRONG)
        number, nonce = int(line[1]), int(line[2])
        said = _said(number, nonce, encounter.merchant_id, encounter.amount_minor, encounter.currency)
        if not hmac.compare_digest(f"{said} {_proof(self._instruments.secret(number, 'text'), said)}", shown):
            await self._instruments.missed(number, encounter.merchant_id)
            raise Refusal(TEXT_STATEMENT_WRONG)
        age_s = encounter.at.timestamp() - nonce / 1000
        if not -_AHEAD_S <= age_s <= LIVES_S:
            raise Refusal(TEXT_STATEMENT_OVER)
        owner = await self._instruments.owner(number)
        if owner is None:
            raise Refusal(TEXT_STATEMENT_WRONG)
        return Claim(owner.customer_id, self.name, ClaimConfirmation(number, nonce, owner.device_id))


def _said(number: int, nonce: int, payee_id: UUID, amount_minor: int, currency: str) -> str:
    return f"TEXT {number:015d} {nonce:013d} {payee_id.hex} {amount_minor} {currency}"


def _proof(secret: bytes, said: str) -> str:
    return hmac.new(secret, said.encode(), sha256).hexdigest()[:32]
