"""Several records in one request, against the real stand-in: fewer requests, and each record still has its own fate."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.clock import AnchoredClock
from gateway.delivery.breaker import ALARM
from gateway.delivery.bulk import BULK_AGAIN
from gateway.model import StartInterval
from gateway.oden.exchange import iso
from gateway.oden.requests import Wording
from gateway.outbox.store import Outbox
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.store import Interval, Organization
from tests.delivery.harness import FACTORY, NAME, Fault, Oden, Rig
from tests.peers import PATIENCE

T = 1_800_000_000


@pytest.fixture
async def oden() -> AsyncIterator[Oden]:
    stand_in = Oden()
    stand_in.model = OdenModel(Organization(interval_types=("WASH",)))
    async with stand_in.listening():
        yield stand_in


def washes(rig: Rig, number: int, begin: int = T) -> list[StartInterval]:
    """Closed custom intervals, a minute apart."""
    states = [rig.start(begin + 60 * n, "STATE") for n in range(number)]
    return [replace(one, type="WASH", metadata={"n": str(n)}, end=one.start + 50) for n, one in enumerate(states)]


def at_oden(oden: Oden, kind: str = "WASH") -> list[Interval]:
    return oden.model.intervals(kind, FACTORY, NAME)


async def open_states(rig: Rig, number: int) -> list[StartInterval]:
    """States that are at Oden and have no end yet."""
    states = [rig.start(T + 60 * n, "STATE") for n in range(number)]
    async with rig.running() as drain:
        await rig.commit(drain, *states)
        await rig.drained()
    rig.oden.seen.clear()
    return states


async def test_ends_of_a_line_share_one_request(rig: Rig, oden: Oden) -> None:
    """All that wait, of one line and type, in one `intervals/update`."""
    states = await open_states(rig, 7)
    async with rig.running() as drain:
        await rig.commit(drain, *(rig.end(state, state.start + 30) for state in states))
        await rig.drained()
    assert oden.seen == ["intervals/update"]
    assert [state.end for state in oden.states()] == [state.start + 30 for state in states]


async def test_p5_one_that_is_refused_in_a_pack_is_one_dead_letter(rig: Rig, oden: Oden) -> None:
    """`failed_intervals` names it, with Oden's reason; the others are delivered, and nothing is sent twice."""
    states = await open_states(rig, 5)
    ends = [rig.end(state, state.start + (-5 if number == 2 else 30)) for number, state in enumerate(states)]
    async with rig.running() as drain:
        await rig.commit(drain, *ends)
        await rig.drained()
        (letter,) = await rig.outbox(Outbox.dead_letters, 5)
        counts = await rig.counts()
    assert oden.seen == ["intervals/update", "interval/search"], "it is looked whether the interval is still there"
    assert (letter.record, counts.dead, counts.parked) == (ends[2], 1, 0)
    assert "end_time" in letter.error
    assert [state.end is None for state in oden.states()] == [False, False, True, False, False]


async def test_p5_a_pack_that_is_refused_whole_is_sent_one_by_one(rig: Rig, oden: Oden) -> None:
    """Then only the one that is wrong is a dead letter; what comes afterwards is packed again."""
    states = await open_states(rig, 6)
    ends = [rig.end(state, state.start + (-5 if number == 2 else 30)) for number, state in enumerate(states[:4])]
    oden.faults.append(Fault("intervals/update", "before", 400, text='{"error": "shape", "retryable": false}'))
    async with rig.running() as drain:
        await rig.commit(drain, *ends)
        await rig.drained()
        (letter,) = await rig.outbox(Outbox.dead_letters, 5)
        assert oden.seen == ["intervals/update", *["interval/set"] * 4]
        assert letter.record == ends[2]
        await rig.commit(drain, *(rig.end(state, state.start + 30) for state in states[4:]))
        await rig.drained()
    assert oden.seen[5:] == ["intervals/update"]
    assert [state.end is None for state in oden.states()] == [False, False, True, False, False, False]


async def test_p5_a_wrong_custom_interval_in_a_pack_takes_no_other_with_it(rig: Rig, oden: Oden) -> None:
    """`intervals/set` makes all or none; sent one by one, only the wrong one is a dead letter."""
    made = washes(rig, 4)
    made[1] = replace(made[1], end=made[1].start - 5)
    async with rig.running() as drain:
        await rig.commit(drain, *made)
        await rig.drained()
        (letter,) = await rig.outbox(Outbox.dead_letters, 5)
    assert oden.seen == ["line/search", "intervals/set", *["interval/set"] * 4]
    assert letter.record == made[1]
    assert [wash.start for wash in at_oden(oden)] == [T, T + 120, T + 180]


class Ahead(AnchoredClock):
    """A clock that can be set forward."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


@pytest.mark.parametrize("status", [404, 501])
async def test_where_oden_has_no_bulk_update_it_is_asked_again_after_a_day(rig: Rig, oden: Oden, status: int) -> None:
    """Ends go one by one meanwhile, nothing is a dead letter, and the endpoint is left alone; then packs work again.

    A 404 may be for one interval of the pack: the endpoint is asked once more before it counts as unknown.
    """
    rig.clock = clock = Ahead()
    states = await open_states(rig, 9)
    oden.model.manners = replace(oden.model.manners, bulk_update=status)
    async with rig.running() as drain:
        for some in (states[:3], states[3:5]):
            await rig.commit(drain, *(rig.end(state, state.start + 30) for state in some))
            await rig.drained()
        once_more = ["intervals/update"] * (status == 404)
        assert oden.seen == ["intervals/update", *["interval/set"] * 3, *once_more, *["interval/set"] * 2]
        for some in (states[5:6], states[6:7]):
            await rig.commit(drain, *(rig.end(state, state.start + 30) for state in some))
            await rig.drained()
        assert oden.seen[-2:] == ["interval/set"] * 2
        oden.seen.clear()
        oden.model.manners = replace(oden.model.manners, bulk_update=200)
        clock.ahead = BULK_AGAIN + 1.0
        await rig.commit(drain, *(rig.end(state, state.start + 30) for state in states[7:]))
        await rig.drained()
        assert (await rig.counts()).dead == 0
    assert oden.seen == ["intervals/update"]
    assert all(state.end for state in oden.states())


async def test_custom_intervals_are_made_together(rig: Rig, oden: Oden) -> None:
    """Closed ones in one `intervals/set`, whose ids are used for what is learned of them later; an open one by
    itself."""
    made = washes(rig, 30)
    open_one = replace(made.pop(), end=None)
    async with rig.running() as drain:
        await rig.commit(drain, *made, open_one)
        await rig.drained()
        assert sorted(oden.seen[1:]) == ["interval/set", "intervals/set"]
        # One after the other: whether their ends share a request depends on which of them is there first.
        await rig.commit(drain, rig.end(open_one, open_one.start + 9))
        await rig.drained()
        later = replace(rig.end(made[25], made[25].start + 55), metadata={"n": "changed"})
        await rig.commit(drain, later)
        await rig.drained()
        assert (await rig.counts()).dead == 0
    # A change is looked at before; its end is told beside it.
    assert oden.seen[3:] == ["interval/set", "interval/search", "interval/set", "interval/set"]
    found = at_oden(oden)
    assert [wash.start for wash in found] == [wash.start for wash in [*made, open_one]]
    assert (found[25].end, found[25].metadata["n"], found[29].end) == (
        made[25].start + 55,
        "changed",
        open_one.start + 9,
    )


IN_DOUBT = [
    pytest.param(Fault("intervals/set", "after"), 1, id="cut after it took effect"),
    pytest.param(Fault("intervals/set", "after", 500), 1, id="500 after it took effect"),
    pytest.param(Fault("intervals/set", "after", 200, text="[]"), 1, id="no ids in the answer"),
    pytest.param(Fault("intervals/set", "before"), 2, id="cut before it took effect"),
    pytest.param(Fault("intervals/set", "before", 503), 2, id="503 before it took effect"),
]


@pytest.mark.parametrize(("fault", "sends"), IN_DOUBT)
async def test_p4_a_pack_in_doubt_is_looked_up(rig: Rig, oden: Oden, fault: Fault, sends: int) -> None:
    """One search over the range of the whole pack settles it; each interval exists once, and its id is known."""
    made = washes(rig, 12)
    oden.faults.append(fault)
    async with rig.running() as drain:
        await rig.commit(drain, *made)
        await rig.drained()
        assert oden.seen == ["line/search", "intervals/set", "interval/search", "intervals/set"][: 2 + sends]
        await rig.commit(drain, rig.end(made[11], made[11].start + 55))
        await rig.drained()
    assert [wash.start for wash in at_oden(oden)] == [wash.start for wash in made]
    assert at_oden(oden)[11].end == made[11].start + 55


async def test_p4_only_what_is_missing_is_sent_again(rig: Rig, oden: Oden) -> None:
    """A pack in doubt of which Oden has some: those get their ids, the others are looked for once more, closer, and
    sent, and nothing is there twice."""
    made = washes(rig, 8)
    there = [{"start_time": iso(one.start), "end_time": iso(one.start + 50)} for one in (made[0], made[3], made[4])]
    body = {"type": {"name": "WASH"}, "line": {"name": NAME, "factory": {"name": FACTORY}}, "intervals": there}
    assert oden.model.answer("/v2/intervals/set", json.dumps(body).encode()).status == 200
    oden.faults.append(Fault("intervals/set", "before"))
    async with rig.running() as drain:
        await rig.commit(drain, *made)
        await rig.drained()
        await rig.commit(drain, *(rig.end(one, one.start + 55) for one in made))
        await rig.drained()
    assert [wash.start for wash in at_oden(oden)] == [wash.start for wash in made]
    assert [wash.end for wash in at_oden(oden)] == [wash.start + 55 for wash in made]
    assert oden.seen[1:] == ["intervals/set", *["interval/search"] * 2, "intervals/set", "intervals/update"]


async def test_p4_kills_amid_packs(tmp_path: Path, oden: Oden) -> None:
    """Killed after each request, over and over, with updates and custom intervals in packs: everything is there
    once."""
    rig = Rig(tmp_path, oden)
    states, made = await open_states(rig, 6), washes(rig, 20)
    async with rig.running() as drain:
        await rig.commit(drain, *made, *(rig.end(state, state.start + 30) for state in states))
    for number in range(40):
        target = len(oden.seen) + 1
        oden.faults.extend([Fault("/set", "after", hang=True)] if number in (1, 3) else [])
        async with rig.running(), asyncio.timeout(PATIENCE):
            while len(oden.seen) < target and (counts := await rig.counts()).waiting + counts.sending + counts.in_doubt:
                await asyncio.sleep(0.002)
    assert [wash.start for wash in at_oden(oden)] == [wash.start for wash in made]
    assert [state.end for state in oden.states()] == [state.start + 30 for state in states]


MARKED = Wording(reference="gateway_key")


@pytest.mark.parametrize("ours", [True, False])
async def test_p4_a_reference_tells_whose_entry_it_is(rig: Rig, oden: Oden, ours: bool) -> None:
    """In doubt, and something with the same time stamp is there: ours is confirmed, that of somebody else is not taken
    for it."""
    rig.wording = MARKED
    run = rig.start(T)
    async with rig.running() as drain:
        await rig.commit(drain, run)
        await rig.drained()
        interval = {
            "id": oden.runs()[0].id,
            "type": {"name": "RUN"},
            "line": {"name": NAME, "factory": {"name": FACTORY}},
        }
        data = {"timestamp": iso(T + 20), "raw_data": {"yield": 100, "gateway_key": "somebody else's"}}
        if not ours:
            body = json.dumps({"data": data, "interval": interval}).encode()
            assert oden.model.answer("/v2/scrap_yield/set", body).status == 200
        oden.faults.append(Fault("scrap_yield/set", "after" if ours else "before"))
        await rig.commit(drain, rig.output(run, T + 20, 7))
        await rig.drained()
    assert oden.total("yield") == (7 if ours else 107)
    assert oden.seen.count("scrap_yield/set") == (1 if ours else 2)


@pytest.mark.parametrize("wording", [MARKED, Wording()])
async def test_p4_a_reference_tells_whose_interval_it_is(rig: Rig, oden: Oden, wording: Wording) -> None:
    """A run that somebody has put in by hand at the same second is not taken for ours. Without a reference it is."""
    rig.wording = wording
    metadata = {"product": {"name": "Film 20"}, "gateway_key": "somebody else's"}
    place = {"type": {"name": "RUN"}, "line": {"name": NAME, "factory": {"name": FACTORY}}}
    body = json.dumps(place | {"start_time": iso(T), "metadata": metadata, "name": "by hand"}).encode()
    assert oden.model.answer("/v2/interval/set", body).status == 200
    oden.faults.append(Fault("interval/set", "before"))
    async with rig.running() as drain:
        await rig.commit(drain, run := rig.start(T))
        await rig.drained()
        await rig.commit(drain, rig.end(run, T + 60))
        await rig.drained()
    names = {one.name: one.end for one in oden.runs()}
    assert names == ({"by hand": None, run.name: T + 60} if wording.reference else {"by hand": T + 60})


async def test_p5_one_interval_that_is_gone_does_not_end_packing(rig: Rig, oden: Oden) -> None:
    """Oden's 404 to a pack, for one interval that a person deleted, makes one dead letter; later ends share requests as
    before."""
    states = await open_states(rig, 8)
    gone = oden.states()[1].id
    refusal = '{"error": "interval not found", "retryable": false}'
    oden.faults.append(Fault("intervals/update", "before", 404, text=refusal, contains=gone))
    oden.faults.append(Fault("interval/set", "before", 404, text=refusal, contains=gone))
    async with rig.running() as drain:
        await rig.commit(drain, *(rig.end(state, state.start + 30) for state in states[:4]))
        await rig.drained()
        assert (await rig.counts()).dead == 1
        oden.seen.clear()
        await rig.commit(drain, *(rig.end(state, state.start + 30) for state in states[4:]))
        await rig.drained()
    assert oden.seen == ["intervals/update"]
    assert [state.end is None for state in oden.states()] == [False, True, *[False] * 6]


async def test_p5_refusals_within_a_success_raise_the_alarm(rig: Rig, oden: Oden) -> None:
    """More than ten `failed_intervals` of one cause: ten dead letters, the others wait until the first is taken."""
    states = await open_states(rig, 20)
    ids = [state.id for state in oden.states()]
    failed = [{"id": one, "error": "the line is locked"} for one in ids]
    answer = {"num_updated": 0, "num_failed": len(failed), "failed_intervals": failed}
    oden.faults.append(Fault("intervals/update", "before", 200, text=json.dumps(answer)))
    async with rig.running() as drain:
        await rig.commit(drain, *(rig.end(state, state.start + 30) for state in states))
        await rig.alarmed(drain, "the line is locked")
    assert [state.end is None for state in oden.states()] == [*[True] * ALARM, *[False] * (20 - ALARM)]
