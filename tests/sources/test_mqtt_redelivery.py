"""Each message counts once on brokers of every manner: source, intake and outbox, killed and cut on the way (P1, P2).

Judged per event: each message has a scrap code of its own, and the entries of output must say one part for each.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from gateway import receipts
from gateway.clock import AnchoredClock
from gateway.config.schema import Line
from gateway.intake import Intake
from gateway.mapping.compile import LinePlan, compile_line
from gateway.model import Output
from gateway.outbox.lanes import stored_record
from gateway.outbox.thread import OutboxThread, open_outbox
from gateway.sources.mqtt import MqttSource
from tests.peers import PATIENCE, wait_until
from tests.receipts.models import Counts, KeepsIds, Model, NeverDup, NewFirst, OneAtATime, Stopped
from tests.sources.harness import Intake as Remembering
from tests.sources.harness import mqtt_config, running
from tests.sources.scripted_broker import ScriptedBroker

SCRAP, ORDER = "plant-a/L01/scrap", "plant-a/L01/order"
EVERY = pytest.mark.parametrize(
    "model",
    [KeepsIds(window=20), OneAtATime(), Counts(window=20), NewFirst(window=20, repeats=3), NeverDup(window=20)],
    ids=lambda model: type(model).__name__,
)
LINE = Line.model_validate(
    {
        "factory": "Factory A",
        "line": "Line 01",
        "inputs": {
            "order": {"source": "floor", "topic": ORDER, "field": "number"},
            "scrap": {"source": "floor", "topic": SCRAP},
        },
        "run": {"key": "order", "product": "{order}", "settle": "0s"},
        "scrap_yield": {
            "every": "1s",
            "entries": [{"count": "scrap.qty", "raw_data": {"scrap": "{n}", "code": "{scrap.code}"}}],
        },
    }
)
PLAN = compile_line(LINE, ("lines", 0))
WITH_ID = compile_line(
    LINE.model_copy(
        update={"inputs": {**LINE.inputs, "scrap": LINE.inputs["scrap"].model_copy(update={"id": ("id",)})}}
    ),
    ("lines", 0),
)
BEGIN = (ORDER, b'{"number": "4711"}')


def scrap(*codes: object) -> list[tuple[str, bytes]]:
    return [(SCRAP, json.dumps({"qty": 1, "code": f"code {code}"}).encode()) for code in codes]


class Gateway:
    """Source, intake and outbox, in lives that end by a kill."""

    def __init__(self, broker: ScriptedBroker, directory: Path, plan: LinePlan = PLAN) -> None:
        self._broker = broker
        self._plan = plan
        self._directory = directory

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[Intake]:
        """Whatever has not been committed when this is left is gone."""
        outbox, clock = OutboxThread(), AnchoredClock()
        await outbox.open(lambda: open_outbox(self._directory, limit=2**30, min_free=0.0, span=900.0))
        intake = Intake(outbox, [self._plan], clock, lambda _: None, lambda _: None)
        await intake.load()
        # A model of a broker takes its time to send much, and one that is deaf answers no ping: neither is to be away.
        config = mqtt_config(self._broker.url, version="3.1.1", keepalive="10m")
        source = MqttSource("floor", config, [ORDER, SCRAP], clock)
        tasks = [asyncio.create_task(intake.run()), asyncio.create_task(_on_and_on(source, intake))]
        self.outbox = outbox
        try:
            yield intake
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await outbox.close()

    async def counted(self) -> dict[str, int]:
        """The scrap of each code, after a stop in order."""
        outbox = OutboxThread()
        await outbox.open(lambda: open_outbox(self._directory, limit=2**30, min_free=0.0, span=900.0))
        counted = await self.counted_in(outbox)
        await outbox.close()
        return counted

    async def counted_in(self, outbox: OutboxThread) -> dict[str, int]:
        """The scrap of each code so far."""
        rows = await outbox(lambda store: [text for key, text in store.rows() if "/output/" in key])
        total: Counter[str] = Counter()
        for text in rows:
            record = stored_record(text).record
            if isinstance(record, Output):
                total[str(record.raw_data["code"])] += int(str(record.raw_data["scrap"]))
        return dict(total)


async def _on_and_on(source: MqttSource, intake: Intake) -> None:
    while True:
        await asyncio.gather(source.run(intake.take), return_exceptions=True)
        await asyncio.sleep(0.05)


HEARD_OUT = 4.0
"""Seconds after which a backlog counts as heard out (2 s) and the output of a window of a second is told."""


async def _settled(gateway: Gateway, broker: ScriptedBroker, codes: Iterable[object]) -> dict[str, int]:
    """What has counted, once the broker is done and the output of the last second is told."""
    expected = {f"code {code}" for code in codes}
    counted: dict[str, int] = {}
    async with asyncio.timeout(PATIENCE):
        while not expected <= counted.keys():
            async with gateway.alive():
                await wait_until(lambda: broker.done)
                await asyncio.sleep(HEARD_OUT)
            counted = await gateway.counted()
    return counted


@EVERY
async def test_p2_each_counts_once_whatever_was_lost_on_the_way(model: Model, tmp_path: Path) -> None:
    """Swallowed and cut; PUBACKs lost and cut; never received and cut; killed with and without confirmations; and all
    of it once more after a kill."""
    published: list[int] = []

    async with ScriptedBroker(model) as broker:

        def publish(number: int) -> None:
            codes = range(len(published), len(published) + number)
            published.extend(codes)
            broker.publish(*scrap(*codes))

        def acknowledged(before: int) -> bool:
            return broker.pubacks > before

        gateway = Gateway(broker, tmp_path)
        for _ in range(2):
            async with gateway.alive():
                if not broker.messages:
                    broker.publish(BEGIN)
                publish(10)
                await wait_until(lambda: broker.done)
                broker.swallow = True
                publish(10)
                broker.cut()
                await wait_until(lambda: broker.done)
                broker.deaf, before = True, broker.pubacks
                publish(10)
                await wait_until(partial(acknowledged, before))
                broker.cut()
                publish(5)
                broker.deaf = True
                broker.cut()
                await wait_until(lambda: broker.done)
                broker.deaf, before = True, broker.pubacks
                publish(10)
                await wait_until(partial(acknowledged, before))
            broker.cut()
            publish(5)
        assert await _settled(gateway, broker, published) == {f"code {number}": 1 for number in published}


@EVERY
async def test_p2_what_is_of_no_use_has_its_place_among_those_that_come_again(model: Model, tmp_path: Path) -> None:
    """Kept by the broker, rubbish, and of a topic that nobody wants, all alike, between messages that count: by whose
    places a broker that gives ids anew is followed."""
    codes: list[int] = []

    async with ScriptedBroker(model) as broker:
        broker.retains = frozenset({ORDER})

        def publish(number: int) -> None:
            for code in range(len(codes), len(codes) + number):
                codes.append(code)
                broker.publish(BEGIN, (SCRAP, b"{"), *scrap(code), ("plant-a/L01/other", b"1"))

        def acknowledged(before: int) -> bool:
            return broker.pubacks > before

        gateway = Gateway(broker, tmp_path)
        for _ in range(2):
            async with gateway.alive():
                publish(4)
                await wait_until(lambda: broker.done)
                broker.swallow = True
                publish(4)
                broker.cut()
                await wait_until(lambda: broker.done)
                for _ in range(2):
                    broker.deaf, before = True, broker.pubacks
                    publish(3)
                    await wait_until(partial(acknowledged, before))
                    broker.cut()
            publish(2)
        assert await _settled(gateway, broker, codes) == {f"code {number}": 1 for number in codes}


@pytest.mark.parametrize(
    "model", [KeepsIds(window=3000), NeverDup(window=3000)], ids=lambda model: type(model).__name__
)
async def test_p2_more_than_a_thousand_unacknowledged_and_equal_ones(model: Model, tmp_path: Path) -> None:
    """An unlimited window, PUBACKs of 1,500 messages lost with the gateway: none counts twice, and equal ones, of which
    there are 300, count 300."""
    codes = [number if number % 5 else "equal" for number in range(1_500)]
    async with ScriptedBroker(model) as broker:
        gateway = Gateway(broker, tmp_path)
        async with gateway.alive():
            broker.publish(BEGIN)
            await wait_until(lambda: broker.done)
            broker.deaf, before = True, broker.pubacks
            broker.publish(*scrap(*codes))
            await wait_until(lambda: broker.pubacks == before + 1_500)
        counted = await _settled(gateway, broker, codes)
    assert counted.pop("code equal") == 300
    assert counted == {f"code {code}": 1 for code in codes if code != "equal"}


@EVERY
async def test_p2_with_an_id_a_broker_that_was_restored_doubles_nothing(model: Model, tmp_path: Path) -> None:
    """It sends again what it had confirmed, with ids and flags of its choice, and messages that are equal but for the
    id; those of which the receipts are confirmed and those of which they are not, over a kill."""
    parts = [(SCRAP, json.dumps({"qty": 1, "code": "code equal", "id": number}).encode()) for number in range(40)]
    async with ScriptedBroker(model) as broker:
        gateway = Gateway(broker, tmp_path, WITH_ID)
        async with gateway.alive():
            broker.publish(BEGIN)
            await wait_until(lambda: broker.done)
            broker.publish(*parts[:20])
            broker.save()
            await wait_until(lambda: broker.done)
            broker.publish(*parts[20:30])
            await wait_until(lambda: broker.done)
            broker.restore()
            await wait_until(lambda: broker.done)
        broker.restore()
        broker.publish(*parts[30:])
        assert await _settled(gateway, broker, ["equal"]) == {"code equal": 40}


async def test_p2_a_burst_of_equal_ones_at_a_broker_that_uses_ids_again(tmp_path: Path) -> None:
    """NATS, cut before it has said that it took our acknowledgements, with as many on their way, which never come: they
    have other ids, because not all were acknowledged."""
    async with ScriptedBroker(NewFirst(window=40, repeats=0)) as broker:
        gateway = Gateway(broker, tmp_path)
        async with gateway.alive() as intake:
            for message in (BEGIN, *scrap(0, 1)):
                broker.publish(message)
                await wait_until(lambda: broker.done and not any(map(len, intake._repeats.sessions.values())))
            broker.answers, before = False, broker.pubacks
            broker.publish(*scrap(*["equal"] * 20))
            await wait_until(lambda: broker.pubacks >= before + 19)
            broker.swallow = True
            broker.publish(*scrap(*["equal"] * 20))
            broker.answers = True
            broker.cut()
        assert (await _settled(gateway, broker, ["equal"]))["code equal"] == 40


async def test_p2_old_ones_that_come_half_a_minute_after_new_ones(tmp_path: Path) -> None:
    """NATS: the new ones are counted and confirmed before the old ones come again."""
    async with ScriptedBroker(NewFirst(window=20, repeats=0)) as broker:
        gateway = Gateway(broker, tmp_path)
        async with gateway.alive():
            broker.publish(BEGIN)
            await wait_until(lambda: broker.done)
            broker.deaf, before = True, broker.pubacks
            broker.publish(*scrap(*range(5)))
            await wait_until(lambda: broker.pubacks >= before + 4)
            broker.holds = True
            broker.cut()
            broker.publish(*scrap(*range(5, 10)))
            before, questions = broker.pubacks, len(broker.questions)
            await wait_until(lambda: broker.pubacks == before + 5 and len(broker.questions) > questions)
            broker.holds = False
            broker.pump()
            await wait_until(lambda: broker.done)
        assert await _settled(gateway, broker, range(10)) == {f"code {number}": 1 for number in range(10)}


async def test_p2_what_a_broker_confirmed_while_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NATS answers for a moment after it has stopped storing: what it confirmed then comes again when it has been
    started anew, with other ids, beside new messages. The test's machine may be slow, a stop is not."""
    monkeypatch.setattr(receipts, "STORED_LATE", PATIENCE)
    async with ScriptedBroker(Stopped(window=20, unstored=10)) as broker:
        gateway = Gateway(broker, tmp_path)
        async with gateway.alive() as intake:

            def confirmed(again: int = 0) -> bool:
                came_again = sum(packet.dup for packet in broker.sent) >= again
                return broker.done and came_again and not any(map(len, intake._repeats.sessions.values()))

            broker.publish(BEGIN)
            await wait_until(confirmed)
            for again in range(4):
                broker.publish(*scrap(*range(10 * again, 10 * again + 10)))
                await wait_until(partial(confirmed, 10 * again))
                broker.cut()
            await wait_until(partial(confirmed, 40))
            async with asyncio.timeout(PATIENCE):
                while len(await gateway.counted_in(gateway.outbox)) < 40:
                    await asyncio.sleep(0.1)
        assert await gateway.counted() == {f"code {number}": 1 for number in range(40)}


async def test_p2_what_the_broker_has_confirmed_is_not_remembered() -> None:
    """After the acknowledgements of a batch the broker is asked, and its answer removes the receipts."""
    async with ScriptedBroker(KeepsIds(window=20)) as broker:
        intake = Remembering()
        source = MqttSource("floor", mqtt_config(broker.url, version="3.1.1"), [SCRAP], AnchoredClock())
        async with running(source, intake):
            await wait_until(lambda: source.health.connected)
            broker.publish(*scrap(*range(50)))
            await wait_until(lambda: broker.done and len(intake.session) == 0)
    assert len(intake.verdicts) == 50
    assert 0 < len(broker.questions) < 25


async def test_p2_a_broker_that_answers_only_pings() -> None:
    """The PINGRESP of the keep-alive confirms as well."""
    async with ScriptedBroker(KeepsIds(window=20)) as broker:
        intake = Remembering()
        source = MqttSource("floor", mqtt_config(broker.url, version="3.1.1", keepalive="5s"), [SCRAP], AnchoredClock())
        async with running(source, intake):
            await wait_until(lambda: source.health.connected)
            broker.answers = False
            broker.publish(*scrap(1))
            await wait_until(lambda: broker.done and broker.questions)
            assert len(intake.session) == 1
            broker.answers = True
            await wait_until(lambda: len(intake.session) == 0)
    assert broker.questions[0] == 10
    assert 12 in broker.questions
