"""What a server has kept while nobody listened is read after a new session, and put where it belongs."""

import asyncio
from collections.abc import Iterable

import pytest
from asyncua.ua.status_codes import StatusCodes

from gateway.config.schema import Line
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.feeder import Event, feed, time_of
from gateway.mapping.line import LineState
from gateway.mapping.trail import Feed
from gateway.model import Sample
from gateway.sources.base import Arrival
from gateway.sources.opcua import inbox
from gateway.sources.opcua.source import OpcuaSource
from tests.mapping.recording import Played, tick
from tests.mapping.test_recovery import GIVEN, at_rest
from tests.sources.harness import Intake, node, opcua_config, opcua_tags
from tests.sources.opcua import scripted
from tests.sources.opcua.history_plant import forget, keeping, kept, toggle, values
from tests.sources.opcua.scripted import Server
from tests.sources.opcua.story import bad, connected, gaps, simulated


@simulated
async def test_p2_every_change_of_a_lost_session_is_read_from_the_history() -> None:
    """Each once: neither what was told before, nor what is told afterwards is among it. So there is no gap."""
    server = keeping(a=0, b=7)
    async with connected(server, "a", "b", history="auto") as (source, intake):
        await asyncio.sleep(3)
        await toggle(server, "a", 1, 10)
        forget(server)
        await toggle(server, "a", 11, 300)
        server.reachable = True
        await toggle(server, "a", 311, 30)
        assert source.health.connected
        [recovered] = kept(intake)
        read = values(recovered, "a")
        assert read == [*range(11, 11 + len(read))]
        assert len(read) >= 300
        live = [one.value for one in intake.samples if one.address == node("a") and one.quality != "bad"]
        assert live[:11] == [*range(11)]
        assert live[11] in (10 + len(read), 11 + len(read)), "how it is when somebody listens again"
        assert live[-1] == 340
        assert [*dict.fromkeys([*live[:11], *read, *live[11:]])] == [*range(341)]
        assert (values(recovered, "b"), recovered.missing, gaps(intake)) == ([], frozenset(), [])
        assert all(sample.received == sample.source_time for moment in recovered.moments for sample in moment.samples)
        assert sorted(bad(intake)) == [node("a"), node("b")]


@simulated
async def test_no_history_is_asked_for_where_the_session_went_on() -> None:
    server = keeping(a=0)
    async with connected(server, "a", history="auto") as (_, intake):
        await asyncio.sleep(5)
        server.cut()
        await toggle(server, "a", 1, 20)
        server.reachable = True
        await asyncio.sleep(20)
        assert "HistoryRead" not in server.asked
        assert intake.values(node("a"))[-1] == 20


@pytest.mark.parametrize(("tells_more", "most"), [(True, 7), (False, 1_000)])
def test_history_comes_in_parts_whether_the_server_says_so_or_not(tells_more: bool, most: int) -> None:
    async def story() -> None:
        server = keeping(a=0, b=0)
        server.most_history, server.tells_more = most, tells_more
        async with connected(server, "a", "b", history="auto") as (_, intake):
            await asyncio.sleep(5)
            forget(server)
            for count in range(1, 2_501):
                server.write("a", count)
                await asyncio.sleep(0.1 if count % 5 == 0 else 0.0)  # several of one time
            server.reachable = True
            await asyncio.sleep(30)
            [recovered] = kept(intake)
            assert gaps(intake) == []
            assert values(recovered, "a") == [*range(1, 2_501)]

    simulated(story)()


@pytest.mark.parametrize(
    ("manner", "value", "reason"),
    [
        ("refused_history", StatusCodes.BadServiceUnsupported, "BadServiceUnsupported"),
        ("clock_off", 120.0, "the server's clock is off by +120 s"),
        ("started", scripted.EPOCH + 20, "the server itself was away"),
    ],
)
def test_what_cannot_be_trusted_is_missing_with_its_reason(manner: str, value: float, reason: str) -> None:
    async def story() -> None:
        server = keeping(a=0)
        setattr(server, manner, value)
        async with connected(server, "a", history="auto") as (source, intake):
            await asyncio.sleep(5)
            forget(server)
            await toggle(server, "a", 1, 60)
            server.reachable = True
            await asyncio.sleep(20)
            assert source.health.connected
            [recovered] = kept(intake)
            assert recovered.missing == {node("a")}
            [(_, text)] = gaps(intake)
            assert reason in text
            assert intake.values(node("a"))[-1] == 60

    simulated(story)()


@simulated
async def test_p2_what_a_fast_tag_says_while_history_is_read_waits_for_it() -> None:
    """Twenty seconds at ten changes a second are more than the server keeps between two messages. They are taken from
    it all the while, used behind the history, and acknowledged only then."""
    server = keeping(a=0)
    server.most_history, server.history_takes = 100, 4.0
    async with connected(server, "a", history="auto", queue=20) as (_, intake):
        await asyncio.sleep(3)
        forget(server)
        await toggle(server, "a", 1, 400, every=0.1)
        server.reachable = True
        acknowledged = len(server.acknowledged)
        while not kept(intake):
            await toggle(server, "a", int(str(server.values["a"].Value.Value)) + 1, 1, every=0.1)  # type: ignore[union-attr]
            assert len(server.acknowledged) == acknowledged or kept(intake)
        last = int(str(server.values["a"].Value.Value))  # type: ignore[union-attr]
        assert last > 550, "it took long enough"
        await toggle(server, "a", last + 1, 20, every=0.1)
        await asyncio.sleep(2)
        [recovered] = kept(intake)
        live = [one.value for one in intake.samples if one.quality != "bad"]
        assert recovered.missing == frozenset()
        read = values(recovered, "a")
        assert read == [*range(1, len(read) + 1)]
        assert live == [0, len(read), *range(len(read) + 1, last + 21)], "how it is, and what came after that"
        assert gaps(intake) == []
        assert len(server.acknowledged) > acknowledged + 80


def test_p6_p12_what_waits_for_history_is_bounded_and_what_is_beyond_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the room is full, values wait in the queues of the server, which says of each tag that some were
    dropped."""
    monkeypatch.setattr(inbox, "MOST_KEPT", 2_000)

    async def story() -> None:
        server = keeping(a=0, b=0)
        server.most_history, server.history_takes = 100, 4.0
        async with connected(server, "a", "b", history="auto", queue=20) as (source, intake):
            await asyncio.sleep(3)
            forget(server)
            await toggle(server, "a", 1, 400, every=0.1)
            server.reachable = True
            await toggle(server, "a", 401, 400, every=0.1)
            assert source.health.connected
            assert intake.values(node("a"))[-1] == 800
            assert gaps(intake)
            assert {(address, "it dropped older ones" in text) for address, text in gaps(intake)} == {(node("a"), True)}

    simulated(story)()


@simulated
async def test_a_cut_while_history_is_read_costs_nothing() -> None:
    """It is read anew, from where the first loss was."""
    server = keeping(a=0)
    async with connected(server, "a", history="auto") as (source, intake):
        await asyncio.sleep(5)
        forget(server)
        await toggle(server, "a", 1, 100)
        server.history_takes = 5.0
        server.reachable = True
        while "HistoryRead" not in server.asked:
            await asyncio.sleep(0.5)
        forget(server)
        server.history_takes = 0.0
        await toggle(server, "a", 101, 100)
        server.reachable = True
        await asyncio.sleep(40)
        assert source.health.connected
        [recovered] = kept(intake)
        assert values(recovered, "a") == [*range(1, 201)]
        assert gaps(intake) == []


@simulated
async def test_an_unreadable_value_in_a_history_costs_its_tag_alone() -> None:
    server = keeping(a=0, b=0)
    async with connected(server, "a", "b", history="auto") as (_, intake):
        await asyncio.sleep(5)
        forget(server)
        server.write("b", scripted.poison())
        server.write("b", 3)
        await toggle(server, "a", 1, 50)
        server.reachable = True
        await asyncio.sleep(20)
        [recovered] = kept(intake)
        assert recovered.missing == {node("b")}
        assert values(recovered, "a") == [*range(1, 51)]
        assert values(recovered, "b") == []


@simulated
async def test_what_changed_while_the_gateway_was_off_is_read() -> None:
    server = keeping(a=0)
    config = opcua_config("opc.tcp://plc:4840", history="auto")
    tags = opcua_tags([node("a")], config)
    source, intake = OpcuaSource("plc", config, tags, scripted.clock(), server.connection()), Intake()
    await toggle(server, "a", 1, 60)
    source.heard_before(scripted.EPOCH + 20.5)
    living = asyncio.create_task(server.live())
    task = asyncio.create_task(source.run(intake.take))
    await asyncio.sleep(5)
    [recovered] = kept(intake)
    assert values(recovered, "a") == [*range(22, 61)]
    assert intake.values(node("a")) == [60]
    assert gaps(intake) == []
    task.cancel()
    await asyncio.wait({task})
    living.cancel()


EARLIEST = 0.4
"""Seconds until the machine has made what would be its first part."""


@simulated
async def test_p11_a_clock_that_goes_back_after_history_was_read_silences_nobody() -> None:
    server = keeping(a=0)
    async with connected(server, "a", history="auto") as (_, intake):
        await asyncio.sleep(5)
        forget(server)
        await toggle(server, "a", 1, 60)
        server.reachable = True
        await toggle(server, "a", 61, 20)
        assert len(kept(intake)) == 1
        for value in range(100, 105):
            server.write("a", value, old=3_600.0)
            await asyncio.sleep(1)
        assert intake.values(node("a"))[-5:] == [*range(100, 105)]


def line(keepers: Iterable[str]) -> LinePlan:
    inputs = dict(GIVEN["inputs"])
    for name in ("state", "good", "pulse"):
        inputs[name] = {**inputs[name], "node": node(name)}
    return compile_line(Line.model_validate({**GIVEN, "inputs": inputs}), (), keepers=frozenset(keepers))


def events_of(arrivals: Iterable[Arrival]) -> list[Event]:
    events: list[Event] = []
    for arrival in arrivals:
        events += [*arrival.contacts, *([arrival.recovered] if arrival.recovered is not None else []), *arrival.moments]
    return events


def played(plan: LinePlan, arrivals: Iterable[Arrival], office: Iterable[Sample], until: float) -> Played:
    """What a line makes of it, with what the office says all the while."""
    result, known = Played(LineState()), Feed(LineState())
    for event in [*sorted([*events_of(arrivals), *office], key=time_of), tick(until)]:
        known, step = feed(plan, known, event)
        result.records += step.records
        result.notices += step.notices
    return result


@pytest.mark.parametrize(("seconds", "parts", "takes"), [(600, 1, 0.0), (3 * 3600, 10, 0.0), (600, 100, 3.5)])
def test_p13_history_fills_a_gap_while_another_source_is_live(seconds: int, parts: int, takes: float) -> None:
    """The machine counts, stops and toggles all the time, orders and scrap come from elsewhere. The session is lost for
    ten minutes, or three hours in which it makes a part a second: at rest totals, runs and states are what they are
    without that. So they are where it makes ten parts a second and the server takes half a minute to tell its history:
    what it makes meanwhile waits, although the server keeps no more than the parts of two seconds."""
    outcomes = []
    for outage in (False, True):
        intake = Intake()
        server = keeping(state=1, good=0, pulse=False)
        server.history_takes = takes

        async def count(server: Server = server) -> None:
            loop = asyncio.get_running_loop()
            for number in range(parts, parts * (1800 + seconds) // 10):
                await asyncio.sleep(EARLIEST + number * 10 / parts - loop.time())
                server.write("good", number)

        async def story(server: Server = server, intake: Intake = intake, outage: bool = outage) -> None:
            async with connected(server, "state", "good", "pulse", history="auto", intake=intake, queue=20):
                counting = asyncio.create_task(count(server))
                for second in range(3, 1800 + seconds):
                    await asyncio.sleep(1.0)
                    if outage and second == 1003:
                        forget(server)
                    if second == 1003 + seconds:
                        server.reachable = True
                    if second % 30 == 13:
                        server.write("pulse", second // 30 % 2 == 1)
                    if second % 250 == 220:
                        server.write("state", 3)
                    if second % 250 == (232 if second % 500 < 250 else 47):
                        server.write("state", 1)
                await counting
                await asyncio.sleep(2)

        simulated(story)()
        office = [
            Sample("mes", "order", {"v": f"A{number}"}, scripted.EPOCH + at + 0.7)
            for number, at in enumerate(range(5, 1800 + seconds, 370))
        ]
        office += [
            Sample("mes", "scrap", {"qty": number}, scripted.EPOCH + at + 0.6)
            for number, at in enumerate(range(84, 1800 + seconds, 370))
        ]
        outcomes.append(played(line({"plc"}), intake.arrivals, office, 2200 + seconds))
        assert gaps(intake) == []
    undisturbed, disturbed = outcomes
    assert at_rest(disturbed) == at_rest(undisturbed)
    assert len({record.key for record in undisturbed.records}) > seconds // 60
