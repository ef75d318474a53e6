"""What becomes of a lost connection: the session is taken up again with all that its queues have kept; where it is over
its subscriptions are moved; and only where these are over too is there a gap."""

import asyncio

from tests.sources.harness import node
from tests.sources.opcua.scripted import Server
from tests.sources.opcua.story import bad, connected, gaps, simulated


async def toggle(server: Server, since: int, times: int) -> None:
    for count in range(since, since + times):
        await asyncio.sleep(0.1)
        server.write("a", count)


@simulated
async def test_p2_a_short_cut_costs_nothing() -> None:
    """Five seconds with ten changes in each: every one comes, in order, and nobody is told of the cut."""
    server = Server(a=0, b=7)
    async with connected(server, "a", "b") as (source, intake):
        await asyncio.sleep(3)
        server.cut()
        await toggle(server, 1, 50)
        assert not source.health.connected
        server.reachable = True
        await asyncio.sleep(5)
        assert source.health.connected
        assert intake.values(node("a")) == list(range(51))
        assert (bad(intake), gaps(intake), server.sessions) == ([], [], 1)


@simulated
async def test_p2_what_never_arrived_before_the_cut_is_asked_for_in_its_order() -> None:
    """Answers that the network swallowed before it was cut, and those that came and were not confirmed."""
    server = Server(a=0)
    async with connected(server, "a") as (_, intake):
        await toggle(server, 1, 20)
        server.lose = lambda _number: True
        await toggle(server, 21, 12)
        server.cut()
        server.lose = lambda _number: False
        await toggle(server, 33, 10)
        server.reachable = True
        await toggle(server, 43, 10)
        await asyncio.sleep(5)
        assert intake.values(node("a")) == list(range(53))
        assert (bad(intake), gaps(intake), server.sessions) == ([], [], 1)


@simulated
async def test_p2_over_a_longer_cut_the_values_are_unknown_and_then_known_again() -> None:
    """Thirty seconds: the mapping knows that it knows nothing, and then each value as it was and became."""
    server = Server(a=0, b=7)
    async with connected(server, "a", "b", queue=1_000) as (_, intake):
        await asyncio.sleep(3)
        server.cut()
        await toggle(server, 1, 300)
        assert sorted(bad(intake)) == [node("a"), node("b")]
        server.reachable = True
        await asyncio.sleep(15)
        assert intake.values(node("a")) == [0, *range(301)]
        assert intake.values(node("b")) == [7, 7]
        assert sorted(bad(intake)) == [node("a"), node("b")]
        assert (gaps(intake), server.sessions) == ([], 1)
        assert [sample.initial for sample in intake.samples if sample.value == 300] == [False]


@simulated
async def test_p2_subscriptions_outlive_their_session() -> None:
    """A server that has dropped the session, and not its subscriptions: they go on in a new one."""
    for ended_under_way in (False, True):
        server = Server(a=0)
        async with connected(server, "a") as (source, intake):
            await asyncio.sleep(3)
            if not ended_under_way:
                server.cut()
            server.end_session(subscriptions=False)
            await toggle(server, 1, 50)
            server.reachable = True
            await asyncio.sleep(5)
            await toggle(server, 51, 10)
            await asyncio.sleep(5)
            assert source.health.connected
            assert intake.values(node("a")) == list(range(61))
            assert (bad(intake), gaps(intake), server.sessions) == ([], [], 2)


@simulated
async def test_p2_what_the_server_has_forgotten_is_a_gap() -> None:
    """Session and subscriptions are over, or cannot be moved: everything begins anew, said once."""
    for transfers in (False, True):
        server = Server(a=0)
        server.transfers = transfers
        async with connected(server, "a") as (source, intake):
            await asyncio.sleep(3)
            server.cut()
            server.end_session(subscriptions=transfers)
            await toggle(server, 1, 20)
            server.reachable = True
            await asyncio.sleep(20)
            await toggle(server, 21, 10)
            await asyncio.sleep(5)
            assert source.health.connected
            assert intake.values(node("a")) == [0, *range(20, 31)]
            assert [sample.initial for sample in intake.samples if sample.value == 20] == [True]
            assert bad(intake) == [node("a")]
            assert [address for address, _ in gaps(intake)] == [""]
            assert server.sessions == 2


@simulated
async def test_p1_what_was_not_committed_before_a_cut_comes_once() -> None:
    """A message that was taken and not confirmed yet is not taken again; afterwards the server hears of it."""
    server = Server(a=0)
    async with connected(server, "a") as (_, intake):
        await asyncio.sleep(3)
        intake.acknowledge = False
        await toggle(server, 1, 10)
        await asyncio.sleep(1)
        server.cut()
        await asyncio.sleep(1)
        server.reachable = True
        await asyncio.sleep(5)
        assert intake.values(node("a")) == list(range(11))
        for arrival in intake.arrivals:
            if arrival.done is not None:
                arrival.done()
        await asyncio.sleep(10)
        [subscription] = server.subscriptions.values()
        assert len(subscription.kept) <= 1


@simulated
async def test_p9_a_session_that_stays_silent_is_given_up() -> None:
    """It can be taken up again, and nothing comes of it: the second time a new one is begun."""
    server = Server(a=0)
    async with connected(server, "a") as (source, intake):
        await asyncio.sleep(5)
        server.publishes = False
        while server.sessions < 2:
            await asyncio.sleep(1)
        assert server.resumed == 1
        server.publishes = True
        server.write("a", 1)
        await asyncio.sleep(20)
        assert source.health.connected
        assert intake.values(node("a"))[-1] == 1
        assert server.session == server.sessions


@simulated
async def test_a_server_that_ends_each_session_is_spared() -> None:
    """However it ends them, no more than twenty are begun in ten minutes."""
    server = Server(a=0)
    server.transfers = False
    async with connected(server, "a"):
        for _ in range(600):
            await asyncio.sleep(1)
            server.end_session(subscriptions=True)
        assert server.sessions <= 21


@simulated
async def test_p9_a_session_that_has_ended_in_silence_is_noticed_by_whatever_is_asked_next() -> None:
    """No request to publish is answered, no heartbeat can be watched, and the keep-alive is hours away: the reading of
    the clock, or the audit, is told that there is no such session, and all that the server has kept comes."""
    for clock_watched, audit in ((False, "off"), (True, "20s")):
        server = Server(a=0)
        server.keepalive, server.clock_watched, server.clock_ticks = 200_000, clock_watched, False
        async with connected(server, "a", audit=audit) as (source, intake):
            await asyncio.sleep(3)
            server.end_session(subscriptions=False)
            await toggle(server, 1, 20)
            await asyncio.sleep(40)
            assert source.health.connected
            assert server.sessions == 2
            assert intake.values(node("a")) == list(range(21))
            assert gaps(intake) == []


@simulated
async def test_p2_a_writing_that_is_told_again_is_none() -> None:
    """Of a tag of which each writing is an event: what is known again after a cut, and what a server tells once more
    when the session is taken up, are marked as what was so before."""
    server = Server(a=0)
    async with connected(server, "a", inputs={"a": {"trigger": "timestamp"}}) as (source, intake):
        await asyncio.sleep(2)
        server.write("a", 1)
        await asyncio.sleep(2)
        server.write("a", 1)
        await asyncio.sleep(2)
        server.cut()
        await asyncio.sleep(15)
        server.reachable = True
        await asyncio.sleep(10)
        assert source.health.connected
        for subscription in server.subscriptions.values():
            items = subscription.items.values()
            subscription.waiting += [(handle, server.values["a"]) for handle, _, name in items if name == "a"]
        await asyncio.sleep(2)
        server.write("a", 1)
        await asyncio.sleep(2)
    told = [(sample.value, sample.initial) for sample in intake.samples if sample.quality != "bad"]
    assert told == [(0, True), (1, False), (1, False), (1, True), (1, True), (1, False)]


async def end_each_connection(server: Server) -> None:
    """Whoever takes a session up has the connection ended before anything comes of it."""
    resumed = server.resumed
    while True:
        if server.resumed != resumed:
            resumed = server.resumed
            await asyncio.sleep(0.05)
            server.cut()
            server.reachable = True
        await asyncio.sleep(0.01)


@simulated
async def test_p9_a_server_that_takes_a_session_up_and_drops_it_at_once_is_not_hammered() -> None:
    """The pauses grow until a connection has stood and something has come; then there is none again. Nothing was lost,
    and where something comes each time nobody is told of a loss."""
    server = Server(a=0)
    async with connected(server, "a") as (source, intake):
        await asyncio.sleep(3)
        dropping = asyncio.create_task(end_each_connection(server))
        server.cut()
        server.reachable = True
        await toggle(server, 1, 50)
        await asyncio.sleep(55)
        assert 5 <= server.resumed <= 40
        dropping.cancel()
        await asyncio.sleep(10)
        assert source.health.connected
        assert intake.values(node("a"))[-1] == 50
        resumed = server.resumed
        server.cut()
        server.reachable = True
        await asyncio.sleep(1)
        assert source.health.connected
        assert (server.resumed, server.sessions) == (resumed + 1, 1)


@simulated
async def test_p9_a_source_that_told_good_values_begins_its_pauses_anew_and_only_such_a_one() -> None:
    """That a session was begun, or taken up, is not enough."""
    server = Server()
    server.write("a", None, status=0x80000000)
    async with connected(server, "a") as (source, _):
        await asyncio.sleep(3)
        assert not source.has_worked
        server.write("a", 1)
        await asyncio.sleep(1)
        assert source.has_worked
        server.cut()
        await asyncio.sleep(30)
        assert not source.has_worked
        server.reachable = True
        await asyncio.sleep(10)
        assert source.health.connected
        assert not source.has_worked
