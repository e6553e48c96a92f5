"""The states of a payment: every path of up to six steps (the first is the order itself) is walked through the deciders, and from
each place every step that the table does not have is tried: it is refused with its own code and leaves nothing, no row, no entry,
no event. The database and the drawing say the same as the table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from msgspec.structs import replace

from tests.support.leavings import rows
from tests.support.town import CURRENCY, Town, order_id, town
from tongbao.engine.api import Command, Declined, MemoryStore
from tongbao.ledger.api import ACCOUNT
from tongbao.payments.funding_types import CARD_REQUEST, FUNDING, Part, debit_id_of
from tongbao.payments.lifecycle import (
    FIRST,
    NEXT,
    STATES,
    STEPS,
    PaymentState,
    Step,
    reachable,
    refusal_of,
    step_of,
    transitions_sql,
)
from tongbao.payments.types import PAYMENT, ExpireOrder, Payment
from tongbao.wallet.rules import wallet_of

PROJECT = Path(__file__).resolve().parents[2]
MIGRATION = PROJECT / "src" / "tongbao" / "payments" / "migrations" / "0001_payments.sql"
LONGEST = 6
#: The first step is the order itself.
MOST_STEPS = LONGEST - 1

Path_ = tuple[Step, ...]

#: What is paid where a card is asked: most of it by the card, so that every refund of a walk goes there.
CARD = Part("card", 600, "00000000-0000-4000-8000-000000000001")
PARTS = (Part("balance", 400), CARD)


def paths() -> Iterator[tuple[Path_, PaymentState]]:
    """Every way a payment can go, with where it ends. An order asks either to be paid at once or to be authorised."""
    waiting: list[tuple[Path_, PaymentState]] = [((), "CREATED")]
    while waiting:
        path, state = waiting.pop()
        yield path, state
        if len(path) < MOST_STEPS:
            waiting += [((*path, step), after) for step, after in NEXT[state].items() if _can(path, step)]


def _can(path: Path_, step: Step) -> bool:
    """Of what the table allows, what the amounts allow: nothing is left to free or to undo but as the steps' names say."""
    if step == "authorise" and "ask" in path:
        return False  # an order that is to be authorised is not paid by a card
    captured = "capture" in path or "capture_last" in path
    if step in ("void", "finish"):
        return captured == (step == "finish")
    if step == "reverse":
        return "refund" not in path and path.count("capture") + path.count("capture_last") <= 1
    return True


PATHS = sorted(paths())


class Walk:
    """One payment that goes a way."""

    def __init__(self, place: Town, store: MemoryStore, merchant: UUID, payer: UUID, number: str, path: Path_) -> None:
        self.place, self.store = place, store
        self.merchant, self.payer, self.number = merchant, payer, number
        self.authorises = "authorise" in path
        agreed: dict[str, int] = {"agreed_minor": 1150, "capture_within_s": 3600} if self.authorises else {}
        self.ordering = place.ordering(merchant, number, **agreed)
        self.asked = place.paying_in_parts(merchant, number, payer, PARTS)
        self.parts: tuple[Part, ...] = ()
        self._count = 0

    @property
    def payment(self) -> Payment:
        payment: Payment = self.store.tables.table(PAYMENT)[order_id(self.merchant, self.number)]
        return payment

    def command(self, step: Step) -> Command:
        place, merchant, number, payer = self.place, self.merchant, self.number, self.payer
        self._count += 1
        part = f"{step}-{self._count}"
        match step:
            case "pay":
                return place.paying(merchant, number, payer)
            case "ask":
                self.asked = place.paying_in_parts(merchant, number, payer, PARTS)
                return self.asked
            case "settle":
                self.parts = PARTS
                return place.hearing(self.asked)
            case "release":
                return place.hearing(self.asked, "REFUSED", reason="insufficient")
            case "authorise":
                return place.authorising(merchant, number, payer)
            case "capture" | "capture_last":
                return place.taking(merchant, number, payer, part, 100, last=step == "capture_last")
            case "void" | "finish":
                return place.giving_up(merchant, number, payer)
            case "close":
                return place.closing(merchant, number)
            case "refund":
                return place.refunding(merchant, number, payer, part, 10, parts=self.parts)
            case "reverse":
                return place.undoing(merchant, number, payer, self.payment.journal_id or uuid4(), self.parts)
            case "expire":
                return ExpireOrder(command_id=place.id(), payment_id=order_id(merchant, number))

    def vain(self) -> list[tuple[Command, str]]:
        """What else may be said to a payment that changes nothing, wherever it is: the same order again and another one under its
        number, time that is not over, and the network's answers to what it was not asked, or was and has answered."""
        place, order = self.place, self.ordering
        again = replace(order, command_id=place.id())
        wishes: list[tuple[Command, str]] = [
            (again, "ok"), (replace(again, command_id=place.id(), amount_minor=999), "out_trade_no_used"),
        ]  # fmt: skip
        if self.payment.state == "CREATED":
            wishes.append((ExpireOrder(command_id=place.id(), payment_id=order.payment_id), "ok"))
        stranger = place.paying_in_parts(self.merchant, self.number, self.payer, PARTS)
        wishes += [(place.hearing(stranger), "payment_not_found"), (place.hearing(stranger, "REFUSED"), "payment_not_found")]
        request = self.store.tables.table(CARD_REQUEST).get(debit_id_of(self.asked.command_id))
        if request is not None and request.state == "SUCCEEDED":
            wishes += [(place.hearing(self.asked), "ok"), (place.hearing(self.asked, "REFUSED"), "card_answers_differ")]
        elif request is not None and request.state == "REFUSED":
            wishes += [(place.hearing(self.asked, "REFUSED"), "ok"), (place.hearing(self.asked, "UNKNOWN"), "ok")]
        return wishes

    async def take(self, step: Step) -> str:
        if step == "expire":
            self.place.clock.advance(self.payment.expires_at - self.place.clock.now())
        return await self.place.says(self.command(step))


async def walked(place: Town, store: MemoryStore, merchant: UUID, number: str, path: Path_) -> Walk:
    walk = Walk(place, store, merchant, await place.customer(5000), number, path)
    await place.happens(walk.ordering)
    for step in path:
        assert await walk.take(step) == "ok", (path, step)
    return walk


def held_and_posted(walk: Walk) -> tuple[int, int]:
    account = walk.store.tables.table(ACCOUNT)[wallet_of(walk.payer, CURRENCY).account_id]
    return account.held_minor, account.posted_minor


def everything(walk: Walk) -> tuple[object, ...]:
    """What a refused step leaves as it was: the payment, its parts, its payer's wallet, and how much there is of all else."""
    tables = walk.store.tables
    parts = [tables.table(FUNDING).get((walk.payment.payment_id, number)) for number in range(1, len(PARTS) + 1)]
    counts = {name: len(rows) for name, rows in tables.rows.items() if rows}
    added = {relation.name: len(rows) for relation, rows in tables.appended.items() if rows}
    return walk.payment, parts, held_and_posted(walk), counts, added, len(tables.events)


def test_there_are_paths_of_every_length_through_every_state() -> None:
    assert {len(path) for path, _ in PATHS} == set(range(MOST_STEPS + 1))
    assert {state for _, state in PATHS} == set(STATES)
    assert {step for path, _ in PATHS for step in path} == set(STEPS)


async def test_every_path_leads_where_the_table_says_and_no_other_step_can_be_taken() -> None:
    store = MemoryStore()
    tried = 0
    async with town(store) as place:
        merchant = await place.merchant()
        # So that refunds find money, whatever order the paths come in.
        await place.happens(place.paying_at_once(merchant, "float", await place.customer(100_000), 100_000))
        for index, (path, state) in enumerate(PATHS):
            walk = await walked(place, store, merchant, f"walk-{index}", path)
            assert walk.payment.state == state, path
            assert walk.payment.state_at(place.clock.now()) == state
            before = everything(walk)
            for step in STEPS:
                if step in NEXT[state] or _is_answer(step):
                    continue
                says = "ok" if step == "expire" or _is_repeat(state, step) else refusal_of(state, step).name
                # What is not to be done by time is asked for in vain, not refused: nobody asked.
                assert await place.says(walk.command(step)) == says, (path, state, step)
                assert everything(walk) == before, (path, state, step)
                tried += 1
            for wish, says in walk.vain():
                assert await place.says(wish) == says, (path, state, wish)
                assert everything(walk) == before, (path, state, wish)
                tried += 1
    assert tried > len(PATHS) * 12


def _is_repeat(state: PaymentState, step: Step) -> bool:
    """Giving up twice and undoing twice is as once."""
    return (state, step) in {("VOIDED", "void"), ("VOIDED", "finish"), ("REVERSED", "reverse")}


def _is_answer(step: Step) -> bool:
    """What the network says belongs to what it was asked, so it has refusals of its own: `Walk.vain`."""
    return step in ("settle", "release")


async def test_what_every_path_leaves_in_the_wallet_is_what_was_taken_of_it() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant = await place.merchant()
        await place.happens(place.paying_at_once(merchant, "float", await place.customer(100_000), 100_000))
        for index, (path, state) in enumerate(PATHS):
            walk = await walked(place, store, merchant, f"walk-{index}", path)
            by_card = 600 * ("settle" in path)
            taken = 1000 * ("pay" in path or "settle" in path) + 100 * (path.count("capture") + path.count("capture_last"))
            back = taken - by_card if state == "REVERSED" else 10 * path.count("refund") * (not by_card)
            held = 1000 - taken if state == "AUTHORISED" else 400 * (state == "UNKNOWN")
            assert held_and_posted(walk) == (held, 5000 - taken + by_card + back), path
            assert walk.payment.paid_minor == taken, path
            assert walk.payment.refunded_minor == 10 * path.count("refund")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("step", STEPS)
def test_every_step_from_every_state_is_either_in_the_table_or_refused_by_name(state: PaymentState, step: Step) -> None:
    after = step_of(state, step)
    if isinstance(after, Declined):
        assert step not in NEXT[state]
        assert after.code is refusal_of(state, step)
        assert after.code.name.startswith("order_")
    else:
        assert after == NEXT[state][step]


# ── the database ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_migration_refuses_what_the_table_does_not_have() -> None:
    text = MIGRATION.read_text(encoding="utf-8")
    assert f"when ({transitions_sql()})" in text
    assert f"check (state in ({', '.join(repr(state) for state in STATES)}))" in text


async def test_the_database_lets_a_row_go_the_tables_ways_and_no_others(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        for old in STATES:
            for new in STATES:
                transaction = connection.transaction()
                await transaction.start()
                payment_id = await _stored(connection, old)
                move = _moved(connection, payment_id, new)
                if new == old or new in reachable(old):
                    await move
                else:
                    with pytest.raises(asyncpg.PostgresError) as refused:
                        await move
                    assert refused.value.sqlstate == "TB004", (old, new)
                await transaction.rollback()
    finally:
        await connection.close()


#: Whether somebody agreed, money moved, all of it did, and it has ended.
_SHAPES: dict[str, tuple[bool, bool, bool, bool]] = {
    "CREATED": (False, False, False, False),
    "UNKNOWN": (True, False, False, False),
    "AUTHORISED": (True, False, False, False),
    "PAID": (True, True, True, False),
    "CLOSED": (False, False, False, True),
    "EXPIRED": (False, False, False, True),
    "VOIDED": (True, False, False, True),
    "REVERSED": (True, True, True, True),
}
_COLUMNS = "payer_id, factors, paid_minor, journal_id, bill_id, paid_at, closed_at"


def _values(state: str) -> str:
    agreed, moved, taken, ended = _SHAPES[state]
    some, moment = "gen_random_uuid()", "now()"
    return ", ".join((
        some if agreed else "null::uuid", "1" if agreed else "null::bigint", "5" if moved else "0",
        some if moved else "null::uuid", some if moved else "null::uuid", moment if taken else "null::timestamptz",
        moment if ended else "null::timestamptz",
    ))  # fmt: skip


async def _stored(connection: asyncpg.Connection, state: str) -> UUID:
    payment_id: UUID = await connection.fetchval(
        "insert into payment (payment_id, merchant_id, out_trade_no, subject, amount_minor, agreed_minor, currency, fee_minor, "
        f"state, method, refunded_minor, fee_returned_minor, refunds, created_at, expires_at, seal, {_COLUMNS}) "
        "select gen_random_uuid(), gen_random_uuid(), gen_random_uuid()::text, 's', 5, 5, 'CNY', 0, $1, 'order', 0, 0, 0, now(), "
        f"now(), '', {_values(state)} returning payment_id",
        state,
    )
    return payment_id


async def _moved(connection: asyncpg.Connection, payment_id: UUID, state: str) -> None:
    await connection.execute(
        f"update payment set state = $2, ({_COLUMNS}) = (select {_values(state)}) where payment_id = $1",
        payment_id,
        state,
    )


# ── the drawing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_drawing_shows_every_step_and_no_other() -> None:
    text = (PROJECT / "docs" / "payments.md").read_text(encoding="utf-8")
    drawn = {tuple(part.strip() for part in line.replace("-->", ":").split(":")) for line in text.splitlines() if "-->" in line}
    begun = {("[*]", after, step) for step, after in FIRST.items()}
    assert drawn == begun | {(state, after, step) for state, steps in NEXT.items() for step, after in steps.items()}


async def test_a_payment_begins_as_the_table_says() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await place.merchant(), await place.customer(5000)
        begun = {
            "create": place.ordering(merchant, "create"),
            "pay": place.paying_at_once(merchant, "pay", payer),
            "ask": place.paying_in_parts(merchant, "ask", payer, PARTS, at_once=True),
        }
        assert set(begun) == set(FIRST)
        for step, command in begun.items():
            await place.happens(command)
            assert store.tables.table(PAYMENT)[order_id(merchant, step)].state == FIRST[step], step


async def test_an_authorisation_past_its_time_is_over_before_anybody_wrote_it_down() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant = await place.merchant()
        untouched = await walked(place, store, merchant, "untouched", ("authorise",))
        partly = await walked(place, store, merchant, "partly", ("authorise", "capture"))
        place.clock.advance(timedelta(hours=1))
        now = place.clock.now()
        assert (untouched.payment.state_at(now), partly.payment.state_at(now)) == ("VOIDED", "PAID")
        assert await untouched.take("capture") == "order_voided"
        assert await partly.take("capture") == "order_captured"
        assert held_and_posted(untouched)[0] == 1000
        for walk in (untouched, partly):
            for _ in range(2):
                assert await place.says(place.lapsing(merchant, walk.number, walk.payer)) == "ok"
        assert (untouched.payment.state, partly.payment.state) == ("VOIDED", "PAID")
        assert (held_and_posted(untouched), held_and_posted(partly)) == ((0, 5000), (0, 4900))
        assert partly.payment.fee_minor == 0, "the fee of 1.00 of 10.00, whose fee is 0.06, rounded down"
    assert {row.state for row in rows(store, PAYMENT)} == {"VOIDED", "PAID"}
