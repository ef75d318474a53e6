"""What a server has kept while nobody listened is read after a new session, and put where it belongs."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from asyncua.ua.status_codes import StatusCodes

from gateway.config.schema import Line
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.feeder import Event, feed, time_of
from gateway.mapping.line import LineState
from gateway.mapping.trail import Feed
from gateway.model import Recovered, Sample
from gateway.sources.base import Arrival
from gateway.sources.opcua.source import OpcuaSource
from tests.mapping.recording import Played, tick
from tests.mapping.test_recovery import GIVEN, at_rest
from tests.sources.harness import Intake, opcua_config, opcua_tags
from tests.sources.opcua import scripted
from tests.sources.opcua.scripted import Server
from tests.sources.opcua.story import bad, connected, gaps, node, simulated


def keeping(*names: str, **values: object) -> Server:
    server = Server(**values)
    server.historized = {*(names or values)}
    return server


def forget(server: Server) -> None:
    """The way is lost, and the server ends the session and what it watched."""
    server.cut()
    server.end_session(subscriptions=True)


async def toggle(server: Server, name: str, since: int, times: int, every: float = 1.0) -> None:
    for count in range(since, since + times):
        server.write(name, count)
        await asyncio.sleep(every)


def kept(intake: Intake) -> list[Recovered]:
    return [arrival.recovered for arrival in intake.arrivals if arrival.recovered is not None]


def values(recovered: Recovered, name: str) -> list[object]:
    samples = (sample for moment in recovered.moments for sample in moment.samples)
    return [sample.value for sample in samples if sample.address == node(name)]


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
async def test_a_tag_without_history_is_listed_and_no_other() -> None:
    server = keeping("a", a=0, b=7)
    async with connected(server, "a", "b", history="auto") as (_, intake):
        await asyncio.sleep(5)
        forget(server)
        await toggle(server, "a", 1, 100)
        server.reachable = True
        await asyncio.sleep(20)
        [recovered] = kept(intake)
        assert recovered.missing == {node("b")}
        assert values(recovered, "a") == [*range(1, 101)]
        [(address, text)] = gaps(intake)
        assert address == node("b")
        assert "keeps no history of it" in text


@simulated
async def test_without_history_or_where_it_is_off_there_is_a_gap() -> None:
    for historized, setting in (({"a"}, "off"), (set[str](), "auto")):
        server = Server(a=0)
        server.historized = historized
        async with connected(server, "a", history=setting) as (_, intake):
            await asyncio.sleep(5)
            forget(server)
            await asyncio.sleep(100)
            server.reachable = True
            await asyncio.sleep(20)
            assert len(gaps(intake)) == 1
            assert "not connected since" in gaps(intake)[0][1]
            assert ("HistoryRead" in server.asked) is False


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
async def test_p12_a_server_that_takes_too_long_is_not_waited_for() -> None:
    """After half a minute the rest is a gap; what was begun is given back, and live values come."""
    server = keeping(a=0)
    server.most_history, server.history_takes = 10, 4.0
    async with connected(server, "a", history="auto") as (source, intake):
        await asyncio.sleep(5)
        forget(server)
        await toggle(server, "a", 1, 200)
        server.reachable = True
        await asyncio.sleep(60)
        server.write("a", 1_000)
        await asyncio.sleep(5)
        assert source.health.connected
        assert ["takes too long" in text for _, text in gaps(intake)] == [True]
        assert server.released == 1
        assert intake.values(node("a"))[-1] == 1_000


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


# Events


ALARM: Mapping[str, Any] = {"press": {"event": True, "type": "AlarmConditionType"}}
ALARMS = f"{node('press')} [AlarmConditionType]"


def alarming(**values: object) -> Server:
    server = keeping(**values)
    server.notifiers, server.keeps_events = {"press"}, True
    return server


def alarm(server: Server, message: str, *, active: bool = True, **more: Any) -> None:
    fields = {"ConditionId": "hot", "ConditionName": "Hot", "Retain": active, "Message": message, **more}
    server.happen("press", type_=2915, ActiveState__Id=active, AckedState__Id=False, **fields)


def messages(samples: Iterable[Sample]) -> list[object]:
    return [sample.value["Message"] for sample in samples if sample.address == ALARMS]  # type: ignore[index]


def samples_of(recovered: Recovered) -> list[Sample]:
    return [sample for moment in recovered.moments for sample in moment.samples]


@simulated
async def test_p2_alarms_of_an_outage_are_read_from_the_history() -> None:
    """Each once, in its place among the values, and no event of another type; what is on is told again, and what
    comes afterwards is live."""
    server = alarming(a=0)
    async with connected(server, "press", "a", inputs=ALARM, history="auto") as (_, intake):
        await asyncio.sleep(3)
        alarm(server, "before")
        await asyncio.sleep(2)
        forget(server)
        for number in range(1, 4):
            server.write("a", number)
            await asyncio.sleep(5)
            alarm(server, f"on {number}")
            server.happen("press", Message="no alarm")
            await asyncio.sleep(5)
            alarm(server, f"off {number}", active=False)
            await asyncio.sleep(1)
        alarm(server, "still on")
        server.reachable = True
        await asyncio.sleep(20)
        alarm(server, "after")
        await asyncio.sleep(5)
        [recovered] = kept(intake)
        expected = [f"{state} {number}" for number in range(1, 4) for state in ("on", "off")]
        assert messages(samples_of(recovered)) == [*expected, "still on"]
        assert [one.address for one in samples_of(recovered)[:4]] == [node("a"), ALARMS, ALARMS, node("a")]
        assert all(sample.received == sample.source_time for sample in samples_of(recovered))
        assert messages(one for one in intake.samples if not one.initial) == ["before", "after"]
        assert messages(one for one in intake.samples if one.initial)[-1] == "still on"
        assert (recovered.missing, gaps(intake)) == (frozenset(), [])


@pytest.mark.parametrize("id_", [None, b"", b"\x07"])
def test_p2_each_event_around_an_outage_counts_once(id_: bytes | None) -> None:
    """Told before the loss, in it, while the history is read (so it waits in the server's queue as well), and after:
    whether events have ids of their own, none, or one for all."""

    @simulated
    async def story() -> None:
        server = alarming()
        given: Mapping[str, Any] = {} if id_ is None else {"EventId": id_}
        async with connected(server, "press", inputs={"press": {"event": True}}, history="auto") as (_, intake):
            await asyncio.sleep(3)
            server.happen("press", Message="before", **given)
            await asyncio.sleep(2)
            forget(server)
            for number in range(3):
                server.happen("press", Message=f"missed {number}", **given)
                await asyncio.sleep(5)
            server.history_takes = 2.0
            server.reachable = True
            while "HistoryRead" not in server.asked:
                await asyncio.sleep(0.1)
            server.happen("press", Message="in both", **given)
            await asyncio.sleep(10)
            server.happen("press", Message="after", **given)
            await asyncio.sleep(5)
            [recovered] = kept(intake)
            told: list[Any] = [sample.value for sample in samples_of(recovered)]
            live: list[Any] = [sample.value for sample in intake.samples]
            missed = [f"missed {number}" for number in range(3)]
            assert [value["Message"] for value in told] == [*missed, "in both"]
            assert [value["Message"] for value in live] == ["before", "after"]
            assert gaps(intake) == []

    story()


@simulated
async def test_events_that_are_not_kept_are_a_gap_of_their_node_alone() -> None:
    server = alarming(a=0)
    server.keeps_events = False
    async with connected(server, "press", "a", inputs=ALARM, history="auto") as (_, intake):
        await asyncio.sleep(5)
        forget(server)
        alarm(server, "missed")
        await toggle(server, "a", 1, 50)
        server.reachable = True
        await asyncio.sleep(20)
        [recovered] = kept(intake)
        assert recovered.missing == {ALARMS}
        assert values(recovered, "a") == [*range(1, 51)]
        [(address, text)] = gaps(intake)
        assert address == ALARMS
        assert "keeps no history of its events" in text


@pytest.mark.parametrize(("tells_more", "most"), [(True, 100), (False, 1_000)])
def test_many_events_come_in_parts(tells_more: bool, most: int) -> None:
    async def story() -> None:
        server = alarming()
        server.most_history, server.tells_more = most, tells_more
        async with connected(server, "press", inputs=ALARM, history="auto") as (_, intake):
            await asyncio.sleep(5)
            forget(server)
            for count in range(1_100):
                alarm(server, f"{count}", active=count % 2 == 0)
                await asyncio.sleep(0.1 if count % 5 == 0 else 0.0)  # several of one time
            server.reachable = True
            await asyncio.sleep(30)
            [recovered] = kept(intake)
            assert gaps(intake) == []
            assert messages(samples_of(recovered)) == [f"{count}" for count in range(1_100)]

    simulated(story)()


@simulated
async def test_a_busy_tag_of_which_much_was_told_before_is_read_whole() -> None:
    """A thousand values of the seconds before the loss, all told, are more than comes at once."""
    server = keeping(a=0)
    server.tells_more = False
    async with connected(server, "a", history="auto") as (_, intake):
        await asyncio.sleep(5)
        for count in range(1, 1_201):
            server.write("a", count)
            await asyncio.sleep(0.004)
        await asyncio.sleep(1)
        forget(server)
        await toggle(server, "a", 1_201, 40)
        server.reachable = True
        await asyncio.sleep(20)
        [recovered] = kept(intake)
        assert (values(recovered, "a"), gaps(intake)) == ([*range(1_201, 1_241)], [])


# With the mapping


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


@pytest.mark.parametrize("seconds", [600, 3 * 3600])
def test_p13_history_fills_a_gap_while_another_source_is_live(seconds: int) -> None:
    """The machine counts, stops and toggles all the time, orders and scrap come from elsewhere. The session is lost for
    ten minutes, or three hours: at rest totals, runs and states are what they are without that."""
    outcomes = []
    for outage in (False, True):
        intake = Intake()
        server = keeping(state=1, good=0, pulse=False)

        async def story(server: Server = server, intake: Intake = intake, outage: bool = outage) -> None:
            async with connected(server, "state", "good", "pulse", history="auto", intake=intake):
                for second in range(3, 1800 + seconds):
                    await asyncio.sleep(1.0)
                    if outage and second == 1003:
                        forget(server)
                    if second == 1003 + seconds:
                        server.reachable = True
                    if second % 10 == 0:
                        server.write("good", second // 10)
                    if second % 30 == 13:
                        server.write("pulse", second // 30 % 2 == 1)
                    if second % 250 == 220:
                        server.write("state", 3)
                    if second % 250 == (232 if second % 500 < 250 else 47):
                        server.write("state", 1)

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
