"""What the gateway makes of the machine's clock, with all clocks simulated."""

import asyncio

import pytest

from gateway.clock import ClockMoves
from gateway.clock_evidence import KnownTime
from gateway.clock_watch import LASTING, LONGEST_WAIT
from gateway.health import Problems
from tests.clock_rig import NOTHING, RIGHT, YEAR, Machine, in_simulated_time, kinds, running

# At boot


@in_simulated_time
async def test_p11_nothing_is_taken_in_while_the_clock_is_impossible() -> None:
    """At boot in 2000: waits, says so, turns meanwhile, and goes on as soon as the clock is set."""
    clock = Machine(ahead=-20 * YEAR)
    watch = clock.watch()
    waiting = asyncio.create_task(watch.begin(NOTHING, 0.0))
    await asyncio.sleep(100.0)
    assert not waiting.done()
    assert kinds(watch) == ["clock_wrong"]
    assert clock.monotonic() - watch.turned_at < 2.0
    clock.ahead = 0.0
    await asyncio.sleep(2.0)
    assert waiting.done()
    assert (watch.conditions(), clock.error()) == ([], 0.0)


@in_simulated_time
async def test_p11_intake_waits_for_the_clock_for_two_minutes_at_most_and_goes_on_unconfirmed() -> None:
    """A clock that nobody sets: the gateway goes on by the last confirmed time, and shows that; never before it."""
    clock = Machine(ahead=-20 * YEAR)
    watch = clock.watch()
    await watch.begin(KnownTime(RIGHT - 60.0), 0.0)
    assert LONGEST_WAIT <= clock.monotonic() < LONGEST_WAIT + 2.0
    assert clock.now() >= RIGHT - 60.0
    assert "not confirmed" in watch.conditions()[0].text
    assert kinds(watch) == ["clock_unconfirmed"]
    now = clock.now()
    assert watch.known() == KnownTime(RIGHT - 60.0, now, now, now - clock.monotonic(), clock.boot)


@pytest.mark.parametrize(
    ("known", "seen_until", "own_clock", "up", "waits"),
    [
        (NOTHING, 0.0, True, 3.0, False),
        (NOTHING, 0.0, False, 3600.0, False),
        (NOTHING, 0.0, False, 3.0, True),
        (KnownTime(RIGHT + 3600.0), 0.0, True, 3600.0, True),
        (NOTHING, RIGHT + YEAR, True, 3600.0, True),
    ],
)
@in_simulated_time
async def test_p11_intake_waits_at_boot_only_where_something_speaks_against_the_clock(
    known: KnownTime, seen_until: float, own_clock: bool, up: float, waits: bool
) -> None:
    """A firewall that keeps NTP away from a machine with a right clock does not: it is taken in at once. A machine
    without a clock of its own, just after it was started, does; so does a time before one that was seen."""
    clock = Machine()
    clock.own_clock, clock.up = own_clock, up
    waiting = asyncio.create_task(clock.watch().begin(known, seen_until))
    await asyncio.sleep(1.5)
    assert waiting.done() == (not waits)
    await asyncio.sleep(LONGEST_WAIT)
    assert waiting.done()


@in_simulated_time
async def test_p11_a_stored_time_from_a_clock_that_was_ahead_does_not_stop_intake() -> None:
    """2027 is stored, NTP says that it is 2026: it begins at once, and by the machine's time."""
    clock = Machine()
    clock.ntp = True
    await clock.watch().begin(NOTHING, RIGHT + YEAR)
    assert (round(clock.monotonic()), clock.error()) == (0, 0.0)


@in_simulated_time
async def test_p11_a_clock_that_was_a_year_ahead_at_boot_is_put_right_and_so_is_what_was_stamped() -> None:
    """Once NTP has set the machine's clock, all begins anew with times mended from the beginning on."""
    clock = Machine(ahead=YEAR)
    async with running(clock) as watch:
        assert (clock.error(), watch.by) == (YEAR, None)
        begun = round(clock.now() - 5.0)
        clock.ahead, clock.ntp = 0.0, True
        await asyncio.sleep(LASTING + 12.0)
        assert watch.leap.is_set()
        assert clock.error() == YEAR  # nothing may go back while the parts still run
        assert not watch.may_send()  # nor leave by the wrong time
        leap = watch.land()
        assert (leap.seconds, leap.other_life) == (-YEAR, False)
        assert leap.retiming is not None
        assert (leap.retiming.since, leap.retiming.by) == (begun, -YEAR)
        assert (clock.error(), watch.by, watch.leap.is_set()) == (0.0, "NTP", False)
        await asyncio.sleep(5.0)
        assert clock.stored[-1].since is None
        assert abs(clock.stored[-1].confirmed - clock.now()) < 10.0


@in_simulated_time
async def test_p11_without_ntp_the_clock_at_boot_is_put_right_by_odens() -> None:
    """A machine a year ahead and nobody who sets it: several answers of Oden over a minute say what time it is, and
    nothing that holds a time is sent before."""
    clock = Machine(ahead=YEAR)
    clock.at_once = "unasked"
    async with running(clock) as watch:
        assert not watch.may_send()
        clock.oden, clock.at_once = 0.3, None
        assert not watch.may_send()
        await asyncio.sleep(LASTING + 2.0)
        assert watch.leap.is_set()
        watch.land()
        assert abs(clock.error()) < 1.0
        assert watch.may_send()


@in_simulated_time
async def test_p11_records_leave_at_once_where_odens_clock_agrees_or_tells_nothing() -> None:
    """The first answer of a search decides that; NTP makes it needless."""
    clock = Machine()
    clock.at_once = "unasked"
    async with running(clock) as watch:
        assert not watch.may_send()
        clock.at_once = "silent"
        assert watch.may_send()
        clock.at_once, clock.oden = None, 20.0
        assert watch.may_send()
    clock.at_once, clock.ntp = "unasked", True
    async with running(clock) as watch:
        assert watch.may_send()


@in_simulated_time
async def test_p11_a_small_correction_after_boot_is_made_in_place() -> None:
    """NTP sets a clock that was 20 s slow: nothing begins anew."""
    clock = Machine(ahead=-20.0)
    async with running(clock) as watch:
        clock.ahead, clock.ntp = 0.0, True
        await asyncio.sleep(LASTING + 12.0)
        assert (clock.error(), watch.by, watch.leap.is_set()) == (0.0, "NTP", False)


# While it runs


@pytest.mark.parametrize("ahead", [YEAR, 3600.0, -3600.0])
@pytest.mark.parametrize("ntp", [False, None])
@in_simulated_time
async def test_p11_a_leap_that_nothing_confirms_is_held_and_shown(ahead: float, ntp: bool | None) -> None:
    """For 45 s or for hours, a year ahead or an hour back, with an NTP that is silent or one that nobody can ask: the
    gateway's time stays right. It is said, with the command that accepts it."""
    clock = Machine()
    clock.ntp = True
    async with running(clock) as watch:
        clock.ahead, clock.ntp = ahead, ntp
        await asyncio.sleep(45.0)
        assert (clock.error(), watch.leap.is_set()) == (0.0, False)
        assert kinds(watch) == ["clock_unconfirmed"]
        assert "clock accept" in watch.conditions()[0].text
        clock.ahead = 0.0
        await asyncio.sleep(5.0)
        assert (clock.error(), watch.conditions()) == (0.0, [])
        clock.ahead = ahead
        await asyncio.sleep(3600.0)
        assert (clock.error(), watch.leap.is_set()) == (0.0, False)


@in_simulated_time
async def test_p11_a_leap_that_ntp_confirms_is_followed_after_it_has_lasted() -> None:
    """A clock that was right and is 3600 s later, which nothing explains: the machine was put back to an earlier
    state, so that all begins anew in another life."""
    clock = Machine()
    clock.ntp = True
    async with running(clock) as watch:
        clock.ahead, back_at = 3600.0, clock.now()
        await asyncio.sleep(LASTING - 5.0)
        assert not watch.leap.is_set()
        await asyncio.sleep(20.0)
        leap = watch.land()
        assert (leap.seconds, leap.other_life) == (3600.0, True)
        # What was stamped in the first second is of nobody knows which life; all later is of this one.
        assert leap.retiming is not None
        assert 0.0 <= leap.retiming.since - back_at <= 2.0
        assert leap.retiming.by == 3600.0
        assert clock.error() == 3600.0


@in_simulated_time
async def test_p4_nothing_is_sent_while_it_may_be_another_life() -> None:
    """From the first look on that shows it: what was sent before the machine was put back is not known. A leap that was
    a slip holds nothing up once it is undone, nor does one of seconds, or one that nobody confirms."""
    clock = Machine()
    clock.ntp = True
    async with running(clock) as watch:
        for ahead, ntp, sends in ((3600.0, True, False), (0.0, True, True), (8.0, True, True), (3600.0, None, True)):
            clock.ahead, clock.ntp = ahead, ntp
            await asyncio.sleep(3.0)
            assert watch.may_send() == sends, (ahead, ntp)
        assert not watch.leap.is_set()


@in_simulated_time
async def test_p11_a_machine_that_slept_is_followed_without_any_other_witness() -> None:
    """BOOTTIME says for how long it slept: no other life, and no times to mend."""
    clock = Machine()
    problems = Problems(clock)
    async with running(clock, problems) as watch:
        clock.asleep = 7200.0
        assert clock.error() == -7200.0
        await asyncio.sleep(LASTING + 5.0)
        assert (clock.error(), watch.leap.is_set(), watch.by) == (0.0, False, None)
        assert "forward by 7200 s, as sleep confirms" in problems.current()[0].text


@pytest.mark.parametrize(
    ("ahead", "devices", "follows"),
    [
        (1234.0, {"plc": 1230.0}, True),
        (1234.0, {"plc": 1230.0, "other": 1235.0, "third": 0.0}, True),
        (1234.0, {"plc": 1230.0, "other": 0.0}, False),
        (1234.0, {}, False),
        (40.0, {"plc": 38.0}, True),
        (40.0, {"plc": -1.0}, False),
        (0.0, {"plc": 1234.0, "other": 1234.0}, False),
        (3600.0, {"plc": 3600.0, "other": 3600.0}, False),
        (900.0, {"plc": 895.0}, False),
    ],
)
@in_simulated_time
async def test_p11_devices_confirm_a_leap_and_never_overrule_a_clock(
    ahead: float, devices: dict[str, float], follows: bool
) -> None:
    """Most of them must say the same. A clock that did not leap stays, whatever they say, and whole quarters of an hour
    are a time zone."""
    clock = Machine()
    async with running(clock) as watch:
        clock.ahead, clock.devices = ahead, devices
        await asyncio.sleep(LASTING + 20.0)
        moved = watch.leap.is_set() or clock.error() != 0.0
        assert moved == follows


@in_simulated_time
async def test_p11_ntp_outranks_oden_and_the_difference_is_shown() -> None:
    """Where the two differ, NTP counts."""
    clock = Machine()
    clock.ntp, clock.oden = True, 500.0
    async with running(clock) as watch:
        await asyncio.sleep(LASTING * 4)
        assert (clock.error(), watch.by, watch.leap.is_set()) == (0.0, "NTP", False)
        assert "NTP and Oden differ" in watch.conditions()[0].text


@in_simulated_time
async def test_p11_a_person_accepts_the_machines_clock() -> None:
    """A box without anything: what was held is followed, times are mended, and nothing is shown any more."""
    clock = Machine(ahead=-3600.0)
    async with running(clock) as watch:
        clock.ahead = 0.0
        await asyncio.sleep(120.0)
        assert kinds(watch) == ["clock_unconfirmed"]
        assert "+3600 s" in watch.accept()
        assert watch.leap.is_set()
        assert watch.land().seconds == 3600.0
        await asyncio.sleep(5.0)
        assert (clock.error(), watch.conditions(), watch.by) == (0.0, [], "a person")


class Stub:
    """A clock of which each part is set by hand."""

    def __init__(self) -> None:
        self.ours, self.running, self.asleep = 1_800_000_000.0, 100.0, 0.0

    def now(self) -> float:
        return self.ours

    def monotonic(self) -> float:
        return self.running

    def slept(self) -> float:
        return self.asleep


def test_p11_by_how_much_our_clock_was_set_is_told_once() -> None:
    """Time that passes is no move, nor is a sleep that it was set for."""
    clock = Stub()
    moves = ClockMoves(clock)
    assert moves.take() == 0.0
    clock.ours, clock.running = clock.ours + 50.0, clock.running + 50.0
    assert moves.take() == 0.0
    clock.ours += 40.0
    assert (moves.take(), moves.take()) == (40.0, 0.0)
    clock.asleep += 300.0
    assert moves.take() == -300.0
    clock.ours += 300.0
    assert moves.take() == 300.0
    for _ in range(3):
        clock.ours += 0.05
    assert moves.take() == pytest.approx(0.15)
