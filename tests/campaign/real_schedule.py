"""From a seed to everything that goes wrong in real time: when each part is away, and which requests fail. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.simulator.oden.manners import Manners
from tests.campaign.plant import Story, mapped
from tests.campaign.schedule import WHERE, kinds, modes

TIMEOUT = 2.0
"""Seconds that the gateway waits for an answer."""
SETTLE = 5.0
"""Seconds after a cut in which a request may still take effect."""
LATEST = 2.0
"""What of that is used by late effects; slow ones and searches that are behind use some more."""
LAG = 1.0
SLOW = ("1", "0.2..1", "1..3")
NO_MATTER = ("",) * 6
"""Which requests a fault strikes is only sometimes a matter: there are not so many."""
FAULT_EVERY = 12.0
SETTING_UP = 10.0
"""Seconds in which nothing hits the gateway itself: what a counter showed before it was ever seen is not its
business.
"""
REACH = 20.0
"""Seconds before the end of a line's last run in which nothing hits it either: the PLC's last count belongs to that
run.
"""
LONG = 200.0
"""Seconds of a story that has room for more lines, and for an outage of more than a minute, after which what waits is
backlog.
"""


@dataclass(frozen=True, slots=True)
class Spell:
    """From `since` for `seconds`, `what` holds; in seconds of the story."""

    since: float
    seconds: float
    what: str


@dataclass(frozen=True, slots=True)
class RealSchedule:
    """What goes wrong, and when, in seconds of the story, which is `length` long."""

    seed: int
    length: float
    seeds: tuple[int, ...]
    """One for each line."""
    modes: Manners
    faults: tuple[Spell, ...]
    gateway: tuple[Spell, ...]
    """It is killed or stopped."""
    oden: tuple[Spell, ...]
    broker: tuple[Spell, ...]
    plc: tuple[Spell, ...]
    disk: tuple[Spell, ...]
    """It is full: once, or others write whatever becomes free."""

    def stories(self, epoch: float) -> list[Story]:
        """What the lines do when their time 0 is `epoch`, a whole second."""
        return _stories(self.seeds, self.length, epoch)


def names(number: int) -> list[str]:
    """The names of so many lines."""
    return [f"Line {one:02}" for one in range(1, number + 1)]


def real_schedule(seed: int, length: float) -> RealSchedule:
    """The schedule of `seed` for `length` seconds, 41 or more."""
    chances = random.Random(f"real {seed}")
    lines = chances.randint(6, 8) if length >= LONG else 3
    seeds = tuple(chances.getrandbits(32) for _ in range(lines))
    last_runs = [max(one.end or 0 for one in story.shown if one.type == "RUN") for story in _stories(seeds, length, 0)]
    calm = min(last_runs) - REACH
    away = 70.0 if length >= LONG and chances.random() < 0.3 else 6.0
    drains = max(last_runs)
    return RealSchedule(
        seed=seed,
        length=length,
        seeds=seeds,
        modes=modes(chances, LAG),
        faults=_faults(chances, length),
        gateway=(
            *_spells(chances, ("kill", "kill", "kill", "kill", "stop"), 15.0, SETTING_UP, calm, 5.0),
            *_spells(chances, ("kill",), 6.0, drains, drains + 6.0, 1.0),
        ),
        oden=_spells(chances, ("kill",), 60.0, 3.0, length - 10.0, away),
        broker=_spells(chances, ("kill", "stop"), 70.0, 5.0, length - 5.0, 4.0),
        plc=_spells(chances, ("stop",), 80.0, SETTING_UP, calm, 4.0),
        disk=_spells(chances, ("once", "all of it"), 70.0, SETTING_UP, calm, 10.0),
    )


def _stories(seeds: Sequence[int], length: float, epoch: float) -> list[Story]:
    return [mapped(name, seed, length, epoch) for name, seed in zip(names(len(seeds)), seeds, strict=True)]


def _spells(
    chances: random.Random, whats: Sequence[str], every: float, since: float, until: float, longest: float
) -> tuple[Spell, ...]:
    """About one in `every` seconds, none longer than `longest`, one after the other, all over by `until`."""
    number = min(max(1, round((until - since) / every)), int((until - since) / (longest + 2)))
    slot = (until - since) / number if number > 0 else 0.0
    spells = []
    for one in range(number):
        seconds = chances.uniform(0.0, longest)
        begin = since + one * slot + chances.uniform(0.0, slot - longest - 1)
        spells.append(Spell(begin, seconds, chances.choice(whats)))
    return tuple(spells)


def _faults(chances: random.Random, length: float) -> tuple[Spell, ...]:
    """Each kind in turn, so that a few minutes have seen them all; and the whole time the network is as slow as it
    is.
    """
    low = chances.choice((0.02, 0.2, 0.5))
    spells = [Spell(0.0, length, f"latency seconds={low}..{3 * low:g}")]
    order: list[int] = []
    since = 2.0
    while since < length - FAULT_EVERY:
        made = kinds(chances, LATEST, SLOW)
        order = order or chances.sample(range(len(made)), len(made))
        what = made[order.pop()]()
        if "401" not in what and "403 line" not in what:
            what += f"{chances.choice((*WHERE, *NO_MATTER))} chance={chances.choice((0.5, 0.9))}"
        spells.append(Spell(since + chances.uniform(0, 4), chances.uniform(4, 8), what))
        since += FAULT_EVERY
    return tuple(spells)
