"""What all sources share: how a connection ends, what counts as turning, and how samples become moments."""

import asyncio
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SourceError
from gateway.model import Moment, Sample
from gateway.sources.base import CONNECTING, Arrival, Source, SourceHealth, Take, moments_of
from tests.sources.harness import HandClock, Intake

TAGS = ("a", "b")


class Plc(Source):
    """A source whose connections stand where `stands` is set, and end with `error`, or wait for ever without one."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__("plc", clock, SourceHealth())
        self.stands = True
        self.error: BaseException | None = None

    async def _serve(self, take: Take) -> NoReturn:
        if self.stands:
            self._connected()
            await self._report_gap(take)
            self.health.set_connected(self._clock.now())
        if self.error is not None:
            raise self.error
        while True:
            with self._waiting():
                await asyncio.Event().wait()

    def _unknown(self, now: float) -> tuple[Sample, ...]:
        return tuple(Sample(self.name, tag, None, now, quality="bad") for tag in TAGS)


def bad(intake: Intake) -> list[str]:
    return [sample.address for sample in intake.samples if sample.quality == "bad"]


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (SourceError("the server is gone"), "the server is gone"),
        (RuntimeError("a fault"), "internal error: RuntimeError('a fault')"),
        (OSError(5, "Input/output error"), "internal error: OSError(5, 'Input/output error')"),
        (
            ExceptionGroup("several", [SourceError("gone"), KeyError("x")]),
            "internal error: ExceptionGroup('several', [SourceError('gone'), KeyError('x')])",
        ),
    ],
)
async def test_p9_the_mapping_is_told_of_a_loss_whatever_the_exception(error: Exception, detail: str) -> None:
    """Before the exception leaves, all tags are bad, health says why, and the next connection lists the gap."""
    clock, intake = HandClock(), Intake()
    plc = Plc(clock)
    plc.error = error
    with pytest.raises(type(error)):
        await plc.run(intake.take)
    assert bad(intake) == list(TAGS)
    assert [len(arrival.moments) for arrival in intake.arrivals] == [1]
    assert (plc.health.connected, plc.health.detail) == (False, detail)
    clock.advance(30)
    with pytest.raises(type(error)):
        await plc.run(intake.take)
    assert [notice.text for notice in intake.notices] == [
        "not connected since 2026-01-05T06:00:00Z, for 30 s; what changed and changed back is not known"
    ]


async def test_p9_a_cancellation_from_within_is_a_fault_and_no_stop() -> None:
    """A library that cancels what a source waits for must not end the source for good."""
    intake, plc = Intake(), Plc(HandClock())
    plc.error = asyncio.CancelledError()
    with pytest.raises(RuntimeError, match="nobody had asked"):
        await plc.run(intake.take)
    assert bad(intake) == list(TAGS)


async def test_a_loss_is_told_once_however_often_it_is_tried() -> None:
    """Attempts that fail add nothing; a connection that stood does."""
    intake, plc = Intake(), Plc(HandClock())
    plc.error = SourceError("gone")
    for plc.stands in (False, False, True, False):
        with pytest.raises(SourceError):
            await plc.run(intake.take)
    assert bad(intake) == [*TAGS, *TAGS]


async def test_a_loss_that_cannot_be_told_is_told_first_the_next_time() -> None:
    """Should intake fail at it, nothing else is handed over before."""
    intake, plc = Intake(), Plc(HandClock())
    plc.error = SourceError("gone")
    intake.fault = RuntimeError("intake does not take it")
    with pytest.raises(RuntimeError, match="intake"):
        await plc.run(intake.take)
    assert intake.arrivals == []
    with pytest.raises(SourceError):
        await plc.run(intake.take)
    assert [list(arrival.samples) != [] for arrival in intake.arrivals] == [True, False, True]


async def test_a_source_that_was_cancelled_and_is_run_again_tells_its_loss_first() -> None:
    """A stop is a stop; a source that is only started again must not leave values standing that nobody watched."""
    clock, intake = HandClock(), Intake()
    plc = Plc(clock)
    for told_before in ([], list(TAGS)):
        running = asyncio.create_task(plc.run(intake.take))
        await asyncio.sleep(0)
        while not plc.health.connected:
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert bad(intake) == told_before
        plc.health.connected = False
        clock.advance(5)
    assert [notice.kind for notice in intake.notices] == ["gap"]


async def test_waiting_for_somebody_else_counts_as_turning() -> None:
    """A peer that takes its time, or an intake that is full, makes no source look stuck; standing still, or a peer
    that takes for ever, does."""
    clock, intake = HandClock(), Intake()
    plc = Plc(clock)
    begun = clock.monotonic()
    clock.advance(100)
    assert plc.turned_at == begun
    running = asyncio.create_task(plc.run(intake.take))
    while not plc.health.connected:
        await asyncio.sleep(0)
    clock.advance(CONNECTING - 1)
    assert plc.turned_at == clock.monotonic()
    clock.advance(2)
    assert clock.monotonic() - plc.turned_at > CONNECTING  # a name look-up that hangs, say
    running.cancel()
    await asyncio.wait({running})
    plc.error = SourceError("gone")
    intake.open.clear()
    running = asyncio.create_task(plc.run(intake.take))
    await asyncio.sleep(0)
    clock.advance(100 * CONNECTING)
    assert plc.turned_at == clock.monotonic()
    intake.open.set()
    with pytest.raises(SourceError):
        await running
    stopped = plc.turned_at
    clock.advance(100)
    assert plc.turned_at == stopped


SAMPLES = st.lists(
    st.builds(
        Sample,
        st.just("plc"),
        st.sampled_from("abc"),
        st.integers(),
        st.just(100.0),
        source_time=st.none() | st.integers(95, 105).map(float),
    ),
    max_size=20,
)


@given(SAMPLES)
def test_moments_keep_each_address_in_its_order_and_hold_it_once(samples: list[Sample]) -> None:
    """Nothing is lost or doubled, no address overtakes itself, and no moment says two things of one."""
    moments = moments_of(samples)
    for moment in moments:
        assert moment.samples
        assert len({sample.address for sample in moment.samples}) == len(moment.samples)
    for address in "abc":
        before = [sample for sample in samples if sample.address == address]
        assert [s for moment in moments for s in moment.samples if s.address == address] == before


@given(SAMPLES)
def test_moments_of_addresses_whose_times_go_forward_are_in_the_order_of_time(samples: list[Sample]) -> None:
    """One moment a time, the earlier first, where each address comes at most once at a time and never goes back."""
    newest: dict[str, float] = {}
    forward: list[Sample] = []
    for sample in samples:
        time = sample.source_time if sample.source_time is not None else sample.received
        if time > newest.get(sample.address, 0.0):
            newest[sample.address] = time
            forward.append(sample)
    moments = moments_of(forward)
    times = [{s.source_time if s.source_time is not None else s.received for s in m.samples} for m in moments]
    assert all(len(time) == 1 for time in times)
    assert [min(time) for time in times] == sorted({min(time) for time in times})


def test_the_samples_of_an_arrival_are_those_of_its_moments() -> None:
    first, second = (Sample("plc", "a", value, 100.0) for value in (1, 2))
    assert list(Arrival("plc", (Moment((first,)), Moment((second,)))).samples) == [first, second]
