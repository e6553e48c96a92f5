"""What a merchant's opening and its keys leave behind: whole rows."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.support.leavings import rows
from tests.support.town import NOON, Town, enrolled, town
from tongbao.engine.api import MemoryStore
from tongbao.identity.types import LOGIN, PRINCIPAL, Enrolment, LoginName, Principal
from tongbao.kernel.errors import InvariantBroken
from tongbao.merchants.types import API_KEY, MERCHANT, STORE, ApiKey, IssueApiKey, Merchant, NewStore, OpenMerchant, Store
from tongbao.security.people import PERSON_KEY, PersonKey

OWNER = enrolled(UUID(int=7), "wang@example.com", "owner")


def opening(place: Town, owner: Enrolment | None = OWNER) -> OpenMerchant:
    return OpenMerchant(
        command_id=place.id(), name="面馆", mcc="5812", city="上海", country="CN", currency="CNY", fee_ppm=6000,
        stores=(NewStore("一店", "上海"), NewStore("二店", "苏州")), owner=owner,
    )  # fmt: skip


async def test_a_merchant_is_opened_with_its_stores_and_an_owner_who_can_log_in() -> None:
    store = MemoryStore()
    async with town(store) as place:
        opened = await place.happens(opening(place))
    merchant_id, (first, second) = opened.merchant_id, opened.store_ids
    assert first != second
    assert rows(store, MERCHANT) == [Merchant(merchant_id, "面馆", "5812", "上海", "CN", "CNY", 6000, NOON)]
    assert rows(store, STORE) == [
        Store(first, merchant_id, "一店", "上海", NOON),
        Store(second, merchant_id, "二店", "苏州", NOON),
    ]
    (login,) = rows(store, LOGIN)
    owner_id = OWNER.principal_id
    assert login == LoginName("merchant", OWNER.login_index, owner_id)
    assert rows(store, PRINCIPAL) == [
        Principal(owner_id, "merchant", OWNER.name, OWNER.name_index, OWNER.login, "zh", "owner", merchant_id, "argon2", NOON)
    ]
    assert rows(store, PERSON_KEY) == [PersonKey(owner_id, 1, 1, OWNER.person_key, None)]


async def test_a_merchant_whose_owners_login_is_taken_is_not_opened() -> None:
    store = MemoryStore()
    async with town(store) as place:
        await place.happens(opening(place))
        assert await place.says(opening(place)) == "login_taken"
        await place.happens(place.registering("wang@example.com", "wallet"))
    assert len(rows(store, MERCHANT)) == 1 and len(rows(store, STORE)) == 2


async def test_a_merchant_may_be_opened_without_an_owner() -> None:
    store = MemoryStore()
    async with town(store) as place:
        await place.happens(opening(place, None))
    assert len(rows(store, MERCHANT)) == 1 and rows(store, PRINCIPAL) == []


async def test_a_key_is_kept_as_a_hash_and_never_given_twice() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant = await place.merchant()
        await place.happens(IssueApiKey(command_id=place.id(), merchant_id=merchant, key_hash=b"k" * 32, name="till"))
        assert rows(store, API_KEY) == [ApiKey(b"k" * 32, merchant, "till", NOON)]
        with pytest.raises(InvariantBroken):
            await place.submit(IssueApiKey(command_id=place.id(), merchant_id=merchant, key_hash=b"k" * 32, name="other"))
