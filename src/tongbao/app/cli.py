"""The command line: `tongbao COMMAND`, one line for each below.

Each command lives in its own module of `app/commands/` and is imported only when it is called, so that `--help` is quick.
"""

from __future__ import annotations

import importlib
from typing import cast

import click

from tongbao import __version__

#: Command name -> (module, one line of help).
COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("tongbao.app.commands.serve", "Run the HTTP server."),
    "work": ("tongbao.app.commands.work", "Run the worker: the janitors and everything on a schedule."),
    "demo": ("tongbao.app.commands.demo", "Run the whole product with demonstration data."),
    "phone": ("tongbao.app.commands.phone", "A plain phone in a simulated network: dial the running demonstration."),
    "books": ("tongbao.app.commands.books", "Read the books, write them out, bring balances in, close periods."),
    "smoke": ("tongbao.app.commands.smoke", "Tell one whole story over HTTP and check every figure."),
    "verify": ("tongbao.app.commands.verify", "Compare every stored row with the audit chain, its seal and the anchors."),
    "prove": ("tongbao.app.commands.prove", "Write a file that proves a receipt, an entry or a journal to anybody."),
    "anchor": ("tongbao.app.commands.anchor", "Sign the ends of the audit chain now."),
    "keys": ("tongbao.app.commands.keys", "List the keys of the installation, exchange them, forget old ones."),
    "privacy": ("tongbao.app.commands.privacy", "The register of processing, and what is kept of people who were erased."),
    "backup": ("tongbao.app.commands.backup", "Write everything but the master key for a recipient."),
    "restore": ("tongbao.app.commands.restore", "Bring a backup back as a new data directory."),
    "rehearse": ("tongbao.app.commands.rehearse", "Bring a backup back elsewhere, and verify all of it."),
    "rules": ("tongbao.app.commands.rules", "Check packs of rules, see and change what is in force, explain limits."),
    "tap": ("tongbao.app.commands.tap", "Try taps without hardware: a card and a till's reader, as programs."),
    "replay": ("tongbao.app.commands.replay", "Replay labelled real payments through the engine."),
    "operators": ("tongbao.app.commands.operators", "List operators, and take the first ones on."),
    "doctor": ("tongbao.app.commands.doctor", "Say what is in force and what is unsafe or missing."),
}


class _Lazy(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        return cast(click.Command, importlib.import_module(COMMANDS[name][0]).command)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=_Lazy)
@click.version_option(__version__, prog_name="tongbao")
def main() -> None:
    """Tongbao 通宝: an open electronic wallet and payment platform."""
