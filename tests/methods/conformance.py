"""What every way to pay passes. A method's own test makes a `Rig` of it and calls `check` with each of `CASES`.

The rig is the whole path over real storage: what was shown is verified by the method, and paid by the claim. What a method cannot
do (a code that binds no merchant) its capabilities say, and then the case holds it to the opposite.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from tests.support.town import CURRENCY, Town
from tongbao.engine.api import Declined
from tongbao.kernel.errors import Refusal
from tongbao.methods.api import Encounter, Held, PaymentMethod

CASES: dict[str, Callable[[Rig], Awaitable[None]]] = {}
AMOUNT = 1000


@dataclass
class Rig:
    """A method in a town. `held`: what lives on the payer's side, bound and paying small sums without a PIN. `revoke_device` and
    `revoke` take it away."""

    place: Town
    method: PaymentMethod
    payer_id: UUID
    held: Held
    merchants: tuple[UUID, UUID]
    revoke: Callable[[], Awaitable[None]]
    revoke_device: Callable[[], Awaitable[None]]

    def encounter(self, merchant: int = 0, minor: int = AMOUNT, later: timedelta = timedelta()) -> Encounter:
        return Encounter(self.merchants[merchant], minor, CURRENCY, self.place.clock.now() + later)

    def shown(self, uses: int = 0, later: timedelta = timedelta()) -> str:
        """What the payer's side shows the first merchant, by a clock that is so much ahead."""
        return self.method.present(replace(self.held, uses=uses), self.encounter(later=later))

    async def pays(self, shown: str, merchant: int = 0, minor: int = AMOUNT) -> str:
        """ "ok", or the code of what refused or declined it."""
        at = self.encounter(merchant, minor)
        try:
            claim = await self.method.verify(shown, at)
        except Refusal as refusal:
            return refusal.code.name
        assert claim.payer_id == self.payer_id
        assert claim.method == self.method.name
        outcome = await self.place.submit(
            self.place.paying_at_once(
                at.merchant_id, f"till-{self.place.id().hex}", claim.payer_id, minor, method=claim.method,
                confirmation=claim.confirmation,
            )
        )  # fmt: skip
        return outcome.decision.code.name if isinstance(outcome.decision, Declined) else "ok"


def case(check: Callable[[Rig], Awaitable[None]]) -> Callable[[Rig], Awaitable[None]]:
    CASES[check.__name__] = check
    return check


@case
async def what_is_shown_is_recognised_and_pays(rig: Rig) -> None:
    assert rig.method.recognises(rig.shown())
    assert await rig.pays(rig.shown()) == "ok"


@case
async def what_paid_does_not_pay_again(rig: Rig) -> None:
    shown = rig.shown()
    assert await rig.pays(shown) == "ok"
    assert await rig.pays(shown) == "instrument_used"
    assert await rig.pays(shown, merchant=1) != "ok"


@case
async def two_tills_at_once_are_paid_once(rig: Rig) -> None:
    shown, merchant = rig.shown(), 0
    claims = [await rig.method.verify(shown, rig.encounter(merchant)) for _ in range(2)]
    codes = []
    for claim in claims:
        wish = rig.place.paying_at_once(
            rig.merchants[0], f"till-{rig.place.id().hex}", claim.payer_id, AMOUNT, method=claim.method,
            confirmation=claim.confirmation,
        )  # fmt: skip
        codes.append(await rig.place.says(wish))
    assert sorted(codes) == ["instrument_used", "ok"]


@case
async def the_next_one_pays(rig: Rig) -> None:
    assert await rig.pays(rig.shown()) == "ok"
    assert await rig.pays(rig.shown(uses=1)) == "ok"


@case
async def it_is_not_taken_after_its_time(rig: Rig) -> None:
    shown = rig.shown()
    rig.place.clock.advance(timedelta(seconds=rig.method.capabilities.lives_s + 1))
    assert await rig.pays(shown) not in ("ok", "instrument_used")


@case
async def a_clock_that_is_a_little_off_is_forgiven(rig: Rig) -> None:
    skew = timedelta(seconds=rig.method.capabilities.lives_s / 3 - 1)
    assert await rig.pays(rig.shown(later=-skew)) == "ok"
    assert await rig.pays(rig.shown(uses=1, later=skew)) == "ok"


@case
async def a_clock_that_is_far_off_is_not(rig: Rig) -> None:
    skew = timedelta(seconds=rig.method.capabilities.lives_s * 2)
    assert await rig.pays(rig.shown(later=skew)) not in ("ok", "instrument_used")


@case
async def another_merchant_is_paid_only_where_none_is_bound(rig: Rig) -> None:
    said = await rig.pays(rig.shown(), merchant=1)
    assert (said == "ok") is not rig.method.capabilities.binds_merchant


@case
async def another_amount_is_paid_only_where_none_is_bound(rig: Rig) -> None:
    said = await rig.pays(rig.shown(), minor=AMOUNT + 1)
    assert (said == "ok") is not rig.method.capabilities.binds_amount


@case
async def what_was_revoked_pays_no_more(rig: Rig) -> None:
    shown = rig.shown()
    await rig.revoke()
    assert await rig.pays(shown) == "instrument_revoked"


@case
async def what_lives_on_a_device_that_was_removed_pays_no_more(rig: Rig) -> None:
    shown = rig.shown()
    await rig.revoke_device()
    assert await rig.pays(shown) == "instrument_revoked"


@case
async def a_changed_character_does_not_pay(rig: Rig) -> None:
    shown = rig.shown()
    for at in range(0, len(shown), max(1, len(shown) // 8)):
        other = "1" if shown[at] != "1" else "2"
        assert await rig.pays(shown[:at] + other + shown[at + 1 :]) != "ok"


@case
async def nobody_elses_secret_pays(rig: Rig) -> None:
    forged = rig.method.present(replace(rig.held, secret=bytes(32)), rig.encounter())
    assert await rig.pays(forged) not in ("ok", "instrument_used")


@case
async def no_more_factors_are_claimed_than_the_method_can_show(rig: Rig) -> None:
    claim = await rig.method.verify(rig.shown(), rig.encounter())
    assert not claim.confirmation.mac
    assert rig.method.capabilities.factors == 2
