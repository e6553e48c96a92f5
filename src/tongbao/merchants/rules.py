"""Deciders of merchants."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View
from tongbao.identity.rules import enrol, login_keys
from tongbao.kernel.errors import InvariantBroken
from tongbao.kernel.ids import derived_id
from tongbao.merchants import errors
from tongbao.merchants.types import API_KEY, MERCHANT, MERCHANT_TERMS, STORE, ApiKey, IssueApiKey, Merchant, OpenMerchant, Store

MOST_FEE_PPM = 100_000


class MerchantOpened(msgspec.Struct, frozen=True):
    """Result of `OpenMerchant`."""

    merchant_id: UUID
    store_ids: tuple[UUID, ...]


def open_merchant(command: OpenMerchant, view: View, now: datetime) -> Decision:
    """Declines `login_taken` (the owner's). Other fields were checked at the edge."""
    merchant_id = derived_id(now, command.command_id)
    if command.owner is not None and (refused := enrol(view, "merchant", command.owner, merchant_id, now)):
        return refused
    view.put(
        MERCHANT,
        Merchant(merchant_id, command.name, command.mcc, command.city, command.country, command.currency, command.fee_ppm, now),
    )
    stores = [
        Store(derived_id(now, command.command_id, f"store {number}".encode()), merchant_id, store.name, store.city, now)
        for number, store in enumerate(command.stores)
    ]
    for store in stores:
        view.put(STORE, store)
    return Accepted(MerchantOpened(merchant_id, tuple(store.store_id for store in stores)))


def issue_api_key(command: IssueApiKey, view: View, now: datetime) -> Decision:
    """Declines `merchant_not_found`."""
    if view.get(MERCHANT_TERMS, command.merchant_id) is None:
        return Declined(errors.MERCHANT_NOT_FOUND)
    if view.get(API_KEY, command.key_hash) is not None:
        raise InvariantBroken("two keys of 256 random bits are the same")
    view.put(API_KEY, ApiKey(command.key_hash, command.merchant_id, command.name, now))
    return Accepted()


def _open_keys(command: OpenMerchant) -> list[Key]:
    return login_keys("merchant", command.owner.login_index) if command.owner else []


DECIDERS = (
    Decider(OpenMerchant, _open_keys, open_merchant, MerchantOpened),
    Decider(
        IssueApiKey,
        lambda command: [Key(MERCHANT_TERMS, command.merchant_id), Key(API_KEY, command.key_hash)],
        issue_api_key,
    ),
)
