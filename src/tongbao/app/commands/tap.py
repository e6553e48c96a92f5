"""`tongbao tap`: a card and a till's reader as programs, for trying taps without hardware."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import click

from tongbao.identity.wire import decoded
from tongbao.kernel.clock import SystemClock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import parse
from tongbao.methods.api import Encounter
from tongbao.methods.nfc.card import SoftwareCard
from tongbao.methods.nfc.reader import read_card
from tongbao.methods.nfc.sockets import card_at, serve_card


class Address(click.ParamType[tuple[str, int], str]):
    """HOST:PORT."""

    name = "host:port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        host, _, port = str(value).rpartition(":")
        if not host or not port.isdigit() or int(port) > 65_535:
            self.fail(f"{value} is not HOST:PORT", param, ctx)
        return host, int(port)


@click.group("tap", help="Try taps without hardware: a card and a till's reader, two programs that talk ISO 7816.")
def command() -> None:
    pass


@command.command("card")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--listen", type=Address(), default="127.0.0.1:35963", show_default=True, help="Where readers find it.")
@click.option("--delay-ms", type=click.IntRange(0, 2000), default=0, help="Answer so much later, as behind a relay.")
def card(file: Path, listen: tuple[str, int], delay_ms: int) -> None:
    """Be the card whose token is in FILE: the answer of `POST /v1/wallet/tap`, as JSON. Its counter is kept beside it."""
    number, secret = _token(file)
    os.chmod(file, 0o600)
    count = _counting(file.with_name(file.name + ".counter"))
    with socket.create_server(listen) as listener:
        click.echo(f"card {number} listens at {listen[0]}:{listener.getsockname()[1]}")
        serve_card(listener, lambda: SoftwareCard(number, secret, count).transmit, delay_s=delay_ms / 1000)


@command.command("read")
@click.option("--card", "where", type=Address(), default="127.0.0.1:35963", show_default=True, help="Where the card is.")
@click.option("--merchant", type=click.UUID, required=True, help="Who is to be paid.")
@click.option("--amount", required=True, help="How much, as in 12.50.")
@click.option("--currency", default="CNY", show_default=True)
def read(where: tuple[str, int], merchant: object, amount: str, currency: str) -> None:
    """Be a till's reader: print what the card agreed to, to be sent as `shown` to `POST /v1/merchant/payments`."""
    try:
        money = parse(amount, currency)
        with card_at(*where) as transmit:
            tap = read_card(transmit, Encounter(merchant, money.minor, money.currency, SystemClock().now()))  # type: ignore[arg-type]
    except Refusal as refusal:
        raise click.ClickException(refusal.code.en) from None
    click.echo(tap.shown())


def _token(file: Path) -> tuple[int, bytes]:
    try:
        kept = json.loads(file.read_text())
        number, secret = int(kept["number"]), decoded(str(kept["secret"]))
    except (ValueError, KeyError, TypeError, Refusal) as error:
        raise click.ClickException(f"{file} is not the answer of POST /v1/wallet/tap ({type(error).__name__})") from None
    if not 0 <= number < 10**15 or len(secret) != 32:
        raise click.ClickException(f"{file} is not the answer of POST /v1/wallet/tap")
    return number, secret


def _counting(file: Path) -> Callable[[], int]:
    """Adds one to the number in `file` and has it on the disk before it gives it; two cards with one file count together."""

    def count() -> int:
        with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), "r+") as kept:
            fcntl.flock(kept, fcntl.LOCK_EX)
            counter = int(kept.read() or 0) + 1
            kept.seek(0)
            kept.write(str(counter))
            kept.flush()
            os.fsync(kept.fileno())
        return counter

    return count
