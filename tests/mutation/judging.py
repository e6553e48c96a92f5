"""Which rules are tried, by which tests, and which survivors are explained."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.mutation.mutants import Mutant
from tests.mutation.running import Trial

#: Modules of pure rules.
MODULES = (
    "tongbao.payments.rules",
    "tongbao.payments.authorisations",
    "tongbao.payments.lifecycle",
    "tongbao.payments.asks",
    "tongbao.wallet.rules",
    "tongbao.wallet.transfers",
    "tongbao.identity.rules",
    "tongbao.identity.instruments",
    "tongbao.identity.instrument_rules",
    "tongbao.merchants.rules",
    "tongbao.ledger.rules",
    "tongbao.ledger.accounts",
    "tongbao.ledger.book",
    "tongbao.ledger.bulk",
    "tongbao.ledger.chart",
    "tongbao.ledger.colours",
    "tongbao.ledger.holds",
    "tongbao.ledger.journals",
)
#: Where their tests are.
FOLDERS = ("tests/payments", "tests/wallet", "tests/identity", "tests/merchants", "tests/ledger")
#: Files whose tests draw their examples, or are too slow to be run for each mutant.
NOT_QUICK = ("*/test_machine.py", "*/test_properties.py")
SURVIVORS = Path(__file__).with_name("survivors.toml")


class Verdict(NamedTuple):
    """Names of what is not as it should be, and how many are."""

    killed: int
    explained: int
    unexplained: list[str]
    killed_though_explained: list[str]
    unheard_of: list[str]

    @property
    def well(self) -> bool:
        return not (self.unexplained or self.killed_though_explained or self.unheard_of)


def explained(path: Path = SURVIVORS) -> dict[str, str]:
    """Survivors by name with the reason why no test can notice, or need notice, them. Raises ValueError for one without reason
    or told twice."""
    reasons: dict[str, str] = {}
    for each in tomllib.loads(path.read_text())["survivor"]:
        if not each["reason"].strip() or each["mutant"] in reasons:
            raise ValueError(f"no reason, or two: {each['mutant']}")
        reasons[each["mutant"]] = each["reason"]
    return reasons


def sampled(mutants: Sequence[Mutant], number: int, seed: int) -> list[Mutant]:
    """`number` of them (all, if 0), the same for the same seed."""
    return random.Random(seed).sample(list(mutants), number) if 0 < number < len(mutants) else list(mutants)


def judge(trial: Trial, mutants: Sequence[Mutant], reasons: Mapping[str, str], *, whole: bool) -> Verdict:
    """Try each. `whole`: these are all there are, so an explanation of any other is out of date."""
    survivors = [mutant.name for mutant in mutants if trial.killer(mutant) is None]
    names = {mutant.name for mutant in mutants}
    return Verdict(
        killed=len(mutants) - len(survivors),
        explained=sum(name in reasons for name in survivors),
        unexplained=[name for name in survivors if name not in reasons],
        killed_though_explained=[name for name in reasons if name in names and name not in survivors],
        unheard_of=[name for name in reasons if whole and name not in names],
    )
