"""A tap as a way to pay."""

from __future__ import annotations

import hmac

from tongbao.identity.factors import POSSESSION
from tongbao.identity.types import ClaimConfirmation
from tongbao.kernel.errors import Refusal
from tongbao.methods.api import Capabilities, Claim, Encounter, Held, InstrumentBook, MethodName
from tongbao.methods.nfc.card import SoftwareCard
from tongbao.methods.nfc.errors import TAP_ELSEWHERE, TAP_LATE, TAP_RELAYED, TAP_WRONG
from tongbao.methods.nfc.reader import read_card
from tongbao.methods.nfc.tap import LIVES_S, MOST_RELAY_US, Tap, cryptogram, is_tap


class TappedToken:
    """`PaymentMethod` of a token in a phone or a card that is held to a reader."""

    name: MethodName = "nfc"
    capabilities = Capabilities(
        instrument="nfc", offline_payer=True, offline_payee=False, binds_merchant=True, binds_amount=True, lives_s=LIVES_S,
        factors=POSSESSION,
    )  # fmt: skip

    def __init__(self, instruments: InstrumentBook) -> None:
        self._instruments = instruments

    def recognises(self, shown: str) -> bool:
        return is_tap(shown)

    def present(self, held: Held, encounter: Encounter) -> str:
        """A software card and a software reader, in one go."""
        card = SoftwareCard(held.number, held.secret, lambda: held.uses + 1)
        return read_card(card.transmit, encounter).shown()

    async def verify(self, shown: str, encounter: Encounter) -> Claim:
        """Refuses `tap_unreadable`, `tap_elsewhere`, `tap_late`, `tap_relayed` and `tap_wrong`; the last also of a number that
        nobody has, so that asking tells nothing."""
        tap = Tap.read(shown)
        if not tap.details.is_for(encounter):
            raise Refusal(TAP_ELSEWHERE)
        if not tap.details.in_time(encounter.at):
            raise Refusal(TAP_LATE)
        if tap.details.relay_us > MOST_RELAY_US:
            raise Refusal(TAP_RELAYED)
        right = cryptogram(self._instruments.secret(tap.number, "nfc"), tap.number, tap.counter, tap.details.encode())
        if not hmac.compare_digest(right, tap.cryptogram):
            await self._instruments.missed(tap.number, encounter.merchant_id)
            raise Refusal(TAP_WRONG)
        owner = await self._instruments.owner(tap.number)
        if owner is None:
            raise Refusal(TAP_WRONG)
        return Claim(owner.customer_id, self.name, ClaimConfirmation(tap.number, tap.counter, owner.device_id))
