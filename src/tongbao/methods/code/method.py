"""The payer's code as a way to pay."""

from __future__ import annotations

from tongbao.identity.factors import POSSESSION
from tongbao.identity.types import ClaimConfirmation
from tongbao.kernel.errors import Refusal
from tongbao.methods.api import Capabilities, Claim, Encounter, Held, InstrumentBook, MethodName
from tongbao.methods.code.digits import (
    DRIFT,
    LENGTH,
    NUMBER_DIGITS,
    PREFIX,
    STEP_S,
    check_digit_holds,
    nonce_of,
    nonce_shown,
    payer_code,
    step_at,
)
from tongbao.methods.code.errors import PAYER_CODE_MISTYPED, PAYER_CODE_WRONG

_NUMBER = slice(len(PREFIX), len(PREFIX) + NUMBER_DIGITS)
_PROOF = slice(_NUMBER.stop, LENGTH - 1)


class PayerCode:
    """`PaymentMethod` of twenty digits, shown as a QR code, as Code 128, or read out."""

    name: MethodName = "qr_payer"
    capabilities = Capabilities(
        instrument="code", offline_payer=True, offline_payee=False, binds_merchant=False, binds_amount=False,
        lives_s=STEP_S * (1 + 2 * DRIFT), factors=POSSESSION,
    )  # fmt: skip

    def __init__(self, instruments: InstrumentBook) -> None:
        self._instruments = instruments

    def recognises(self, shown: str) -> bool:
        return len(shown) == LENGTH and shown.isascii() and shown.isdigit() and shown.startswith(PREFIX)

    def present(self, held: Held, encounter: Encounter) -> str:
        return payer_code(held.number, held.secret, nonce_of(step_at(encounter.at), held.uses))

    async def verify(self, shown: str, encounter: Encounter) -> Claim:
        """Refuses `payer_code_mistyped`, `payer_code_wrong`: also for a number that nobody has, so that asking tells nothing."""
        if not self.recognises(shown) or not check_digit_holds(shown):
            raise Refusal(PAYER_CODE_MISTYPED)
        number = int(shown[_NUMBER])
        nonce = nonce_shown(self._instruments.secret(number, "code"), shown[_PROOF], step_at(encounter.at))
        if nonce is None:
            await self._instruments.missed(number, encounter.merchant_id)
            raise Refusal(PAYER_CODE_WRONG)
        owner = await self._instruments.owner(number)
        if owner is None:
            raise Refusal(PAYER_CODE_WRONG)
        return Claim(owner.customer_id, self.name, ClaimConfirmation(number, nonce, owner.device_id))
