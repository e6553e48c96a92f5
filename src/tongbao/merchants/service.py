"""Use cases of merchants: take one on, its staff, stores and keys."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Sequence
from typing import cast
from uuid import UUID

import asyncpg

from tongbao.engine.api import Engine, accepted
from tongbao.identity import errors as identity_errors
from tongbao.identity.service import Caller, IdentityService
from tongbao.identity.types import Enrolment
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.gather import Gatherer
from tongbao.kernel.ids import named_id
from tongbao.kernel.sql import Queries
from tongbao.kernel.texts import plain
from tongbao.merchants import errors
from tongbao.merchants.rules import MOST_FEE_PPM, MerchantOpened
from tongbao.merchants.types import ApiKey, IssueApiKey, Merchant, NewStore, OpenMerchant, Store
from tongbao.security.keys import Keys, mac

QUERIES = Queries("tongbao.merchants")
API_KEY_PREFIX = "sk_"


class MerchantService:
    """Merchants and those who act for them."""

    def __init__(
        self,
        engine: Engine,
        pool: asyncpg.Pool,
        identity: IdentityService,
        keys: Keys,
        clock: Clock,
        *,
        currency: str,
        country: str,
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._identity = identity
        self._keys = keys
        self._clock = clock
        self._currency = currency
        self._country = country
        # No command changes a merchant, a store or a key yet; the first that does tells its outbox topic, and this listens.
        self._merchants = Gatherer(self._fetch_merchants, remember=20_000)
        self._stores = Gatherer(self._fetch_stores, remember=20_000)
        self._keys_known = Gatherer(self._fetch_keys, remember=20_000)

    async def open(
        self,
        command_id: UUID,
        name: str,
        mcc: str,
        city: str,
        fee_ppm: int,
        stores: Sequence[NewStore],
        owner: Enrolment | None = None,
    ) -> MerchantOpened:
        """Take on a merchant. Refuses `control_characters`, `merchant_name_format`, `mcc_format`, `fee_out_of_range`,
        `stores_count`; declines `login_taken`."""
        texts = [name, city, *(text for store in stores for text in (store.name, store.city))]
        if not all(1 <= len(text.strip()) <= 60 and plain(text).isprintable() for text in texts):
            raise Refusal(errors.MERCHANT_NAME_FORMAT)
        if not re.fullmatch(r"[0-9]{4}", mcc, re.ASCII):
            raise Refusal(errors.MCC_FORMAT)
        if not 0 <= fee_ppm <= MOST_FEE_PPM:
            raise Refusal(errors.FEE_OUT_OF_RANGE)
        if not 1 <= len(stores) <= 100:
            raise Refusal(errors.STORES_COUNT)
        command = OpenMerchant(
            command_id=command_id, name=name.strip(), mcc=mcc, city=city.strip(), country=self._country,
            currency=self._currency, fee_ppm=fee_ppm,
            stores=tuple(NewStore(store.name.strip(), store.city.strip()) for store in stores), owner=owner,
        )  # fmt: skip
        return cast(MerchantOpened, accepted(await self._engine.submit(command)))

    async def issue_api_key(self, command_id: UUID, merchant_id: UUID, name: str) -> str:
        """A bearer key for a merchant's server; repeating the command answers the same key. Declines `merchant_not_found`."""
        secret = base64.urlsafe_b64encode(mac(self._keys.session, b"api key", command_id.bytes)).decode().rstrip("=")
        key = API_KEY_PREFIX + secret
        command = IssueApiKey(
            command_id=command_id, merchant_id=merchant_id, key_hash=hashlib.sha256(key.encode()).digest(), name=name
        )
        accepted(await self._engine.submit(command))
        return key

    async def authenticate_key(self, key: str) -> Caller:
        """The merchant behind an API key. Refuses `unauthenticated`."""
        known = await self._keys_known.get(hashlib.sha256(key.encode()).digest())
        if known is None:
            raise Refusal(identity_errors.UNAUTHENTICATED)
        actor = named_id("api key", known.key_hash.hex())
        return Caller(actor, None, "merchant", "zh", frozenset({"server"}), known.merchant_id, known.created_at)

    async def merchant(self, merchant_id: UUID) -> Merchant:
        """Declines `merchant_not_found`."""
        merchant = await self._merchants.get(merchant_id)
        if merchant is None:
            raise Refusal(errors.MERCHANT_NOT_FOUND)
        return merchant

    async def several(self, ids: Collection[UUID]) -> dict[UUID, Merchant]:
        """Merchants by id; unknown ids are left out."""
        return await self._merchants.several(ids)

    async def search(self, query: str, before: UUID | None, limit: int) -> list[Merchant]:
        """Newest first, by id or the beginning of a name; `limit` + 1 at most."""
        wanted: UUID | None = None
        name: str | None = None
        try:
            wanted = UUID(query) if query else None
        except ValueError:
            name = query.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        return [Merchant(*row) for row in await self._pool.fetch(QUERIES["search_merchants"], wanted, name, before, limit + 1)]

    async def stores(self, merchant_id: UUID) -> list[Store]:
        """Its stores, oldest first."""
        return [Store(*row) for row in await self._pool.fetch(QUERIES["stores"], merchant_id)]

    async def several_stores(self, ids: Collection[UUID]) -> dict[UUID, Store]:
        """Stores by id; unknown ids are left out."""
        return await self._stores.several(ids)

    async def store(self, store_id: UUID, merchant_id: UUID) -> Store:
        """One store of this merchant. Declines `store_not_found`."""
        store = await self._stores.get(store_id)
        if store is None or store.merchant_id != merchant_id:
            raise Refusal(errors.STORE_NOT_FOUND)
        return store

    async def _fetch_merchants(self, ids: list[UUID]) -> dict[UUID, Merchant]:
        return {row["merchant_id"]: Merchant(*row) for row in await self._pool.fetch(QUERIES["merchants"], ids)}

    async def _fetch_stores(self, ids: list[UUID]) -> dict[UUID, Store]:
        return {row["store_id"]: Store(*row) for row in await self._pool.fetch(QUERIES["stores_by_id"], ids)}

    async def _fetch_keys(self, hashes: list[bytes]) -> dict[bytes, ApiKey]:
        return {row["key_hash"]: ApiKey(*row) for row in await self._pool.fetch(QUERIES["api_keys"], hashes)}
