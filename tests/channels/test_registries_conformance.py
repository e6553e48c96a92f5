"""Those who know people, in memory and as a program behind its adapter: one contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date

import pytest
import pytest_asyncio

from tests.channels.registry_rigs import (
    KEY,
    TIMEOUT_S,
    XIAOMING,
    ProgramRegistryRig,
    RegistryRig,
    asking,
    memory_registries,
)
from tongbao.channels.registries.adapter import HttpRegistries
from tongbao.channels.simulated.demo import eighteen
from tongbao.channels.simulated.knowledge import RegistryFault
from tongbao.channels.simulated.people import DEMO_COMPANIES, DEMO_PEOPLE, DEMO_VOID, Known
from tongbao.channels.simulated.process import RegistriesOffice, RegistriesProcess
from tongbao.identity.realname.channels import Question, Registry
from tongbao.kernel.errors import Refusal

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(60)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running_registries() -> AsyncIterator[ProgramRegistryRig]:
    process = await RegistriesProcess.start(key=KEY, magic_numbers=True)
    channel = HttpRegistries(process.url, key=KEY, timeout_s=TIMEOUT_S)
    rig = ProgramRegistryRig(channel, RegistriesOffice(process.url, key=KEY), process)
    try:
        yield rig
    finally:
        await rig.channel.close()
        await rig.office.close()
        status = await process.stop()
    assert status == 0


@pytest_asyncio.fixture(loop_scope="session")
async def registry_program(running_registries: ProgramRegistryRig) -> AsyncIterator[ProgramRegistryRig]:
    yield running_registries
    await running_registries.office.clear()


@pytest.fixture(params=["memory", "program"])
def rig(request: pytest.FixtureRequest) -> RegistryRig:
    """Each in turn."""
    if request.param == "memory":
        return memory_registries()
    chosen: ProgramRegistryRig = request.getfixturevalue("registry_program")
    return chosen


def about(order: int, registry: Registry = "police", **changes: str) -> Question:
    """A question about a number that nobody has and that chooses what happens."""
    return asking(registry, number=eighteen("330106", date(1990, 1, 1), order), **changes)


EVERYBODYS: list[Registry] = ["police", "bank", "mobile", "social_insurance", "tax", "education", "vehicles"]


@pytest.mark.parametrize("registry", EVERYBODYS)
async def test_every_registry_confirms_what_is_so(rig: RegistryRig, registry: Registry) -> None:
    answer = await rig.channel.ask(asking(registry))
    assert (answer.state, answer.differing) == ("MATCHED", ())
    assert answer.registry_reference and answer.at is not None


@pytest.mark.parametrize(
    ("question", "state", "differing"),
    [
        (asking(name="张小红"), "MISMATCHED", ("name",)),
        (asking("bank", phone="+8613911112222"), "MISMATCHED", ("phone",)),
        (asking("bank", card=DEMO_PEOPLE[1].card, name="某人"), "MISMATCHED", ("name", "card")),
        (asking("mobile", phone=DEMO_PEOPLE[1].phone), "MISMATCHED", ("phone",)),
        (asking(number=DEMO_VOID.number, name=DEMO_VOID.name), "MISMATCHED", ("void",)),
        (asking(number=eighteen("330106", date(1990, 1, 1), 11)), "NO_RECORD", ()),
        (asking("education", number=DEMO_PEOPLE[1].number, name=DEMO_PEOPLE[1].name), "NO_RECORD", ()),
        (asking("immigration"), "NO_RECORD", ()),
        (asking("immigration", kind="permanent_residence", number=DEMO_PEOPLE[2].number, name="chen  alice"), "MATCHED", ()),
        (asking("tax", number=eighteen("330106", date(1990, 1, 1), 11), name="测试员"), "MATCHED", ()),
        (
            asking("business", kind="credit_code", number=DEMO_COMPANIES[0].credit_code, name=DEMO_COMPANIES[0].name,
                   legal_person=DEMO_COMPANIES[0].legal_person.name),
            "MATCHED", (),
        ),
        (
            asking("business", kind="credit_code", number=DEMO_COMPANIES[0].credit_code, name=DEMO_COMPANIES[0].name,
                   legal_person=XIAOMING.name),
            "MISMATCHED", ("legal_person",),
        ),
    ],
)  # fmt: skip
async def test_the_answer_says_what_is_different(
    rig: RegistryRig, question: Question, state: str, differing: tuple[str, ...]
) -> None:
    answer = await rig.channel.ask(question)
    assert (answer.state, answer.differing) == (state, differing)


async def test_the_answer_to_a_reference_never_changes(rig: RegistryRig) -> None:
    number = eighteen("330106", date(1991, 2, 3), 21)
    question = asking(reference=f"settled-{type(rig).__name__}", number=number)
    first = await rig.channel.ask(question)
    await rig.learn("police", Known(number, XIAOMING.name))
    assert first.state == "NO_RECORD"
    assert await rig.channel.ask(question) == first
    assert (await rig.channel.ask(asking(number=number))).state == "MATCHED"


async def test_a_reference_stands_for_one_question(rig: RegistryRig) -> None:
    question = asking(reference=f"taken-{type(rig).__name__}")
    await rig.channel.ask(question)
    with pytest.raises(Refusal) as refused:
        await rig.channel.ask(asking(reference=question.reference, name="张小红"))
    assert refused.value.code.name == "registry_reference_conflict"


@pytest.mark.parametrize("kind", ["delay", "timeout", "lost_answer", "down", "garbage"])
async def test_silence_is_unknown_and_a_second_question_is_answered(rig: RegistryRig, kind: str) -> None:
    await rig.order(RegistryFault(kind, delay_ms=900))  # type: ignore[arg-type]
    question = asking("tax")
    assert (await rig.channel.ask(question)).state == "UNKNOWN"
    assert (await rig.channel.ask(question)).state == "MATCHED"


async def test_who_is_still_looking_is_asked_again(rig: RegistryRig) -> None:
    await rig.order(RegistryFault("pending", delay_ms=300))
    question = asking("tax", name="张小红")
    assert (await rig.channel.ask(question)).state == "UNKNOWN"
    await rig.wait(400)
    again = await rig.channel.ask(question)
    assert (again.state, again.differing) == ("MISMATCHED", ("name",))


async def test_a_question_handed_over_twice_is_looked_up_once(rig: RegistryRig) -> None:
    await rig.order(RegistryFault("answer_twice"))
    before = await rig.lookups()
    assert (await rig.channel.ask(asking("vehicles"))).state == "MATCHED"
    assert await rig.lookups() == before + 1


async def test_a_fault_is_for_whom_it_was_ordered(rig: RegistryRig) -> None:
    await rig.order(RegistryFault("down", registry="tax", number=XIAOMING.number))
    assert (await rig.channel.ask(asking("police"))).state == "MATCHED"
    assert (await rig.channel.ask(about(11, "tax"))).state == "NO_RECORD"
    assert (await rig.channel.ask(asking("tax"))).state == "UNKNOWN"


@pytest.mark.parametrize(
    ("order", "first", "then"),
    [
        (901, "MISMATCHED", "MISMATCHED"), (902, "MISMATCHED", "MISMATCHED"), (904, "NO_RECORD", "NO_RECORD"),
        (905, "UNKNOWN", "MATCHED"), (907, "UNKNOWN", "MATCHED"), (909, "UNKNOWN", "MATCHED"), (913, "MATCHED", "MATCHED"),
        (916, "UNKNOWN", "MATCHED"), (700, "MATCHED", "MATCHED"),
    ],
)  # fmt: skip
async def test_a_magic_number_chooses_what_happens(rig: RegistryRig, order: int, first: str, then: str) -> None:
    question = about(order, name="测试员")
    assert (await rig.channel.ask(question)).state == first
    assert (await rig.channel.ask(question)).state == then
