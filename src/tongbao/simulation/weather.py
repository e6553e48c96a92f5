"""How bad a run is: how many there are, and how often what goes wrong. Everything is drawn from the seed.

Each kind of trouble is at home in some runs only: a run in which everything fails at once gets nowhere, and what needs two
failures of one kind to show must find a run that has many of that kind.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from itertools import accumulate

import msgspec

#: The first moment of every run.
DAWN = datetime(2026, 3, 1, 4, tzinfo=UTC)


class Weather(msgspec.Struct, frozen=True):
    """What a run is like. Fields that begin with `p_` are chances; `_s` are seconds of virtual time.

    actors, wishes   how many there are, and how often each of them wants something
    days             over how long that is spread
    processes        engines over the one store
    batch, queue, patience_s   the engines' limits
    p_before, p_after          a step of a transaction fails before it, or after it was done
    p_lost_commit              the commit is done, and nobody is told
    p_die                      the process ends at a step of a transaction
    p_slow, slow_s             a step takes this long
    p_killed, p_jump           a process that hears a message is killed soon, or its clock jumps
    p_lost, p_doubled, p_late  of every message, there and back
    p_bank                     the bank does something strange with a request
    shuffle                    what is ready at once runs in any order
    one_janitor                only the first process has one
    """

    actors: int
    wishes: int
    days: int
    processes: int
    batch: int
    queue: int
    patience_s: float
    p_before: float
    p_after: float
    p_lost_commit: float
    p_die: float
    p_slow: float
    slow_s: float
    p_killed: float
    p_jump: float
    p_lost: float
    p_doubled: float
    p_late: float
    p_bank: float
    shuffle: bool
    one_janitor: bool


#: Of a thousand runs so many have up to so many actors with so many wishes: most are small, for a fault that needs many to
#: show is rare, and a small run shows the reader more.
_SIZES = ((860, 5, 9), (116, 14, 9), (21, 50, 8), (2, 300, 4), (1, 2000, 2))
_ENDS = list(accumulate(share for share, _, _ in _SIZES))


def draw(chance: random.Random, *, actors: int | None = None, days: int | None = None, processes: int | None = None) -> Weather:
    """The weather of a run; what is given is not drawn."""
    point = chance.randrange(_ENDS[-1])
    most_actors, most_wishes = next(size[1:] for size, end in zip(_SIZES, _ENDS, strict=True) if point < end)
    mostly = chance.random

    def sometimes(value: float, often: float = 0.4) -> float:
        return value * chance.random() if mostly() < often else 0.0

    drawn_actors = chance.randint(max(2, most_actors // 4), most_actors)
    drawn_processes = chance.choice((1, 1, 2, 2, 2, 3))
    drawn_days = chance.choice((1, 1, 2, 7))
    return Weather(
        actors=actors or drawn_actors,
        wishes=chance.randint(max(1, most_wishes // 2), most_wishes),
        days=days or drawn_days,
        processes=processes or drawn_processes,
        batch=chance.choice((1, 2, 7, 1000, 1000)),
        queue=chance.choice((2, 20_000, 20_000, 20_000)),
        patience_s=chance.choice((0.2, 5.0, 30.0)),
        p_before=sometimes(0.08),
        p_after=sometimes(0.08),
        p_lost_commit=sometimes(0.3),
        p_die=sometimes(0.04),
        p_slow=sometimes(0.3, 0.6),
        slow_s=chance.choice((0.01, 0.1, 1.0)),
        p_killed=sometimes(0.2),
        p_jump=sometimes(0.3, 0.3),
        p_lost=sometimes(0.2),
        p_doubled=sometimes(0.2),
        p_late=sometimes(0.3),
        p_bank=sometimes(0.4, 0.6),
        shuffle=chance.random() < 0.8,
        one_janitor=chance.random() < 0.8,
    )


def calm(weather: Weather) -> Weather:
    """The same run once the sky has cleared: nothing fails any more."""
    return msgspec.structs.replace(
        weather, queue=20_000, patience_s=30.0, p_before=0, p_after=0, p_lost_commit=0, p_die=0, p_slow=0, p_killed=0, p_jump=0,
        p_lost=0, p_doubled=0, p_late=0, p_bank=0,
    )  # fmt: skip
