"""A machine whose clocks are simulated, and the watch of a gateway on it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Literal

from gateway.clock import AnchoredClock
from gateway.clock_evidence import KnownTime
from gateway.clock_watch import EARLIEST, ClockWatch, Witnesses
from gateway.health import Problems
from tests.campaign.virtual import simulate

RIGHT = EARLIEST + 86_400.0
YEAR = 366 * 86_400.0
NOTHING = KnownTime()


class Machine(AnchoredClock):
    """A clock over simulated time whose machine's clock is ahead of the right time by `ahead` seconds, and the world
    around it."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.ahead = ahead
        self.asleep = 0.0
        self.ntp: bool | None = None
        self.own_clock = True
        self.up = 3600.0
        self.boot = "a start of the machine"
        self.oden: float | None = None
        """By how much Oden's clock is ahead of the right time; None: too few answers have told."""
        self.at_once: Literal["unasked", "silent"] | None = "silent"
        """What the last answer tells; None: the time."""
        self.devices: dict[str, float] = {}
        """How far the clocks of devices are ahead of the right time."""
        self.stored: list[KnownTime] = []
        super().__init__()

    def right(self) -> float:
        return RIGHT + self.monotonic() + self.asleep

    def machine(self) -> float:
        return self.right() + self.ahead

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def slept(self) -> float:
        return self.asleep

    def error(self) -> float:
        """By how much the gateway's time is ahead of the right one."""
        return round(self.now() - self.right(), 3)

    def watch(self, problems: Problems | None = None) -> ClockWatch:
        def oden() -> float | None:
            return None if self.oden is None else self.right() + self.oden

        async def ntp() -> bool | None:
            return self.ntp

        return ClockWatch(
            self,
            problems or Problems(self),
            Witnesses(
                ntp=ntp,
                has_own_clock=lambda: self.own_clock,
                uptime=lambda: self.up + self.monotonic(),
                boot=lambda: self.boot,
                oden=oden,
                oden_at_once=lambda: self.at_once or oden() or "unasked",
                devices=lambda: [(name, self.right() + ahead) for name, ahead in self.devices.items()],
            ),
        )

    async def keep(self, known: KnownTime) -> None:
        self.stored.append(known)


@asynccontextmanager
async def running(clock: Machine, problems: Problems | None = None) -> AsyncIterator[ClockWatch]:
    """The watch of a gateway that has begun by `clock`."""
    watch = clock.watch(problems)
    await watch.begin(NOTHING, 0.0)
    task = asyncio.create_task(watch.run(clock.keep))
    await asyncio.sleep(5.0)
    try:
        yield watch
    finally:
        task.cancel()


def in_simulated_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    def run(**arguments: Any) -> None:
        simulate(test(**arguments))

    run.__doc__, run.__name__ = test.__doc__, test.__name__
    run.__signature__ = __import__("inspect").signature(test)  # type: ignore[attr-defined]
    return run


def kinds(watch: ClockWatch) -> list[str]:
    return [condition.kind for condition in watch.conditions()]
