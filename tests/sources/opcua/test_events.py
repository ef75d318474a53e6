"""Events and conditions of a node as messages with fields: what is asked for, what comes, and what is known already."""

import asyncio
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from tests.sources.harness import Intake, node
from tests.sources.opcua.scripted import Server
from tests.sources.opcua.story import bad, connected, gaps, simulated

PRESS = f"{node('press')} [BaseEventType]"
ALARMS = f"{node('press')} [AlarmConditionType]"
ALL: Mapping[str, Any] = {"press": {"event": True}}
ALARM: Mapping[str, Any] = {"press": {"event": True, "type": "AlarmConditionType"}}


def plant(**values: object) -> Server:
    server = Server(**values)
    server.notifiers = {"press"}
    return server


def events(intake: Intake, address: str = PRESS, field: str = "Message") -> list[Any]:
    return [sample.value[field] for sample in intake.samples if sample.address == address]  # type: ignore[index]


def alarm(server: Server, message: str, *, active: bool = True, **more: Any) -> None:
    fields = {"ConditionId": "overheat", "ConditionName": "Overheat", "Retain": True, "Message": message, **more}
    server.happen("press", type_=2915, ActiveState__Id=active, AckedState__Id=False, **fields)


@simulated
async def test_an_event_is_a_message_with_fields() -> None:
    """With the time at which it happened; ids are texts, and what it does not have is null."""
    server = plant()
    async with connected(server, "press", inputs=ALL) as (source, intake):
        await asyncio.sleep(2)
        server.happen("press", Message="Jam", EventId=b"\x01\xff", old=0.5)
        happened = server.now().timestamp() - 0.5
        await asyncio.sleep(1)
        [sample] = intake.samples
        assert (sample.address, sample.quality, sample.initial) == (PRESS, "good", False)
        assert sample.source_time is not None
        assert abs(sample.source_time - happened) < 1e-3
        assert isinstance(sample.value, dict)
        assert {name: sample.value[name] for name in ("EventId", "EventType", "SourceName", "Message", "Severity")} == {
            "EventId": "01ff",
            "EventType": "i=2041",
            "SourceName": "press",
            "Message": "Jam",
            "Severity": 500,
        }
        assert sample.value["Time"] == intake.samples[0].value["Time"]  # type: ignore[index]
        assert {sample.value[name] for name in ("ConditionId", "ActiveState", "Retain", "Content")} == {None}
        assert source.health.failed == {}
    assert bad(intake) == [], "that the source is lost is known; what has happened has happened"


@simulated
async def test_events_and_values_of_one_response_keep_their_order() -> None:
    server = plant(a=0)
    async with connected(server, "press", "a", inputs=ALL) as (_, intake):
        await asyncio.sleep(2)
        for count in range(1, 6):
            server.write("a", count)
            await asyncio.sleep(0.01)
            server.happen("press", Message=f"after {count}")
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        said = [s.value["Message"] if s.address == PRESS else s.value for s in intake.samples]  # type: ignore[index]
        assert said == [0, *(each for count in range(1, 6) for each in (count, f"after {count}"))]
        at_once = [arrival for arrival in intake.arrivals if len([*arrival.samples]) > 1]
        assert at_once, "several came with one response"


@simulated
async def test_a_condition_says_in_which_state_it_is() -> None:
    server = plant()
    async with connected(server, "press", inputs=ALARM) as (_, intake):
        await asyncio.sleep(2)
        alarm(server, "Too hot")
        server.happen("press", Message="no alarm")
        await asyncio.sleep(1)
        alarm(server, "Cool again", active=False)
        await asyncio.sleep(1)
        assert events(intake, ALARMS) == ["Too hot", "Cool again"]
        assert events(intake, ALARMS, "ActiveState") == [True, False]
        assert set(events(intake, ALARMS, "ConditionId")) == {"nsu=urn:acme:line;s=overheat"}
        first, second = events(intake, ALARMS, "Content")
        assert first != second


@simulated
async def test_p2_a_value_of_a_node_with_events_is_no_event() -> None:
    """node-opcua tells such a one of each event item when a session is taken up again: that it has events."""
    server = plant()
    async with connected(server, "press", inputs=ALL) as (source, intake):
        await asyncio.sleep(2)
        server.happen("press", Message="before")
        for subscription in server.subscriptions.values():
            told = ua.DataValue(ua.Variant(1, ua.VariantType.Byte))
            subscription.waiting += [(handle, told) for handle, *_ in subscription.events.values()]
        server.happen("press", Message="after")
        await asyncio.sleep(1)
        assert [type(sample.value) for sample in intake.samples] == [dict, dict]
        assert events(intake) == ["before", "after"]
        assert (source.health.failed, intake.notices) == ({}, [])


@simulated
async def test_p1_events_of_a_cut_come_once_and_in_their_order() -> None:
    """As values do: the server's queue goes on, and what it had sent is asked for again."""
    server = plant()
    async with connected(server, "press", inputs=ALL) as (source, intake):
        await asyncio.sleep(2)
        for count in range(60):
            if count == 20:
                server.cut()
            if count == 40:
                server.reachable = True
            server.happen("press", Message=str(count))
            await asyncio.sleep(0.2)
        await asyncio.sleep(10)
        assert source.health.connected
        assert events(intake) == [str(count) for count in range(60)]
        assert (gaps(intake), bad(intake), server.sessions) == ([], [], 1)
        assert server.refreshes == 1, "nothing was missed, so nothing is asked for but at the beginning"


@simulated
async def test_p2_after_a_new_session_conditions_are_asked_for() -> None:
    """What was told comes again as it was, and what changed meanwhile comes as its newest state; both are marked."""
    for renews in (False, True):
        server = plant()
        server.renews_ids = renews
        async with connected(server, "press", inputs=ALARM) as (source, intake):
            await asyncio.sleep(2)
            alarm(server, "Too hot")
            alarm(server, "Door open", ConditionId="door")
            await asyncio.sleep(2)
            server.cut()
            server.end_session(subscriptions=True)
            alarm(server, "Much too hot")
            await asyncio.sleep(20)
            server.reachable = True
            await asyncio.sleep(20)
            assert source.health.connected
            assert events(intake, ALARMS) == ["Too hot", "Door open", "Door open", "Much too hot"]
            first, door, again, _ = events(intake, ALARMS, "Content")
            assert door == again != first
            ids = events(intake, ALARMS, "EventId")
            assert (ids[1] == ids[2]) is not renews
            assert [sample.initial for sample in intake.samples] == [False, False, True, True]
            assert [address for address, _ in gaps(intake)] == [""]


@simulated
async def test_p14_a_server_that_knows_no_refresh_is_left_alone() -> None:
    server = plant()
    server.knows_refresh = False
    async with connected(server, "press", inputs=ALL) as (source, intake):
        await asyncio.sleep(200)
        server.happen("press", Message="Jam")
        await asyncio.sleep(1)
        assert events(intake) == ["Jam"]
        assert server.asked.count("ConditionRefresh") == 1
        assert source.health.failed == {}


@simulated
async def test_conditions_are_not_asked_for_where_none_can_come() -> None:
    server = plant()
    async with connected(server, "press", inputs={"press": {"event": True, "type": "ns=0;i=11436"}}):
        await asyncio.sleep(5)
        assert "ConditionRefresh" not in server.asked


@simulated
async def test_events_that_the_server_dropped_are_a_gap() -> None:
    """And conditions are asked for once more, but not again and again."""
    server = plant()
    async with connected(server, "press", inputs={"press": {"event": True, "queue": 5}}) as (_, intake):
        await asyncio.sleep(2)
        before = server.refreshes
        for _ in range(10):
            for count in range(20):
                server.happen("press", Message=str(count))
            await asyncio.sleep(10)
        lost = [text for address, text in gaps(intake) if address == PRESS]
        assert len(lost) == 10
        assert "dropped some" in lost[0]
        assert 1 <= server.refreshes - before <= 2


@simulated
async def test_a_server_can_ask_to_be_asked() -> None:
    server = plant()
    async with connected(server, "press", inputs=ALL) as (_, intake):
        await asyncio.sleep(100)
        before = server.refreshes
        server.happen("press", type_=2789)
        await asyncio.sleep(10)
        assert server.refreshes == before + 1
        assert events(intake) == [], "what is about the telling of events is none"


@simulated
async def test_a_node_without_events_or_that_is_gone_is_said_and_asked_for_again() -> None:
    server = plant()
    server.notifiers = set()
    async with connected(server, "press", inputs=ALL, audit="20s") as (source, intake):
        await asyncio.sleep(5)
        assert "BadNodeIdUnknown" in source.health.failed[PRESS]
        server.notifiers = {"press"}
        await asyncio.sleep(60)
        assert source.health.failed == {}
        server.notifiers = set()
        for subscription in server.subscriptions.values():
            subscription.events.clear()
        await asyncio.sleep(60)
        assert PRESS in source.health.failed
        server.notifiers = {"press"}
        await asyncio.sleep(60)
        server.happen("press", Message="Jam")
        await asyncio.sleep(2)
        assert source.health.failed == {}
        assert events(intake) == ["Jam"]
        assert bad(intake) == []


@simulated
async def test_an_event_that_cannot_be_read_takes_no_other_with_it() -> None:
    server = plant(a=0)
    async with connected(server, "press", "a", inputs=ALL) as (source, intake):
        await asyncio.sleep(2)
        server.happen("press", Message="before")
        server.happen("press", Message=ua.Variant(b"POISONED", ua.VariantType.ByteString))
        server.write("a", 1)
        await asyncio.sleep(5)
        assert PRESS in source.health.failed
        assert intake.values(node("a"))[-1] == 1
        await asyncio.sleep(120)
        server.happen("press", Message="after")
        await asyncio.sleep(2)
        assert [text for text in events(intake) if text] == ["before", "after"]
        assert source.health.failed == {}
        assert any("could not be read" in text for _, text in gaps(intake))


@simulated
async def test_a_filter_that_is_refused_is_said() -> None:
    server = plant()
    server.refused_events = StatusCodes.BadEventFilterInvalid
    async with connected(server, "press", inputs=ALARM) as (source, _):
        await asyncio.sleep(5)
        assert "BadEventFilterInvalid" in source.health.failed[ALARMS]


@simulated
async def test_each_event_has_its_own_id_and_time() -> None:
    server = plant()
    async with connected(server, "press", inputs=ALL) as (_, intake):
        await asyncio.sleep(2)
        for count in range(5):
            server.happen("press", Message=str(count))
            await asyncio.sleep(1)
        times = [sample.source_time or 0.0 for sample in intake.samples]
        assert all(0.9 < later - earlier < 1.1 for earlier, later in pairwise(times))
        assert len(set(events(intake, PRESS, "EventId"))) == 5


@pytest.mark.parametrize("id_", [b"", b"\x07"])
def test_an_id_that_a_server_leaves_empty_or_uses_again_makes_nobody_deaf(id_: bytes) -> None:
    @simulated
    async def story() -> None:
        server = plant()
        async with connected(server, "press", inputs=ALL) as (_, intake):
            await asyncio.sleep(2)
            for message in ("on", "off", "on"):
                server.happen("press", Message=message, EventId=id_)
                await asyncio.sleep(1)
            server.happen("press", Message="at", EventId=id_)
            server.happen("press", Message="once", EventId=id_)
            await asyncio.sleep(1)
            assert events(intake) == ["on", "off", "on", "at", "once"]
            assert set(events(intake, field="EventId")) == {id_.hex() or None}

    story()
