"""`tongbao phone NUMBER`: a plain phone in a simulated network, in a terminal. It dials the running demonstration."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import click
import httpx
import msgspec

from tongbao.app import runtime
from tongbao.app.registry import messages_key, text_key
from tongbao.app.settings import Settings
from tongbao.channels.simulated.messages import Delivered
from tongbao.channels.simulated.phone import FaultKind, PlainPhone
from tongbao.methods.text.gateway import SIGNATURE, TIMESTAMP, signature
from tongbao.methods.text.menus import phone_of

#: Where the demonstration says how its network is reached.
NETWORK = "network.json"
_HELP = """\
dial *123# or anything a screen asks for; and, of the phone and its network:
  !sms TEXT       write a message      !inbox          read what came
  !duplicate      the next request arrives twice
  !lose           the next answer is lost, and asked for again
  !delay SECONDS  the next request arrives so much later
  !swap           somebody takes the number over with another SIM
  !end            hang up              !off            put the phone away"""


class Network(msgspec.Struct, frozen=True):
    """How the demonstration's network is reached: the server that it asks, and who carries messages."""

    server: str
    messages: str


def write_network(folder: Path, network: Network) -> None:
    """For `tongbao phone`, which is another process."""
    (folder / NETWORK).write_bytes(msgspec.json.encode(network))


@click.command("phone", help="A plain phone in a simulated network: dial the running demonstration.")
@click.argument("number")
def command(number: str) -> None:
    settings = Settings.read()
    folder = settings.data_dir / "demo"
    if (settings.data_dir / NETWORK).exists():  # where the other commands look at the demonstration
        folder = settings.data_dir
    if not (folder / NETWORK).exists():
        raise click.ClickException(f"there is no network in {folder}: start `tongbao demo` first")
    network = msgspec.json.decode((folder / NETWORK).read_bytes(), type=Network)
    keys = runtime.keys(msgspec.structs.replace(settings, data_dir=folder))
    key = text_key(settings, keys)

    def sign(path: str, body: bytes) -> dict[str, str]:
        at = str(int(time.time()))
        return {TIMESTAMP: at, SIGNATURE: signature(key, at, path, body)}

    asyncio.run(_used(network, phone_of(number, settings.country), sign, messages_key(keys), settings.text_code))


async def _used(
    network: Network, number: str, sign: Callable[[str, bytes], dict[str, str]], post_key: str, service_code: str
) -> None:
    """Everything that is typed until the phone is put away."""
    bearer = {"authorization": f"Bearer {post_key}"}
    async with (
        httpx.AsyncClient(base_url=network.server, trust_env=False, timeout=15) as client,
        httpx.AsyncClient(base_url=network.messages, headers=bearer, trust_env=False, timeout=5) as post,
    ):
        phone = PlainPhone(client, number, sign, service_code)
        click.echo(f"{number}\n{_HELP}")
        asking, seen = False, len(await _inbox(post, number))
        while True:
            inbox = await _inbox(post, number)
            for each in reversed(inbox[: len(inbox) - seen]):
                click.echo(f"[{each.at.astimezone():%H:%M}] {each.text}")
            seen = len(inbox)
            click.echo("> ", nl=False)
            line = (await asyncio.to_thread(sys.stdin.readline)).rstrip("\n")
            if line in ("", "!off"):
                return
            try:
                asking = await _one(phone, post, line, asking)
            except httpx.HTTPError as failure:
                click.echo(f"no network: {type(failure).__name__}")


async def _one(phone: PlainPhone, post: httpx.AsyncClient, line: str, asking: bool) -> bool:
    """One line; whether the phone waits for something to be typed then."""
    word, _, rest = line.partition(" ")
    fault = word.removeprefix("!")
    if word.startswith("!") and fault in get_args(FaultKind):
        phone.faults.append((fault, float(rest or 3) if fault == "delay" else 0.0))  # type: ignore[arg-type]
        return asking
    if word == "!sms":
        await phone.write(rest)
        await asyncio.sleep(1.5)
        return asking
    if word == "!inbox":
        for each in reversed(await _inbox(post, phone.number)):
            click.echo(f"[{each.at.astimezone():%H:%M}] {each.text}")
        return asking
    if word == "!swap":
        (await post.post("/admin/sims", json={"phone": phone.number})).raise_for_status()
        return asking
    if word == "!end":
        return False
    shown = await (phone.type(line) if asking else phone.dial())
    click.echo(shown.text)
    return shown.more


async def _inbox(post: httpx.AsyncClient, number: str) -> list[Delivered]:
    answer = await post.get("/v1/outbox", params={"to": number})
    return msgspec.json.decode(answer.content, type=list[Delivered]) if answer.status_code == 200 else []
