"""The story: an operator, a shop, two people and a bank that loses an answer. Every figure seen is compared with the tally."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from tongbao.app.asgi import open_services
from tongbao.app.smoking.books import check_bank, check_chain, check_trial_balance
from tongbao.app.smoking.cast import (
    FEE_PPM,
    LOST,
    ORDER,
    PASSWORD,
    PIN,
    REFUND,
    SHOP,
    STATIC,
    STORE,
    TOPUP_A,
    TOPUP_B,
    TRANSFER,
    WITHDRAWAL,
    WRONG_PIN,
    Person,
)
from tongbao.app.smoking.clients import Client, Difference, Ear, new_key, same
from tongbao.app.smoking.statements import check_receipt, check_shop_day, check_statement
from tongbao.app.smoking.tally import MERCHANTS, Tally, yuan
from tongbao.app.stack import Stack
from tongbao.channels.api import DEMO_ACCOUNTS, Fault, Match
from tongbao.channels.simulated.people import DEMO_PEOPLE
from tongbao.kernel.clock import SystemClock
from tongbao.kernel.ids import new_id

Say = Callable[[str], None]


class Story:
    """Told once over a running stack; `say` hears of each step that was right. Raises Difference at the first that was not."""

    def __init__(self, stack: Stack, tally: Tally, say: Say) -> None:
        self._stack = stack
        self._tally = tally
        self._say = say
        self._zone = ZoneInfo(stack.settings.time_zone)
        self._began = datetime.now(UTC)

    async def tell(self) -> None:
        """All of it."""
        async with AsyncExitStack() as clients:

            async def client(audience: str) -> Client:
                one = Client(self._stack.url, audience)
                clients.push_async_callback(one.close)
                return one

            self._console, self._shop = await client("console"), await client("merchant")
            self._a = Person("13811110001", DEMO_ACCOUNTS[0], await client("wallet"))
            self._b = Person("smoke.b@example.com", DEMO_ACCOUNTS[2], await client("wallet"))
            await self._operator_and_shop()
            await self._people()
            await self._transfer()
            async with self._cashier() as ear:
                await self._order(ear)
                await self._refund(ear)
                await self._static_code(ear)
            await self._withdrawal()
            await self._lost_answer()
            await check_receipt(self._a, self._payment_id)
            for person in (self._a, self._b):
                self._say(await check_statement(person, self._tally))
            await self._shop_balance()
            self._say(await check_shop_day(self._shop, self._tally, self._order_no, self._days()))
            self._say(await check_bank(self._stack, self._tally, self._began))
            self._say(await check_trial_balance(self._console, self._tally))
            self._say(await check_chain(self._console, self._tally))

    # ── who they are ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _operator_and_shop(self) -> None:
        async with open_services(self._stack.settings, self._stack.dsn) as services:
            await services.identity.register(
                new_id(SystemClock().now()), "console", "smoke@example.com", PASSWORD, "Operator", "en", roles="admin"
            )
        entered = await self._console.enter("login", {"login": "smoke@example.com", "password": PASSWORD})
        same("operator's roles", entered["operator"]["roles"], ["admin"])
        owner = {"login": "13911110001", "name": "王掌柜", "password": PASSWORD}
        body = {
            "name": SHOP, "mcc": "5812", "city": "杭州", "fee_ppm": FEE_PPM, "stores": [{"name": STORE, "city": "杭州"}],
            "owner": owner,
        }  # fmt: skip
        opened = await self._console.post("merchants", body)
        same("new merchant", (opened["name"], opened["stores"], opened["balance"]), (SHOP, 1, "0.00"))
        self._merchant_id = opened["merchant_id"]
        self._say(f"the operator takes on {SHOP} with one store, fee {FEE_PPM / 10_000:g} %")

    async def _people(self) -> None:
        for person, amount in ((self._a, TOPUP_A), (self._b, TOPUP_B)):
            registration = {"login": person.login, "password": PASSWORD, "name": person.name, "locale": "zh"}
            session = await person.client.enter("register", registration, expect=201)
            same("PIN before it is set", session["customer"]["has_pin"], False)
            await person.client.post("pin", {"pin": PIN, "password": PASSWORD}, expect=204)
            same("PIN after it is set", (await person.client.get("me"))["has_pin"], True)
            await self._known(person)
            await self._link(person)
            done = await person.client.post("topups", self._bank_body(person, amount))
            same("top-up", (done["state"], done["amount"]), ("SUCCEEDED", yuan(amount)))
            self._tally.topped_up(person.login, amount, done["bank_transfer_id"])
            self._expect_bank_bill(person, "topup", "in", amount)
            await self._balance(person)
        amounts = f"{yuan(TOPUP_A)} and {yuan(TOPUP_B)}"
        self._say(f"two people register, set PINs, are verified, link bank accounts by the bank's code, top up {amounts}")

    async def _known(self, person: Person) -> None:
        """Their real name to the first level: no account is linked but under it."""
        papers = next(one for one in DEMO_PEOPLE if one.card == person.account.number)
        body = {"document": msgspec.to_builtins(papers.claim()), "wanted_level": 1, "phone": papers.phone}
        known = await person.client.post("real-name", body, expect=200)
        same("real name", (known["level"], known["state"]), (1, "VERIFIED"))

    async def _link(self, person: Person) -> None:
        """Their bank account, by the code that the bank sends to the phone it knows."""
        wish = {"bank": "simbank", "account_number": person.account.number, "pin": PIN}
        asked = await person.client.post("bank-accounts", wish)
        same("link before the code", (asked["state"], asked["bank_account"]), ("SENT", None))
        right = await self._stack.back_office.code_sent(f"+86{person.account.phone}")
        path = f"bank-links/{asked['link_id']}/confirm"
        wrong = await person.client.post(path, {"code": f"{(int(right) + 1) % 10**6:06d}"}, expect=200)
        same("link after a wrong code", (wrong["state"], wrong["tries_left"]), ("SENT", asked["tries_left"] - 1))
        done = await person.client.post(path, {"code": right}, expect=200)
        same("link after the right code", done["state"], "LINKED")
        person.bank_account_id = done["bank_account"]["bank_account_id"]

    # ── what they do ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _transfer(self) -> None:
        a, b = self._a, self._b
        payee = await a.client.post("payees/resolve", {"login": b.login}, expect=200)
        same("payee as the payer sees them", payee["name_masked"], "ALICE C***")
        body = {"payee_id": payee["payee_id"], "amount": yuan(TRANSFER), "currency": "CNY", "note": "面钱 · noodles"}
        refused = await a.client.post("transfers", {**body, "pin": WRONG_PIN}, expect=403)
        found = (refused["error"]["code"], refused["error"]["money_moved"], refused["error"]["detail"]["attempts_left"])
        same("transfer with a wrong PIN", found, ("wrong_pin", False, 4))
        await self._balance(a)
        bill = await a.client.post("transfers", {**body, "pin": PIN})
        self._tally.sent(a.login, b.login, TRANSFER)
        same("balance after the transfer, on its bill", bill["balance_after"], yuan(self._tally.wallet(a.login)))
        for person, direction, other in ((a, "out", "Alice C***"), (b, "in", "张*明")):
            person.expect_bill(
                kind="transfer", direction=direction, amount=yuan(TRANSFER), counterparty=other, note=body["note"],
                state="SUCCEEDED", balance_after=yuan(self._tally.wallet(person.login)),
            )  # fmt: skip
            await self._balance(person)
        self._say(f"a wrong PIN moves nothing; {yuan(TRANSFER)} sent with a note: balances {self._balances()}")

    @asynccontextmanager
    async def _cashier(self) -> AsyncIterator[Ear]:
        entered = await self._shop.enter("login", {"login": "13911110001", "password": PASSWORD})
        merchant, stores = entered["staff"]["merchant"], entered["staff"]["stores"]
        same("cashier's merchant", (merchant["merchant_id"], merchant["fee_ppm"]), (self._merchant_id, FEE_PPM))
        same("cashier's stores", [store["name"] for store in stores], [STORE])
        self._store_id = stores[0]["store_id"]
        async with self._shop.listen() as ear:
            self._say("the cashier logs in and opens the event stream")
            yield ear

    async def _order(self, ear: Ear) -> None:
        a = self._a
        self._order_no = "SMOKE-1"
        body = {"out_trade_no": self._order_no, "amount": yuan(ORDER), "currency": "CNY", "subject": "牛肉面 · Beef noodles"}
        order = await self._shop.post("orders", {**body, "store_id": self._store_id})
        payment_id = order["payment_id"]
        same("order", (order["state"], order["amount"], order["fee"]), ("CREATED", yuan(ORDER), yuan(self._tally.fee(ORDER))))
        await ear.hear("payment.created", payment_id)
        code = await self._shop.get(f"orders/{self._order_no}/code")
        scan = await a.client.post("scan", {"text": code["text"]}, expect=200)
        seen = scan["payment"]
        what = (scan["kind"], seen["payment_id"], seen["merchant"]["name"], seen["store"]["name"], seen["amount"], seen["state"])
        same("scanned order", what, ("order", payment_id, SHOP, STORE, yuan(ORDER), "CREATED"))

        confirm = {"amount": seen["amount"], "currency": seen["currency"], "pin": PIN}
        wrong = await a.client.post(f"payments/{payment_id}/confirm", {**confirm, "amount": yuan(ORDER - 1)}, expect=409)
        same("confirming another amount", (wrong["error"]["code"], wrong["error"]["money_moved"]), ("amount_mismatch", False))
        key = new_key()
        paid = await a.client.post(f"payments/{payment_id}/confirm", confirm, key=key, expect=200)
        fee = self._tally.paid(a.login, SHOP, ORDER)
        same("payment", (paid["state"], paid["amount"], paid["refunded"]), ("PAID", yuan(ORDER), "0.00"))
        heard = await ear.hear("payment.paid", payment_id)
        told = (heard["out_trade_no"], heard["amount"], heard["state"])
        same("what the merchant hears", told, (self._order_no, yuan(ORDER), "PAID"))
        again = await a.client.post(f"payments/{payment_id}/confirm", confirm, key=key, expect=200)
        same("the same confirmation repeated", again, paid)
        a.expect_bill(
            kind="payment", direction="out", amount=yuan(ORDER), counterparty=SHOP, title=body["subject"],
            state="PARTLY_REFUNDED", payment_id=payment_id, balance_after=yuan(self._tally.wallet(a.login)),
        )  # fmt: skip
        await self._balance(a)
        await self._shop_balance()
        self._payment_id = payment_id
        self._say(f"scanned, {yuan(ORDER)} confirmed twice with one key, paid once (fee {yuan(fee)}), heard by the merchant")

    async def _refund(self, ear: Ear) -> None:
        a = self._a
        body = {"out_refund_no": "SMOKE-R1", "amount": yuan(REFUND), "currency": "CNY", "reason": "少了一份 · one short"}
        refund = await self._shop.post(f"orders/{self._order_no}/refunds", body)
        back = self._tally.refunded(a.login, SHOP, REFUND, of=ORDER)
        same("refund", (refund["state"], refund["amount"], refund["fee_returned"]), ("SUCCEEDED", yuan(REFUND), yuan(back)))
        heard = await ear.hear("payment.refunded", self._payment_id)
        told = {"out_refund_no": "SMOKE-R1", "amount": yuan(REFUND), "state": "SUCCEEDED"}
        same("refund as the merchant hears it", heard["refund"], told)
        over = {**body, "out_refund_no": "SMOKE-R2", "amount": yuan(ORDER - REFUND + 1)}
        refused = await self._shop.post(f"orders/{self._order_no}/refunds", over, expect=422)
        same("refund of more than is left", refused["error"]["code"], "refund_exceeds_paid")
        a.expect_bill(
            kind="refund", direction="in", amount=yuan(REFUND), counterparty=SHOP, payment_id=self._payment_id, state="SUCCEEDED",
            balance_after=yuan(self._tally.wallet(a.login)),
        )  # fmt: skip
        await self._balance(a)
        await self._shop_balance()
        self._say(f"{yuan(REFUND)} refunded, {yuan(back)} of the fee given back; a refund beyond what was paid is declined")

    async def _static_code(self, ear: Ear) -> None:
        b = self._b
        code = await self._shop.get(f"stores/{self._store_id}/code")
        scan = await b.client.post("scan", {"text": code["text"]}, expect=200)
        same("scanned static code", (scan["kind"], scan["merchant"]["name"], scan["amount"]), ("static", SHOP, None))
        body = {"code": code["text"], "amount": yuan(STATIC), "currency": "CNY", "pin": PIN}
        paid = await b.client.post("payments", body)
        fee = self._tally.paid(b.login, SHOP, STATIC)
        same("static payment", (paid["state"], paid["amount"]), ("PAID", yuan(STATIC)))
        heard = await ear.hear("payment.paid", paid["payment_id"])
        same("static payment as the merchant hears it", (heard["amount"], heard["state"]), (yuan(STATIC), "PAID"))
        order = await self._shop.get(f"orders/{paid['out_trade_no']}")
        same("its fee and net", (order["fee"], order["net"]), (yuan(fee), yuan(STATIC - fee)))
        same("payments heard in all", ear.count("payment.paid"), 2)
        b.expect_bill(
            kind="payment", direction="out", amount=yuan(STATIC), counterparty=SHOP, state="SUCCEEDED",
            payment_id=paid["payment_id"], balance_after=yuan(self._tally.wallet(b.login)),
        )  # fmt: skip
        await self._balance(b)
        await self._shop_balance()
        self._say(f"{yuan(STATIC)} paid to the printed code (fee {yuan(fee)}: half a fen is rounded up), heard by the merchant")

    async def _withdrawal(self) -> None:
        b = self._b
        done = await b.client.post("withdrawals", self._bank_body(b, WITHDRAWAL))
        self._tally.withdrawal_started(b.login, WITHDRAWAL)
        self._tally.withdrawal_done(WITHDRAWAL, done["bank_transfer_id"])
        same("withdrawal", (done["state"], done["amount"]), ("SUCCEEDED", yuan(WITHDRAWAL)))
        self._expect_bank_bill(b, "withdrawal", "out", WITHDRAWAL)
        await self._balance(b)
        self._say(f"{yuan(WITHDRAWAL)} withdrawn to the bank")

    async def _lost_answer(self) -> None:
        a = self._a
        where = Match(account_number=a.account.number, operation="submit")
        await self._stack.back_office.add_fault(Fault("lost_answer", match=where))
        body, key = self._bank_body(a, LOST), new_key()
        asked = await a.client.post("topups", body, key=key)
        same("top-up whose answer is lost", asked["state"], "UNKNOWN")
        transfer_id = asked["bank_transfer_id"]
        await self._balance(a)
        again = await a.client.post("topups", body, key=key)
        same("the same top-up asked for again", again["bank_transfer_id"], transfer_id)
        started = asyncio.get_running_loop().time()
        while (now := await a.client.get(f"bank-transfers/{transfer_id}"))["state"] in ("PENDING", "UNKNOWN"):
            if asyncio.get_running_loop().time() - started > 20:
                raise Difference(f"top-up whose answer is lost: still {now['state']} after 20 s; does the worker run?")
            await asyncio.sleep(0.1)
        took = asyncio.get_running_loop().time() - started
        same("top-up whose answer is lost, in the end", now["state"], "SUCCEEDED")
        self._tally.topped_up(a.login, LOST, transfer_id)
        self._expect_bank_bill(a, "topup", "in", LOST)
        await self._balance(a)
        late = await a.client.post("topups", body, key=key)
        same("the same top-up asked for once more", (late["bank_transfer_id"], late["state"]), (transfer_id, "SUCCEEDED"))
        await self._balance(a)
        listed = (await self._console.get("bank-transfers", limit=100))["items"]
        ids = [each["bank_transfer_id"] for each in listed]
        same("bank transfers that the console lists", sorted(ids), sorted(self._tally.bank_lines))
        same("unknown ones among them", [each["state"] for each in listed], ["SUCCEEDED"] * len(listed))
        self._say(f"the bank loses an answer: UNKNOWN, settled by the worker in {took:.1f} s; asked for three times, done once")

    # ── small things ────────────────────────────────────────────────────────────────────────────────────────────────

    def _days(self) -> set[str]:
        """The local days on which the story takes place: two, if it is told over midnight."""
        return {moment.astimezone(self._zone).date().isoformat() for moment in (self._began, datetime.now(UTC))}

    def _bank_body(self, person: Person, fen: int) -> dict[str, Any]:
        return {"bank_account_id": person.bank_account_id, "amount": yuan(fen), "currency": "CNY", "pin": PIN}

    def _expect_bank_bill(self, person: Person, kind: str, direction: str, fen: int) -> None:
        number = person.account.number
        masked = f"{number[:4]} **** {number[-4:]}"
        person.expect_bill(kind=kind, direction=direction, amount=yuan(fen), counterparty=masked, state="SUCCEEDED")

    def _balances(self) -> str:
        return " and ".join(yuan(self._tally.wallet(person.login)) for person in (self._a, self._b))

    async def _balance(self, person: Person) -> None:
        found = await person.client.get("balance")
        total = yuan(self._tally.wallet(person.login))
        expected = {"currency": "CNY", "balance": total, "available": total, "held": "0.00", "in_transit_out": "0.00"}
        same(f"{person.name}'s balance", found, expected)

    async def _shop_balance(self) -> None:
        found = await self._shop.get("balance")
        total = yuan(self._tally.balances[MERCHANTS, SHOP])
        same("merchant's balance", found, {"currency": "CNY", "balance": total, "available": total, "held": "0.00"})
