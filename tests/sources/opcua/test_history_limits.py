"""What bounds the reading of a server's history, and that only what is beyond is a gap."""

import asyncio

import pytest

from gateway.model import Recovered
from gateway.sources.opcua import history
from tests.sources.harness import node
from tests.sources.opcua import scripted
from tests.sources.opcua.history_plant import forget, keeping, kept, toggle, values
from tests.sources.opcua.story import connected, gaps, simulated


@simulated
async def test_p12_a_server_that_takes_too_long_is_not_waited_for() -> None:
    """After a minute and a half the rest is a gap; what was begun is given back, and live values come. What was read
    until then is used, of each tag about as far, and nothing is known of what came after it."""
    server = keeping(a=0, b=0)
    server.most_history, server.history_takes = 10, 4.0
    async with connected(server, "a", "b", history="auto") as (source, intake):
        await asyncio.sleep(5)
        forget(server)
        for count in range(1, 501):
            server.write("b", count)
            await toggle(server, "a", count, 1)
        server.reachable = True
        await asyncio.sleep(140)
        server.write("a", 1_000)
        await asyncio.sleep(5)
        assert source.health.connected
        [recovered] = kept(intake)
        assert recovered.missing == {node("a"), node("b")}
        for name in "ab":
            *read, unknown = values(recovered, name)
            assert read == [*range(1, len(read) + 1)]
            assert 150 < len(read) < 250
            assert unknown is None
            until = recovered.until[node(name)]
            assert until == pytest.approx(scripted.EPOCH + 5 + len(read), abs=1.5)
        assert all("takes too long" in text and "its history is read until" in text for _, text in gaps(intake))
        assert server.released == 2
        assert intake.values(node("a"))[-1] == 1_000


def test_p12_p6_beyond_the_most_values_only_the_rest_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one tag, which says much: the others are read whole. Of all together: each is read about as far."""
    monkeypatch.setattr(history, "MOST_PER_TAG", 2_000)
    monkeypatch.setattr(history, "PER_WINDOW", 1_000)

    async def story() -> None:
        server = keeping(a=0, b=0, c=0)
        async with connected(server, "a", "b", "c", history="auto", queue=1) as (_, intake):
            await asyncio.sleep(5)
            forget(server)
            for count in range(1, 401):
                server.write("b", count)
                server.write("c", count)
                await toggle(server, "a", count * 10, 10, every=0.1)
            server.reachable = True
            await asyncio.sleep(20)
            texts.append(dict(gaps(intake)))
            found.extend(kept(intake))

    texts: list[dict[str, str]] = []
    found: list[Recovered] = []
    simulated(story)()
    monkeypatch.setattr(history, "MOST", 1_500)
    simulated(story)()
    of_one, of_all = found
    *read, unknown = values(of_one, "a")
    assert of_one.missing == {node("a")}
    assert unknown is None
    assert read == [*range(10, 10 + len(read))]
    assert 2_000 < len(read) < 3_100
    assert [values(of_one, name) for name in "bc"] == [[*range(1, 401)]] * 2
    assert "more than 2000 times" in texts[0][node("a")]
    assert "what changed and changed back in the" in texts[0][node("a")]
    assert of_all.missing == {node(name) for name in "abc"}
    assert max(of_all.until.values()) - min(of_all.until.values()) <= history.SHORTEST
    assert all(len(values(of_all, name)) > 50 for name in "bc")
    assert 1_500 <= sum(len(values(of_all, name)) for name in "abc") < 3_000


def test_a_server_with_room_for_few_continuation_points_is_asked_of_each_tag_alone() -> None:
    """It refuses those of a request for which it could not remember where it was."""

    async def story() -> None:
        names = [f"t{number}" for number in range(6)]
        server = keeping(**dict.fromkeys(names, 0))
        server.most_history, server.most_points = 20, 2
        async with connected(server, *names, history="auto") as (_, intake):
            await asyncio.sleep(5)
            forget(server)
            for count in range(1, 101):
                for name in names:
                    server.write(name, count)
                await asyncio.sleep(1)
            server.reachable = True
            await asyncio.sleep(20)
            [recovered] = kept(intake)
            assert [values(recovered, name) for name in names] == [[*range(1, 101)]] * 6
            assert gaps(intake) == []

    simulated(story)()
