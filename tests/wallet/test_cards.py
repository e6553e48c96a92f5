"""Bank cards, situation by situation, and what becomes of one whatever its network says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.support.ladder import Row, answer, ladder
from tests.support.leavings import rows
from tests.support.town import NOON, RIGHT, WRONG, Town, sealed, town
from tests.wallet.test_links import giving_a_document, known
from tongbao.engine.api import Command, MemoryStore
from tongbao.identity.alerts import ALERT
from tongbao.wallet.card_binding import CARD_BINDING, CardBinding, RecordCardBinding, StartCardBinding, TryCardCode
from tongbao.wallet.cards import (
    CARD,
    FUNDING_ORDER,
    MOST_CARDS,
    BindingSaid,
    Card,
    FundingOrder,
    OrderFunding,
    RecordCardReturn,
    RemoveCard,
)
from tongbao.wallet.links import GIVEN_UP_AFTER, LIVES, MOST_A_DAY

ROWS, says = ladder()
CARD_ID, OTHER = UUID(int=7), UUID(int=8)


def binding(place: Town, customer: UUID, **changes: Any) -> StartCardBinding:
    wish: dict[str, Any] = {
        "binding_id": place.id(), "card_id": CARD_ID, "attempt": 1, "confirmation": RIGHT, "shown": sealed("{}"), **changes
    }  # fmt: skip
    return StartCardBinding(command_id=place.id(), customer_id=customer, phone_index=b"phone", **wish)


def hearing(place: Town, asked: StartCardBinding, state: BindingSaid, **changes: Any) -> RecordCardBinding:
    wish: dict[str, Any] = {"binding_id": asked.binding_id, "card_id": asked.card_id, "retry_in_s": 3, **changes}
    if state == "BOUND":
        wish |= {"token": sealed("ct_1"), "bank": "CMB", "card_kind": "debit", "last4": "0009"}
    return RecordCardBinding(command_id=place.id(), customer_id=asked.customer_id, state=state, **wish)


def typing(place: Town, asked: StartCardBinding, **changes: Any) -> TryCardCode:
    wish: dict[str, Any] = {"binding_id": asked.binding_id, "customer_id": asked.customer_id, **changes}
    return TryCardCode(command_id=place.id(), **wish)


async def under_way(place: Town, *answers: BindingSaid, **changes: Any) -> StartCardBinding:
    """A binding of somebody known, of which the network has said this; a code is typed before every word about one."""
    asked = binding(place, changes.pop("customer", None) or await known(place), **changes)
    await place.happens(asked)
    for state in answers:
        if state in ("WRONG_CODE", "BOUND"):
            await place.happens(typing(place, asked))
        await place.happens(hearing(place, asked, state))
    return asked


async def with_cards(place: Town, *cards: UUID) -> UUID:
    """Somebody who bound these."""
    customer = await known(place)
    for card_id in cards:
        await under_way(place, "CODE_SENT", "BOUND", customer=customer, card_id=card_id)
    return customer


def removing(place: Town, customer: UUID, card_id: UUID = CARD_ID) -> RemoveCard:
    return RemoveCard(command_id=place.id(), customer_id=customer, card_id=card_id)


def ordering(place: Town, customer: UUID, *sources: object) -> OrderFunding:
    return OrderFunding(command_id=place.id(), customer_id=customer, sources=tuple(str(each) for each in sources))


# ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def somebody_known(place: Town) -> Command:
    return binding(place, await known(place))


@says("bank_link_needs_name")
async def somebody_who_gave_no_document(place: Town) -> Command:
    return binding(place, await place.customer())


@says("bank_link_needs_name")
async def a_name_that_was_read_before_another_document_was_given(place: Town) -> Command:
    customer = await known(place)
    await place.happens(
        giving_a_document(place, customer, content_index=b"renewed", former_document_index=customer.bytes, confirmation=RIGHT)
    )
    return binding(place, customer)


@says("card_bound")
async def a_card_that_is_bound(place: Town) -> Command:
    return binding(place, await with_cards(place, CARD_ID))


@says("card_leaving")
async def a_card_whose_network_has_not_heard_that_it_was_removed(place: Town) -> Command:
    customer = await with_cards(place, CARD_ID)
    await place.happens(removing(place, customer))
    return binding(place, customer)


@says("ok")
async def a_card_that_was_removed_and_given_back(place: Town) -> Command:
    customer = await with_cards(place, CARD_ID)
    await place.happens(removing(place, customer))
    await place.happens(RecordCardReturn(command_id=place.id(), card_id=CARD_ID, heard=True))
    return binding(place, customer)


@says("cards_too_many")
async def one_card_more_than_may_be(place: Town) -> Command:
    customer = await known(place)
    for number in range(MOST_CARDS):
        if number % (MOST_A_DAY - 1) == 0:
            place.clock.advance(timedelta(days=1))
        await under_way(place, "CODE_SENT", "BOUND", customer=customer, card_id=UUID(int=100 + number))
    return binding(place, customer)


@says("wrong_pin")
async def a_wrong_pin(place: Town) -> Command:
    return binding(place, await known(place), confirmation=WRONG)


@says("card_binding_too_many")
async def one_more_than_a_day_allows(place: Town) -> Command:
    customer = await known(place)
    for _ in range(MOST_A_DAY):
        await place.happens(binding(place, customer))
    return binding(place, customer)


@says("ok")
async def another_day(place: Town) -> Command:
    wish = await one_more_than_a_day_allows(place)
    place.clock.advance(timedelta(days=1))
    return wish


# ── the code ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def a_code_in_time(place: Town) -> Command:
    return typing(place, await under_way(place, "CODE_SENT"))


@says("card_binding_unknown")
async def a_code_of_somebody_else(place: Town) -> Command:
    asked = await under_way(place, "CODE_SENT")
    return typing(place, asked, customer_id=await known(place))


@says("card_binding_unknown")
async def a_code_for_a_binding_that_another_took_the_place_of(place: Town) -> Command:
    asked = await under_way(place, "CODE_SENT")
    await place.happens(binding(place, asked.customer_id))
    return typing(place, asked)


@says("card_binding_waits")
async def a_code_before_one_was_sent(place: Town) -> Command:
    return typing(place, await under_way(place))


@says("card_binding_waits")
async def a_code_while_another_is_looked_at(place: Town) -> Command:
    asked = await under_way(place, "CODE_SENT")
    await place.happens(typing(place, asked))
    return typing(place, asked)


@says("card_binding_ended")
async def a_code_that_comes_late(place: Town) -> Command:
    asked = await under_way(place, "CODE_SENT")
    place.clock.advance(LIVES)
    return typing(place, asked)


@says("card_binding_ended")
async def a_code_after_three_wrong_ones(place: Town) -> Command:
    return typing(place, await under_way(place, "CODE_SENT", "WRONG_CODE", "WRONG_CODE", "WRONG_CODE"))


@says("card_binding_unknown")
async def a_word_about_a_binding_that_another_took_the_place_of(place: Town) -> Command:
    asked = await under_way(place, "CODE_SENT")
    await place.happens(binding(place, asked.customer_id))
    return hearing(place, asked, "BOUND")


@says("card_binding_unknown")
async def a_word_about_another_card(place: Town) -> Command:
    return hearing(place, await under_way(place, "CODE_SENT"), "BOUND", card_id=OTHER)


# ── removing, and the order ─────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def a_card_of_ones_own_is_removed(place: Town) -> Command:
    return removing(place, await with_cards(place, CARD_ID))


@says("card_unknown")
async def somebody_elses_card_is_removed(place: Town) -> Command:
    await with_cards(place, CARD_ID)
    return removing(place, await known(place))


@says("card_unknown")
async def a_card_is_removed_twice(place: Town) -> Command:
    customer = await with_cards(place, CARD_ID)
    await place.happens(removing(place, customer))
    return removing(place, customer)


@says("ok")
async def an_order_that_names_some(place: Town) -> Command:
    return ordering(place, await with_cards(place, CARD_ID, OTHER), OTHER)


@says("ok")
async def an_order_of_who_has_no_card(place: Town) -> Command:
    return ordering(place, await place.customer(), "balance")


@says("funding_order_wrong")
async def an_order_that_names_one_twice(place: Town) -> Command:
    return ordering(place, await with_cards(place, CARD_ID), CARD_ID, "balance", CARD_ID)


@says("funding_order_wrong")
async def an_order_with_somebody_elses_card(place: Town) -> Command:
    await with_cards(place, CARD_ID)
    return ordering(place, await known(place), CARD_ID)


@says("funding_order_wrong")
async def an_order_with_a_card_that_was_removed(place: Town) -> Command:
    customer = await with_cards(place, CARD_ID)
    await place.happens(removing(place, customer))
    return ordering(place, customer, CARD_ID)


@pytest.mark.parametrize("row", ROWS, ids=repr)
async def test_cards_say(row: Row) -> None:
    assert await answer(row) == row.says


@pytest.mark.parametrize(
    ("answers", "state", "wrong", "bound"),
    [
        (["REFUSED"], "REFUSED", 0, 0),
        (["ENDED"], "ENDED", 0, 0),
        (["CODE_SENT"], "SENT", 0, 0),
        (["CODE_SENT", "WRONG_CODE"], "SENT", 1, 0),
        (["CODE_SENT", "WRONG_CODE", "WRONG_CODE", "WRONG_CODE"], "ENDED", 3, 0),
        (["CODE_SENT", "WRONG_CODE", "BOUND"], "BOUND", 1, 1),
        (["CODE_SENT", "BOUND"], "BOUND", 0, 1),
    ],
)  # fmt: skip
async def test_what_the_network_says_is_what_becomes_of_a_binding(
    answers: list[BindingSaid], state: str, wrong: int, bound: int
) -> None:
    store = MemoryStore()
    async with town(store) as place:
        who = (await under_way(place, *answers)).customer_id
    (row,) = rows(store, CARD_BINDING)
    assert (row.state, row.wrong, row.asked) == (state, wrong, 1)
    assert (row.ask_at, row.finished_at) == (None, None if state == "SENT" else NOON)
    assert rows(store, CARD) == [Card(CARD_ID, who, sealed("ct_1"), "CMB", "debit", "0009", NOON, None, 0, None)] * bound
    assert rows(store, FUNDING_ORDER) == [FundingOrder(who, f"balance,{CARD_ID}")] * bound
    assert [alert.kind for alert in rows(store, ALERT)] == ["card_bound"] * bound


@pytest.mark.parametrize(("final", "kept"), [("REFUSED", False), ("ENDED", False), ("BOUND", True)])
async def test_what_has_ended_stays_as_it_is_and_a_token_it_brings_is_not_kept_twice(final: BindingSaid, kept: bool) -> None:
    store = MemoryStore()
    async with town(store) as place:
        asked = await under_way(place, "CODE_SENT", final)
        before = rows(store, CARD_BINDING), rows(store, CARD)
        for state in ("CODE_SENT", "BOUND", "REFUSED", "UNKNOWN", "ENDED"):
            assert (await place.happens(hearing(place, asked, state))).kept is kept
        assert (rows(store, CARD_BINDING), rows(store, CARD)) == before


async def test_the_card_of_whose_name_changed_meanwhile_is_not_bound_and_its_token_not_kept() -> None:
    store = MemoryStore()
    async with town(store) as place:
        asked = await under_way(place, "CODE_SENT")
        who = asked.customer_id
        await place.happens(
            giving_a_document(place, who, content_index=b"B", former_document_index=who.bytes, confirmation=RIGHT)
        )
        await place.happens(typing(place, asked))
        assert not (await place.happens(hearing(place, asked, "BOUND"))).kept
        assert rows(store, CARD_BINDING)[0].state == "ENDED" and rows(store, CARD) == []


@pytest.mark.parametrize(
    ("typed", "age", "state"),
    [
        (False, timedelta(0), "ASKED"), (False, LIVES - timedelta(seconds=1), "ASKED"), (False, LIVES, "ENDED"),
        (True, LIVES, "CHECKING"), (True, GIVEN_UP_AFTER - timedelta(seconds=1), "CHECKING"), (True, GIVEN_UP_AFTER, "ENDED"),
    ],
)  # fmt: skip
async def test_silence_is_waited_out_as_long_as_the_code_or_the_word_about_it_can_matter(
    typed: bool, age: timedelta, state: str
) -> None:
    store = MemoryStore()
    async with town(store) as place:
        asked = await (under_way(place, "CODE_SENT") if typed else under_way(place))
        if typed:
            await place.happens(typing(place, asked))
        place.clock.advance(age)
        await place.happens(hearing(place, asked, "UNKNOWN"))
        found: CardBinding = rows(store, CARD_BINDING)[0]
        assert found.state == state
        assert (found.tries, found.ask_at) == ((0, None) if state == "ENDED" else (1, place.clock.now() + timedelta(seconds=3)))


async def test_a_removed_card_is_given_back_again_and_again_until_the_network_has_heard_and_then_its_token_is_gone() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await with_cards(place, CARD_ID, OTHER)
        await place.happens(removing(place, customer))
        removed = rows(store, CARD)[0]
        assert (removed.removed_at, removed.return_at, removed.token) == (NOON, NOON + timedelta(seconds=10), sealed("ct_1"))
        assert rows(store, FUNDING_ORDER) == [FundingOrder(customer, f"balance,{OTHER}")]
        await place.happens(RecordCardReturn(command_id=place.id(), card_id=CARD_ID, heard=False, retry_in_s=4))
        assert (rows(store, CARD)[0].tries, rows(store, CARD)[0].return_at) == (1, NOON + timedelta(seconds=4))
        for heard in (True, False, True):
            await place.happens(RecordCardReturn(command_id=place.id(), card_id=CARD_ID, heard=heard, retry_in_s=4))
            assert (rows(store, CARD)[0].token, rows(store, CARD)[0].return_at) == (b"", None)
        assert rows(store, CARD)[1].token == sealed("ct_1"), "the other card stays"


async def test_what_an_order_does_not_name_comes_after_in_the_order_it_had() -> None:
    store = MemoryStore()
    async with town(store) as place:
        third = UUID(int=9)
        customer = await with_cards(place, CARD_ID, OTHER, third)
        await place.happens(ordering(place, customer, third, "balance"))
        assert rows(store, FUNDING_ORDER)[0].sources == f"{third},balance,{CARD_ID},{OTHER}"
        await place.happens(removing(place, customer, third))
        assert rows(store, FUNDING_ORDER)[0].sources == f"balance,{CARD_ID},{OTHER}"
