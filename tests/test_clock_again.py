"""What a gateway that is started again makes of the machine's clock: the same start of the machine, or another."""

import asyncio
import math

import pytest

from gateway.clock_evidence import KnownTime, Retiming, of_what_is_ahead
from gateway.clock_watch import LASTING, LONGEST_WAIT
from tests.clock_rig import NOTHING, RIGHT, YEAR, Machine, in_simulated_time, kinds


@pytest.mark.parametrize(("since", "begun"), [(None, None), (RIGHT - 300.0, RIGHT - 200.0)])
@pytest.mark.parametrize("ahead", [YEAR, -3600.0, 11.0, -25.0])
@in_simulated_time
async def test_p11_a_gateway_that_is_started_again_keeps_its_clock(
    ahead: float, since: float | None, begun: float | None
) -> None:
    """Somebody has set the machine's clock while it was down: it begins at once, by the time of the life before, and
    says by how much the machine's is off. Where that is confirmed, all is mended that was stamped by this clock."""
    clock, known = Machine(ahead=ahead), KnownTime(RIGHT - 1000.0, since, begun, RIGHT, "a start of the machine")
    watch = clock.watch()
    await watch.begin(known, RIGHT - 1.0)
    assert (round(clock.monotonic(), 1), clock.error()) == (0.0, 0.0)
    task = asyncio.create_task(watch.run(clock.keep))
    await asyncio.sleep(5.0)
    assert kinds(watch) == ["clock_unconfirmed"]
    kept = clock.stored[-1]
    assert (kept.confirmed, kept.boot) == (RIGHT - 1000.0, clock.boot)
    assert (kept.since, kept.begun, kept.started) == pytest.approx((since or RIGHT, begun or RIGHT, RIGHT), abs=0.01)
    clock.ntp = True
    await asyncio.sleep(LASTING + 12.0)
    task.cancel()
    if ahead < 60.0 and ahead > 0.0:  # too little to be worth it
        assert (watch.leap.is_set(), clock.error()) == (False, ahead)
    else:
        leap = watch.land()
        assert leap.retiming is not None
        assert (leap.retiming.since, leap.retiming.by) == pytest.approx((begun or RIGHT, ahead), abs=0.01)


@in_simulated_time
async def test_p11_a_sleep_that_was_not_noticed_is_in_the_clock_that_is_kept() -> None:
    """The gateway ends while the machine sleeps, or as it wakes up: the time that passed then has passed."""
    clock = Machine()
    watch = clock.watch()
    await watch.begin(NOTHING, 0.0)
    await asyncio.sleep(100.0)
    clock.asleep = 5000.0
    known, again = watch.known(), clock.watch()
    clock.shift(clock.drift())  # a clock begins by the machine's
    await again.begin(known, 0.0)
    assert (round(clock.monotonic()), clock.error(), again.conditions()) == (100, 0.0, [])


@in_simulated_time
async def test_p11_a_machine_that_was_started_anew_has_a_clock_of_its_own() -> None:
    """What the life before has shown says nothing of it; nor where nobody can tell."""
    for boot in ("another start", ""):
        clock = Machine(ahead=YEAR)
        clock.boot = boot
        await clock.watch().begin(KnownTime(RIGHT - 1000.0, None, None, RIGHT, boot and "a start of the machine"), 0.0)
        assert clock.error() == YEAR


@in_simulated_time
async def test_p11_what_ends_now_by_a_doubtful_clock_is_mended_with_what_is_stamped_by_it() -> None:
    """A machine that was started anew, an hour behind: what was stamped before by a right clock is moved back, and
    comes right with the rest once Oden has told the time."""
    clock = Machine(ahead=-3600.0)
    clock.boot = "another start"
    watch = clock.watch()
    begun = RIGHT - 100.0
    await watch.begin(KnownTime(0.0, begun, begun, 0.0, "a start of the machine"), RIGHT - 50.0)
    waited = clock.monotonic()
    assert LONGEST_WAIT <= waited < LONGEST_WAIT + 2.0
    first = watch.ahead_of_now(RIGHT - 50.0)
    assert first is not None
    assert [first.since, first.by] == pytest.approx([math.floor(begun), waited + 50.0 - 3600.0], abs=0.01)
    task = asyncio.create_task(watch.run(clock.keep))
    clock.oden = 0.0
    await asyncio.sleep(LASTING + 12.0)
    task.cancel()
    second = watch.land().retiming
    assert second is not None
    assert [second.since, second.by] == pytest.approx([math.floor(first.since + first.by), 3600.0])
    assert clock.stored[-1].since == first.since + first.by


@pytest.mark.parametrize(
    ("known", "retiming"),
    [
        (KnownTime(), Retiming(1000, -500)),
        (KnownTime(900.0, 1200.7), Retiming(1200, -500)),  # by a version that kept no `begun`
        (KnownTime(900.0, 1200.7, 1200.7), Retiming(1200, -500)),
        (KnownTime(900.0, 1100.0, 1400.0), Retiming(1100, -500)),  # all of it is yet to come
        (KnownTime(900.0, 950.0, 1400.0), Retiming(1400, -500)),  # the clock before the last was not ahead
        (KnownTime(900.0, 950.0, 960.0), Retiming(960, -500)),
    ],
)
def test_p11_what_a_clock_that_was_ahead_has_stamped(known: KnownTime, retiming: Retiming) -> None:
    assert of_what_is_ahead(known, 1500.0, 1000.0) == retiming
    assert of_what_is_ahead(known, 1000.0, 1000.0) is None
