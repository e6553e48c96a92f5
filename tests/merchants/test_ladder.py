"""What becomes of merchants' wishes, situation by situation."""

from __future__ import annotations

import pytest

from tests.support.ladder import Row, answer, declines_of, ladder, said_in
from tests.support.town import Town
from tongbao.engine.api import Command
from tongbao.merchants import errors
from tongbao.merchants.types import IssueApiKey

ROWS, says = ladder()

#: Said by the service when a store is looked up.
AT_THE_EDGE = {"store_not_found", "entity_not_recorded"}


@says("ok")
async def a_key_for_a_merchant(place: Town) -> Command:
    return IssueApiKey(command_id=place.id(), merchant_id=await place.merchant(), key_hash=b"k" * 32, name="till")


@says("merchant_not_found")
async def a_key_for_nobody(place: Town) -> Command:
    return IssueApiKey(command_id=place.id(), merchant_id=place.id(), key_hash=b"k" * 32, name="till")


@says("merchant_not_found")
async def an_order_for_nobody(place: Town) -> Command:
    return place.ordering(place.id(), "order")


@pytest.mark.parametrize("row", ROWS, ids=repr)
async def test_merchants_says(row: Row) -> None:
    assert await answer(row) == row.says


def test_every_decline_of_merchants_has_its_situation() -> None:
    assert declines_of(errors) - AT_THE_EDGE == said_in(ROWS)
