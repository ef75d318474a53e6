"""What the gateway makes of the machine's clock, with both clocks simulated."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from gateway.clock import AnchoredClock
from gateway.clock_watch import EARLIEST, LASTING, ClockWatch
from gateway.health import Problems
from tests.campaign.virtual import simulate

RIGHT = EARLIEST + 86_400.0


class Machine(AnchoredClock):
    """A clock over simulated time whose machine's clock is ahead of the right time by `ahead` seconds."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.ahead = ahead
        super().__init__()

    def anchor(self) -> None:
        self._offset = RIGHT + self.ahead

    def drift(self) -> float:
        return RIGHT + self.ahead - self._offset

    def now(self) -> float:
        return self.monotonic() + self._offset

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def in_simulated_time(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        simulate(test())

    run.__doc__ = test.__doc__
    return run


@in_simulated_time
async def test_p11_nothing_is_taken_in_while_the_clock_is_impossible() -> None:
    """At boot in 2000: waits, says so, turns meanwhile, and goes on as soon as the clock is set."""
    clock = Machine(ahead=-20 * 365 * 86_400.0)
    watch = ClockWatch(clock, Problems(clock))
    waiting = asyncio.create_task(watch.wait_until_possible(RIGHT - 60.0))
    await asyncio.sleep(100.0)
    assert not waiting.done()
    assert [condition.kind for condition in watch.conditions()] == ["clock_wrong"]
    assert clock.monotonic() - watch.turned_at < 2.0
    clock.ahead = 0.0
    await asyncio.sleep(2.0)
    assert waiting.done()
    assert watch.conditions() == []


@in_simulated_time
async def test_p11_a_clock_that_stays_ahead_is_followed_and_one_set_back_is_not() -> None:
    """A slip of a moment is not followed; what stays for LASTING is, once; both directions are said."""
    clock = Machine()
    problems = Problems(clock)
    watching = asyncio.create_task(ClockWatch(clock, problems).run())
    await asyncio.sleep(5.0)
    clock.ahead = 3600.0
    await asyncio.sleep(LASTING - 5.0)
    clock.ahead = 0.0
    await asyncio.sleep(LASTING)
    assert (clock.now() - clock.monotonic(), problems.current()) == (RIGHT, ())
    clock.ahead = 3600.0
    await asyncio.sleep(LASTING + 5.0)
    assert clock.now() - clock.monotonic() == RIGHT + 3600.0
    assert "set forward by 3600 s" in problems.current()[0].text
    clock.ahead = 0.0
    await asyncio.sleep(LASTING + 5.0)
    assert clock.now() - clock.monotonic() == RIGHT + 3600.0
    assert "set back by 3600 s" in problems.current()[0].text
    watching.cancel()
