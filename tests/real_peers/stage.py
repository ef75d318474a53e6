"""A broker, a tap before it, a gateway behind the tap and the Oden stand-in: what a scenario is played on."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.peers import PATIENCE
from tests.real_peers.brokers import Broker
from tests.real_peers.gateway_run import ORDER, SCRAP, Events, GatewayRun, Judgement, judge
from tests.real_peers.tap import TO_GATEWAY, Direction, Kind, MqttTap, Rule

QUIET = 3.0
"""Seconds without anything new after which everything has arrived, beside what the broker may redeliver late."""

LONGEST = 240.0
"""Seconds without anything new at Oden after which it is judged although it has not come to rest."""


class Stage:
    """A broker, a tap before it, a gateway behind the tap and the Oden stand-in, with an order that is on."""

    def __init__(
        self, folder: Path, broker: Broker, seed: int, scenario: "Scenario", *, identified: bool = False
    ) -> None:
        self.broker = broker
        self.tap = MqttTap(broker.port)
        self.events = Events(identified=identified)
        self.chance = random.Random(seed)
        self._folder = folder
        self._scenario = scenario
        self._run: GatewayRun | None = None

    @property
    def run(self) -> GatewayRun:
        assert self._run is not None, "the stage has not been set"
        return self._run

    async def set_up(self) -> None:
        """Start everything; returns when the first events have arrived at the stand-in."""
        await self.tap.start()
        keepalive, size_limit = f"{self._scenario.keepalive:g}s", self._scenario.size_limit
        self._run = GatewayRun.with_mqtt(
            self._folder / "gateway",
            self.tap.port,
            self.broker.version,
            keepalive=keepalive,
            size_limit=size_limit,
            identified=self.events.identified,
        )
        await self.broker.start()
        await self.run.start_oden()
        self.run.start_gateway()
        await self.run.until_connected()
        await self.broker.publish((ORDER, b'{"number": "A1"}'))
        first = self.events.distinct(3)
        await self.broker.publish(*first)
        await self.run.until_arrived(map(Events.name_of, first))

    async def tear_down(self) -> None:
        """End everything."""
        try:
            if self._run is not None:
                await self._run.close()
        finally:
            await self.tap.stop()
            await self.broker.kill()

    async def verdict(self) -> Judgement:
        """Let everything flow again and arrive, then judge."""
        self.tap.relent()
        self.tap.thaw()
        await self.run.until_connected()
        await self.broker.publish(*self.events.distinct(1))
        settled = True
        try:
            await self.run.until_settled(QUIET + 1.5 * self.broker.redelivers_late, LONGEST)
        except AssertionError:
            settled = False
        cuts = self.tap.accepted - 1
        return judge(self.events.made, self.run.arrived(), sent=self._sent(), settled=settled, cuts=cuts)

    def _sent(self) -> Counter[str]:
        """What has come to the gateway through the tap, by name; redeliveries count."""
        published = self.tap.seen(TO_GATEWAY, "PUBLISH", passed=True)
        return Counter(Events.name_of((p.topic, p.payload)) for p in published if p.topic == SCRAP)

    async def back(self) -> None:
        """End all rules of the tap and wait until the gateway is connected again and the outbox is empty."""
        self.tap.relent()
        await self.run.until_connected()
        await self.run.until_settled(1.0)

    async def until(self, holds: Callable[[], bool], what: str, timeout: float = PATIENCE) -> None:
        """Poll until `holds`; AssertionError when it does not in time."""
        deadline = time.monotonic() + timeout
        while not holds():
            assert time.monotonic() < deadline, f"{what}: not within {timeout:g} s"
            await asyncio.sleep(0.02)

    async def until_done(self, rule: Rule, times: int) -> None:
        """Wait until a rule of the tap has acted so often."""
        await self.until(lambda: rule.done >= times, f"{times} times: {rule.action} {rule.kind}")

    async def until_seen(self, direction: Direction, kind: Kind, count: int) -> None:
        """Wait until the tap has seen so many packets of a kind."""
        await self.until(lambda: len(self.tap.seen(direction, kind)) >= count, f"{count} of {kind} {direction.value}")

    async def until_sent_no_more(self, quiet: float = 2.0) -> int:
        """Wait until the broker has sent no PUBLISH for `quiet` seconds; how many it has sent by then."""
        count, since = -1, time.monotonic()
        while time.monotonic() - since < quiet:
            seen = len(self.tap.seen(TO_GATEWAY, "PUBLISH"))
            if seen != count:
                count, since = seen, time.monotonic()
            await asyncio.sleep(0.05)
        return count

    def sent_of(self, messages: int) -> int:
        """How many of so many messages the broker sends while none is acknowledged."""
        return min(messages, self.broker.window)

    def mixed(self, distinct: int, equal: int) -> list[tuple[str, bytes]]:
        """Events in an order by chance: `equal` of them are equal to each other."""
        events = [*self.events.distinct(distinct), *self.events.equal(equal)]
        self.chance.shuffle(events)
        return events


@dataclass(frozen=True, slots=True)
class Scenario:
    """A function of `scenarios`, what the gateway is told for it, and whether it needs a broker that may end."""

    play: Callable[[Stage], Awaitable[None]]
    keepalive: float = 30.0
    size_limit: str = "1 GB"
    ends_broker: bool = False
