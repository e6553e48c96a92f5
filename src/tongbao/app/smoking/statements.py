"""What people and the merchant can read afterwards, against the tally."""

from __future__ import annotations

from tongbao.app.smoking.cast import ORDER, REFUND, SHOP, STATIC, Person
from tongbao.app.smoking.clients import Client, Difference, same
from tongbao.app.smoking.tally import FEES, MERCHANTS, Tally, fee_given_back, yuan


async def check_receipt(payer: Person, payment_id: str) -> None:
    """The payer's receipt of the order, with its refund."""
    receipt = await payer.client.get(f"payments/{payment_id}")
    refunds = [(each["out_refund_no"], each["amount"]) for each in receipt["refunds"]]
    same("receipt of the payment", (receipt["refunded"], refunds), (yuan(REFUND), [("SMOKE-R1", yuan(REFUND))]))


async def check_statement(person: Person, tally: Tally) -> str:
    """A person's bills, one by one and by their receipts, and what the days came to."""
    page = await person.client.get("bills", limit=100)
    found = list(reversed(page["items"]))
    same(f"{person.name}'s bills", len(found), len(person.bills))
    for bill, expected in zip(found, person.bills, strict=True):
        flat = {**bill, "counterparty": bill["counterparty"]["name"]}
        same(f"{person.name}'s {expected['kind']} bill", {name: flat[name] for name in expected}, expected)
        receipt = await person.client.get(f"bills/{bill['bill_id']}")
        same("its receipt", receipt["amount"], bill["amount"])
    entered = sum(_fen(day["in"]) for day in page["days"])
    left = sum(_fen(day["out"]) for day in page["days"])
    expected_totals = (tally.entered[person.login], tally.left[person.login])
    same(f"{person.name}'s day totals (in, out)", (entered, left), expected_totals)
    balance = yuan(tally.wallet(person.login))
    return f"{person.name}: {len(found)} bills, in {yuan(entered)}, out {yuan(left)}, balance {balance}"


async def check_shop_day(shop: Client, tally: Tally, order_no: str, days: set[str]) -> str:
    """The merchant's local days, and its orders after the refund of `order_no`."""
    found = [await shop.get("summary", date=day) for day in sorted(days)]
    totals = {name: sum(_fen(day[name]) for day in found) for name in ("paid", "refunded", "fees", "net")}
    fees, net = tally.total(FEES), tally.balances[MERCHANTS, SHOP]
    same("merchant's day", totals, {"paid": ORDER + STATIC, "refunded": REFUND, "fees": fees, "net": net})
    counts = (sum(day["paid_count"] for day in found), sum(day["refunded_count"] for day in found))
    same("merchant's payments and refunds", counts, (2, 1))
    hours = sum(_fen(hour["amount"]) for day in found for hour in day["hours"])
    same("merchant's hours", hours, ORDER + STATIC)
    order = await shop.get(f"orders/{order_no}")
    fee = tally.fee(ORDER) - fee_given_back(tally.fee(ORDER), ORDER, REFUND)
    expected = (yuan(REFUND), yuan(fee), yuan(ORDER - REFUND - fee))
    same("order after its refund", (order["refunded"], order["fee"], order["net"]), expected)
    listed = (await shop.get("orders", limit=100))["items"]
    same("orders listed", sorted(each["amount"] for each in listed), sorted((yuan(ORDER), yuan(STATIC))))
    return f"{SHOP}: paid {yuan(ORDER + STATIC)}, refunded {yuan(REFUND)}, fees {yuan(fees)}, net {yuan(net)}"


def _fen(text: str) -> int:
    """Fen of a wire amount."""
    whole, _, fraction = text.partition(".")
    if len(fraction) != 2:
        raise Difference(f"amount on the wire: expected two places, found {text!r}")
    return int(whole) * 100 + int(fraction)
