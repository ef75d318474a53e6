"""What is listed where the server has not kept all that was missed: which tags, when, and why."""

import asyncio

from gateway.sources.opcua.source import LISTED
from tests.sources.harness import node
from tests.sources.opcua import scripted
from tests.sources.opcua.history_plant import forget, keeping, kept, toggle, values
from tests.sources.opcua.scripted import Server
from tests.sources.opcua.story import connected, gaps, simulated


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
async def test_each_tag_without_history_is_listed_with_the_time() -> None:
    """Not only how many there are: who looks for what a tag has missed looks for its name."""
    server = keeping("a", a=0, b=1, c=1, d=1)
    async with connected(server, "a", "b", "c", "d", history="auto") as (_, intake):
        await asyncio.sleep(5)
        forget(server)
        await toggle(server, "a", 1, 100)
        server.reachable = True
        await asyncio.sleep(20)
        assert [address for address, _ in gaps(intake)] == [node("b"), node("c"), node("d")]
        [text] = {text for _, text in gaps(intake)}
        assert text.startswith("not connected since 2026-01-05T06:00:0")
        assert text.endswith(": the server keeps no history of it")


@simulated
async def test_very_many_tags_without_history_do_not_push_out_what_else_is_listed() -> None:
    names = [f"t{number:03}" for number in range(LISTED + 50)]
    server = keeping("a", a=0, **dict.fromkeys(names, 1))
    async with connected(server, "a", *names, history="auto") as (_, intake):
        await asyncio.sleep(5)
        forget(server)
        await asyncio.sleep(100)
        server.reachable = True
        await asyncio.sleep(20)
        *each, (last, text) = gaps(intake)
        assert [address for address, _ in each] == [node(name) for name in names[:LISTED]]
        assert last == ""
        assert f" of 50 more tags, from {node(names[LISTED])} to {node(names[-1])}: the server keeps" in text


@simulated
async def test_what_is_so_of_all_tags_is_a_gap_of_the_source() -> None:
    server = keeping(a=0, b=0)
    async with connected(server, "a", "b", history="auto") as (_, intake):
        await asyncio.sleep(5)
        forget(server)
        await asyncio.sleep(100)
        server.started = scripted.EPOCH + 50
        server.reachable = True
        await asyncio.sleep(20)
        [(address, text)] = gaps(intake)
        assert address == ""
        assert text.endswith(": the server itself was away")


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
