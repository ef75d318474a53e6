"""An outbox that is at its limit, with room taken by what nobody can deliver, as a process and part by part."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.errors import OutboxFull
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.store import Outbox
from tests.outbox.floor import LINE, Floor, Oden, commit, deliver, drain, next_commit
from tests.peers import Mosquitto
from tests.real_peers.gateway_run import ORDER, SCRAP, Events, GatewayRun

LIMIT = 2000


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
async def run(tmp_path: Path, broker: Mosquitto) -> AsyncIterator[GatewayRun]:
    """A gateway whose outbox may take 10 MB, and which adds scrap up for as long as an order is on."""
    run = GatewayRun.with_mqtt(tmp_path / "gateway", broker.port, "5", size_limit="10 MB")
    config = run.folder / "gateway.yaml"
    config.write_text(config.read_text().replace("every: 1s", "every: 12h"))
    await run.start_oden()
    run.start_gateway()
    await run.until_connected()
    yield run
    await run.close()


async def test_p4_p6_what_a_line_remembers_does_not_stop_intake(run: GatewayRun, broker: Mosquitto) -> None:
    """P4, P6: 14 MB of scrap wait for the end of their window, and nothing for Oden. To take nothing more in would be
    for ever: the order that ends the window would never be heard."""
    events = Events().distinct(1_100, padding=12_000)
    await broker.publish(ORDER, '{"number": "A1"}')
    await broker.publish(SCRAP, *(payload for _, payload in events))
    await broker.publish(ORDER, '{"number": "A2"}')
    await run.until(lambda status: status["records_total"].get("start", 0) == 2, "told of the second order")
    await broker.publish(ORDER, '{"number": "A3"}')  # what came in one moment with A2 is of that
    await run.until_arrived(map(Events.name_of, events))
    assert set(run.arrived().values()) == {1}
    await run.until_settled(1.0)


def test_p6_the_limit_is_for_what_is_kept_for_oden() -> None:
    """Rows of a line alone may take more than the limit; with a record beside them nothing more is taken in until Oden
    has it."""
    outbox, floor, oden = Outbox(MemoryStore(limit=LIMIT)), Floor(), Oden()
    commit(outbox, run := floor.start())
    drain(outbox, oden)
    for size in (LIMIT, 2 * LIMIT, 3 * LIMIT):
        outbox.commit(next_commit(outbox, states={LINE: {"head": "x" * size}}))
        assert outbox.summary(0).full is None
    commit(outbox, floor.output(run, 3))
    assert outbox.summary(0).full is not None
    with pytest.raises(OutboxFull, match="2000 are allowed"):
        commit(outbox, floor.output(run, 4))
    deliver(outbox, oden, outbox.work()[0])
    assert outbox.summary(0).full is None
    commit(outbox, floor.output(run, 4))
