"""Taps over HTTP: a card and a reader that are programs of their own, and what the till is told."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.http.test_codes import till, with_phone
from tests.http.town import PIN, Person, Town, ok, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def card_program(file: Path, *more: str) -> AsyncIterator[str]:
    """`tongbao tap card` upon a port that was free; gives HOST:PORT."""
    card = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tongbao", "tap", "card", str(file), "--listen", "127.0.0.1:0", *more, stdout=PIPE
    )
    assert card.stdout is not None
    try:
        async with asyncio.timeout(30):
            yield (await card.stdout.readline()).decode().split()[-1]
    finally:
        card.kill()
        await card.wait()


async def reads(where: str, merchant: Person, amount: str) -> str:
    """`tongbao tap read`: what it prints; empty where it refused."""
    reader = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tongbao", "tap", "read", "--card", where, "--merchant", str(merchant.merchant_id),
        "--amount", amount, stdout=PIPE, stderr=DEVNULL,
    )  # fmt: skip
    async with asyncio.timeout(30):
        told, _ = await reader.communicate()
    assert bool(told) is (reader.returncode == 0)
    return told.decode().strip()


async def test_a_card_held_to_a_reader_pays_once_and_until_it_is_revoked(town: Town, tmp_path: Path) -> None:
    person, _ = await with_phone(town, "Tapper")
    wish = {"name": "token", "most": "30.00", "day": "60.00", "currency": "CNY"}
    refused(await person.post("/v1/wallet/tap", wish), 400, "confirmation_format")
    refused(await person.post("/v1/wallet/tap", {**wish, "most": "90.00", "pin": PIN}), 422, "instrument_cap_range")
    token = ok(await person.post("/v1/wallet/tap", {**wish, "pin": PIN}), status=201)
    file = tmp_path / "card.json"
    file.write_text(json.dumps(token))
    async with card_program(file) as where:
        first, second = await reads(where, town.shop, "20.00"), await reads(where, town.shop, "40.00")
    refused(await town.mart.post("/v1/merchant/payments", till(first)), 400, "tap_elsewhere")
    refused(await town.shop.post("/v1/merchant/payments", till(first, "20.01")), 400, "tap_elsewhere")
    paid = ok(await town.shop.post("/v1/merchant/payments", till(first)), status=201)
    assert (paid["state"], paid["amount"]) == ("PAID", "20.00")
    refused(await town.shop.post("/v1/merchant/payments", till(first)), 409, "instrument_used")
    asked = ok(await town.shop.post("/v1/merchant/payments", till(second, "40.00")), status=201)
    assert asked["state"] == "CREATED"  # above the token's own cap: the owner is asked

    lines = ok(await person.get("/v1/wallet/instruments"))["items"]
    assert [(each["kind"], each["spent_today"]) for each in lines] == [("nfc", "20.00"), ("code", "0.00")]
    assert (await person.delete(f"/v1/wallet/instruments/{token['number']}")).status_code == 204
    async with card_program(file) as where:
        third = await reads(where, town.shop, "5.00")
    refused(await town.shop.post("/v1/merchant/payments", till(third, "5.00")), 403, "instrument_revoked")
    async with card_program(file, "--delay-ms", "60") as where:
        assert await reads(where, town.shop, "5.00") == ""
    assert (tmp_path / "card.json.counter").read_text() == "3"
