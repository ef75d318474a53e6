"""From a seed to everything that goes wrong: a plan that can be read, and that is the same every time."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Literal

from gateway.simulator.oden.faults import SHAPES
from gateway.simulator.oden.manners import Manners
from tests.campaign.fuse import POINTS
from tests.campaign.people import KINDS, Deed
from tests.campaign.refused import REFUSED, REFUSED_OF_RECORDS
from tests.campaign.storage import Trouble

Way = Literal["gone", "kept", "rolled", "another"]
"""How an older copy comes to be there: on a machine that remembers no life (gone), or the last one, as where a backup
is put back (kept); with the whole machine, of which only the clock tells (rolled); on another box, which remembers a
life of another outbox (another)."""
WAYS: tuple[Way, ...] = ("gone", "kept", "rolled", "another")

SETTLE = 60.0
"""Seconds after a cut in which a request may still take effect."""
LATEST = 45.0
"""What of that is used."""
OTHERS = 10**6
"""Added to a seed: what is drawn for one part changes nothing of the other."""
WRONG = (-3600.0, 3600.0, 2 * 86_400.0, 366 * 86_400.0)
"""Seconds by which a clock is wrong that nobody has set."""
WHERE = ("", "", " at=interval/set", " at=scrap_yield/set", " at=intervals/*", " at=*/search")
"""Which requests a fault strikes."""


@dataclass(frozen=True, slots=True)
class Life:
    """One life of the gateway: it is killed when it comes to `point` for the `number`th time, or after `seconds`, or
    it is stopped then (`gently`). `away` seconds pass before the next one. Its clock is `ahead` by so many seconds.
    """

    point: str | None = None
    number: int = 1
    seconds: float = inf
    gently: bool = False
    away: float = 0.0
    ahead: float = 0.0
    forgets: bool = False
    """The machine was started anew before it: nothing says that the outbox is no older copy."""
    back: int = 0
    """It begins with the outbox as it was before so many lives."""
    way: "Way" = "gone"
    """How it comes to that."""
    retries: bool = False
    """Before it a person has the dead letters sent once more."""


SETTING_UP = Life(seconds=10.0, gently=True)
"""In the first seconds nothing hits the gateway itself: what a counter showed before it was ever seen is not its
business.
"""


@dataclass(frozen=True, slots=True)
class Schedule:
    """What goes wrong, and when, in seconds of the loop. After `length` and some minutes nothing more does."""

    seed: int
    length: float
    mapped: int
    """How many lines publish messages; `recorded` others make records themselves."""
    recorded: int
    modes: Manners
    timeout: float
    settle: float
    in_order: bool
    faults: tuple[str, ...]
    restarts: tuple[tuple[float, float], ...]
    """Of the stand-in: when, and for how long it is away."""
    troubles: tuple[Trouble, ...]
    lives: tuple[Life, ...]
    """The last one is not ended."""
    deeds: tuple[Deed, ...] = ()
    """What people do at Oden."""
    late: bool = False
    """Whether messages come late, again, in bursts and around outages of the broker, as `late` makes it."""
    until: float = 0.0
    """When the last of them comes, at the latest."""
    keyless: bool = False
    """Entries at Oden do not carry the keys of our records."""
    orders: int = 0
    """Lines have maintenance work orders too, which this seeds; 0: none."""

    @property
    def quiet(self) -> float:
        """When the last fault is over."""
        return max(self.length, self.until) + 300


def schedule(seed: int) -> Schedule:
    """The schedule of `seed`."""
    others = _with_others(of_machines(seed), random.Random(seed + OTHERS))
    plan = _with_manners(others, random.Random(seed + 2 * OTHERS))
    plan = replace(plan, orders=ordering(seed), lives=with_ways(plan.lives, seed))
    return _without_all(plan) if random.Random(seed + 5 * OTHERS).random() < 0.2 else plan


def no_all_schedule(seed: int) -> Schedule:
    """The schedule of `seed` at an Oden that refuses `match: all`, whether or not it draws that."""
    return _without_all(schedule(seed))


def _without_all(plan: Schedule) -> Schedule:
    """The same at an Oden that refuses `match: all`, so that what is in doubt is for a person. It says so in its own
    words: else nobody could tell it from an ingress without a route. No machine forgets the last life, nor is an older
    copy put back: what counters have shown meanwhile could not be compared, and all that waits would be in doubt. There
    are no work orders: of the third of one number nobody could tell which is meant."""
    modes = replace(plan.modes, match="no_all", errors="documented")
    lives = tuple(replace(life, forgets=False, back=0) for life in plan.lives)
    return replace(plan, modes=modes, lives=lives, orders=0)


def with_ways(lives: Sequence[Life], seed: int) -> tuple[Life, ...]:
    """The lives, each that begins with an older copy coming to that in a way of its own."""
    chances = random.Random(seed + 4 * OTHERS)
    return tuple(replace(life, way=chances.choice(WAYS)) if life.back else life for life in lives)


def ordering(seed: int) -> int:
    """What seeds the work orders of a schedule: of every second one, they are none."""
    chances = random.Random(seed + 3 * OTHERS)
    return chances.getrandbits(32) if chances.random() < 0.5 else 0


def _with_others(plain: Schedule, chances: random.Random) -> Schedule:
    """What people do at Oden, machines that are started anew, clocks that are wrong by hours and are set right between
    two lives, and copies of the outbox that are put back. What is mapped is stamped by the clock, and tells what a copy
    has forgotten in other words: that has tests of its own."""
    deeds = tuple(
        Deed(chances.choice(KINDS), chances.uniform(20, plain.length), chances.randint(0, 999))
        for _ in range(chances.choice((0, 0, 1, 3, 8)))
    )
    lives = [plain.lives[0]]
    # A mapping would tell the end anew that a copy has forgotten. Records of a story do not, so that what such an Oden
    # refuses because of it would be nobody's fault.
    goes_back = not plain.mapped and chances.random() < 0.4 and plain.modes.overlap < 400
    for place, life in enumerate(plain.lives[1:], 1):
        wrong = not plain.mapped and chances.random() < 0.2
        ahead = chances.choice(WRONG) if wrong and life is not plain.lives[-1] else life.ahead
        back = chances.randint(1, min(place, 3)) if goes_back and chances.random() < 0.5 else 0
        if back:
            # Nobody can know what the life before has sent just now: neither the copy nor the machine has seen it.
            lives[-1] = replace(lives[-1], away=max(lives[-1].away, SETTLE))
        lives.append(replace(life, ahead=ahead, back=back, forgets=chances.random() < 0.3))
    return replace(plain, deeds=deeds, lives=tuple(lives))


def _with_manners(plain: Schedule, chances: random.Random) -> Schedule:
    """Also how this Oden calls things, where it refuses what lies over another, when it lets a work order be begun
    again, how it writes times, and how exactly it keeps starts. One that rounds them and refuses overlaps would refuse
    those beside each other; in a copy nobody could tell which of two of one minute was told."""
    modes = replace(
        plain.modes,
        names=chances.choice(("any", "any", "unique", "short")),
        over=chances.choice((200, 200, 400, 409)),
        orders=chances.choice((200, 200, 400, 409)),
    )
    rounds = chances.choice((0, 0, 0, 1, 60))
    modes = replace(modes, match=chances.choice(("any", "any", "no_unique")))
    modes = replace(modes, times=chances.choice(("seconds", "seconds", "milliseconds", "offset", "number")))
    if modes.overlap < 400 and rounds:
        lives = tuple(replace(life, back=0) for life in plain.lives) if rounds > 1 else plain.lives
        return replace(plain, modes=replace(modes, rounds=rounds), lives=lives)
    return replace(plain, modes=modes)


def of_machines(seed: int) -> Schedule:
    """What machines do: faults, kills, disks, and how this Oden is."""
    chances = random.Random(seed)
    length = chances.uniform(240, 1200)
    mapped = chances.randint(0, 3)
    return Schedule(
        seed=seed,
        length=length,
        mapped=mapped,
        recorded=chances.randint(0 if mapped else 1, 3),
        modes=manners(chances, modes(chances, 5.0), mapped),
        timeout=chances.choice((5.0, 30.0)),
        settle=SETTLE,
        in_order=chances.random() < 0.2,
        faults=(_latency(chances), *(_fault(chances, length) for _ in range(chances.randint(2, 14)))),
        restarts=tuple(
            sorted(
                (chances.uniform(0, length), chances.expovariate(1 / 40)) for _ in range(chances.choice((0, 0, 1, 2)))
            )
        ),
        troubles=tuple(_trouble(chances, length) for _ in range(chances.choice((0, 0, 0, 1, 2)))),
        lives=(
            SETTING_UP,
            *(_life(chances, length) for _ in range(chances.choice((0, 1, 2, 4, 8)))),
            Life(ahead=_ahead(chances)),
        ),
    )


def modes(chances: random.Random, lag: float) -> Manners:
    """How this Oden does what its document leaves open; its searches are sometimes `lag` seconds behind."""
    return Manners(
        nothing=chances.choice(("by_match", "empty", "404")),
        range=chances.choice(("overlap", "start")),
        ids=chances.choice(("yes",) * 8 + ("no", "only")),
        bulk_update=chances.choice((200, 200, 200, 404, 501)),
        search_lag=chances.choice((0.0, 0.0, 0.0, 0.0, lag)),
    )


def manners(chances: random.Random, before: Manners, mapped: int) -> Manners:
    """Also how this Oden refuses, and what. Where its errors are not in the documented shape, a search that finds
    nothing answers a list: else nobody could tell "none" from an ingress without a route, and what is in doubt is
    for a person.
    """
    errors = chances.choice(("documented", "documented", "documented", *SHAPES, "success"))
    refuse = (
        chances.choice(("", "", "", *REFUSED)) if mapped else chances.choice(("", "", *REFUSED, *REFUSED_OF_RECORDS))
    )
    return replace(
        before,
        nothing=before.nothing if errors == "documented" else "empty",
        errors=errors,
        updated=chances.choice(("whole", "whole", "whole", "empty", "text")),
        overlap=chances.choice((200, 200, 400, 409, 500)),
        refuse=refuse,
        metadata=chances.choice(("merge", "replace")),
    )


def _latency(chances: random.Random) -> str:
    low = chances.choice((0.01, 0.05, 0.5))
    return f"latency seconds={low}..{low * chances.choice((1, 3, 10))}"


def kinds(chances: random.Random, latest: float, slow: Sequence[str]) -> list[Callable[[], str]]:
    """All that can go wrong with a request. `latest` is how many seconds after a cut it may still take effect, `slow`
    how many it may take.
    """
    late = f"{chances.uniform(0.5, latest):.1f}"
    effect = chances.choice(("no", "yes", "yes", late))
    before = chances.choice(("no", "yes"))
    return [
        lambda: f"close commit={effect}",
        lambda: f"close commit={effect}",
        lambda: f"hang commit={effect}",
        lambda: f"error status=500 retryable={before} commit={effect}",
        lambda: f"error status={chances.choice((502, 503, 504, 408))} retryable=yes commit={effect}",
        lambda: f"error status=429{chances.choice(('', ' retry_after=7'))}",
        lambda: f"html status={chances.choice((200, 502, 503))} commit={effect}",
        lambda: f"html status={chances.choice((200, 403, 404, 407, 511))}",
        lambda: "redirect",
        lambda: f"foreign status={chances.choice((400, 404, 404, 422))} shape={chances.choice((*SHAPES,))}",
        lambda: "truncated",
        lambda: f"content_type type={chances.choice(('text/plain', 'text/html'))}",
        lambda: "no_id",
        lambda: "error status=401",
        lambda: f"error status=403 line='Line {chances.randint(1, 4):02}'",
        lambda: f"latency seconds={chances.choice(slow)}",
    ]


def _fault(chances: random.Random, length: float) -> str:
    """One fault: strikes some of the requests of one to three minutes, or a few whenever they come."""
    what = chances.choice(kinds(chances, LATEST - 10, ("3", "1..8", "20..40")))()
    where = chances.choice(WHERE)
    since = chances.uniform(0, length)
    if what == "error status=401" or "403 line" in what:
        return f"{what} since={since:.1f} until={since + chances.uniform(20, 180):.1f}"
    if chances.random() < 0.3:
        return f"{what}{where} since={since:.1f} times={chances.randint(1, 3)}"
    chance = chances.choice((0.2, 0.5, 0.9))
    return f"{what}{where} chance={chance} since={since:.1f} until={since + chances.uniform(10, 120):.1f}"


def _trouble(chances: random.Random, length: float) -> Trouble:
    since = chances.uniform(SETTING_UP.seconds + 10, length)
    return Trouble(chances.choice(("full", "refuses")), since, since + chances.uniform(1, 120))


def _life(chances: random.Random, length: float) -> Life:
    away = chances.choice((0.0, 0.5, chances.expovariate(1 / 20)))
    how = chances.random()
    if how < 0.2:
        return Life(seconds=chances.uniform(0, length / 3), away=away, ahead=_ahead(chances))
    if how < 0.35:
        return Life(seconds=chances.uniform(0, length / 3), gently=True, away=away, ahead=_ahead(chances))
    number = 1 + int(chances.expovariate(1 / chances.choice((3, 30, 150))))
    return Life(chances.choice(POINTS), number, seconds=length / 2, away=away, ahead=_ahead(chances))


def _ahead(chances: random.Random) -> float:
    """Mostly right; never behind, since by a clock that is, those of all senders are ahead; nor so far ahead that they
    seem to be behind: then the time of arrival counts."""
    return max(0.0, chances.choice((0.0, 0.0, 0.0, chances.uniform(-4, 0), chances.uniform(0, 25))))
