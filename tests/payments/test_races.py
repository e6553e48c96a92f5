"""Two server processes over one database: whatever they do at once, the money is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence

import asyncpg
import msgspec
import pytest

from tests.support.second_process import Answer, race
from tests.support.town import WRONG, Town, town
from tongbao.app.registry import CHECKS, RELATIONS
from tongbao.engine.api import Command, PostgresStore, Sealer
from tongbao.engine.verify import verify
from tongbao.payments.rules import OrderCreated


@pytest.fixture
async def place(database: str) -> AsyncIterator[Town]:
    """A town over PostgreSQL whose engine is the third process in the race, idle while the other two run."""
    async with town(PostgresStore(database)) as place:
        yield place


async def compete(dsn: str, commands: Sequence[Command]) -> list[Answer]:
    """Every other command to each of two processes; answers in the order of the commands."""
    left, right = await race(dsn, commands[::2], commands[1::2])
    answers: list[Answer] = [answer for pair in zip(left, right, strict=True) for answer in pair]
    return answers


async def value(dsn: str, sql: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval(sql))
    finally:
        await connection.close()


async def assert_books_hold(dsn: str, processes: int = 2) -> None:
    """The chain and every balance verify, and this many processes decided something (besides the one that built the town)."""
    connection = await asyncpg.connect(dsn)
    try:
        found = await verify(connection, RELATIONS, Sealer(), CHECKS)
        assert found.problem is None
        writers = await connection.fetchval("select count(distinct writer) from command")
        assert writers == 1 + processes, "the processes did not compete"
    finally:
        await connection.close()


async def test_a_balance_for_ten_is_spent_ten_times_by_a_thousand_attempts(place: Town, database: str) -> None:
    payer, merchant = await place.customer(10_000), await place.merchant()
    attempts = [place.paying_at_once(merchant, f"order-{number}", payer, 1000) for number in range(1000)]
    answers = await compete(database, attempts)
    assert Counter(answer.code for answer in answers) == {"ok": 10, "insufficient_funds": 990}
    assert await value(database, "select count(*) from payment where state = 'PAID'") == 10
    assert await value(database, "select posted_minor from account where code = '2001'") == 0
    assert await value(database, "select sum(posted_minor)::bigint from account where code in ('2101', '4001')") == 10_000
    await assert_books_hold(database)


async def test_one_order_is_paid_once_by_a_thousand_attempts_of_two_payers(place: Town, database: str) -> None:
    payers, merchant = [await place.customer(10**6) for _ in range(2)], await place.merchant()
    order = await place.happens(place.ordering(merchant, "order", expires_in_s=10**9))
    answers = await compete(database, [place.paying(merchant, "order", payers[number // 2 % 2]) for number in range(1000)])
    assert Counter(answer.code for answer in answers) == {"ok": 1, "order_paid": 999}
    assert await value(database, "select sum(posted_minor)::bigint from account where code = '2001'") == 2 * 10**6 - 1000
    assert str(order.payment_id) in next(answer.body for answer in answers if answer.code == "ok")
    await assert_books_hold(database)


async def test_a_thousand_repeats_of_one_command_are_one_payment_and_a_thousand_equal_answers(place: Town, database: str) -> None:
    payer, merchant = await place.customer(10**6), await place.merchant()
    answers = await compete(database, [place.paying_at_once(merchant, "order", payer)] * 1000)
    assert {(answer.code, answer.body, answer.decided_at) for answer in answers} == {
        ("ok", answers[0].body, answers[0].decided_at)
    }
    assert [answer.repeated for answer in answers].count(False) == 1
    assert await value(database, "select count(*) from payment") == 1
    assert await value(database, "select posted_minor from account where code = '2001'") == 10**6 - 1000
    await assert_books_hold(database, processes=1)


async def test_a_thousand_repeats_of_one_declined_command_are_one_decline(place: Town, database: str) -> None:
    payer, merchant = await place.customer(0), await place.merchant()
    answers = await compete(database, [place.paying_at_once(merchant, "order", payer, confirmation=WRONG)] * 1000)
    assert {answer.code for answer in answers} == {"wrong_pin"} and len({answer.decided_at for answer in answers}) == 1
    assert await value(database, "select wrong from pin") == 1
    assert await value(database, "select count(*) from command where not accepted") == 1


async def test_two_wishes_under_one_id_are_one_payment_and_conflicts(place: Town, database: str) -> None:
    payer, merchant = await place.customer(10**6), await place.merchant()
    wish = place.paying_at_once(merchant, "order", payer, 1000)
    other = type(wish)(**{name: getattr(wish, name) for name in wish.__struct_fields__} | {"amount_minor": 2000})
    left, right = await race(database, [wish] * 200, [other] * 200)
    assert {(left[0].code, right[0].code)} <= {("ok", "idempotency_conflict"), ("idempotency_conflict", "ok")}
    assert {answer.code for answer in left} == {left[0].code} and {answer.code for answer in right} == {right[0].code}
    assert await value(database, "select count(*) from payment") == 1
    await assert_books_hold(database, processes=1)


async def test_a_thousand_guesses_of_a_pin_lock_it_after_five(place: Town, database: str) -> None:
    payer, merchant = await place.customer(10**6), await place.merchant()
    guesses = [place.paying_at_once(merchant, f"order-{number}", payer, confirmation=WRONG) for number in range(1000)]
    answers = await compete(database, guesses)
    assert Counter(answer.code for answer in answers) == {"wrong_pin": 4, "pin_locked": 996}
    assert await value(database, "select count(*) from pin where wrong = 5 and locked_until is not null") == 1
    assert await value(database, "select count(*) from payment") == 0
    right = place.paying_at_once(merchant, "order", payer)
    assert (await compete(database, [right, right]))[0].code == "pin_locked", "locked means that the right PIN is refused too"


async def test_right_and_wrong_pins_mixed_never_allow_five_wrong_ones_in_a_row(place: Town, database: str) -> None:
    payer, merchant = await place.customer(10**6), await place.merchant()
    mixed = [
        place.paying_at_once(merchant, f"order-{number}", payer, 1, **({} if number % 7 == 0 else {"confirmation": WRONG}))
        for number in range(1000)
    ]
    answers = await compete(database, mixed)
    paid = sum(answer.code == "ok" for answer in answers)
    # Each right PIN starts the count again; without five in a row nothing locks, and after the lock nothing is paid.
    assert sum(answer.code == "wrong_pin" for answer in answers) <= 4 * (paid + 1)
    assert sum(answer.code == "pin_locked" for answer in answers) > 500
    assert await value(database, "select count(*) from payment where state = 'PAID'") == paid
    await assert_books_hold(database)


async def test_two_processes_creating_one_order_number_make_one_order(place: Town, database: str) -> None:
    merchant = await place.merchant()
    same = [place.ordering(merchant, f"same-{number // 2}") for number in range(200)]
    answers = await compete(database, same)
    assert {answer.code for answer in answers} == {"ok"}
    orders = [msgspec.json.decode(answer.body, type=OrderCreated) for answer in answers]
    for left, right in zip(orders[::2], orders[1::2], strict=True):
        assert (left.payment_id, left.fee_minor) == (right.payment_id, right.fee_minor)
        assert {left.known, right.known} == {False, True}
    assert await value(database, "select count(*) from payment") == 100


async def test_two_processes_using_one_order_number_for_different_orders_make_one_and_a_decline(
    place: Town, database: str
) -> None:
    merchant = await place.merchant()
    different = [place.ordering(merchant, f"order-{number // 2}", 1000 + number % 2) for number in range(200)]
    answers = await compete(database, different)
    for pair in zip(answers[::2], answers[1::2], strict=True):
        assert sorted(answer.code for answer in pair) == ["ok", "out_trade_no_used"]
    assert await value(database, "select count(*) from payment") == 100


async def test_refunds_from_two_processes_never_exceed_what_was_paid(place: Town, database: str) -> None:
    payer, merchant = await place.customer(10**6), await place.merchant()
    await place.happens(place.paying_at_once(merchant, "other", payer, 50_000))
    await place.happens(place.paying_at_once(merchant, "order", payer, 1000))
    refunds = [place.refunding(merchant, "order", payer, f"refund-{number}", 300) for number in range(100)]
    answers = await compete(database, refunds)
    assert Counter(answer.code for answer in answers) == {"ok": 3, "refund_exceeds_paid": 97}
    assert await value(database, "select sum(amount_minor)::bigint from refund") == 900
    await assert_books_hold(database)


async def test_two_customers_sending_each_other_money_from_two_processes_lose_none(place: Town, database: str) -> None:
    one, other = await place.customer(1000), await place.customer(1000)
    sent = [place.transferring(*((one, other) if number % 4 < 2 else (other, one)), 7) for number in range(400)]
    answers = await compete(database, sent)
    assert {answer.code for answer in answers} <= {"ok", "insufficient_funds"}
    assert await value(database, "select sum(posted_minor)::bigint from account where code = '2001'") == 2000
    assert await value(database, "select min(posted_minor) from account where code = '2001'") >= 0
    await assert_books_hold(database)


async def test_one_login_registered_from_two_processes_is_taken_once(place: Town, database: str) -> None:
    logins = [place.registering(f"+86139{number // 2:08}") for number in range(100)]
    answers = await compete(database, logins)
    for pair in zip(answers[::2], answers[1::2], strict=True):
        assert sorted(answer.code for answer in pair) == ["login_taken", "ok"]
    assert await value(database, "select count(*) from principal") == 50
