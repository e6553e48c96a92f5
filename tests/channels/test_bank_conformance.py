"""What every `BankChannel` must do, faults included; run against the bank in memory and the program behind its adapter."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from msgspec.structs import replace

from tests.channels.bank_rigs import SLOW_MS, XIAOMING, Rig, top_up
from tongbao.channels.api import DEMO_CLOSED, DEMO_EMPTY, BankAnswer, BankRequest, Fault, FaultKind, LinkRequest, Match, NotFound
from tongbao.kernel.errors import Refusal

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(30)]


async def movements(rig: Rig, reference: str) -> int:
    """How often money moved under a reference, by the bank's own statement."""
    lines = await rig.channel.statement(rig.today().date())
    return sum(line.reference == reference for line in lines)


async def inquired(rig: Rig, reference: str) -> BankAnswer:
    answer = await rig.channel.inquire(reference)
    assert isinstance(answer, BankAnswer)
    return answer


async def test_debit_pays_the_reserve_and_credit_takes_it_back(rig: Rig) -> None:
    before = await rig.channel.reserve_balance("CNY")
    paid = await rig.channel.submit(top_up(amount_minor=12_300))
    assert (paid.state, paid.failure_code) == ("SUCCEEDED", None)
    assert paid.bank_reference and paid.at is not None
    assert await rig.channel.reserve_balance("CNY") == before + 12_300
    assert (await rig.channel.submit(top_up(kind="credit", amount_minor=2_300))).state == "SUCCEEDED"
    assert await rig.channel.reserve_balance("CNY") == before + 10_000


async def test_same_reference_and_body_answers_the_same_and_moves_money_once(rig: Rig) -> None:
    request = top_up()
    first = await rig.channel.submit(request)
    assert await rig.channel.submit(request) == first
    assert await rig.channel.inquire(request.reference) == first
    assert await movements(rig, request.reference) == 1


async def test_same_reference_submitted_at_once_from_many_tasks_moves_money_once(rig: Rig) -> None:
    request = top_up()
    answers = await asyncio.gather(*(rig.channel.submit(request) for _ in range(8)))
    assert len(set(answers)) == 1
    assert await movements(rig, request.reference) == 1


@pytest.mark.parametrize(
    "change", [{"amount_minor": 1}, {"kind": "credit"}, {"holder_name": "李雨桐"}, {"account_number": DEMO_EMPTY.number}]
)
async def test_same_reference_with_another_body_is_refused_and_leaves_the_first(rig: Rig, change: dict[str, object]) -> None:
    request = top_up()
    first = await rig.channel.submit(request)
    with pytest.raises(Refusal) as refused:
        await rig.channel.submit(replace(request, **change))
    assert refused.value.code.name == "bank_reference_conflict"
    assert await rig.channel.inquire(request.reference) == first


async def test_unknown_reference_is_not_found(rig: Rig) -> None:
    assert await rig.channel.inquire("never-sent") == NotFound("never-sent")


@pytest.mark.parametrize("reference", ["", "../admin", "a b", "x" * 65, "订单"])
async def test_malformed_reference_is_refused_before_it_is_sent(rig: Rig, reference: str) -> None:
    with pytest.raises(Refusal):
        await rig.channel.inquire(reference)
    with pytest.raises(Refusal):
        await rig.channel.submit(replace(top_up(), reference=reference))


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (top_up(account_number=DEMO_EMPTY.number, holder_name=DEMO_EMPTY.holder_name), "insufficient_funds"),
        (top_up(account_number=DEMO_CLOSED.number, holder_name=DEMO_CLOSED.holder_name), "account_closed"),
        (top_up(amount_minor=500_000_01), "limit_exceeded"),
        (top_up(account_number="6222029999999999"), "refused"),
        (top_up(holder_name="李雨桐"), "refused"),
        (top_up(currency="USD"), "refused"),
        (top_up(amount_minor=0), "refused"),
        (top_up(amount_minor=-100), "refused"),
        (top_up(amount_minor=2**63), "refused"),
        (top_up(currency="XXX"), "refused"),
        (top_up(account_number="../x"), "refused"),
    ],
    ids=[
        "empty", "closed", "limit", "no-account", "wrong-name", "wrong-currency", "zero", "negative", "huge", "no-currency",
        "no-number",
    ],
)  # fmt: skip
async def test_the_banks_no_is_answered_not_raised(rig: Rig, request_: BankRequest, code: str) -> None:
    answer = await rig.channel.submit(request_)
    assert (answer.state, answer.failure_code) == ("FAILED", code)
    assert (await rig.channel.submit(request_)).state == "FAILED"
    assert await movements(rig, request_.reference) == 0


async def test_a_no_stays_a_no_when_its_reason_is_gone(rig: Rig) -> None:
    number = await rig.open("周文", 5_000)
    too_much = top_up(account_number=number, holder_name="周文", amount_minor=5_001)
    refused = await rig.channel.submit(too_much)
    assert refused.failure_code == "insufficient_funds"
    assert (await rig.channel.submit(top_up())).state == "SUCCEEDED"
    paid_in = top_up(kind="credit", account_number=number, holder_name="周文", amount_minor=1)
    assert (await rig.channel.submit(paid_in)).state == "SUCCEEDED"
    assert await rig.channel.submit(too_much) == refused


async def test_withdrawal_above_the_reserve_fails(rig: Rig) -> None:
    number = await rig.open("Ann Lee", 0, "EUR")
    request = top_up(kind="credit", account_number=number, holder_name="Ann Lee", currency="EUR", amount_minor=1)
    answer = await rig.channel.submit(request)
    assert answer.failure_code == "insufficient_funds"
    assert await rig.channel.reserve_balance("EUR") == 0


# ── linking ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def linking(**changes: str) -> LinkRequest:
    """A question to which the bank says yes, under a reference of its own."""
    ours = LinkRequest(str(uuid4()), XIAOMING.number, XIAOMING.holder_name, XIAOMING.document_number, f"+86{XIAOMING.phone}")
    return replace(ours, **changes)


async def said(rig: Rig, request: LinkRequest) -> str:
    return (await rig.channel.start_link(request)).state


async def test_a_link_takes_the_code_that_was_sent_to_the_holders_phone(rig: Rig) -> None:
    request = linking()
    assert await said(rig, request) == "CODE_SENT"
    code = await rig.code_sent(request.phone)
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    assert (await rig.channel.confirm_link(request.reference, wrong)).state == "WRONG_CODE"
    assert (await rig.channel.inquire_link(request.reference)).state == "CODE_SENT"
    assert (await rig.channel.confirm_link(request.reference, code)).state == "LINKED"
    assert (await rig.channel.confirm_link(request.reference, code)).state == "LINKED"
    assert (await rig.channel.inquire_link(request.reference)).state == "LINKED"


@pytest.mark.parametrize(
    "change",
    [
        {"account_number": "6222029999999999"}, {"account_number": DEMO_CLOSED.number}, {"holder_name": "李雨桐"},
        {"document_number": "330106198401250075"}, {"phone": "+8613800000002"},
    ],
)  # fmt: skip
async def test_whatever_of_the_four_is_different_the_bank_says_the_same_and_sends_nothing(
    rig: Rig, change: dict[str, str]
) -> None:
    request = linking(**change)
    before = await rig.messages()
    assert await said(rig, request) == "REFUSED"
    assert await rig.messages() == before
    assert (await rig.channel.confirm_link(request.reference, "000000")).state == "REFUSED"


async def test_a_name_is_the_same_in_other_case_and_spacing(rig: Rig) -> None:
    number = await rig.open("Alice Chen", 0)
    changes = {"account_number": number, "holder_name": " alice  CHEN ", "phone": "+8613811112222"}
    assert await said(rig, linking(**changes)) == "CODE_SENT"


async def test_asked_again_under_the_same_reference_no_second_code_goes_out(rig: Rig) -> None:
    request = linking()
    assert await said(rig, request) == "CODE_SENT"
    before = await rig.messages()
    assert await said(rig, request) == "CODE_SENT"
    assert await rig.messages() == before
    with pytest.raises(Refusal) as refused:
        await rig.channel.start_link(replace(request, phone="+8613800000002"))
    assert refused.value.code.name == "bank_reference_conflict"


async def test_three_wrong_codes_end_a_link(rig: Rig) -> None:
    request = linking()
    await rig.channel.start_link(request)
    right = await rig.code_sent(request.phone)
    wrong = f"{(int(right) + 1) % 10**6:06d}"
    answers = [(await rig.channel.confirm_link(request.reference, code)).state for code in (wrong, wrong, wrong, right)]
    assert answers == ["WRONG_CODE", "WRONG_CODE", "ENDED", "ENDED"]


async def test_a_link_nobody_asked_for_has_ended(rig: Rig) -> None:
    assert (await rig.channel.inquire_link("never")).state == "ENDED"
    assert (await rig.channel.confirm_link("never", "123456")).state == "ENDED"


@pytest.mark.parametrize(
    ("fault", "then"), [("timeout_before", "ENDED"), ("server_error_before", "ENDED"), ("lost_answer", "CODE_SENT"),
    ("garbage_answer", "CODE_SENT")],
)  # fmt: skip
async def test_a_link_whose_answer_is_lost_is_unknown_until_it_is_inquired_about(rig: Rig, fault: FaultKind, then: str) -> None:
    request = linking()
    await rig.order(Fault(fault, match=Match(reference=request.reference, operation="link"), delay_ms=SLOW_MS))
    assert await said(rig, request) == "UNKNOWN"
    assert (await rig.channel.inquire_link(request.reference)).state == then


async def test_statement_lists_each_movement_with_the_balance_after_it(rig: Rig) -> None:
    before = await rig.channel.reserve_balance("CNY")
    request = top_up(amount_minor=700)
    answer = await rig.channel.submit(request)
    line = (await rig.channel.statement(rig.today().date()))[-1]
    assert (line.reference, line.kind, line.amount_minor, line.currency) == (request.reference, "debit", 700, "CNY")
    assert (line.bank_reference, line.reserve_balance_minor) == (answer.bank_reference, before + 700)


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["lost_answer", "server_error_after", "garbage_answer", "delay"])
async def test_done_without_an_answer_is_unknown_then_known_by_inquiry(rig: Rig, kind: str) -> None:
    await rig.order(Fault(kind, delay_ms=SLOW_MS))  # type: ignore[arg-type]
    request = top_up()
    assert (await rig.channel.submit(request)).state == "UNKNOWN"
    assert (await inquired(rig, request.reference)).state == "SUCCEEDED"
    assert (await rig.channel.submit(request)).state == "SUCCEEDED"
    assert await movements(rig, request.reference) == 1


@pytest.mark.parametrize("kind", ["timeout_before", "server_error_before"])
async def test_not_done_is_unknown_and_a_second_submission_does_it(rig: Rig, kind: str) -> None:
    await rig.order(Fault(kind))  # type: ignore[arg-type]
    request = top_up()
    assert (await rig.channel.submit(request)).state == "UNKNOWN"
    assert await rig.channel.inquire(request.reference) == NotFound(request.reference)
    assert (await rig.channel.submit(request)).state == "SUCCEEDED"
    assert await movements(rig, request.reference) == 1


async def test_short_delay_is_only_slow(rig: Rig) -> None:
    await rig.order(Fault("delay", delay_ms=50))
    assert (await rig.channel.submit(top_up())).state == "SUCCEEDED"


async def test_not_found_may_mean_not_yet_arrived(rig: Rig) -> None:
    await rig.order(Fault("late_arrival", delay_ms=SLOW_MS))
    request = top_up()
    assert (await rig.channel.submit(request)).state == "UNKNOWN"
    assert await rig.channel.inquire(request.reference) == NotFound(request.reference)
    assert (await rig.channel.submit(request)).state == "SUCCEEDED"
    await rig.wait(SLOW_MS + 200)
    assert (await inquired(rig, request.reference)).state == "SUCCEEDED"
    assert await movements(rig, request.reference) == 1


async def test_duplicate_delivery_moves_money_once(rig: Rig) -> None:
    await rig.order(Fault("duplicate_delivery"))
    request = top_up()
    assert (await rig.channel.submit(request)).state == "SUCCEEDED"
    assert await movements(rig, request.reference) == 1


async def test_refusal_on_order_is_final(rig: Rig) -> None:
    await rig.order(Fault("refuse", code="OVER_LIMIT"))
    request = top_up()
    answer = await rig.channel.submit(request)
    assert (answer.state, answer.failure_code) == ("FAILED", "limit_exceeded")
    assert await rig.channel.submit(request) == answer
    assert await movements(rig, request.reference) == 0


@pytest.mark.parametrize(
    ("kind", "end", "moved"), [("pending_then_success", "SUCCEEDED", 1), ("pending_then_failure", "FAILED", 0)]
)
async def test_processing_is_unknown_until_the_bank_decides(rig: Rig, kind: str, end: str, moved: int) -> None:
    await rig.order(Fault(kind, delay_ms=400))  # type: ignore[arg-type]
    request = top_up()
    pending = await rig.channel.submit(request)
    assert pending.state == "UNKNOWN" and pending.bank_reference
    assert await rig.channel.inquire(request.reference) == pending
    assert await movements(rig, request.reference) == 0
    await rig.wait(450)
    assert (await inquired(rig, request.reference)).state == end
    assert (await rig.channel.submit(request)).state == end
    assert await movements(rig, request.reference) == moved


async def test_processing_is_decided_by_the_funds_of_that_moment(rig: Rig) -> None:
    number = await rig.open("钱多", 1_000)
    await rig.order(Fault("pending_then_success", delay_ms=300))
    first = top_up(account_number=number, holder_name="钱多", amount_minor=800)
    second = top_up(account_number=number, holder_name="钱多", amount_minor=800)
    assert (await rig.channel.submit(first)).state == "UNKNOWN"
    assert (await rig.channel.submit(second)).state == "SUCCEEDED"
    await rig.wait(350)
    late = await inquired(rig, first.reference)
    assert (late.state, late.failure_code) == ("FAILED", "insufficient_funds")


@pytest.mark.parametrize(
    "kind", ["lost_inquiry", "lost_answer", "timeout_before", "server_error_before", "garbage_answer", "delay"]
)
async def test_unanswered_inquiry_is_unknown_and_may_be_repeated(rig: Rig, kind: str) -> None:
    request = top_up()
    done = await rig.channel.submit(request)
    await rig.order(Fault(kind, match=Match(operation="inquire"), delay_ms=SLOW_MS))  # type: ignore[arg-type]
    assert await rig.channel.inquire(request.reference) == BankAnswer("UNKNOWN")
    assert await rig.channel.inquire(request.reference) == done


async def test_fault_meets_only_what_it_matches(rig: Rig) -> None:
    await rig.order(Fault("refuse", match=Match(amount_minor=777), count=1))
    assert (await rig.channel.submit(top_up(amount_minor=778))).state == "SUCCEEDED"
    assert (await rig.channel.submit(top_up(amount_minor=777))).state == "FAILED"
    assert (await rig.channel.submit(top_up(amount_minor=777))).state == "SUCCEEDED"


async def test_account_closed_while_in_use_fails_the_next_transfer(rig: Rig) -> None:
    number = await rig.open("冯去", 1_000)
    request = top_up(account_number=number, holder_name="冯去", amount_minor=100)
    assert (await rig.channel.submit(request)).state == "SUCCEEDED"
    await rig.set_closed(number)
    assert (await rig.channel.submit(replace(request, reference=request.reference + "-b"))).failure_code == "account_closed"
    assert (await rig.channel.submit(request)).state == "SUCCEEDED"
