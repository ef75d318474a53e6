"""Delivery against the real stand-in: what Oden refuses, or what cannot be built, stops nothing else."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.delivery.breaker import ALARM
from gateway.delivery.settlement import MOST_SENDS
from gateway.outbox.store import Outbox
from tests.delivery.harness import FACTORY, Fault, Oden, Rig
from tests.peers import PATIENCE


async def test_p5_a_refused_run_stops_only_what_needs_it(rig: Rig, oden: Oden) -> None:
    """A 400 makes a dead letter, its output and end are parked, the next run and the states flow."""
    first, second = rig.start(1_800_000_000), rig.start(1_800_000_100)
    before, state = rig.start(1_700_000_000, "STATE"), rig.start(1_800_000_000, "STATE")
    refusal = '{"error": "unknown product", "name": "product", "retryable": false}'
    async with rig.running() as drain:
        await rig.commit(drain, before)
        await rig.drained()
        oden.faults.append(Fault("interval/set", "before", 400, text=refusal))
        await rig.commit(drain, first, rig.output(first, 1_800_000_020, 7), rig.end(first, 1_800_000_060))
        await rig.commit(drain, second, rig.output(second, 1_800_000_120, 5), state)
        await rig.drained()
        counts = await rig.counts()
        (letter,) = await rig.outbox(Outbox.dead_letters, 5)
    assert (counts.dead, counts.parked) == (1, 1)
    assert letter.record == replace(first, end=1_800_000_060)
    assert "unknown product" in letter.error
    assert [run.name for run in oden.runs()] == [second.name]
    assert oden.total("yield") == 5
    assert len(oden.states()) == 2


async def test_p5_refusals_with_one_cause_raise_the_alarm(
    rig: Rig, oden: Oden, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ten equal refusals in a row the rest waits, held with that reason; once accepted, it flows."""
    refusal = '{"error": "state categories are not set up", "name": "category", "retryable": false}'
    oden.faults.append(Fault("interval/set", "before", 400, text=refusal, times=12))
    states = [rig.start(1_800_000_000 + n, "STATE") for n in range(20)]
    async with rig.running() as drain:
        await rig.commit(drain, *states)
        await rig.alarmed(drain, "not set up")
    assert len(oden.states()) == 20 - ALARM


async def test_p5_late_output_of_an_ended_run_stops_nothing(rig: Rig, oden: Oden) -> None:
    """Output that comes to light after its run's end, and after the next run's output, is delivered; nothing waits in a
    ring."""
    first, second = rig.start(1_800_000_000), rig.start(1_800_000_060)
    async with rig.running() as drain:
        await rig.commit(drain, first, rig.end(first, 1_800_000_060), second)
        await rig.commit(drain, rig.output(second, 1_800_000_080, 5), rig.output(first, 1_800_000_059, 2))
        await rig.drained()
    assert [bool(run.end) for run in oden.runs()] == [True, False]
    assert oden.total("yield") == 7


async def test_p5_a_record_that_oden_cannot_take_is_given_up(rig: Rig, oden: Oden) -> None:
    """A create that fails with 500 again and again, while others of its kind are taken, becomes a dead letter."""
    rig.settle = 0.05
    oden.faults.append(Fault("interval/set", "before", 500, times=1000, contains='"RUN"'))
    async with rig.running() as drain:
        await rig.commit(drain, rig.start(1_800_000_000))
        states = 0
        async with asyncio.timeout(PATIENCE):
            while (await rig.counts()).dead == 0:
                states += 1
                await rig.commit(drain, rig.start(1_700_000_000 + states, "STATE"))
                await asyncio.sleep(0.1)
        await rig.drained()
        (letter,) = await rig.outbox(Outbox.dead_letters, 5)
    assert letter.tries >= MOST_SENDS
    assert "given up after" in letter.error
    assert oden.runs() == []
    assert len(oden.states()) == states


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('[{"id": "x", "start_time": 1e999}]', id="a time beyond all numbers"),
        pytest.param('{"a":' * 900 + "1" + "}" * 900, id="nested deeper than anything of Oden's"),
    ],
)
async def test_p5_an_answer_that_cannot_be_handled_stops_only_its_line(tmp_path: Path, oden: Oden, text: str) -> None:
    """Whatever Oden answers to a look-up: delivery goes on, the record stays in doubt, and other lines are not held
    up."""
    rig = Rig(tmp_path, oden, settle=0.05)
    oden.faults.append(Fault("interval/set", "after", 500, contains='"RUN"'))
    oden.faults.append(Fault("interval/search", "before", 200, text=text, times=-1))
    other = replace(rig.start(1_800_000_000, "STATE"), line=f"{FACTORY}/Line 02")
    async with rig.running() as drain:
        await rig.commit(drain, rig.start(1_800_000_000))
        async with asyncio.timeout(PATIENCE):
            while "interval/search" not in oden.seen:
                await asyncio.sleep(0.01)
        await rig.commit(drain, other)
        async with asyncio.timeout(PATIENCE):
            while not oden.model.intervals("STATE", FACTORY, "Line 02"):
                await asyncio.sleep(0.01)
        assert (await rig.counts()).in_doubt == 1
        oden.faults.clear()
    async with rig.running():
        await rig.drained()
    assert len(oden.runs()) == 1


async def test_p5_a_request_that_cannot_be_built_never_holds_its_line(tmp_path: Path, oden: Oden) -> None:
    """A record at which building a request breaks is a dead letter, in words and with the log's help; what follows
    on its line arrives.
    """
    rig = Rig(tmp_path, oden)
    odd, later = replace(rig.start(1_800_000_000, "STATE"), start=10**18), rig.start(1_800_000_060, "STATE")
    async with rig.running() as drain:
        await rig.commit(drain, odd, later)
        await rig.drained()
        (letter,) = await rig.outbox(Outbox.dead_letters, 5)
        assert not drain.health.lines
    assert (letter.record, "a fault of the gateway's own" in letter.error) == (odd, True)
    assert [state.start for state in oden.states()] == [later.start]


async def test_p5_one_that_breaks_the_builder_takes_no_other_of_its_request_with_it(rig: Rig, oden: Oden) -> None:
    """Of ends that would share a request, the one at which building breaks is a dead letter, and the others reach
    Oden.
    """
    states = [rig.start(1_800_000_000 + 60 * number, "STATE") for number in range(5)]
    async with rig.running() as drain:
        await rig.commit(drain, *states)
        await rig.drained()
        ends = [rig.end(state, state.start + 60) for state in states]
        await rig.commit(drain, *ends[:2], replace(ends[2], end=10**18), *ends[3:])
        await rig.drained()
        (letter,) = await rig.outbox(Outbox.dead_letters, 5)
        assert not drain.health.lines
    assert letter.record.key == ends[2].key
    assert [state.end is None for state in oden.states()] == [False, False, True, False, False]
