"""What every `CardNetwork` must do, faults included; run against the network in memory and the program behind its adapter."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from msgspec.structs import replace

from tests.channels.bank_rigs import SLOW_MS
from tests.channels.card_rigs import (
    XIAOMING_CREDIT,
    XIAOMING_DEBIT,
    CardRig,
    binding_of,
    bound,
    debit_of,
    opened,
    refund_of,
)
from tongbao.channels.api import (
    DEMO_CARD_EMPTY,
    DEMO_CARD_EXPIRED,
    DEMO_CARD_SUSPECT,
    BoundCard,
    CardAnswer,
    Fault,
    FaultKind,
    Match,
)
from tongbao.kernel.errors import Refusal

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(30)]


# ── binding ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("card", [XIAOMING_DEBIT, XIAOMING_CREDIT], ids=["debit", "credit"])
async def test_a_card_is_bound_with_the_code_that_was_sent_to_its_holders_phone(card_rig: CardRig, card: object) -> None:
    assert card in (XIAOMING_DEBIT, XIAOMING_CREDIT)
    known = XIAOMING_DEBIT if card == XIAOMING_DEBIT else XIAOMING_CREDIT
    binding = binding_of(known)
    assert (await card_rig.network.start_binding(binding)).state == "CODE_SENT"
    code = await card_rig.code_sent(binding.phone)
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    assert (await card_rig.network.confirm_binding(binding.reference, wrong)).state == "WRONG_CODE"
    assert (await card_rig.network.inquire_binding(binding.reference)).state == "CODE_SENT"
    answer = await card_rig.network.confirm_binding(binding.reference, code)
    assert answer.state == "BOUND" and answer.card is not None
    assert answer.card == BoundCard(answer.card.token, known.bank, known.kind, known.number[-4:])
    assert known.number not in answer.card.token
    assert await card_rig.network.confirm_binding(binding.reference, code) == answer
    assert await card_rig.network.inquire_binding(binding.reference) == answer


@pytest.mark.parametrize(
    ("card", "change"),
    [
        (XIAOMING_DEBIT, {"number": "6214830000009992"}), (XIAOMING_DEBIT, {"holder_name": "李雨桐"}),
        (XIAOMING_DEBIT, {"document_number": "330106198401250075"}), (XIAOMING_DEBIT, {"phone": "+8613800000002"}),
        (XIAOMING_CREDIT, {"expiry": "1128"}), (XIAOMING_CREDIT, {"cvn2": "999"}),
        (XIAOMING_CREDIT, {"expiry": "", "cvn2": ""}), (DEMO_CARD_EXPIRED, {}),
    ],
)  # fmt: skip
async def test_whatever_is_different_the_network_says_the_same_and_sends_nothing(
    card_rig: CardRig, card: object, change: dict[str, str]
) -> None:
    known = next(each for each in (XIAOMING_DEBIT, XIAOMING_CREDIT, DEMO_CARD_EXPIRED) if each == card)
    binding = binding_of(known, **change)
    before = await card_rig.messages(binding.phone)
    answer = await card_rig.network.start_binding(binding)
    assert (answer.state, answer.card) == ("REFUSED", None)
    assert await card_rig.messages(binding.phone) == before
    assert (await card_rig.network.confirm_binding(binding.reference, "000000")).state == "REFUSED"


async def test_a_binding_asked_again_sends_no_second_code_and_one_of_another_body_is_refused(card_rig: CardRig) -> None:
    binding = binding_of(XIAOMING_DEBIT)
    await card_rig.network.start_binding(binding)
    before = await card_rig.messages(binding.phone)
    assert (await card_rig.network.start_binding(binding)).state == "CODE_SENT"
    assert await card_rig.messages(binding.phone) == before
    with pytest.raises(Refusal) as refused:
        await card_rig.network.start_binding(replace(binding, phone="+8613800000002"))
    assert refused.value.code.name == "card_reference_conflict"


async def test_three_wrong_codes_end_a_binding(card_rig: CardRig) -> None:
    binding = binding_of(XIAOMING_DEBIT)
    await card_rig.network.start_binding(binding)
    right = await card_rig.code_sent(binding.phone)
    wrong = f"{(int(right) + 1) % 10**6:06d}"
    answers = [(await card_rig.network.confirm_binding(binding.reference, code)).state for code in (wrong, wrong, wrong, right)]
    assert answers == ["WRONG_CODE", "WRONG_CODE", "ENDED", "ENDED"]


async def test_a_binding_nobody_asked_for_has_ended(card_rig: CardRig) -> None:
    assert (await card_rig.network.inquire_binding(uuid4())).state == "ENDED"
    assert (await card_rig.network.confirm_binding(uuid4(), "123456")).state == "ENDED"


@pytest.mark.parametrize(
    ("fault", "then"),
    [
        ("timeout_before", "ENDED"),
        ("server_error_before", "ENDED"),
        ("lost_answer", "CODE_SENT"),
        ("garbage_answer", "CODE_SENT"),
    ],
)
async def test_a_binding_whose_answer_is_lost_is_unknown_until_inquired_about(
    card_rig: CardRig, fault: FaultKind, then: str
) -> None:
    binding = binding_of(XIAOMING_DEBIT)
    await card_rig.order(Fault(fault, match=Match(reference=str(binding.reference)), delay_ms=SLOW_MS))
    assert (await card_rig.network.start_binding(binding)).state == "UNKNOWN"
    assert (await card_rig.network.inquire_binding(binding.reference)).state == then


async def test_a_card_whose_binding_was_confirmed_without_an_answer_is_bound_all_the_same(card_rig: CardRig) -> None:
    binding = binding_of(XIAOMING_DEBIT)
    await card_rig.network.start_binding(binding)
    code = await card_rig.code_sent(binding.phone)
    await card_rig.order(Fault("lost_answer", match=Match(reference=str(binding.reference))))
    assert (await card_rig.network.confirm_binding(binding.reference, code)).state == "UNKNOWN"
    answer = await card_rig.network.inquire_binding(binding.reference)
    assert answer.state == "BOUND" and answer.card is not None
    assert (await card_rig.network.debit(debit_of(answer.card.token, 1))).state == "SUCCEEDED"


async def test_a_token_given_back_pays_no_more_but_takes_refunds(card_rig: CardRig) -> None:
    card, token = await opened(card_rig, 5_000)
    debit = debit_of(token, 3_000)
    assert (await card_rig.network.debit(debit)).state == "SUCCEEDED"
    assert await card_rig.network.unbind(token) and await card_rig.network.unbind(token)
    assert await card_rig.network.unbind("ct_never_given")
    assert (await card_rig.network.debit(debit_of(token, 1))).refusal == "card_closed"
    assert (await card_rig.network.refund(refund_of(debit, 3_000))).state == "SUCCEEDED"
    assert await card_rig.available_minor(card.number) == 5_000


async def test_giving_back_one_token_leaves_another_of_the_same_card(card_rig: CardRig) -> None:
    card, first = await opened(card_rig, 5_000)
    second = await bound(card_rig, card)
    assert first != second and await card_rig.network.unbind(first)
    assert (await card_rig.network.debit(debit_of(second, 1))).state == "SUCCEEDED"


async def test_a_token_whose_return_is_not_answered_is_not_known_to_be_back(card_rig: CardRig) -> None:
    _, token = await opened(card_rig, 5_000)
    await card_rig.order(Fault("timeout_before", match=Match(reference=token), delay_ms=SLOW_MS))
    assert not await card_rig.network.unbind(token)
    assert (await card_rig.network.debit(debit_of(token, 1))).state == "SUCCEEDED"
    await card_rig.order(Fault("lost_answer", match=Match(reference=token)))
    assert not await card_rig.network.unbind(token)
    assert (await card_rig.network.debit(debit_of(token, 1))).refusal == "card_closed"


# ── money ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_debit_takes_and_refunds_give_back_up_to_what_was_taken(card_rig: CardRig) -> None:
    card, token = await opened(card_rig, 10_000)
    debit = debit_of(token, 6_000)
    paid = await card_rig.network.debit(debit)
    assert (paid.state, paid.refusal) == ("SUCCEEDED", None)
    assert paid.network_reference and paid.at is not None
    assert await card_rig.available_minor(card.number) == 4_000
    answers = [(await card_rig.network.refund(refund_of(debit, amount))).state for amount in (2_000, 4_001, 4_000, 1)]
    assert answers == ["SUCCEEDED", "REFUSED", "SUCCEEDED", "REFUSED"]
    assert await card_rig.available_minor(card.number) == 10_000


async def test_same_reference_and_body_answers_the_same_and_moves_money_once(card_rig: CardRig) -> None:
    card, token = await opened(card_rig, 10_000)
    debit = debit_of(token, 4_000)
    answers = await asyncio.gather(*(card_rig.network.debit(debit) for _ in range(6)))
    assert len(set(answers)) == 1 and await card_rig.network.inquire(debit.reference) == answers[0]
    refund = refund_of(debit, 1_000)
    given = await asyncio.gather(*(card_rig.network.refund(refund) for _ in range(6)))
    assert len(set(given)) == 1 and await card_rig.network.inquire(refund.reference) == given[0]
    assert await card_rig.available_minor(card.number) == 7_000


async def test_same_reference_with_another_body_is_refused_and_leaves_the_first(card_rig: CardRig) -> None:
    card, token = await opened(card_rig, 10_000)
    debit = debit_of(token, 4_000)
    first = await card_rig.network.debit(debit)
    for other in (replace(debit, amount_minor=1), replace(debit, currency="USD"), replace(debit, token="ct_other")):
        with pytest.raises(Refusal) as refused:
            await card_rig.network.debit(other)
        assert refused.value.code.name == "card_reference_conflict"
    with pytest.raises(Refusal):  # debits and refunds share the references
        await card_rig.network.refund(replace(refund_of(debit, 1), reference=debit.reference))
    assert await card_rig.network.inquire(debit.reference) == first
    assert await card_rig.available_minor(card.number) == 6_000


async def test_unknown_reference_is_not_found(card_rig: CardRig) -> None:
    assert await card_rig.network.inquire(uuid4()) == CardAnswer("NOT_FOUND")


async def test_the_networks_no_is_answered_not_raised_and_stays(card_rig: CardRig) -> None:
    card, token = await opened(card_rig, 100_000_00)
    empty, suspect = await bound(card_rig, DEMO_CARD_EMPTY), await bound(card_rig, DEMO_CARD_SUSPECT)
    table = [
        (debit_of(empty, 1), "insufficient"), (debit_of(suspect, 1), "risk"), (debit_of(token, 50_000_01), "limit"),
        (debit_of("ct_unknown", 1), "card_closed"), (debit_of(token, 1, "USD"), "refused"), (debit_of(token, 0), "refused"),
        (debit_of(token, -1), "refused"), (debit_of(token, 2**62), "refused"), (debit_of(token, 1, "XXX"), "refused"),
    ]  # fmt: skip
    for debit, refusal in table:
        for _ in range(2):
            answer = await card_rig.network.debit(debit)
            assert (answer.state, answer.refusal) == ("REFUSED", refusal), debit
        assert (await card_rig.network.refund(refund_of(debit, 1))).state == "REFUSED"
    assert (await card_rig.network.refund(refund_of(debit_of(token), 1))).state == "REFUSED"
    assert await card_rig.available_minor(card.number) == 100_000_00


async def test_a_card_closed_while_bound_pays_no_more(card_rig: CardRig) -> None:
    card, token = await opened(card_rig, 1_000)
    debit = debit_of(token, 600)
    assert (await card_rig.network.debit(debit)).state == "SUCCEEDED"
    await card_rig.set_closed(card.number)
    assert (await card_rig.network.debit(debit_of(token, 1))).refusal == "card_closed"
    assert (await card_rig.network.debit(debit)).state == "SUCCEEDED"
    assert (await card_rig.network.refund(refund_of(debit, 600))).state == "SUCCEEDED"


# ── faults ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["lost_answer", "server_error_after", "garbage_answer", "delay"])
async def test_done_without_an_answer_is_unknown_then_known_by_inquiry(card_rig: CardRig, kind: FaultKind) -> None:
    card, token = await opened(card_rig, 1_000)
    debit = debit_of(token, 400)
    await card_rig.order(Fault(kind, delay_ms=SLOW_MS))
    assert (await card_rig.network.debit(debit)).state == "UNKNOWN"
    assert (await card_rig.network.inquire(debit.reference)).state == "SUCCEEDED"
    assert (await card_rig.network.debit(debit)).state == "SUCCEEDED"
    refund = refund_of(debit, 150)
    await card_rig.order(Fault(kind, delay_ms=SLOW_MS))
    assert (await card_rig.network.refund(refund)).state == "UNKNOWN"
    assert (await card_rig.network.refund(refund)).state == "SUCCEEDED"
    assert await card_rig.available_minor(card.number) == 750


@pytest.mark.parametrize("kind", ["timeout_before", "server_error_before"])
async def test_not_done_is_unknown_and_a_second_request_does_it(card_rig: CardRig, kind: FaultKind) -> None:
    card, token = await opened(card_rig, 1_000)
    debit = debit_of(token, 400)
    await card_rig.order(Fault(kind, delay_ms=SLOW_MS))
    assert (await card_rig.network.debit(debit)).state == "UNKNOWN"
    assert (await card_rig.network.inquire(debit.reference)).state == "NOT_FOUND"
    assert (await card_rig.network.debit(debit)).state == "SUCCEEDED"
    assert await card_rig.available_minor(card.number) == 600


async def test_not_found_may_mean_not_yet_arrived(card_rig: CardRig) -> None:
    card, token = await opened(card_rig, 1_000)
    debit = debit_of(token, 400)
    await card_rig.order(Fault("late_arrival", delay_ms=SLOW_MS))
    assert (await card_rig.network.debit(debit)).state == "UNKNOWN"
    assert (await card_rig.network.inquire(debit.reference)).state == "NOT_FOUND"
    await card_rig.wait(SLOW_MS + 300)
    assert (await card_rig.network.inquire(debit.reference)).state == "SUCCEEDED"
    assert await card_rig.available_minor(card.number) == 600


async def test_duplicate_delivery_moves_money_once(card_rig: CardRig) -> None:
    card, token = await opened(card_rig, 1_000)
    await card_rig.order(Fault("duplicate_delivery"))
    assert (await card_rig.network.debit(debit_of(token, 400))).state == "SUCCEEDED"
    assert await card_rig.available_minor(card.number) == 600


@pytest.mark.parametrize(
    ("kind", "end", "left"), [("pending_then_success", "SUCCEEDED", 600), ("pending_then_failure", "REFUSED", 1_000)]
)
async def test_processing_is_unknown_until_the_network_decides(card_rig: CardRig, kind: FaultKind, end: str, left: int) -> None:
    card, token = await opened(card_rig, 1_000)
    debit = debit_of(token, 400)
    await card_rig.order(Fault(kind, delay_ms=400))
    pending = await card_rig.network.debit(debit)
    assert pending.state == "UNKNOWN" and pending.network_reference
    assert await card_rig.network.inquire(debit.reference) == pending
    assert (await card_rig.network.refund(refund_of(debit, 1))).state == "REFUSED"
    await card_rig.wait(500)
    assert (await card_rig.network.inquire(debit.reference)).state == end
    assert await card_rig.available_minor(card.number) == left


@pytest.mark.parametrize("kind", ["lost_inquiry", "timeout_before", "garbage_answer"])
async def test_unanswered_inquiry_is_unknown_and_may_be_repeated(card_rig: CardRig, kind: FaultKind) -> None:
    _, token = await opened(card_rig, 1_000)
    debit = debit_of(token, 400)
    done = await card_rig.network.debit(debit)
    await card_rig.order(Fault(kind, match=Match(operation="inquire"), delay_ms=SLOW_MS))
    assert await card_rig.network.inquire(debit.reference) == CardAnswer("UNKNOWN")
    assert await card_rig.network.inquire(debit.reference) == done
