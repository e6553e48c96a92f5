"""What becomes of agreements to be debited, situation by situation, and of every path through their states."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from msgspec.structs import replace

from tests.payments.agreement_wishes import (
    CAPS,
    ENDS,
    FIRST,
    HERE,
    agreement_id,
    asked,
    asking,
    changing,
    debiting,
    ending,
    expiring,
    pausing,
    resuming,
    revoking,
    signed,
    signing,
)
from tests.support.ladder import Row, answer, ladder
from tests.support.leavings import events, rows
from tests.support.town import CURRENCY, NOON, RIGHT, WRONG, Town, town
from tongbao.engine.api import Command, Declined, MemoryStore
from tongbao.identity.alerts import ALERT, MESSAGE
from tongbao.identity.factors import KNOWLEDGE, POSSESSION
from tongbao.identity.takeover import ReportTakeover
from tongbao.payments.agreements_lifecycle import (
    AGREEMENT_STATES,
    AGREEMENT_STEPS,
    NEXT,
    AgreementState,
    AgreementStep,
    reachable,
    refusal_of,
    step_of,
    transitions_sql,
)
from tongbao.payments.agreements_types import AGREEMENT, Agreement, Caps

PROJECT = Path(__file__).resolve().parents[2]
MIGRATION = PROJECT / "src" / "tongbao" / "payments" / "migrations" / "0002_agreements.sql"
#: An agreement is asked for, and five steps are taken.
MOST_STEPS = 5
LOWER = Caps(500, 500, 1, 2)
OFTEN = Caps(1000, 3000, 100, 100)

ROWS, says = ladder()


# ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("merchant_not_found")
async def an_agreement_of_nobody(place: Town) -> Command:
    return asking(place, place.id())


@says("currency_mismatch")
async def an_agreement_in_another_currency_than_the_merchants(place: Town) -> Command:
    return asking(place, await place.merchant(), currency="USD")


@says("ok")
async def asking_for_the_same_again(place: Town) -> Command:
    return asking(place, (await asked(place))[0])


@says("ok")
async def asking_for_the_same_again_when_the_payer_lowered_it(place: Town) -> Command:
    merchant, payer = await asked(place)
    await place.happens(signing(place, merchant, payer, caps=LOWER))
    return asking(place, merchant)


@says("out_agreement_no_used")
async def asking_for_more_under_the_same_number(place: Town) -> Command:
    return asking(place, (await asked(place))[0], caps=replace(CAPS, debit_minor=1001))


@says("out_agreement_no_used")
async def asking_for_something_else_under_the_same_number(place: Town) -> Command:
    return asking(place, (await asked(place))[0], purpose="保险费")


# ── signing ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def signing_what_was_asked(place: Town) -> Command:
    return signing(place, *await asked(place))


@says("ok")
async def signing_less_than_was_asked(place: Town) -> Command:
    return signing(place, *await asked(place), caps=LOWER)


@says("agreement_not_found")
async def signing_what_nobody_asked(place: Town) -> Command:
    return signing(place, await place.merchant(), await place.customer())


@says("agreement_active")
async def signing_twice(place: Town) -> Command:
    return signing(place, *await signed(place))


@says("agreement_active")
async def signing_what_another_has_signed(place: Town) -> Command:
    return signing(place, (await signed(place))[0], await place.customer())


@says("agreement_expired")
async def signing_a_moment_too_late(place: Town) -> Command:
    parties = await asked(place)
    place.clock.advance(timedelta(hours=1))
    return signing(place, *parties)


@says("ok")
async def signing_at_the_last_moment(place: Town) -> Command:
    parties = await asked(place)
    place.clock.advance(timedelta(hours=1) - timedelta(microseconds=1))
    return signing(place, *parties)


@says("agreement_ended")
async def signing_what_the_merchant_withdrew(place: Town) -> Command:
    merchant, payer = await asked(place)
    await place.happens(ending(place, merchant))
    return signing(place, merchant, payer)


@says("agreement_caps_range")
async def signing_more_than_was_asked(place: Town) -> Command:
    return signing(place, *await asked(place), caps=replace(CAPS, month_count=6))


@says("agreement_caps_range")
async def signing_nothing(place: Town) -> Command:
    return signing(place, *await asked(place), caps=replace(CAPS, day_count=0))


@says("agreement_caps_range")
async def signing_less_a_day_than_a_debit(place: Town) -> Command:
    return signing(place, *await asked(place), caps=replace(CAPS, day_minor=999))


@says("account_suspended")
async def signing_while_suspended(place: Town) -> Command:
    merchant, payer = await asked(place)
    await place.happens(ReportTakeover(command_id=place.id(), customer_id=payer, session_ids=()))
    return signing(place, merchant, payer)


@says("stronger_confirmation_needed")
async def signing_with_a_pin_alone(place: Town) -> Command:
    return signing(place, *await asked(place), confirmation=RIGHT)


@says("wrong_pin")
async def signing_with_the_wrong_pin(place: Town) -> Command:
    return signing(place, *await asked(place), confirmation=WRONG)


# ── what the payer does with it ─────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def lowering_with_nothing(place: Town) -> Command:
    return changing(place, *await signed(place), LOWER)


@says("ok")
async def lowering_what_is_paused(place: Town) -> Command:
    parties = await signed(place)
    await place.happens(pausing(place, *parties))
    return changing(place, *parties, LOWER)


async def lowered(place: Town) -> tuple[UUID, UUID]:
    parties = await signed(place)
    await place.happens(changing(place, *parties, LOWER))
    return parties


@says("stronger_confirmation_needed")
async def raising_with_nothing(place: Town) -> Command:
    return changing(place, *await lowered(place), replace(LOWER, month_count=3))


@says("stronger_confirmation_needed")
async def raising_with_a_pin_alone(place: Town) -> Command:
    return changing(place, *await lowered(place), CAPS, RIGHT)


@says("wrong_pin")
async def raising_with_the_wrong_pin(place: Town) -> Command:
    return changing(place, *await lowered(place), CAPS, WRONG)


@says("ok")
async def raising_to_what_was_asked_with_two_factors(place: Town) -> Command:
    return changing(place, *await lowered(place), CAPS, HERE)


@says("agreement_caps_range")
async def raising_beyond_what_was_asked(place: Town) -> Command:
    return changing(place, *await lowered(place), replace(CAPS, day_minor=3001), HERE)


@says("agreement_not_found")
async def lowering_somebody_elses(place: Town) -> Command:
    return changing(place, (await signed(place))[0], await place.customer(), LOWER)


@says("agreement_not_found")
async def pausing_somebody_elses(place: Town) -> Command:
    return pausing(place, (await signed(place))[0], await place.customer())


@says("agreement_not_found")
async def resuming_somebody_elses(place: Town) -> Command:
    return resuming(place, (await signed(place))[0], await place.customer())


@says("agreement_not_found")
async def revoking_somebody_elses(place: Town) -> Command:
    return revoking(place, (await signed(place))[0], await place.customer())


@says("agreement_not_found")
async def pausing_what_one_never_signed(place: Town) -> Command:
    return pausing(place, *await asked(place))


@says("ok")
async def pausing_twice(place: Town) -> Command:
    parties = await signed(place)
    await place.happens(pausing(place, *parties))
    return pausing(place, *parties)


@says("ok")
async def resuming_what_is_not_paused(place: Town) -> Command:
    return resuming(place, *await signed(place))


@says("ok")
async def revoking_twice(place: Town) -> Command:
    parties = await signed(place)
    await place.happens(revoking(place, *parties))
    return revoking(place, *parties)


@says("ok")
async def revoking_what_is_paused(place: Town) -> Command:
    parties = await signed(place)
    await place.happens(pausing(place, *parties))
    return revoking(place, *parties)


@says("agreement_expired")
async def pausing_what_is_over(place: Town) -> Command:
    parties = await signed(place)
    place.clock.advance(ENDS - NOON)
    return pausing(place, *parties)


@says("agreement_not_found")
async def ending_another_merchants(place: Town) -> Command:
    return ending(place, (await signed(place))[0], await place.merchant())


@says("ok")
async def ending_twice(place: Town) -> Command:
    merchant, _ = await signed(place)
    await place.happens(ending(place, merchant))
    return ending(place, merchant)


@says("agreement_expired")
async def ending_what_is_over(place: Town) -> Command:
    merchant, _ = await signed(place)
    place.clock.advance(ENDS - NOON)
    return ending(place, merchant)


@says("ok")
async def expiring_what_is_not_there(place: Town) -> Command:
    return expiring(place, await place.merchant())


@pytest.mark.parametrize("row", ROWS, ids=repr)
async def test_agreements_say(row: Row) -> None:
    assert await answer(row) == row.says


# ── what is left behind ─────────────────────────────────────────────────────────────────────────────────────────────────


def asked_for(merchant: UUID) -> Agreement:
    return Agreement(
        agreement_id(merchant), merchant, "agreement", "会员月费", "membership", CURRENCY, 1000, 3000, 3, 5, 1000, 3000, 3, 5,
        "any", FIRST, 0, 3, 24, "Asia/Shanghai", "ASKED", None, None, NOON, NOON + timedelta(hours=1), ENDS, None, None, "", "",
        0, 0, 0, 0, 0, -1, 0, None,
    )  # fmt: skip


async def test_an_agreement_is_kept_as_it_was_asked_signed_and_revoked() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await asked(place)
        assert rows(store, AGREEMENT) == [asked_for(merchant)]
        place.clock.advance(timedelta(seconds=7))
        at = place.clock.now()
        await place.happens(signing(place, merchant, payer, caps=LOWER))
        by_payer = replace(
            asked_for(merchant), debit_minor=500, day_minor=500, day_count=1, month_count=2, state="ACTIVE", payer_id=payer,
            factors=KNOWLEDGE | POSSESSION, signed_at=at, expires_at=ENDS,
        )  # fmt: skip
        assert rows(store, AGREEMENT) == [by_payer]
        await place.happens(revoking(place, merchant, payer))
        assert rows(store, AGREEMENT) == [replace(by_payer, state="ENDED", ended_at=at, ended_by="payer")]
    told = {"agreement_id": str(agreement_id(merchant)), "out_agreement_no": "agreement", "at": "2026-03-01T12:00:07Z"}
    assert events(store, f"agreements:{merchant}") == [
        (f"agreements:{merchant}", "agreement.signed", {**told, "state": "ACTIVE"}),
        (f"agreements:{merchant}", "agreement.ended", {**told, "state": "ENDED"}),
    ]
    assert [each.kind for each in rows(store, ALERT)] == ["agreement_signed", "agreement_ended"]


async def test_the_payer_is_told_when_the_merchant_ends_it() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await signed(place)
        await place.happens(ending(place, merchant))
        (found,) = rows(store, AGREEMENT)
    assert (found.state, found.ended_by, found.end_reason) == ("ENDED", "merchant", "停业")
    message = rows(store, MESSAGE)[-1]
    assert (message.customer_id, message.kind) == (payer, "agreement") and '"what":"ended"' in message.facts


async def test_raising_again_keeps_by_what_it_was_agreed() -> None:
    store = MemoryStore()
    async with town(store) as place:
        parties = await lowered(place)
        await place.happens(changing(place, *parties, CAPS, HERE))
        (found,) = rows(store, AGREEMENT)
    assert found.caps == found.asked == CAPS and found.factors == KNOWLEDGE | POSSESSION


# ── every path ──────────────────────────────────────────────────────────────────────────────────────────────────────────

Path_ = tuple[AgreementStep, ...]


def paths() -> Iterator[tuple[Path_, AgreementState]]:
    """Every way an agreement can go, with where it ends."""
    waiting: list[tuple[Path_, AgreementState]] = [((), "ASKED")]
    while waiting:
        path, state = waiting.pop()
        yield path, state
        if len(path) < MOST_STEPS:
            waiting += [((*path, step), after) for step, after in NEXT[state].items()]


PATHS = sorted(paths())


class Walk:
    """One agreement that goes a way."""

    def __init__(self, place: Town, store: MemoryStore, merchant: UUID, payer: UUID) -> None:
        self.place, self.store, self.merchant, self.payer = place, store, merchant, payer
        self.count = 0

    @property
    def agreement(self) -> Agreement:
        found: Agreement = self.store.tables.table(AGREEMENT)[agreement_id(self.merchant)]
        return found

    def command(self, step: AgreementStep) -> Command:
        place, merchant, payer = self.place, self.merchant, self.payer
        self.count += 1
        match step:
            case "sign":
                return signing(place, merchant, payer, caps=OFTEN)
            case "change":
                return changing(place, merchant, payer, OFTEN)
            case "debit":
                return debiting(place, merchant, payer, f"debit-{self.count}", 1)
            case "pause":
                return pausing(place, merchant, payer)
            case "resume":
                return resuming(place, merchant, payer)
            case "end":
                return revoking(place, merchant, payer) if self.agreement.payer_id else ending(place, merchant)
            case "expire":
                return expiring(place, merchant)

    async def take(self, step: AgreementStep) -> str:
        if step == "expire":
            self.place.clock.advance(self.agreement.expires_at - self.place.clock.now())
        return await self.place.says(self.command(step))


async def test_every_path_leads_where_the_table_says_and_no_other_step_can_be_taken() -> None:
    tried = 0
    for path, state in PATHS:
        store = MemoryStore()
        async with town(store) as place:
            merchant, payer = await asked(place, caps=OFTEN)
            walk = Walk(place, store, merchant, payer)
            for step in path:
                assert await walk.take(step) == "ok", (path, step)
            before = walk.agreement
            assert before.state == before.state_at(place.clock.now()) == state, path
            for step in AGREEMENT_STEPS:
                if step in NEXT[state] or step == "expire":
                    continue
                said, expected = await walk.take(step), _expected(state, step, before.payer_id is not None)
                assert said == expected, (path, state, step)
                assert walk.agreement == before
                tried += 1
    assert tried > len(PATHS) * 2


def _expected(state: AgreementState, step: AgreementStep, known: bool) -> str:
    """Of what the table does not have: twice is as once; and what was never signed is nobody's."""
    if (state, step) in {("ENDED", "end"), ("PAUSED", "pause"), ("ACTIVE", "resume")}:
        return "ok"
    if not known and step in ("change", "pause", "resume"):
        return "agreement_not_found"
    return refusal_of(state).name


def test_there_are_paths_of_every_length_through_every_state() -> None:
    assert {len(path) for path, _ in PATHS} == set(range(MOST_STEPS + 1))
    assert {state for _, state in PATHS} == set(AGREEMENT_STATES)
    assert {step for path, _ in PATHS for step in path} == set(AGREEMENT_STEPS)


@pytest.mark.parametrize("state", AGREEMENT_STATES)
@pytest.mark.parametrize("step", AGREEMENT_STEPS)
def test_every_step_from_every_state_is_either_in_the_table_or_refused_by_name(
    state: AgreementState, step: AgreementStep
) -> None:
    after = step_of(state, step)
    if isinstance(after, Declined):
        assert step not in NEXT[state] and after.code is refusal_of(state) and after.code.name.startswith("agreement_")
    else:
        assert after == NEXT[state][step]


async def test_an_agreement_past_its_time_is_over_before_anybody_wrote_it_down() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await signed(place)
        place.clock.advance(ENDS - NOON - timedelta(microseconds=1))
        await place.happens(expiring(place, merchant))
        assert await place.says(debiting(place, merchant, payer, minor=1)) == "ok"
        place.clock.advance(timedelta(microseconds=1))
        assert await place.says(debiting(place, merchant, payer, "late", 1)) == "agreement_expired"
        await place.happens(expiring(place, merchant))
        (found,) = rows(store, AGREEMENT)
    assert (found.state, found.ended_at, found.ended_by) == ("EXPIRED", ENDS, "")


# ── the database and the drawing ────────────────────────────────────────────────────────────────────────────────────────


def test_the_migration_refuses_what_the_table_does_not_have() -> None:
    text = MIGRATION.read_text(encoding="utf-8")
    assert f"when ({transitions_sql()})" in text
    assert f"check (state in ({', '.join(repr(state) for state in AGREEMENT_STATES)}))" in text


def test_the_drawing_shows_every_step_and_no_other() -> None:
    text = (PROJECT / "docs" / "agreements.md").read_text(encoding="utf-8")
    drawn = {
        tuple(part.strip() for part in line.replace("-->", ":").split(":"))
        for line in text.splitlines()
        if "-->" in line and "[*]" not in line
    }
    assert drawn == {(state, after, step) for state, steps in NEXT.items() for step, after in steps.items()}


async def test_the_database_lets_a_row_go_the_tables_ways_and_no_others(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        for old in AGREEMENT_STATES:
            for new in AGREEMENT_STATES:
                transaction = connection.transaction()
                await transaction.start()
                found = await connection.fetchval(
                    "insert into agreement select gen_random_uuid(), gen_random_uuid(), 'n', 'p', 'other', 'CNY', 1, 1, 1, 1, 1, "
                    f"1, 1, 1, 'any', now()::date, 0, 1, 1, 'UTC', $1, {_signed(old)}, now(), now(), now(), {_ended(old)}, '', "
                    "0, 0, 0, 0, 0, -1, 0, null, '' returning agreement_id",
                    old,
                )
                move = connection.execute(
                    "update agreement set state = $2, (payer_id, factors, signed_at, ended_at, ended_by) = "
                    f"(select {_signed(new)}, {_ended(new)}) where agreement_id = $1",
                    found,
                    new,
                )
                if new == old or new in reachable(old):
                    await move
                else:
                    with pytest.raises(asyncpg.PostgresError) as refused:
                        await move
                    assert refused.value.sqlstate == "TB005", (old, new)
                await transaction.rollback()
    finally:
        await connection.close()


def _signed(state: str) -> str:
    return "gen_random_uuid(), 3::bigint" if state != "ASKED" else "null::uuid, null::bigint"


def _ended(state: str) -> str:
    signed = "now()" if state != "ASKED" else "null::timestamptz"
    by = "'payer'" if state == "ENDED" else "''"
    return f"{signed}, {'now()' if state in ('ENDED', 'EXPIRED') else 'null::timestamptz'}, {by}"
