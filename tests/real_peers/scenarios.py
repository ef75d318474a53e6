"""What can go wrong between a broker and the gateway, as functions that need only a stage, and what became of each
event.

Each scenario publishes events with payloads of their own and equal ones around what it does; unless told, without any
identity in the payload. After it the faults end, everything is delivered, and `perform` judges name by name.
"""

import asyncio
from contextlib import suppress
from pathlib import Path

from tests.real_peers.brokers import BROKERS
from tests.real_peers.gateway_run import Events, Judgement
from tests.real_peers.stage import Scenario, Stage
from tests.real_peers.tap import TO_GATEWAY, TO_PEER, Kind, Rule

QUESTIONS: tuple[Kind, ...] = ("UNSUBSCRIBE", "PINGREQ")
"""Packets whose answers prove to a client that the broker has what was sent before."""
KEEPALIVE = 5.0
"""Of the scenario that blocks for longer than that."""


async def calm(stage: Stage) -> None:
    """Nothing goes wrong."""
    await stage.broker.publish(*stage.mixed(40, 20))


async def broker_restarted(stage: Stage) -> None:
    """The broker is stopped as a service manager does, twice; it has messages that it has not sent yet."""
    for _ in range(2):
        await stage.broker.publish(*stage.events.distinct(10))
        await stage.broker.restart()
        await stage.broker.publish(*stage.mixed(10, 5))
        await stage.back()


def _without_pubacks(stage: Stage) -> Rule:
    """PUBACKs vanish, and what would ask about them with them: a stream has no holes."""
    for question in QUESTIONS:
        stage.tap.swallow(TO_PEER, question)
    return stage.tap.swallow(TO_PEER, "PUBACK")


async def swallow_and_cut(stage: Stage) -> None:
    """PUBACKs of a whole batch vanish, then the connection is reset; more of the same comes meanwhile."""
    for _ in range(3):
        swallowed = _without_pubacks(stage)
        messages = stage.mixed(8, 8)
        await stage.broker.publish(*messages)
        await stage.until_done(swallowed, stage.sent_of(16))
        stage.tap.relent()
        stage.tap.cut()
        await stage.broker.publish(*_more(stage, messages, 4))
        await stage.back()


async def puback_lost_and_cut(stage: Stage) -> None:
    """The connection is reset when the gateway sends the n-th PUBACK of several, which is lost with it."""
    for _ in range(6):
        cut = stage.tap.cut_at(TO_PEER, "PUBACK", stage.chance.randint(1, 8))
        messages = stage.mixed(3, 6)
        await stage.broker.publish(*messages)
        await stage.until_done(cut, 1)
        await stage.broker.publish(*_more(stage, messages, 3))
        await stage.back()


async def never_received_and_cut(stage: Stage) -> None:
    """Of ten equal events some are acknowledged, the others vanish on the way to the gateway, then it is cut."""
    for _ in range(6):
        received = stage.chance.randint(1, 5)
        lost = stage.tap.swallow(TO_GATEWAY, "PUBLISH", first=received + 1)
        acknowledged = len(stage.tap.seen(TO_PEER, "PUBACK"))
        messages = stage.events.equal(10)
        await stage.broker.publish(*messages)
        await stage.until_done(lost, 10 - received)
        await stage.until_seen(TO_PEER, "PUBACK", acknowledged + received)
        stage.tap.relent()
        stage.tap.cut()
        await stage.broker.publish(*_more(stage, messages, 3))
        await stage.back()


async def gateway_killed(stage: Stage) -> None:
    """The gateway is killed at a moment by chance while events keep coming, and started again."""
    for _ in range(3):
        publishing = asyncio.create_task(_trickle(stage, stage.mixed(40, 20)))
        await asyncio.sleep(stage.chance.uniform(0.1, 1.5))
        await stage.run.kill_gateway()
        await publishing
        stage.run.start_gateway()
        await stage.back()


async def killed_in_bursts(stage: Stage) -> None:
    """Ten times the gateway is killed within a burst of 800 events, and started again, which takes the rest in."""
    for _ in range(10):
        publishing = asyncio.create_task(stage.broker.publish(*stage.mixed(400, 400)))
        await asyncio.sleep(stage.chance.uniform(0.05, 1.0))
        await stage.run.kill_gateway()
        await publishing
        stage.run.start_gateway()
        await stage.run.until_connected()


async def broker_killed(stage: Stage) -> None:
    """The broker is killed while it lacks PUBACKs of some messages and has not sent others; some equal earlier ones."""
    for _ in range(2):
        messages = stage.mixed(6, 10)
        await stage.broker.publish(*messages)
        await stage.back()
        swallowed = _without_pubacks(stage)
        await stage.broker.publish(*_more(stage, messages, 9))
        await stage.until_done(swallowed, stage.sent_of(10))
        stage.tap.swallow(TO_GATEWAY, "PUBLISH")
        await stage.broker.publish(*_more(stage, messages, 9))
        await stage.broker.until_saved()
        await stage.broker.kill()
        stage.tap.relent()
        await stage.broker.start()
        await stage.broker.publish(*stage.mixed(4, 2))
        await stage.back()


async def frozen_and_killed(stage: Stage) -> None:
    """The gateway hangs while ten events are sent to it that equal earlier ones, and others, is killed and started
    again.
    """
    for _ in range(3):
        messages = stage.mixed(8, 10)
        await stage.broker.publish(*messages)
        await stage.back()
        stage.run.gateway.freeze()
        before = len(stage.tap.seen(TO_GATEWAY, "PUBLISH"))
        await stage.broker.publish(*_more(stage, messages, 10), *stage.mixed(3, 4))
        await stage.until_seen(TO_GATEWAY, "PUBLISH", before + stage.sent_of(18))
        await stage.run.kill_gateway()
        await stage.broker.publish(*_more(stage, messages, 3))
        stage.run.start_gateway()
        await stage.back()


async def many_unacknowledged(stage: Stage) -> None:
    """The broker lacks the PUBACKs of as many messages as it will send, up to 3,000, when the gateway is killed."""
    _without_pubacks(stage)
    await stage.broker.publish(*stage.mixed(2_500, 500))
    await stage.until_sent_no_more()
    await stage.run.kill_gateway()
    stage.tap.relent()
    stage.run.start_gateway()
    await stage.back()


async def restart_while_full(stage: Stage) -> None:
    """Oden is away, the outbox is full, messages wait unacknowledged at the gateway, which is killed and started
    again.
    """
    await _fill(stage)
    await stage.run.kill_gateway()
    stage.run.start_gateway()
    await stage.until_sent_no_more()
    await stage.run.start_oden()


async def blocked(stage: Stage) -> None:
    """Oden is away and the outbox full for three times the keep-alive."""
    await _fill(stage)
    await asyncio.sleep(3 * KEEPALIVE)
    await stage.run.start_oden()


async def schedule(stage: Stage) -> None:
    """Thousands of events, and twelve faults by chance one after another; each begins while events keep coming."""
    faults = [_lost_pubacks, _lost_publishes, _cut_at_a_puback, _cut_now, _killed, _hung_and_killed]
    for _ in range(12):
        fault = stage.chance.choice(faults)
        events = stage.mixed(stage.chance.randint(50, 150), stage.chance.randint(50, 150))
        publishing = asyncio.create_task(_stream(stage, events))
        await asyncio.sleep(stage.chance.uniform(0.0, 0.6))
        await fault(stage)
        await publishing
        stage.tap.relent()
        await stage.run.until_connected()


async def _lost_pubacks(stage: Stage) -> None:
    _without_pubacks(stage)
    await asyncio.sleep(stage.chance.uniform(0.05, 0.5))
    stage.tap.relent()
    stage.tap.cut()


async def _lost_publishes(stage: Stage) -> None:
    stage.tap.swallow(TO_GATEWAY, "PUBLISH")
    await asyncio.sleep(stage.chance.uniform(0.05, 0.5))
    stage.tap.relent()
    stage.tap.cut()


async def _cut_at_a_puback(stage: Stage) -> None:
    stage.tap.cut_at(TO_PEER, "PUBACK", stage.chance.randint(1, 60), passing=stage.chance.random() < 0.5)


async def _cut_now(stage: Stage) -> None:
    stage.tap.cut()


async def _killed(stage: Stage) -> None:
    await stage.run.kill_gateway()
    stage.run.start_gateway()


async def _hung_and_killed(stage: Stage) -> None:
    stage.run.gateway.freeze()
    await asyncio.sleep(stage.chance.uniform(0.05, 0.5))
    await _killed(stage)


async def _stream(stage: Stage, messages: list[tuple[str, bytes]]) -> None:
    """Publish in groups over about a second."""
    for begin in range(0, len(messages), 20):
        await stage.broker.publish(*messages[begin : begin + 20])
        await asyncio.sleep(stage.chance.uniform(0.0, 0.1))


async def _fill(stage: Stage) -> None:
    """Take Oden away and publish until the outbox is full and the broker sends no more."""
    await stage.run.stop_oden()
    publishing = asyncio.create_task(stage.broker.publish(*stage.events.distinct(1_000, padding=12_000)))
    try:
        await stage.run.until(lambda status: status["taking_in"]["state"] != "yes", "full")
    finally:
        await publishing
    await stage.broker.publish(*stage.mixed(10, 10))
    await stage.until_sent_no_more()


async def _trickle(stage: Stage, messages: list[tuple[str, bytes]]) -> None:
    """Publish in small groups over some two seconds."""
    for begin in range(0, len(messages), 5):
        await stage.broker.publish(*messages[begin : begin + 5])
        await asyncio.sleep(stage.chance.uniform(0.0, 0.3))


def _more(stage: Stage, messages: list[tuple[str, bytes]], count: int) -> list[tuple[str, bytes]]:
    """As many new events that equal one another and those that are equal in `messages`, and one of its own."""
    name = next(name for name in map(Events.name_of, messages) if name.startswith("equal"))
    return [*stage.events.again(name, count), *stage.events.distinct(1)]


SCENARIOS = {
    "calm": Scenario(calm),
    "broker-restarted": Scenario(broker_restarted, ends_broker=True),
    "swallow-and-cut": Scenario(swallow_and_cut),
    "puback-lost-and-cut": Scenario(puback_lost_and_cut),
    "never-received-and-cut": Scenario(never_received_and_cut),
    "gateway-killed": Scenario(gateway_killed),
    "killed-in-bursts": Scenario(killed_in_bursts),
    "broker-killed": Scenario(broker_killed, ends_broker=True),
    "frozen-and-killed": Scenario(frozen_and_killed),
    "many-unacknowledged": Scenario(many_unacknowledged),
    "restart-while-full": Scenario(restart_while_full, size_limit="10 MB"),
    "schedule": Scenario(schedule),
    "blocked": Scenario(blocked, keepalive=KEEPALIVE, size_limit="10 MB"),
}


async def perform(scenario: str, broker: str, folder: Path, seed: int = 0, *, identified: bool = False) -> Judgement:
    """Play one scenario with one broker in an empty `folder`, by their names; AssertionError where it cannot be
    played. `identified`: each event has an `id`.
    """
    chosen = SCENARIOS[scenario]
    stage = Stage(folder, BROKERS[broker](folder / broker), seed, chosen, identified=identified)
    assert stage.broker.durable or not chosen.ends_broker, f"{broker} keeps nothing over its end"
    try:
        await stage.set_up()
        await chosen.play(stage)
        return await stage.verdict()
    finally:
        with suppress(ProcessLookupError):
            await stage.tear_down()
