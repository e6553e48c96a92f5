"""The provider of messages as a program, behind its adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import count

import pytest
import pytest_asyncio

from tongbao.channels.messages import HttpMessages
from tongbao.channels.simulated.messages import MessageFault
from tongbao.channels.simulated.messages_process import MessagesProcess

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(60)]

KEY = "a shared secret for tests"
_numbers = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def provider() -> AsyncIterator[MessagesProcess]:
    process = await MessagesProcess.start(key=KEY)
    try:
        yield process
    finally:
        status = await process.stop()
    assert status == 0


@pytest_asyncio.fixture(loop_scope="session")
async def channel(provider: MessagesProcess) -> AsyncIterator[HttpMessages]:
    adapter = HttpMessages(provider.url, key=KEY, timeout_s=0.6)
    yield adapter
    await adapter.close()


def fresh() -> tuple[str, str]:
    """A reference and a phone that nobody used."""
    number = next(_numbers)
    return f"reference-{number}", f"+86137{number:08}"


async def arrived(provider: MessagesProcess, to: str) -> list[str]:
    return [each.text for each in await provider.outbox(to)]


async def test_a_message_arrives_where_it_was_sent(channel: HttpMessages, provider: MessagesProcess) -> None:
    reference, to = fresh()
    assert await channel.send(reference, to, "你好") == "SENT"
    (delivered,) = await provider.outbox(to)
    assert (delivered.reference, delivered.to, delivered.text) == (reference, to, "你好")


async def test_a_network_says_since_when_it_knows_a_sim_or_nothing(channel: HttpMessages, provider: MessagesProcess) -> None:
    _, phone = fresh()
    before = datetime.now(UTC)
    assert await channel.sim_since(phone) is None, "nobody exchanged it"
    await provider.swap_sim(phone)
    since = await channel.sim_since(phone)
    assert since is not None and before <= since <= datetime.now(UTC)
    stranger = HttpMessages(provider.url, key="another key altogether", timeout_s=0.6)
    assert await stranger.sim_since(phone) is None
    await stranger.close()


async def test_the_same_reference_again_is_the_same_message(channel: HttpMessages, provider: MessagesProcess) -> None:
    reference, to = fresh()
    assert [await channel.send(reference, to, "once") for _ in range(3)] == ["SENT"] * 3
    assert await arrived(provider, to) == ["once"]


@pytest.mark.parametrize(
    ("fault", "said", "copies", "again"),
    [
        (MessageFault(kind="refuse"), "FAILED", 0, 1),
        (MessageFault(kind="silence", wait_ms=0), "UNKNOWN", 0, 1),
        (MessageFault(kind="silence", wait_ms=2000), "UNKNOWN", 0, 1),
        (MessageFault(kind="delay", wait_ms=20), "SENT", 1, 1),
        (MessageFault(kind="lose"), "SENT", 0, 0),
        (MessageFault(kind="duplicate"), "SENT", 2, 2),
    ],
    ids=["refused", "an error", "silence", "late", "lost", "twice"],
)
async def test_what_goes_wrong_is_told_as_it_is(
    channel: HttpMessages, provider: MessagesProcess, fault: MessageFault, said: str, copies: int, again: int
) -> None:
    reference, to = fresh()
    await provider.add_fault(fault)
    assert await channel.send(reference, to, "text") == said
    assert len(await arrived(provider, to)) == copies
    assert await channel.send(reference, to, "text") == "SENT"
    assert len(await arrived(provider, to)) == again


async def test_whoever_does_not_know_the_key_sends_nothing(provider: MessagesProcess) -> None:
    stranger, (reference, to) = HttpMessages(provider.url, key="another secret"), fresh()
    assert await stranger.send(reference, to, "text") == "UNKNOWN"
    await stranger.close()
    assert await arrived(provider, to) == []


async def test_a_provider_that_is_not_there_is_silence() -> None:
    nobody = HttpMessages("http://127.0.0.1:9", key=KEY, timeout_s=0.6)
    assert await nobody.send(*fresh(), "text") == "UNKNOWN"
    await nobody.close()
