"""`python -m tests.mutation`: try every mutant of the rules, and fail if one survives that `survivors.toml` does not explain.

--only WORD     mutants whose name contains it
--sample N      so many, drawn by --seed
--list          names only
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.mutation.judging import FOLDERS, MODULES, NOT_QUICK, explained, judge, sampled
from tests.mutation.running import Trial, collected
from tests.support.quiet import quiet


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description="Mutants of the rules against their tests.")
    parser.add_argument("--only", default="", help="mutants whose name contains this")
    parser.add_argument("--sample", type=int, default=0, help="so many of them")
    parser.add_argument("--seed", type=int, default=1, help="which")
    parser.add_argument("--list", action="store_true", help="names only")
    wanted = parser.parse_args()
    quiet()
    trial = Trial(MODULES, [] if wanted.list else collected(FOLDERS, NOT_QUICK))
    chosen = sampled([each for each in trial.mutants() if wanted.only in each.name], wanted.sample, wanted.seed)
    if wanted.list:
        print(*(each.name for each in chosen), sep="\n")
        return 0
    started = time.process_time()
    verdict = judge(trial, chosen, explained(), whole=not wanted.only and not wanted.sample)
    for name in verdict.unexplained:
        print(f"survives, unexplained: {name}")
    for name in verdict.killed_though_explained:
        print(f"explained as a survivor, but a test notices it: {name}")
    for name in verdict.unheard_of:
        print(f"explained as a survivor, but there is no such mutant: {name}")
    spent = time.process_time() - started
    print(
        f"{len(chosen)} mutants against {len(trial.tests)} tests: {verdict.killed} killed, {verdict.explained} survive and are"
        f" explained, {len(verdict.unexplained)} are not;"
        f" {spent:.1f} s, {1000 * spent / max(1, len(chosen)):.0f} ms each"
    )
    return 0 if verdict.well else 1


if __name__ == "__main__":
    sys.exit(main())
