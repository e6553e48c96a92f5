"""What means nothing any more is removed, and what still does stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.identity.safety_situations import asking, sending
from tests.identity.test_ladder import wrong_passwords
from tests.support.leavings import rows
from tests.support.town import town
from tongbao.engine.api import MemoryStore
from tongbao.identity.codes import CODE, LIVES
from tongbao.identity.daily import COUNT
from tongbao.identity.tidying import ForgetOld
from tongbao.identity.tries import FIRST_WAIT, FORGOTTEN_AFTER, TRIES

MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("after", "codes", "counts", "tries"),
    [
        (LIVES - MOMENT, 1, 1, 1),
        (LIVES, 0, 1, 1),
        (timedelta(hours=12), 0, 0, 1),  # NOON: a day of the calendar is over
        (FORGOTTEN_AFTER + FIRST_WAIT - MOMENT, 0, 0, 1),
        (FORGOTTEN_AFTER + FIRST_WAIT, 0, 0, 0),
    ],
)
async def test_each_goes_when_its_meaning_does(after: timedelta, codes: int, counts: int, tries: int) -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await place.customer(pin=False)
        await place.happens(sending(place))
        await wrong_passwords(place, customer, 10)
        place.clock.advance(after)
        wish = ForgetOld(
            command_id=place.id(), code_ids=tuple(row.code_id for row in rows(store, CODE)),
            count_ids=tuple(row.count_id for row in rows(store, COUNT)),
            tries_ids=tuple(row.tries_id for row in rows(store, TRIES)),
        )  # fmt: skip
        removed = await place.happens(wish)
    assert (len(rows(store, CODE)), len(rows(store, COUNT)), len(rows(store, TRIES))) == (codes, counts, tries)
    assert removed == 3 - codes - counts - tries


async def test_what_is_gone_already_or_never_was_is_no_bother() -> None:
    async with town() as place:
        wish = ForgetOld(command_id=place.id(), code_ids=(place.id(),), count_ids=(asking().here,), tries_ids=(place.id(),))
        assert await place.happens(wish) == 0
        assert await place.happens(replace(wish, command_id=place.id())) == 0
