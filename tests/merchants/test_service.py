"""What the edge takes and refuses when a merchant is taken on."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

import pytest

from tests.support.leavings import rows
from tests.support.town import town
from tongbao.engine.api import MemoryStore
from tongbao.kernel.errors import Refusal
from tongbao.merchants.service import MerchantService
from tongbao.merchants.types import MERCHANT, NewStore


@pytest.mark.parametrize(("fee_ppm", "taken"), [(-1, False), (0, True), (100_000, True), (100_001, False)])
async def test_a_fee_is_at_most_a_tenth_and_at_least_nothing(fee_ppm: int, taken: bool) -> None:
    store, nobody = MemoryStore(), cast(Any, None)
    async with town(store) as place:
        service = MerchantService(place.engine, nobody, nobody, nobody, place.clock, currency="CNY", country="CN")
        wish: dict[str, Any] = {"name": "面馆", "mcc": "5812", "city": "上海", "stores": [NewStore("一店", "上海")]}
        if taken:
            await service.open(UUID(int=1), fee_ppm=fee_ppm, **wish)
            assert [each.fee_ppm for each in rows(store, MERCHANT)] == [fee_ppm]
        else:
            with pytest.raises(Refusal, match="fee_out_of_range"):
                await service.open(UUID(int=1), fee_ppm=fee_ppm, **wish)
            assert rows(store, MERCHANT) == []
