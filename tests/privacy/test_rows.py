"""What is written down: consents as they were said, a breach's tasks and notices, versions of an assessment."""

from __future__ import annotations

from datetime import date, timedelta
from hashlib import sha256
from uuid import UUID

import pytest

from tests.privacy.test_ladder import assessing, breach, closed, ending, giving, letter, signing, withdrawing, written
from tests.support.leavings import events, rows
from tests.support.town import NOON, town
from tongbao.engine.api import MemoryStore
from tongbao.identity.alerts import MESSAGE
from tongbao.privacy import purposes
from tongbao.privacy.assessments import ASSESSMENT
from tongbao.privacy.breaches import BREACH_NOTICE, BREACH_TASK, CLOCKS
from tongbao.privacy.consents import CONSENT, CONSENT_STATE, ConsentState, holds
from tongbao.privacy.letters import LETTER, NOBODY, TellPeople


async def test_consent_is_a_ledger_and_what_holds_is_its_last_line() -> None:
    store = MemoryStore()
    async with town(store) as place:
        ann, ben = await place.customer(), await place.customer()
        await place.happens(giving(place, ann))
        await place.happens(giving(place, ann))  # says it again: nothing new
        await place.happens(giving(place, ben, "location"))
        place.clock.advance(timedelta(days=1))
        await place.happens(withdrawing(place, ann))
        await place.happens(withdrawing(place, ann))
    text = purposes.PURPOSES["messages"].texts[0]
    lines = [
        (each.customer_id, each.purpose, each.version, each.granted, each.screen, each.at, each.text_hash)
        for each in rows(store, CONSENT)
    ]
    digest = sha256(f"{text.zh}\n{text.en}".encode()).digest()
    assert lines[0] == (ann, "messages", 1, True, "settings", NOON, digest)
    assert lines[2] == (ann, "messages", 1, False, "settings", NOON + timedelta(days=1), digest)
    assert [line[:4] for line in lines[1:2]] == [(ben, "location", 1, True)] and len(lines) == 3
    assert rows(store, CONSENT_STATE) == [
        ConsentState(ann, "messages", 1, False, NOON + timedelta(days=1)),
        ConsentState(ben, "location", 1, True, NOON),
    ]
    assert [kind for _, kind, _ in events(store, "privacy")] == ["consent.granted", "consent.granted", "consent.withdrawn"]


@pytest.mark.parametrize(
    ("version", "granted", "counts"), [(1, True, True), (0, True, False), (1, False, False), (2, True, False)]
)
def test_only_a_yes_to_the_text_in_force_counts(version: int, granted: bool, counts: bool) -> None:
    state = ConsentState(UUID(int=1), "messages", version, granted, NOON)
    assert holds(state, "messages") is counts
    assert not holds(None, "messages")


FILE = """
[[category]]
id = "identity"
name = { zh = "身份", en = "Identity" }
tables = ["principal"]
[[purpose]]
id = "one"
name = { zh = "一", en = "One" }
ground = "consent"
basis = { zh = "法", en = "Law" }
categories = ["identity"]
recipients = { zh = "无", en = "Nobody" }
kept = { years = 1, since = "withdrawal", law = { zh = "法", en = "Law" } }
stops = { zh = "停", en = "Stops" }
[[purpose.text]]
version = 1
zh = "同意"
en = "I agree"
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('ground = "consent"', 'ground = "law"', "one: a text is there if and only if the ground is consent"),
        ("version = 1", "version = 2", "one: versions of the text count from 1 without a gap"),
        ('categories = ["identity"]', 'categories = ["taste"]', "one: categories ['taste'] do not exist"),
        ('stops = { zh = "停", en = "Stops" }', "", "one: what stops is said if and only if the ground is consent"),
        ('ground = "consent"', 'ground = "whim"', "whim"),
        ("recipients", "recipient", "recipient"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_name(old: str, new: str, said: str) -> None:
    assert purposes.read(FILE).purposes[0].id == "one"
    with pytest.raises(ValueError) as refused:
        purposes.read(FILE.replace(old, new, 1))
    assert said in str(refused.value)


def test_sensitive_data_given_away_or_taken_abroad_is_agreed_to_by_itself() -> None:
    """PIPL 29: consent to the use of sensitive data is separate."""
    assert [
        each.id for each in purposes.CATALOGUE.purposes if each.ground == "consent" and each.sensitive and not each.separate
    ] == []


async def test_a_breach_takes_its_tasks_from_the_clocks_and_notes_who_was_told() -> None:
    store = MemoryStore()
    async with town(store) as place:
        found = await breach(place)
        known = NOON - timedelta(hours=1)
        assert {row.clock: row.due_at - known for row in rows(store, BREACH_TASK)} == {
            "contain": timedelta(0), "authority_cn": timedelta(0), "central_bank": timedelta(hours=72),
            "authority_eu": timedelta(hours=72),
        }  # fmt: skip
        await place.happens(ending(place, found, "contain"))
        await place.happens(ending(place, found, "authority_cn"))
        await place.happens(ending(place, found, "authority_eu", needed=False))
        assert [(each.clock, each.told) for each in rows(store, BREACH_NOTICE)] == [("authority_cn", "CAC")]
        await place.happens(assessing(place, found))
        states = {row.clock: row.state for row in rows(store, BREACH_TASK)}
        assert states == {
            "contain": "DONE", "authority_cn": "DONE", "central_bank": "OPEN", "authority_eu": "NOT_NEEDED",
            "people_cn": "OPEN", "people_eu": "OPEN",
        }  # fmt: skip
        assert set(states) == set(CLOCKS)
        await closed(place)
    assert [kind for _, kind, _ in events(store, "privacy")] == ["breach.opened", "breach.opened", "breach.closed"]


async def test_an_assessment_is_replaced_not_changed_and_kept_three_years_after_that() -> None:
    store = MemoryStore()
    async with town(store) as place:
        author, second = place.id(), place.id()
        first = await written(place, author)
        await place.happens(signing(place, first, second))
        place.clock.advance(timedelta(days=365))
        await written(place, author, first)
    old, new = rows(store, ASSESSMENT)
    assert (old.state, old.written_by, old.signed_by, old.keep_until) == ("SUPERSEDED", author, second, date(2030, 3, 1))
    assert (new.state, new.replaces, new.signed_at) == ("DRAFT", first, None)


async def test_a_letter_is_one_message_a_person_however_often_a_batch_is_told() -> None:
    store = MemoryStore()
    async with town(store) as place:
        about = await breach(place)
        people = tuple(sorted(place.id() for _ in range(3)))
        await place.happens(letter(place, about, *reversed(people), people[0]))
        for told_to, batch in ((NOBODY, people[:2]), (NOBODY, people[:2]), (people[1], people[2:]), (people[1], people[2:])):
            await place.happens(TellPeople(command_id=place.id(), breach_id=about, told_to=told_to, people=batch))
        (row,) = rows(store, LETTER)
        assert (row.state, row.told, row.told_to, row.ended_at) == ("SENDING", 3, people[2], None)
        assert row.listed == ",".join(map(str, people))
        await place.happens(TellPeople(command_id=place.id(), breach_id=about, told_to=people[2], people=()))
        await place.happens(TellPeople(command_id=place.id(), breach_id=about, told_to=people[2], people=people))
    (row,) = rows(store, LETTER)
    assert (row.state, row.told, row.ended_at) == ("SENT", 3, NOON)
    assert sorted(message.customer_id for message in rows(store, MESSAGE)) == list(people)
    assert {message.kind for message in rows(store, MESSAGE)} == {"breach_letter"}
