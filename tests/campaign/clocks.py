"""Machines whose clocks are wrong at boot, are set while the gateway runs, and go back in time as a whole; and what
says so: NTP, the `Date` of Oden's answers, or nobody. Whatever is drawn, what time the gateway must have follows from
who could confirm one, and since when; and what it has stamped before is right once it was mended.
"""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from typing import Literal

from gateway.clock import AnchoredClock
from gateway.clock_evidence import OVER, WITHIN, KnownTime, ServerTime
from gateway.clock_watch import EARLIEST, LASTING, LONGEST_WAIT, NEAR, TOLERATED, ClockWatch, Leap, Witnesses
from gateway.health import Problems
from tests.campaign.virtual import simulate

LENGTH = 3600.0
"""Seconds of each story."""
RIGHT = EARLIEST + 500 * 86_400.0
"""The right time when the loop's time is 0."""
DAY = 86_400.0
AHEAD = (25.0, -25.0, 3600.0, -3600.0, -2 * DAY, 366 * DAY, 900.0)
"""By how much a clock can be wrong."""
EVERY = 5.0
"""Seconds from one answer of Oden's to the next."""
SLACK = 10.0


@dataclass(frozen=True, slots=True)
class Clocks:
    """One story. `set` says from when on, in seconds of the loop, the machine's clock is ahead by how much; `ntp` from
    when to when NTP calls that synchronised, which is so only while it is right; None: nobody can ask it. `oden`:
    whether its answers tell its time, and from when on they come. `rolled`: when the whole machine goes back in time,
    and by how much it was later than all of its clocks but the wall clock show."""

    seed: int
    set: tuple[tuple[float, float], ...]
    ntp: tuple[tuple[float, float], ...] | None
    oden: float | None
    rolled: tuple[float, float] | None
    confirmed: float
    """When the last life had a confirmed time, in seconds before this one begins."""

    def ahead(self, at: float) -> float:
        return [ahead for since, ahead in self.set if since <= at][-1]


def clocks(seed: int) -> Clocks:
    """The story of `seed`."""
    chances = random.Random(seed)
    times = sorted(chances.uniform(300, LENGTH - 300) for _ in range(chances.choice((0, 1, 2, 3))))
    wrong = chances.choice((0.0, 0.0, *AHEAD))
    set_ = [(0.0, wrong)]
    for at in times:
        wrong = chances.choice(AHEAD) if not wrong else 0.0
        set_.append((at, wrong))
    ntp = None
    if chances.random() < 0.5:
        ends = [at for at, _ in set_[1:]] + [LENGTH + 1]
        delays = [chances.choice((0.0, 20.0, 100.0)) for _ in set_]
        periods = [(at + delay, end) for (at, ahead), end, delay in zip(set_, ends, delays, strict=True) if not ahead]
        ntp = tuple((since, until) for since, until in periods if since < until)
    is_rolled = len(times) == 0 and chances.random() < 0.4
    return Clocks(
        seed,
        tuple(set_),
        ntp,
        chances.choice((None, 0.0, 400.0)),
        (chances.uniform(900, 1500), chances.choice((60.0, 3600.0, DAY))) if is_rolled else None,
        chances.choice((10.0, 3600.0)),
    )


class _Machine(AnchoredClock):
    """The machine of a story, and who can say what time it is."""

    def __init__(self, story: Clocks) -> None:
        self.story = story
        self.lost = 0.0
        self.server = ServerTime()
        super().__init__()

    def right(self) -> float:
        return RIGHT + self.monotonic() + self.lost

    def machine(self) -> float:
        return self.right() + self.story.ahead(self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def slept(self) -> float:
        return 0.0

    async def ntp(self) -> bool | None:
        if self.story.ntp is None:
            return None
        return any(since <= self.monotonic() < until for since, until in self.story.ntp)

    def oden(self) -> float | None:
        return self._by(self.server.distance(self.monotonic()))

    def at_once(self) -> float | Literal["unasked", "silent"]:
        if self.story.oden is None:
            return "silent"
        return self._by(self.server.latest(self.monotonic())) or ("silent" if self.server.answers else "unasked")

    def _by(self, distance: float | None) -> float | None:
        return None if distance is None else self.monotonic() + distance

    async def answers(self) -> None:
        """Oden answers now and then, also searches alone."""
        while self.story.oden is not None:
            if self.monotonic() >= self.story.oden:
                self.server.note(formatdate(self.right(), usegmt=True), self.monotonic(), 0.1)
            await asyncio.sleep(EVERY)

    def error(self) -> float:
        return self.now() - self.right()


def run(story: Clocks) -> list[str]:
    """What is wrong with the times of the gateway in this story; nothing where all is as it must be."""

    async def told() -> list[str]:
        return await _World(story).run()

    return simulate(told())


class _World:
    def __init__(self, story: Clocks) -> None:
        self.story = story
        self.machine = _Machine(story)
        machine = self.machine
        self.watch = ClockWatch(
            machine,
            Problems(machine),
            Witnesses(machine.ntp, lambda: True, lambda: 7200.0, str, machine.oden, machine.at_once, lambda: ()),
        )
        self.wrong: list[str] = []
        self.stamps: list[tuple[float, float]] = []
        """What the gateway has stamped and not sent: by its clock, and when it was."""
        self.at_first = self.began = 0.0

    async def run(self) -> list[str]:
        machine, story, loop = self.machine, self.story, asyncio.get_running_loop()
        answering = asyncio.create_task(machine.answers())
        await self.watch.begin(KnownTime(RIGHT - story.confirmed), RIGHT - story.confirmed)
        if loop.time() > LONGEST_WAIT + SLACK:
            self.wrong.append(f"intake waited for {loop.time():.0f} s")
        self.at_first, self.began = machine.error(), loop.time()
        watching = asyncio.create_task(self.watch.run(self._keep))
        while loop.time() < LENGTH:
            await asyncio.sleep(1.0)
            if story.rolled and not machine.lost and loop.time() >= story.rolled[0]:
                machine.lost = story.rolled[1]
                self.stamps.clear()  # what was stamped then is of another life
            if self.watch.leap.is_set():
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
                self._mend(self.watch.land())
                watching = asyncio.create_task(self.watch.run(self._keep))
            self._judge(loop.time())
        for task in (answering, watching):
            task.cancel()
        return self.wrong[:5]

    async def _keep(self, _known: KnownTime) -> None:
        """Nothing is read of it again."""

    def _mend(self, leap: Leap) -> None:
        """What was stamped and not sent gets its right time."""
        retiming = leap.retiming
        for stamp, right in self.stamps:
            moved = stamp + retiming.by if retiming is not None and stamp >= retiming.since else stamp
            if abs(moved - right) > NEAR:
                self.wrong.append(
                    f"stamped {right - RIGHT:.0f} s after the beginning, and mended to {moved - right:+.0f} s"
                )
        self.stamps.clear()

    def _judge(self, now: float) -> None:
        machine, error = self.machine, self.machine.error()
        told = f"after {now:.0f} s the gateway's time is {error:+.0f} s off"
        if self._is_known(now):
            if abs(error) > TOLERATED:
                self.wrong.append(f"{told}, and what confirms the right one is there")
        elif self._is_alone(now) and abs(error - self.at_first + machine.lost) > TOLERATED:
            self.wrong.append(f"{told}, and nobody has confirmed that")
        if not self.watch.may_send():
            self.stamps.append((machine.now(), machine.right()))
            return
        self.stamps.clear()
        is_told = self.story.oden is not None and machine.server.answers
        if is_told and not self.story.rolled and abs(error) > NEAR + SLACK and not self._was_confirmed(now):
            self.wrong.append(f"{told}, and what it stamps is sent to an Oden that tells another")

    def _is_known(self, now: float) -> bool:
        """Whether the right time was confirmed for long enough."""
        is_rolled = self.story.rolled is not None and now >= self.story.rolled[0]
        since = self.story.rolled[0] if self.story.rolled and is_rolled else self.began
        ntp = any(max(start, since) + LASTING + SLACK <= now < end for start, end in self.story.ntp or ())
        forgets = WITHIN if is_rolled else 0.0
        oden = self.story.oden is not None and now >= max(self.story.oden, since) + forgets + OVER + LASTING + 2 * SLACK
        return ntp or oden

    def _is_alone(self, now: float) -> bool:
        """Whether nobody has confirmed any time yet."""
        return self.story.oden is None and not any(start <= now for start, _ in self.story.ntp or ())

    def _was_confirmed(self, now: float) -> bool:
        """Whether NTP has confirmed a time, by which the gateway goes on."""
        return any(start <= now for start, _ in self.story.ntp or ())
