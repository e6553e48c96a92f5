"""Linking a bank account, situation by situation, and what becomes of one whatever the bank says."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.support.ladder import Row, answer, ladder
from tests.support.leavings import rows
from tests.support.town import NOON, RIGHT, WRONG, Town, sealed, town
from tongbao.engine.api import Command, MemoryStore
from tongbao.identity.alerts import ALERT
from tongbao.identity.realname.channels import AnswerState
from tongbao.identity.realname.types import Ask, AskRegistries, RecordAnswer, StartVerification
from tongbao.wallet.links import (
    BANK_LINK,
    GIVEN_UP_AFTER,
    LIVES,
    MOST_A_DAY,
    BankLink,
    RecordBankLink,
    StartBankLink,
    TryBankCode,
)
from tongbao.wallet.types import BANK_ACCOUNT, BankAccount, BankLinkAnswer

ROWS, says = ladder()
ACCOUNT = UUID(int=7)


async def known(place: Town, state: AnswerState = "MATCHED") -> UUID:
    """A customer with a PIN, of whose document the police says this."""
    customer = await place.customer()
    await checked(place, customer, state)
    return customer


async def checked(place: Town, customer: UUID, state: AnswerState = "MATCHED") -> None:
    """They give a document, and the police says this of it."""
    check, index = place.id(), customer.bytes
    await place.happens(giving_a_document(place, customer))
    asks = (Ask("police", check),)
    await place.happens(AskRegistries(command_id=place.id(), customer_id=customer, attempt=1, asks=asks))
    answered = RecordAnswer(
        command_id=place.id(), customer_id=customer, registry="police", check_id=check, state=state, today=NOON.date(),
        document_index=index, phone_index=b"",
    )  # fmt: skip
    await place.happens(answered)


def giving_a_document(place: Town, customer: UUID, **changes: Any) -> StartVerification:
    wish: dict[str, Any] = {
        "document_index": customer.bytes, "content_index": b"A", "former_document_index": b"", **changes
    }  # fmt: skip
    return StartVerification(
        command_id=place.id(), customer_id=customer, document_kind="resident_id", document=b"sealed", phone_index=b"",
        wanted_level=1, expires_on=date(2035, 1, 1), of_age_on=date(2000, 1, 1), number_tells_age=True, today=NOON.date(), **wish,
    )  # fmt: skip


def linking(place: Town, customer: UUID, **changes: Any) -> StartBankLink:
    wish: dict[str, Any] = {"link_id": place.id(), "bank_account_id": ACCOUNT, "attempt": 1, "confirmation": RIGHT, **changes}
    return StartBankLink(
        command_id=place.id(), customer_id=customer, bank="simbank", number=sealed("6222020000000007"),
        holder_name=sealed("张小明"), question=sealed("{}"), phone_index=b"phone", **wish,
    )  # fmt: skip


def hearing(place: Town, link: StartBankLink, state: BankLinkAnswer, **changes: Any) -> RecordBankLink:
    wish: dict[str, Any] = {"link_id": link.link_id, "bank_account_id": link.bank_account_id, "retry_in_s": 3, **changes}
    return RecordBankLink(command_id=place.id(), customer_id=link.customer_id, state=state, **wish)


def typing(place: Town, link: StartBankLink, **changes: Any) -> TryBankCode:
    wish: dict[str, Any] = {"link_id": link.link_id, "customer_id": link.customer_id, **changes}
    return TryBankCode(command_id=place.id(), **wish)


async def under_way(place: Town, *answers: BankLinkAnswer) -> StartBankLink:
    """A link of somebody known, of which the bank has said this; a code is typed before every word about one."""
    link = linking(place, await known(place))
    await place.happens(link)
    for state in answers:
        if state in ("WRONG_CODE", "LINKED"):
            await place.happens(typing(place, link))
        await place.happens(hearing(place, link, state))
    return link


# ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def somebody_known(place: Town) -> Command:
    return linking(place, await known(place))


@says("bank_link_needs_name")
async def somebody_who_gave_no_document(place: Town) -> Command:
    return linking(place, await place.customer())


@says("bank_link_needs_name")
async def somebody_whose_document_nobody_confirmed(place: Town) -> Command:
    return linking(place, await known(place, "MISMATCHED"))


@says("bank_link_needs_name")
async def a_name_that_was_read_before_another_document_was_given(place: Town) -> Command:
    customer = await known(place)
    again = giving_a_document(place, customer, content_index=b"renewed", former_document_index=customer.bytes, confirmation=RIGHT)
    await place.happens(again)
    return linking(place, customer, attempt=1)


@says("bank_account_linked")
async def an_account_that_is_linked(place: Town) -> Command:
    link = await under_way(place, "CODE_SENT", "LINKED")
    return linking(place, link.customer_id)


@says("wrong_pin")
async def a_wrong_pin(place: Town) -> Command:
    return linking(place, await known(place), confirmation=WRONG)


@says("ok")
async def the_last_of_the_day(place: Town) -> Command:
    customer = await known(place)
    for _ in range(MOST_A_DAY - 1):
        await place.happens(linking(place, customer))
    return linking(place, customer)


@says("bank_link_too_many")
async def one_more_than_a_day_allows(place: Town) -> Command:
    wish = await the_last_of_the_day(place)
    await place.happens(wish)
    return linking(place, wish.customer_id)  # type: ignore[attr-defined]


@says("ok")
async def another_day(place: Town) -> Command:
    wish = await one_more_than_a_day_allows(place)
    place.clock.advance(timedelta(days=1))
    return wish


# ── the code ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def a_code_in_time(place: Town) -> Command:
    return typing(place, await under_way(place, "CODE_SENT"))


@says("bank_link_unknown")
async def a_code_for_nothing(place: Town) -> Command:
    link = await under_way(place, "CODE_SENT")
    return typing(place, link, link_id=place.id())


@says("bank_link_unknown")
async def a_code_of_somebody_else(place: Town) -> Command:
    link = await under_way(place, "CODE_SENT")
    return typing(place, link, customer_id=await known(place))


@says("bank_link_unknown")
async def a_code_for_a_link_that_another_took_the_place_of(place: Town) -> Command:
    link = await under_way(place, "CODE_SENT")
    await place.happens(linking(place, link.customer_id))
    return typing(place, link)


@says("bank_link_waits")
async def a_code_before_the_bank_has_sent_one(place: Town) -> Command:
    return typing(place, await under_way(place))


@says("bank_link_waits")
async def a_code_while_the_bank_looks_at_another(place: Town) -> Command:
    link = await under_way(place, "CODE_SENT")
    await place.happens(typing(place, link))
    return typing(place, link)


@says("bank_link_ended")
async def a_code_that_comes_late(place: Town) -> Command:
    link = await under_way(place, "CODE_SENT")
    place.clock.advance(LIVES)
    return typing(place, link)


@says("bank_link_ended")
async def a_code_after_the_banks_no(place: Town) -> Command:
    return typing(place, await under_way(place, "REFUSED"))


@says("bank_link_ended")
async def a_code_after_three_wrong_ones(place: Town) -> Command:
    return typing(place, await under_way(place, "CODE_SENT", "WRONG_CODE", "WRONG_CODE", "WRONG_CODE"))


# ── the bank's word ─────────────────────────────────────────────────────────────────────────────────────────────────────


@says("bank_link_unknown")
async def a_word_about_a_link_that_another_took_the_place_of(place: Town) -> Command:
    link = await under_way(place, "CODE_SENT")
    await place.happens(linking(place, link.customer_id))
    return hearing(place, link, "LINKED")


@says("bank_link_unknown")
async def a_word_about_another_account(place: Town) -> Command:
    return hearing(place, await under_way(place, "CODE_SENT"), "LINKED", bank_account_id=place.id())


@pytest.mark.parametrize("row", ROWS, ids=repr)
async def test_linking_says(row: Row) -> None:
    assert await answer(row) == row.says


@pytest.mark.parametrize(
    ("answers", "state", "wrong", "linked"),
    [
        (["REFUSED"], "REFUSED", 0, 0),
        (["ENDED"], "ENDED", 0, 0),
        (["CODE_SENT"], "SENT", 0, 0),
        (["CODE_SENT", "WRONG_CODE"], "SENT", 1, 0),
        (["CODE_SENT", "WRONG_CODE", "WRONG_CODE", "WRONG_CODE"], "ENDED", 3, 0),
        (["CODE_SENT", "WRONG_CODE", "LINKED"], "LINKED", 1, 1),
        (["CODE_SENT", "LINKED"], "LINKED", 0, 1),
    ],
)  # fmt: skip
async def test_what_the_bank_says_is_what_becomes_of_a_link(
    answers: list[BankLinkAnswer], state: str, wrong: int, linked: int
) -> None:
    store = MemoryStore()
    async with town(store) as place:
        link = await under_way(place, *answers)
    (row,) = rows(store, BANK_LINK)
    assert (row.state, row.wrong, row.asked) == (state, wrong, 1)
    assert (row.ask_at, row.finished_at) == (None, None if state == "SENT" else NOON)
    account = BankAccount(ACCOUNT, link.customer_id, "simbank", link.number, link.holder_name, NOON, None)
    assert rows(store, BANK_ACCOUNT) == [account] * linked
    assert [alert.kind for alert in rows(store, ALERT)] == ["bank_linked"] * linked


@pytest.mark.parametrize("final", ["REFUSED", "ENDED", "LINKED"])
async def test_what_has_ended_stays_as_it_is(final: BankLinkAnswer) -> None:
    store = MemoryStore()
    async with town(store) as place:
        link = await under_way(place, "CODE_SENT", final)
        before = rows(store, BANK_LINK)
        for state in ("CODE_SENT", "LINKED", "REFUSED", "UNKNOWN", "ENDED"):
            await place.happens(hearing(place, link, state))
        assert rows(store, BANK_LINK) == before


async def test_the_account_of_whose_name_changed_meanwhile_is_not_linked() -> None:
    store = MemoryStore()
    async with town(store) as place:
        link = await under_way(place, "CODE_SENT")
        who = link.customer_id
        await place.happens(
            giving_a_document(place, who, content_index=b"B", former_document_index=who.bytes, confirmation=RIGHT)
        )
        await place.happens(typing(place, link))
        await place.happens(hearing(place, link, "LINKED"))
        assert rows(store, BANK_LINK)[0].state == "ENDED"
        assert rows(store, BANK_ACCOUNT) == []


@pytest.mark.parametrize(
    ("typed", "age", "state"),
    [
        (False, timedelta(0), "ASKED"), (False, LIVES - timedelta(seconds=1), "ASKED"), (False, LIVES, "ENDED"),
        (True, LIVES, "CHECKING"), (True, GIVEN_UP_AFTER - timedelta(seconds=1), "CHECKING"), (True, GIVEN_UP_AFTER, "ENDED"),
    ],
)  # fmt: skip
async def test_silence_is_waited_out_as_long_as_the_code_or_the_banks_word_can_matter(
    typed: bool, age: timedelta, state: str
) -> None:
    store = MemoryStore()
    async with town(store) as place:
        link = await (under_way(place, "CODE_SENT") if typed else under_way(place))
        if typed:
            await place.happens(typing(place, link))
        place.clock.advance(age)
        await place.happens(hearing(place, link, "UNKNOWN"))
        found: BankLink = rows(store, BANK_LINK)[0]
        assert found.state == state
        assert (found.tries, found.ask_at) == ((0, None) if state == "ENDED" else (1, place.clock.now() + timedelta(seconds=3)))


async def test_a_code_that_never_arrived_may_be_typed_again() -> None:
    store = MemoryStore()
    async with town(store) as place:
        link = await under_way(place, "CODE_SENT")
        await place.happens(typing(place, link))
        await place.happens(hearing(place, link, "CODE_SENT"))  # what an inquiry found
        assert (rows(store, BANK_LINK)[0].state, rows(store, BANK_LINK)[0].wrong) == ("SENT", 0)
        await place.happens(typing(place, link))
        await place.happens(hearing(place, link, "LINKED"))
        assert rows(store, BANK_LINK)[0].state == "LINKED"
