"""Stories of faults, drawn by a seed, in simulated time: a counter is exact whatever happens to its server.

`python -m tests.sources.opcua.faults 200` tells as many; one that goes wrong says its seed.
"""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise

from asyncua.ua.status_codes import StatusCodes

from tests.campaign.virtual import simulate
from tests.sources.harness import node
from tests.sources.opcua.scripted import Server, poison
from tests.sources.opcua.story import connected, gaps

FAULTS = 8
"""Faults in one story."""
RECOVERED = 240.0
"""Seconds after the last fault in which everything is as if there had been none: two audits, and the longest pauses."""


class Plant:
    """A server with a counter, a toggle that changes with each count, and a tag that comes and goes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.server = Server(count=0, toggle=False, odd=0)
        self.count = 0
        self.told: Counter[str] = Counter()

    async def make(self) -> None:
        """Count, for ever."""
        while True:
            await asyncio.sleep(self.random.uniform(0.2, 2.0))
            self.count += 1
            self.server.write("count", self.count)
            self.server.write("toggle", self.count % 2 == 1)

    # -- what can happen --

    async def cut(self) -> None:
        self.server.cut()
        await asyncio.sleep(self.random.choice([0.2, 2, 7, 15, 50, 90]))
        self.server.reachable = True

    async def swallow_then_cut(self) -> None:
        self.server.lose = lambda _number: True
        await asyncio.sleep(self.random.uniform(0.5, 4))
        self.server.cut()
        self.server.lose = lambda _number: False
        await asyncio.sleep(self.random.uniform(0, 5))
        self.server.reachable = True

    async def lose_some(self) -> None:
        self.server.lose = lambda number: number % 3 == 0
        self.server.forgets = self.random.random() < 0.3
        await asyncio.sleep(self.random.uniform(2, 20))
        self.server.lose, self.server.forgets = (lambda _number: False), False

    async def fall_silent(self) -> None:
        self.server.publishes = False
        await asyncio.sleep(self.random.choice([1, 8, 30, 120]))
        self.server.publishes = True

    async def freeze(self) -> None:
        self.server.frozen = True
        await asyncio.sleep(self.random.choice([1, 8, 30, 120, 300]))
        self.server.frozen = False

    async def half_open(self) -> None:
        """Nothing gets there, or nothing comes back, and no end of the connection is told; then it is reset, or goes
        on."""
        way = self.random.choice(["deaf_to_us", "mute"])
        setattr(self.server, way, True)
        await asyncio.sleep(self.random.choice([1, 8, 30, 120]))
        if self.random.random() < 0.5:
            self.server.cut()
            self.server.reachable = True
        setattr(self.server, way, False)

    async def end_session(self) -> None:
        self.server.transfers = self.random.random() < 0.5
        self.server.end_session(subscriptions=self.random.random() < 0.5)
        await asyncio.sleep(1)

    async def restart(self) -> None:
        """With other namespaces, and at first without one of its tags."""
        self.server.cut()
        self.server.end_session(subscriptions=True)
        late = self.server.values.pop("odd")
        self.server.namespaces.insert(1, f"urn:other:{len(self.server.namespaces)}")
        await asyncio.sleep(self.random.uniform(1, 30))
        self.server.reachable = True
        await asyncio.sleep(self.random.uniform(1, 30))
        self.server.values["odd"] = late

    async def delete(self) -> None:
        self.server.delete("odd")
        await asyncio.sleep(self.random.choice([3, 90, 150]))
        self.server.write("odd", self.random.randrange(1000))

    async def poison(self) -> None:
        self.server.write("odd", poison())
        await asyncio.sleep(self.random.uniform(1, 90))
        self.server.write("odd", self.random.randrange(1000))

    async def be_uncertain(self) -> None:
        self.server.write("odd", 5, status=StatusCodes.UncertainLastUsableValue)
        await asyncio.sleep(5)
        self.server.write("odd", self.random.randrange(1000))

    async def shrink(self) -> None:
        """Limits, and what else a small controller has of its own."""
        self.server.most_nodes = self.random.choice([1, 2, 1000])
        self.server.most_publishes = self.random.choice([1, 2, 100])
        self.server.keepalive = self.random.choice([1, 20, 200_000])
        self.server.clock_watched = self.random.random() < 0.7
        await asyncio.sleep(1)

    def draw(self) -> Callable[[], Awaitable[None]]:
        faults = [self.cut, self.swallow_then_cut, self.lose_some, self.fall_silent, self.end_session, self.restart]
        faults += [self.freeze, self.half_open, self.delete, self.poison, self.be_uncertain, self.shrink]
        fault = self.random.choice(faults)
        self.told[fault.__name__] += 1
        return fault


async def tell(seed: int) -> Counter[str]:
    """One story; which faults were in it. AssertionError where anything is not as it must be."""
    plant = Plant(seed)
    server = plant.server
    async with connected(server, "count", "toggle", "odd") as (source, intake):
        making = asyncio.create_task(plant.make())
        try:
            await asyncio.sleep(10)
            for _ in range(FAULTS):
                await plant.draw()()
                await asyncio.sleep(plant.random.choice([0, 3, 40]))
            until = asyncio.get_running_loop().time() + RECOVERED
            await asyncio.sleep(RECOVERED / 2)
            while not source.health.connected or source.health.failed:
                assert asyncio.get_running_loop().time() < until, (seed, plant.told, source.health)
                await asyncio.sleep(1)
        finally:
            making.cancel()
        await asyncio.sleep(10)
        counts = [value for value in intake.values(node("count")) if isinstance(value, int)]
        assert counts[-1] == plant.count, (seed, plant.told)
        assert all(before <= after for before, after in pairwise(counts)), (seed, plant.told, "it went back")
        missed = set(range(plant.count + 1)) - set(counts)
        assert not missed or gaps(intake), (seed, plant.told, missed)
        assert intake.values(node("odd"))[-1] == server.values["odd"].Value.Value, (seed, plant.told)  # type: ignore[union-attr]
        assert {sample.address: sample.quality for sample in intake.samples} == dict.fromkeys(
            map(node, ("count", "toggle", "odd")), "good"
        ), (seed, plant.told)
        assert server.alive == {server.sessions}, (seed, plant.told, "one session, the newest, and none is left behind")
    return plant.told


def main(stories: int) -> None:
    told: Counter[str] = Counter()
    for seed in range(stories):
        told += simulate(tell(seed))
    of_each = "".join(f"  {name} {number}\n" for name, number in sorted(told.items()))
    sys.stdout.write(f"{stories} stories, {told.total()} faults: every counter exact\n{of_each}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
