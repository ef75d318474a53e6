"""Delivery against the real stand-in on a socket: whatever happens on the way, Oden has everything exactly once."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.outbox.entries import Pause
from gateway.outbox.operator_actions import pause, resume
from gateway.outbox.store import Outbox
from tests.delivery.harness import TOKEN, Fault, Oden, Rig, held
from tests.links import Tap
from tests.peers import PATIENCE, free_port


async def test_everything_arrives_in_order(rig: Rig, oden: Oden) -> None:
    """Runs with their output and states reach Oden, each closed; output goes before the end of its run."""
    records, total = rig.production(3)
    async with rig.running() as drain:
        await rig.commit(drain, *records)
        await rig.drained()
    assert [(run.name, run.end - run.start) for run in oden.runs() if run.end] == [
        (f"order {1_800_000_000 + 60 * n}", 60) for n in range(3)
    ]
    assert len(oden.states()) == 6
    assert all(state.end for state in oden.states())
    assert oden.total("yield") == total
    assert oden.seen.count("line/search") == 1
    # The line, and one request for each interval with its end, and for each run's output.
    assert len(oden.seen) == 1 + 3 + 6 + 3


async def test_the_line_id_is_remembered(rig: Rig, oden: Oden) -> None:
    """A restart does not ask for the line again."""
    for begin in (1_800_000_000, 1_800_001_000):
        async with rig.running() as drain:
            await rig.commit(drain, rig.start(begin))
            await rig.drained()
    assert oden.seen.count("line/search") == 1
    assert len(oden.runs()) == 2


async def test_while_paused_nothing_leaves_also_after_a_restart(rig: Rig, oden: Oden) -> None:
    """What is under way when a person pauses is answered; then nothing is sent until somebody resumes, whoever starts
    the gateway meanwhile. A second pause does not hide the first.
    """
    oden.slow = asyncio.Event()
    first, second = Pause(1.0, "anna", "the lines are renamed"), Pause(2.0, "bert")
    run = rig.start(1_800_000_000)
    async with rig.running() as drain:
        await rig.commit(drain, run)
        async with asyncio.timeout(PATIENCE):
            while "interval/set" not in oden.seen:
                await asyncio.sleep(0.005)
        assert await rig.outbox(pause, first) == first
        assert await rig.outbox(pause, second) == first
        oden.slow.set()
        await rig.drained()
        await rig.commit(drain, rig.end(run, 1_800_000_060), rig.start(1_800_000_060))
    sent = [*oden.seen]
    async with rig.running() as drain:
        drain.wake()
        turned = drain.turned_at
        async with asyncio.timeout(PATIENCE):
            while drain.turned_at == turned or drain.turned_at < turned + 0.1:
                drain.wake()
                await asyncio.sleep(0.005)
        assert oden.seen == sent
        assert (await rig.outbox(Outbox.summary, 0)).pause == first
        assert await rig.outbox(resume) == first
        drain.wake()
        await rig.drained()
        assert await rig.outbox(resume) is None
    assert [run.end for run in oden.runs()] == [1_800_000_060, None]


CREATES = [
    pytest.param(Fault("interval/set", "after"), id="interval cut after it took effect"),
    pytest.param(Fault("interval/set", "before"), id="interval cut before it took effect"),
    pytest.param(Fault("interval/set", "after", 500), id="interval 500 after it took effect"),
    pytest.param(Fault("interval/set", "before", 503), id="interval 503 before it took effect"),
    pytest.param(Fault("interval/set", "after", 200, text="[{"), id="interval 200 with half an answer"),
    pytest.param(Fault("interval/set", "after", 408), id="interval 408"),
    pytest.param(Fault("interval/set", "after", 200, text="[{}]"), id="interval 200 without id"),
    pytest.param(Fault("scrap_yield/set", "after"), id="output cut after it took effect"),
    pytest.param(Fault("scrap_yield/set", "before"), id="output cut before it took effect"),
    pytest.param(Fault("scrap_yield/set", "after", 500), id="output 500 after it took effect"),
    pytest.param(Fault("scrap_yield/set", "before", 502), id="output 502 before it took effect"),
]


@pytest.mark.parametrize("fault", CREATES)
async def test_p4_a_create_in_doubt_is_looked_up_and_exists_once(rig: Rig, oden: Oden, fault: Fault) -> None:
    """Whether or not the lost request took effect: one run, exact output, and a look-up before anything was
    repeated."""
    run = rig.start(1_800_000_000)
    oden.faults.append(fault)
    async with rig.running() as drain:
        await rig.commit(drain, run, rig.output(run, 1_800_000_020, 7), rig.end(run, 1_800_000_060))
        await rig.drained()
    (stored,) = oden.runs()
    assert (stored.start, stored.end) == (1_800_000_000, 1_800_000_060)
    assert oden.total("yield") == 7
    search = fault.path.replace("set", "search")
    assert search in oden.seen
    assert oden.seen[oden.seen.index(fault.path) + 1] == search


async def test_p4_an_attempt_found_at_start_is_in_doubt(rig: Rig, oden: Oden) -> None:
    """Killed between the request and its answer, the next process looks before it sends."""
    run = rig.start(1_800_000_000)
    oden.faults.append(Fault("interval/set", "after", hang=True))
    async with rig.running() as drain:
        await rig.commit(drain, run)
        async with asyncio.timeout(PATIENCE):
            while not oden.runs():
                await asyncio.sleep(0.005)
    async with rig.running():
        await rig.drained()
    assert oden.seen == ["line/search", "interval/set", "interval/search"]
    assert len(oden.runs()) == 1


async def test_p4_kills_at_any_moment(rig: Rig, oden: Oden) -> None:
    """Crashing delivery every few requests, over and over, ends with everything at Oden exactly once."""
    records, total = rig.production(4)
    async with rig.running() as drain:
        await rig.commit(drain, *records)
    lives = 0
    while not await _life_of(rig, oden, requests=1 + lives % 5):
        lives += 1
    assert lives > 5
    assert len(oden.runs()) == 4
    assert len(oden.states()) == 8
    assert all(interval.end for interval in oden.runs() + oden.states())
    assert oden.total("yield") == total


async def _life_of(rig: Rig, oden: Oden, requests: int) -> bool:
    """Run delivery until it has sent `requests`, then crash it; whether there was nothing left to do."""
    target = len(oden.seen) + requests
    async with rig.running(), asyncio.timeout(PATIENCE):
        while len(oden.seen) < target:
            counts = await rig.counts()
            if not counts.waiting + counts.sending + counts.in_doubt:
                return True
    return False


async def test_p8_a_revoked_token_pauses_and_a_new_one_is_used(rig: Rig, oden: Oden) -> None:
    """401 makes no dead letters; the token is read again for the next probe, and everything arrives."""
    tokens = ["wrong", "wrong"]
    async with rig.running(token=lambda: tokens.pop() if tokens else TOKEN) as drain:
        await rig.commit(drain, rig.start(1_800_000_000))
        assert (await held(drain)).startswith("401")
        await rig.drained()
        assert (await rig.counts()).dead == 0
    assert len(oden.runs()) == 1


async def test_oden_away_then_back(rig: Rig, oden: Oden) -> None:
    """While nothing listens, nothing is lost and little is tried; then everything arrives once."""
    records, total = rig.production(1)
    async with rig.running(url=f"http://127.0.0.1:{free_port()}/v2") as drain:
        await rig.commit(drain, *records)
        assert await held(drain) == "Oden cannot be reached (connection refused)"
        assert (await rig.counts()).in_doubt == 0
    async with rig.running() as drain:
        await rig.drained()
    assert (len(oden.runs()), oden.total("yield")) == (1, total)


HOLDS = [
    pytest.param(Fault("line/search", "before", 429, headers={"Retry-After": "1"}), "429", id="429"),
    pytest.param(Fault("line/search", "before", 302, headers={"Location": "/login"}), "between here", id="redirect"),
    pytest.param(
        Fault("line/search", "before", 200, text="<html>Sign in</html>", content_type="text/html"),
        "between here",
        id="captive portal",
    ),
    pytest.param(
        Fault("line/search", "before", 404, text="<html>", content_type="text/html"), "between here", id="HTML 404"
    ),
    pytest.param(Fault("line/search", "before", 407, text="no", content_type="text/plain"), "between", id="407"),
]


@pytest.mark.parametrize(("fault", "reason"), HOLDS)
async def test_what_is_in_the_way_holds_all_and_is_named(rig: Rig, oden: Oden, fault: Fault, reason: str) -> None:
    """Answers that are not Oden's, and 429, hold delivery with the reason shown; afterwards everything arrives."""
    oden.faults.append(fault)
    async with rig.running() as drain:
        await rig.commit(drain, rig.start(1_800_000_000))
        assert reason in await held(drain)
        await rig.drained()
        assert drain.health.api is None
    assert len(oden.runs()) == 1


async def test_a_probe_that_fails_otherwise_keeps_the_hold(rig: Rig, oden: Oden) -> None:
    """Held by one thing in the way and then met by another: still held, with the new reason, and longer."""
    oden.faults.append(Fault("line/search", "before", 429))
    oden.faults.append(Fault("line/search", "before", 502, text="<html>", content_type="text/html"))
    async with rig.running() as drain:
        await rig.commit(drain, rig.start(1_800_000_000))
        async with asyncio.timeout(PATIENCE):
            while drain.health.api is None or drain.health.api.failures < 2:
                await asyncio.sleep(0.005)
        assert "502" in drain.health.api.reason
        await rig.drained()
    assert oden.seen == ["line/search"] * 3 + ["interval/set"]


async def test_p3_the_pace_holds_at_the_receiver(tmp_path: Path, oden: Oden) -> None:
    """Real pace, several lanes: no two requests are written to the stand-in less than a second apart, and no slot is
    wasted.
    """
    rig = Rig(tmp_path, oden, interval=1.0)
    with Tap(urlsplit(oden.url).port or 0) as tap:
        async with rig.running(url=tap.url) as drain:
            records, _ = rig.production(2)
            await rig.commit(drain, *records)
            await rig.drained()
    assert len(tap.written) == 1 + 2 + 4 + 2
    assert tap.least_gap >= 1.0


async def test_p4_a_confirmed_create_is_never_sent_again(rig: Rig, oden: Oden) -> None:
    """Where success comes without an id, the id is searched for, as often as it takes: searches may lag behind."""
    oden.faults.append(Fault("interval/set", "after", 200, text="[{}]"))
    oden.faults.append(Fault("interval/search", "before", 200, text="[]", times=2))
    async with rig.running() as drain:
        await rig.commit(drain, rig.start(1_800_000_000))
        await rig.drained()
    assert (len(oden.runs()), oden.seen.count("interval/set"), oden.seen.count("interval/search")) == (1, 1, 3)


UNCLEAR = ['{"results": [{"id": "1", "at": "yesterday"}]}', '{"found": 1}', '"none"', "null"]


@pytest.mark.parametrize("text", UNCLEAR)
async def test_p4_an_answer_that_is_not_understood_is_not_none(rig: Rig, oden: Oden, text: str) -> None:
    """A search whose answer cannot be read leaves the record in doubt; it is sent again only when it surely is not
    there."""
    run = rig.start(1_800_000_000)
    oden.faults.append(Fault("scrap_yield/set", "after"))
    oden.faults.append(Fault("scrap_yield/search", "before", 200, text=text))
    async with rig.running() as drain:
        await rig.commit(drain, run, rig.output(run, 1_800_000_020, 7))
        await rig.drained()
    assert oden.total("yield") == 7
    assert (oden.seen.count("scrap_yield/set"), oden.seen.count("scrap_yield/search")) == (1, 2)


async def test_p4_an_empty_success_is_believed_once_it_was_seen_to_be_true(rig: Rig, oden: Oden) -> None:
    """A 204 from something in between is found out; where Oden itself answers empty, one look-up suffices for all."""
    run = rig.start(1_800_000_000)
    oden.faults.append(Fault("scrap_yield/set", "before", 204, text=""))
    async with rig.running() as drain:
        await rig.commit(drain, run, rig.output(run, 1_800_000_020, 7))
        await rig.drained()
        assert oden.total("yield") == 7
        oden.faults.append(Fault("scrap_yield/set", "after", 200, text="", times=3))
        searches = oden.seen.count("scrap_yield/search")
        await rig.commit(drain, *(rig.output(run, 1_800_000_030 + n, 1) for n in range(3)))
        await rig.drained()
    assert oden.total("yield") == 10
    assert oden.seen.count("scrap_yield/search") == searches + 1


async def test_the_pause_that_oden_asks_for_is_kept(tmp_path: Path, oden: Oden) -> None:
    """The success of a request from before a 429 does not end the pause that the 429 asks for; nor does anything else
    before its time."""
    rig = Rig(tmp_path, oden)
    async with rig.running() as drain:
        await rig.commit(drain, rig.start(1_800_000_000))
        await rig.drained()
        oden.slow = asyncio.Event()
        await rig.commit(drain, rig.start(1_800_000_100))
        async with asyncio.timeout(PATIENCE):
            while oden.seen.count("interval/set") < 2:
                await asyncio.sleep(0.01)
        oden.faults.append(Fault("interval/set", "before", 429, headers={"Retry-After": "300"}, contains='"STATE"'))
        await rig.commit(drain, rig.start(1_800_000_000, "STATE"))
        async with asyncio.timeout(PATIENCE):
            while drain.health.api is None:
                await asyncio.sleep(0.01)
        until = drain.health.api.until
        oden.slow.set()
        async with asyncio.timeout(PATIENCE):
            while len(oden.runs()) < 2 or (await rig.counts()).sending:
                await asyncio.sleep(0.01)
        assert drain.health.api is not None
        assert drain.health.api.until == until >= rig.clock.now() + 280.0
