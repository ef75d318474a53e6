"""Watches the machine's clock beside the gateway's own, and decides what time it is by what confirms it.

At boot, intake waits only where something speaks against the machine's clock, and for two minutes at most: then the
gateway goes on with a time that is *unconfirmed*, but never earlier than the last one that was confirmed. A leap of the
machine's clock is followed once something has confirmed it for LASTING seconds (`clock_evidence`); what nobody confirms
is not followed, and shown.

A clock that was slow by little, or stood still while the machine slept, is set forward in its place, which reorders
nothing. Where what was stamped already is wrong, or where the machine was put back to an earlier state, that is a
`leap`: whoever runs the gateway begins anew with all of its parts (`app`), and times that were not delivered are mended
then.

A gateway that is started again while the machine goes on has the clock of the life before: whoever sets the machine's
clock in between has it leap, as while the gateway runs.

`answer` is for `oden-gateway clock`, over the control socket: what time it is, and that a person accepts it.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import structlog

from gateway.clock import AnchoredClock, ClockMoves
from gateway.clock_evidence import DRIFT, By, Evidence, KnownTime, Retiming, Verdict, judge, of_what_is_ahead
from gateway.errors import GatewayError
from gateway.health import Condition, Problems

log = structlog.get_logger()

COMMAND = "clock"
"""The name of the command on the control socket, beside those for the outbox."""
EARLIEST = 1_793_000_000.0
"""2026-10: no clock of a machine that runs this version can rightly show less."""
LASTING = 30.0
"""Seconds for which a leap must be confirmed before it is followed: what a slip of a hand or a bad server did is soon
put right.
"""
LONGEST_WAIT = 120.0
"""Seconds that intake waits at boot at the most."""
SAID_EVERY = 60.0
EVERY = 1.0
"""Seconds between two looks."""
STORED_EVERY = 600.0
"""Seconds between two times that are stored as confirmed."""
SMALL = 60.0
"""Seconds that an unconfirmed clock may have been slow without any time at Oden being worth mending."""
OTHER_LIFE = 10.0
"""Seconds by which a clock that was right must have leapt, and nothing explains it, to mean that the machine was put
back to an earlier state."""
TOLERATED = 10.0
"""Seconds that the gateway's clock may be fast: nothing is mended for that."""
NEAR = 60.0
"""Seconds between Oden's clock and an unconfirmed one that are near enough to send by it."""


@dataclass(frozen=True, slots=True)
class Leap:
    """The gateway's clock has to be set by `seconds`, which its parts cannot take in their stride. `retiming`: what was
    stamped is wrong; `other_life`: it was right until the machine was put back to an earlier state, and what it stamped
    from the first look on that showed that, and did not send, is not."""

    seconds: float
    retiming: Retiming | None = None
    other_life: bool = False


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Who is asked. Each answer is a time on the clock that is named."""

    ntp: Callable[[], Awaitable[bool | None]]
    """Whether NTP says that the machine's clock is right; asked at each look."""
    has_own_clock: Callable[[], bool]
    """Whether the machine has one that runs while it is off."""
    uptime: Callable[[], float]
    """Seconds since the machine was started."""
    boot: Callable[[], str]
    """A name of that start; "" where nobody can tell."""
    oden: Callable[[], float | None]
    """Oden's time now, where several of its answers agree on it."""
    oden_at_once: Callable[[], float | Literal["unasked", "silent"]]
    """The same by its last answer; "silent": its answers do not tell."""
    devices: Callable[[], Iterable[tuple[str, float | None]]]
    """By device, the newest time that it gave."""


class ClockWatch:
    """Owns `clock`: the only one who sets it. What it notices goes into `problems`. Once there was a `leap`, all parts
    have to end, and `land` is to be called before they begin anew."""

    def __init__(self, clock: AnchoredClock, problems: Problems, witnesses: Witnesses) -> None:
        self._clock = clock
        self._problems = problems
        self._witnesses = witnesses
        self._waiting: str | None = None
        """Why intake waits."""
        self._doubt: str | None = None
        """What speaks against the time that it goes on by."""
        self.moves = ClockMoves(clock)
        """Since `begin`."""
        self._pending: tuple[float, Verdict] | None = None
        """Since when (monotonic) a verdict lasts that the time is another."""
        self._shown_since: float | None = None
        """By the gateway's time, the first of the looks in a row that show another one."""
        self._unexplained: float | None = None
        """By how much the machine's clock has leapt, which nothing confirms."""
        self._apart: float | None = None
        """By how much Oden's clock is ahead, which NTP does not say."""
        self._ntp: bool | None = None
        """What NTP has said at the last look."""
        self._slept = clock.slept()
        self._devices: dict[str, tuple[float, float | None]] = {}
        """The newest time of each device, and how far ahead of the gateway's clock it was when it came."""
        self._known = KnownTime()
        self.by: By | None = None
        """What has confirmed the time; None while nothing has."""
        self._agreed_at = 0.0
        """When the time was last known to be right; until then, when the gateway's clock was set."""
        self._stored_at = float("-inf")
        self.leap = asyncio.Event()
        self.leapt: Leap | None = None
        self.turned_at = clock.monotonic()

    # At boot

    async def begin(self, known: KnownTime, seen_until: float) -> None:
        """Return once the clock shows a time that data can be stamped with. `seen_until` is the latest time that was
        stored, which may be wrong itself. Nothing may be stamped meanwhile, nor wait by this clock."""
        self._known = known
        goes_on = self._goes_on(known)
        begun = self._clock.monotonic()
        said_at = float("-inf")
        while (doubt := await self._speaks_against(known, seen_until)) is not None:
            now = self._clock.monotonic()
            self.turned_at, self._waiting = now, doubt
            if now - begun >= LONGEST_WAIT:
                break
            if now - said_at >= SAID_EVERY:
                said_at = now
                log.warning("waiting_for_clock", reason=doubt, now=_iso(self._clock.now()))
            await asyncio.sleep(EVERY)
            if not goes_on:
                self._clock.shift(self._clock.drift())
        self._waiting, self._doubt = None, doubt
        earliest = max(EARLIEST, known.confirmed)
        if self._clock.now() < earliest:
            self._clock.shift(earliest - self._clock.now())
        if doubt is not None:
            log.warning("clock_unconfirmed", reason=doubt, now=_iso(self._clock.now()))
        self._agreed_at = known.begun if goes_on and known.begun is not None else self._clock.now()
        self._slept = self._clock.slept()
        self.moves.take()

    def _goes_on(self, known: KnownTime) -> bool:
        """Whether the machine was not started anew since the life before. Then this is the clock of that life."""
        boot = self._witnesses.boot()
        if not boot or boot != known.boot:
            return False
        ahead = self._clock.machine() - (known.started + self._clock.monotonic() + self._clock.slept())
        if not -TOLERATED <= ahead <= DRIFT:
            log.warning("clock_kept", ahead=round(ahead, 1))
            self._clock.shift(self._clock.drift() - ahead)
        return True

    def ahead_of_now(self, seen_until: float) -> Retiming | None:
        """After `begin`: what is to be mended where the latest time that was stored, `seen_until`, is yet to come. That
        is as doubtful from then on as what is stamped now."""
        retiming = of_what_is_ahead(self._known, seen_until, self._clock.now())
        if retiming is not None:
            self._agreed_at = min(self._agreed_at, retiming.since + retiming.by)
        return retiming

    async def _speaks_against(self, known: KnownTime, seen_until: float) -> str | None:
        self._ntp = await self._witnesses.ntp()
        now = self._clock.now()
        if now < EARLIEST:
            return "this machine's clock shows a time before this version was made"
        if now < known.confirmed:
            return "this machine's clock shows a time before the last one that was confirmed"
        if self._ntp:
            return None
        if now < seen_until:
            return "this machine's clock shows a time before the last one that was stored"
        if self._witnesses.uptime() < LONGEST_WAIT and not self._witnesses.has_own_clock():
            return "this machine has no clock that runs while it is off, and was started just now"
        return None

    @contextmanager
    def busy(self) -> Iterator[None]:
        """What is done inside, before `run`, counts as turning."""
        self.turned_at = self._clock.monotonic() + LONGEST_WAIT
        try:
            yield
        finally:
            self.turned_at = self._clock.monotonic()

    # While the gateway runs

    async def run(self, keep: Callable[[KnownTime], Awaitable[None]]) -> None:
        """Watch the machine's clock, for ever."""
        while True:
            self._ntp = await self._witnesses.ntp()
            self.turned_at = self._clock.monotonic()
            self._look()
            if self.turned_at - self._stored_at >= STORED_EVERY:
                self._stored_at = self.turned_at
                await keep(self.known())
            await asyncio.sleep(EVERY)

    def known(self) -> KnownTime:
        """What is to be remembered of the time."""
        # Without a sleep that was not followed yet: the next life has that in what it adds.
        started, boot = self._clock.now() - self._clock.monotonic() - self._slept, self._witnesses.boot()
        if self.by is None:
            since = self._agreed_at if self._known.since is None else min(self._known.since, self._agreed_at)
            return KnownTime(self._known.confirmed, since, self._agreed_at, started, boot)
        self._known = KnownTime(self._clock.now(), started=started, boot=boot)
        return self._known

    def may_send(self) -> bool:
        """Whether records may be sent: the time is confirmed, or near that of Oden, or Oden's answers do not tell
        theirs. Not before Oden was asked, nor while something says that a clock that was right has leapt, as where the
        machine was put back to an earlier state: what was sent since then is not known here."""
        if self.leap.is_set():
            return False  # what waits has yet to be mended
        if self.by is not None:
            verdict = self._pending[1] if self._pending is not None else None
            return verdict is None or verdict.by == "sleep" or verdict.correction <= OTHER_LIFE
        oden = self._witnesses.oden_at_once()
        return oden == "silent" or (isinstance(oden, float) and abs(oden - self._clock.now()) <= NEAR)

    def accept(self) -> str:
        """A person says that the machine's clock is right. Answers what is done, in a sentence."""
        drift = self._clock.drift()
        self._follow(Verdict("a person", drift))
        if abs(drift) <= DRIFT:
            return "The gateway's time is that of this machine, and counts as confirmed."
        return f"The gateway sets its time by {drift:+.0f} s to that of this machine, and counts it as confirmed."

    def shown(self) -> dict[str, object]:
        """What there is to be known of the time: the gateway's, the machine's, and by what it is confirmed."""
        oden = self._witnesses.oden()
        return {
            "gateway": _iso(self._clock.now()),
            "machine": _iso(self._clock.machine()),
            "ahead": round(self._clock.drift(), 1),
            "confirmed_by": self.by,
            "ntp": self._ntp,
            "oden_ahead": None if oden is None else round(oden - self._clock.now(), 1),
            "waiting": self._waiting,
            "doubt": self._doubt,
        }

    def conditions(self) -> list[Condition]:
        """What is wrong with the clock at present."""
        if self._waiting is not None:
            return [Condition("clock_wrong", "", f"Waiting for the clock: {self._waiting}.")]
        found = []
        if self._unexplained is not None:
            way = "ahead of" if self._unexplained > 0 else "behind"
            found.append(
                f"This machine's clock is {abs(self._unexplained):.0f} s {way} the gateway's, and nothing confirms it: "
                "the gateway goes on by its own. If the machine is right: oden-gateway clock accept."
            )
        elif self.by is None and self._doubt is not None:
            found.append(f"The time is not confirmed, and {self._doubt}: {_iso(self._clock.now())} counts.")
        if self._apart is not None:
            found.append(f"NTP and Oden differ: by Oden's clock it is {self._apart:+.0f} s later. NTP counts.")
        return [Condition("clock_unconfirmed", str(number or ""), text) for number, text in enumerate(found)]

    def _look(self) -> None:
        evidence = self._evidence()
        verdict, now = judge(evidence), self._clock.monotonic()
        oden = evidence.oden
        self._apart = oden if evidence.ntp and oden is not None and abs(oden - evidence.machine) > NEAR else None
        is_apart = not -TOLERATED <= evidence.machine <= DRIFT
        self._unexplained = evidence.machine if is_apart and (verdict is None or verdict.agrees) else None
        if verdict is None or verdict.agrees:
            self._shown_since = None
        elif self._shown_since is None:
            self._shown_since = self._clock.now()
        if verdict is None:
            self._pending = None
        elif verdict.agrees:
            self._confirm(verdict.by)
        elif self._pending is None or not _is_same(self._pending[1], verdict):
            self._pending = now, verdict
        elif now - self._pending[0] >= LASTING:
            self._follow(verdict)

    def _confirm(self, by: By) -> None:
        if self.by is None:
            log.info("clock_confirmed", by=by, now=_iso(self._clock.now()))
            self._stored_at = float("-inf")
        self.by, self._doubt, self._pending = by, None, None
        self._agreed_at = self._clock.now()

    def _follow(self, verdict: Verdict) -> None:
        """Set the gateway's clock by what was confirmed, or have all begin anew where that is more than a step."""
        seconds, self._pending = verdict.correction, None
        was_right = self.by is not None
        if -TOLERATED <= seconds <= DRIFT:
            self._confirm(verdict.by)
            return
        log.warning("clock_set", seconds=round(seconds, 1), confirmed_by=verdict.by)
        way = "forward" if seconds > 0 else "back"
        text = f"The gateway's time was set {way} by {abs(seconds):.0f} s, as {verdict.by} confirms."
        self._problems.note("clock_set", "", text)
        slept = abs(self._clock.slept() - self._slept - seconds) <= DRIFT
        if slept or (seconds > 0 and not was_right and seconds <= SMALL):
            self._clock.shift(seconds)
        elif seconds > 0 and was_right:
            if verdict.by != "a person" and seconds > OTHER_LIFE:
                since = math.ceil(self._clock.now() if self._shown_since is None else self._shown_since)
                self._leap(Leap(seconds, Retiming(since, seconds), other_life=True), verdict.by)
                return
            self._clock.shift(seconds)
        else:
            self._leap(Leap(seconds, Retiming(math.floor(self._agreed_at), seconds)), verdict.by)
            return
        self._slept, self._stored_at = self._clock.slept(), float("-inf")
        if verdict.by == "sleep":
            self._agreed_at = self._clock.now()  # as right as it was before
        else:
            self._confirm(verdict.by)

    def _leap(self, leap: Leap, by: By) -> None:
        self.by, self.leapt = by, leap
        self.leap.set()

    def land(self) -> Leap:
        """To be called when all parts have ended: sets the clock, and answers what the leap was."""
        leap = self.leapt
        if leap is None:
            raise ValueError("there was no leap")
        self._clock.shift(leap.seconds)
        self._agreed_at, self._slept, self._doubt = self._clock.now(), self._clock.slept(), None
        self._stored_at, self._unexplained, self._devices, self._shown_since = float("-inf"), None, {}, None
        self.leapt = None
        self.leap.clear()
        return leap

    def _evidence(self) -> Evidence:
        oden = self._witnesses.oden()
        return Evidence(
            machine=self._clock.drift(),
            ntp=self._ntp,
            oden=None if oden is None else oden - self._clock.now(),
            slept=self._clock.slept() - self._slept,
            devices=self._ask_devices(),
        )

    def _ask_devices(self) -> tuple[float, ...]:
        """How far the clocks of devices are ahead, of those that gave a new time while they were listened to: the first
        one of a connection may be old."""
        now = self._clock.now()
        for name, at in self._witnesses.devices():
            before = self._devices.get(name)
            if at is not None and (before is None or before[0] != at):
                self._devices[name] = at, None if before is None else at - now
        return tuple(ahead for _, ahead in self._devices.values() if ahead is not None)


def _is_same(one: Verdict, other: Verdict) -> bool:
    return one.by == other.by and abs(one.correction - other.correction) <= DRIFT + 3.0


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def answer(watch: ClockWatch, question: object) -> AsyncGenerator[dict[str, object], None]:
    """Yield what the question asks for: "show" or "accept". Raises GatewayError where it is not understood."""
    match question:
        case "show":
            yield watch.shown()
        case "accept":
            said = watch.accept()
            log.info("clock_accepted")
            yield {"said": said}
        case _:
            raise GatewayError("this gateway does not understand the question: it may be of another version")
