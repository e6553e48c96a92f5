"""Bank cards over HTTP: one's own only, by the elements and the issuer's code, whatever the network leaves unsaid."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.http.town import PIN, Person, Town, key, ok, refused, until
from tongbao.channels.api import DEMO_CARDS, Card
from tongbao.channels.simulated.faults import Fault, FaultKind, Match
from tongbao.channels.simulated.people import DEMO_PEOPLE

pytestmark = pytest.mark.asyncio(loop_scope="session")

CARDS = "/v1/wallet/cards"
HOLDER, STRANGER = DEMO_PEOPLE[19], DEMO_PEOPLE[21]
DEBIT, CREDIT = (each for each in DEMO_CARDS if each.holder_name == HOLDER.name)
STRANGERS = next(each for each in DEMO_CARDS if each.holder_name == STRANGER.name)


async def known(town: Town) -> Person:
    """Somebody with a PIN who is known as the holder."""
    who = await town.customer("测试员")
    ok(await who.post("/v1/wallet/real-name", {"document": msgspec.to_builtins(HOLDER.claim()), "wanted_level": 1}))
    return who


def wish(card: Card = DEBIT, **changes: Any) -> dict[str, Any]:
    fields = {"number": card.number, "phone": HOLDER.phone, "expiry": card.expiry, "cvn2": card.cvn2, "pin": PIN}
    return fields | changes


async def asked(who: Person, body: dict[str, Any], again: str | None = None) -> dict[str, Any]:
    binding: dict[str, Any] = ok(await who.post(CARDS, body, key=again), status=201)
    return binding


def path_of(binding: dict[str, Any]) -> str:
    return f"/v1/wallet/card-bindings/{binding['binding_id']}"


async def sent(town: Town) -> dict[str, str]:
    return {"code": await town.stack.back_office.code_sent(HOLDER.phone)}


async def listed(who: Person) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = ok(await who.get(CARDS))["items"]
    return items


async def order_of(who: Person) -> list[str]:
    sources: list[str] = ok(await who.get("/v1/wallet/funding-order"))["sources"]
    return sources


async def test_a_debit_and_a_credit_card_are_bound_ordered_and_removed(town: Town) -> None:
    who = await known(town)
    assert (await listed(who), await order_of(who)) == ([], ["balance"])
    cards = []
    for card in (DEBIT, CREDIT):
        typed = f"{card.number[:4]} {card.number[4:]}"
        binding = await asked(who, wish(card, number=typed, expiry=f"{card.expiry[:2]}/{card.expiry[2:]}"))
        assert (binding["state"], binding["last4"], binding["card"]) == ("SENT", card.number[-4:], None)
        assert binding["phone_masked"] == f"{HOLDER.phone[3:6]}****{HOLDER.phone[-4:]}"
        done = ok(await who.post(f"{path_of(binding)}/confirm", await sent(town)))
        assert (done["state"], done["card"]["bank"], done["card"]["kind"]) == ("BOUND", card.bank, card.kind)
        assert done["card"]["last4"] == card.number[-4:] and card.number not in str(done)
        cards.append(done["card"]["card_id"])
    assert await order_of(who) == ["balance", *cards]
    assert sorted(each["card_id"] for each in await listed(who)) == sorted(cards)
    refused(await who.post(CARDS, wish()), 409, "card_bound")

    put = await who.put("/v1/wallet/funding-order", {"sources": [cards[1]]})
    assert ok(put)["sources"] == [cards[1], "balance", cards[0]]
    assert (await who.delete(f"{CARDS}/{cards[1]}")).status_code == 204
    refused(await who.delete(f"{CARDS}/{cards[1]}"), 404, "card_unknown")
    assert (await order_of(who), [each["card_id"] for each in await listed(who)]) == (["balance", cards[0]], [cards[0]])
    again = await town.bound(who, CREDIT)  # the network had heard at once: it can be bound again, as the same card
    assert again["card_id"] == cards[1] and await order_of(who) == ["balance", *cards]
    assert "card_bound" in [each["kind"] for each in ok(await who.get("/v1/wallet/alerts"))["items"]]


async def test_whatever_is_different_the_answer_is_the_same_and_nobody_is_sent_a_code(town: Town) -> None:
    thief = await known(town)
    before = len(await town.stack.back_office.outbox())
    answers = [
        await asked(thief, wish(STRANGERS, phone=STRANGER.phone)),  # all of another's: name and document are the thief's own
        await asked(thief, wish(phone=STRANGER.phone)),
        await asked(thief, wish(number="6214830000999978")),
        await asked(thief, wish(CREDIT, cvn2="000")),
        await asked(thief, wish(CREDIT, expiry="")),
    ]
    told = [{name: each[name] for name in ("state", "card", "tries_left")} for each in answers]
    assert told == [{"state": "REFUSED", "card": None, "tries_left": 0}] * 5
    assert len(await town.stack.back_office.outbox()) == before
    refused(await thief.post(CARDS, wish()), 422, "card_binding_too_many")
    assert await listed(thief) == []


async def test_three_wrong_codes_end_it_and_the_same_request_again_sends_no_second_code(town: Town) -> None:
    who, again = await known(town), key()
    binding = await asked(who, wish(), again)
    right, before = await sent(town), len(await town.stack.back_office.outbox())
    assert await asked(who, wish(), again) == binding
    assert len(await town.stack.back_office.outbox()) == before
    wrong = {"code": f"{(int(right['code']) + 1) % 10**6:06d}"}
    told = [ok(await who.post(f"{path_of(binding)}/confirm", wrong)) for _ in range(3)]
    assert [(each["state"], each["tries_left"]) for each in told] == [("SENT", 2), ("SENT", 1), ("ENDED", 0)]
    refused(await who.post(f"{path_of(binding)}/confirm", right), 409, "card_binding_ended")


@pytest.mark.parametrize(("fault", "then"), [("lost_answer", "SENT"), ("server_error_before", "ENDED")])
async def test_when_the_network_is_silent_the_worker_asks_until_it_knows_whether_a_code_was_sent(
    town: Town, fault: FaultKind, then: str
) -> None:
    who = await known(town)
    await town.stack.cards_office.add_fault(Fault(fault, match=Match(operation="link")))
    binding = await asked(who, wish())
    assert binding["state"] == "ASKED"

    async def is_known() -> bool:
        return bool(ok(await who.get(path_of(binding)))["state"] == then)

    await until(is_known, 30)
    if then == "SENT":
        assert ok(await who.post(f"{path_of(binding)}/confirm", await sent(town)))["state"] == "BOUND"


async def test_when_the_word_about_the_code_is_lost_the_worker_hears_it_and_so_it_is_with_a_card_that_is_removed(
    town: Town,
) -> None:
    who = await known(town)
    binding = await asked(who, wish())
    await town.stack.cards_office.add_fault(Fault("lost_answer", match=Match(reference=binding["binding_id"])))
    assert ok(await who.post(f"{path_of(binding)}/confirm", await sent(town)))["state"] == "CHECKING"

    async def is_bound() -> bool:
        return bool(ok(await who.get(path_of(binding)))["state"] == "BOUND")

    await until(is_bound, 30)
    (card,) = await listed(who)
    await town.stack.cards_office.add_fault(Fault("server_error_before", match=Match(operation="link")))
    assert (await who.delete(f"{CARDS}/{card['card_id']}")).status_code == 204
    assert await listed(who) == []
    refused(await who.post(CARDS, wish()), 409, "card_leaving")

    async def is_given_back() -> bool:
        return (await who.post(CARDS, wish())).status_code == 201

    await until(is_given_back, 30)


async def test_a_number_is_recognised_by_the_table_that_is_served(town: Town) -> None:
    table = ok(await town.ann.get("/v1/wallet/card-prefixes"))
    rows = {row["prefix"]: row for row in table["prefixes"]}
    assert rows["621483"] == {"prefix": "621483", "bank": "CMB", "kind": "debit", "lengths": [16]}
    assert table["banks"]["CMB"]["zh"] == "招商银行" and {row["bank"] for row in rows.values()} == set(table["banks"])
