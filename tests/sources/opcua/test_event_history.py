"""Events that a server has kept while nobody listened: alarms around an outage, each counted once."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from gateway.model import Recovered, Sample
from tests.sources.harness import node
from tests.sources.opcua.history_plant import ALARM, ALARMS, forget, keeping, kept, toggle, values
from tests.sources.opcua.scripted import Server
from tests.sources.opcua.story import connected, gaps, simulated


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
