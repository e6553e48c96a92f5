"""Rows and commands of merchants."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from tongbao.engine.api import Command, Relation
from tongbao.identity.types import Enrolment


class Merchant(msgspec.Struct, frozen=True, gc=False):
    """Who takes payments. `fee_ppm`: what we keep of each payment, in millionths. `mcc`: ISO 18245 category."""

    merchant_id: UUID
    name: str
    mcc: str
    city: str
    country: str
    currency: str
    fee_ppm: int
    created_at: datetime


class Store(msgspec.Struct, frozen=True, gc=False):
    """A place where a merchant takes payments."""

    store_id: UUID
    merchant_id: UUID
    name: str
    city: str
    created_at: datetime


class ApiKey(msgspec.Struct, frozen=True):
    """A merchant server's bearer key; only its SHA-256 is kept."""

    key_hash: bytes
    merchant_id: UUID
    name: str
    created_at: datetime


MERCHANT: Relation[Merchant] = Relation("merchant", Merchant, key=("merchant_id",), rank=200)
STORE: Relation[Store] = Relation("store", Store, key=("store_id",), rank=210)
API_KEY: Relation[ApiKey] = Relation("api_key", ApiKey, key=("key_hash",), rank=220)
#: The same rows for whoever only needs to know the terms: no lock, so a busy merchant's payments do not queue for it.
MERCHANT_TERMS: Relation[Merchant] = Relation("merchant", Merchant, key=("merchant_id",), rank=201, read_only=True)


class NewStore(msgspec.Struct, frozen=True):
    """A store as applied for."""

    name: str
    city: str


class OpenMerchant(Command, frozen=True, kw_only=True):
    """Take on a merchant with its stores, and the first of its staff who logs in."""

    kind = "merchants.open"
    name: str
    mcc: str
    city: str
    country: str
    currency: str
    fee_ppm: int
    stores: tuple[NewStore, ...]
    owner: Enrolment | None = None

    def hashed(self) -> OpenMerchant:
        return self if self.owner is None else msgspec.structs.replace(self, owner=self.owner.hashed())


class IssueApiKey(Command, frozen=True, kw_only=True):
    """Let a merchant's server act for it."""

    kind = "merchants.issue_api_key"
    merchant_id: UUID
    key_hash: bytes
    name: str
