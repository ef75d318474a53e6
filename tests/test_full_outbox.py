"""An outbox that is at its limit, with room taken by what nobody can deliver, as a process and part by part."""

import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.amendments import Changed
from gateway.errors import OutboxFull
from gateway.mapping.counters import Credit
from gateway.mapping.line import LineState
from gateway.mapping.state_rows import StateRows
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.store import Outbox
from tests.intake_rig import PLAN, Rig, until
from tests.outbox.floor import LINE, Floor, Oden, commit, deliver, drain, next_commit
from tests.peers import Mosquitto, free_port
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


@pytest.mark.parametrize("starts", ["once", "twice"])
async def test_p6_p7_a_machine_that_starts_anew_while_the_outbox_is_full_drains_it(
    starts: str, tmp_path: Path, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Oden shows is to be compared then, before what waits is sent. Oden is away at that start, or was at one
    before, and is back at the next: it is compared although nothing is taken in, everything leaves, and once."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "none"))
    run, events = GatewayRun.with_mqtt(tmp_path / "gateway", broker.port, "5", size_limit="10 MB"), Events()
    try:
        await run.start_oden()
        run.start_gateway()
        await run.until_connected()
        await broker.publish(ORDER, '{"number": "A1"}')
        told = events.distinct(10)
        await broker.publish(SCRAP, *(payload for _, payload in told))
        await run.until_arrived(map(Events.name_of, told))
        await run.stop_oden()
        if starts == "twice":
            waits = events.distinct(10)
            await broker.publish(SCRAP, *(payload for _, payload in waits))
            await run.until(lambda status: status["outbox"]["records"]["waiting"] >= 9, "told of what waits")
            await run.kill_gateway()
            run.start_gateway()
            await run.until_connected()
        many = events.distinct(1_100, padding=12_000)
        await broker.publish(SCRAP, *(payload for _, payload in many))
        await run.until(_is_full, "full")
        await run.kill_gateway()
        if starts == "twice":
            await run.start_oden()
        run.start_gateway()
        await run.until_connected()
        if starts == "once":
            await run.until(_is_full, "full")
            await run.start_oden()
        await run.until_arrived(events.made)
        await run.until_settled(1.0)
        assert run.arrived() == events.made
    finally:
        await run.close()


async def test_p6_p10_a_configuration_that_leads_to_oden_is_taken_while_the_outbox_is_full(
    tmp_path: Path, broker: Mosquitto
) -> None:
    """The address of Oden was wrong for so long. It is mended, and the configuration reloaded: everything leaves."""
    run, events = GatewayRun.with_mqtt(tmp_path / "gateway", broker.port, "5", size_limit="10 MB"), Events()
    config, nobody = run.folder / "gateway.yaml", free_port()
    right = config.read_text()
    config.write_text(right.replace(f"127.0.0.1:{run.ports['oden']}", f"127.0.0.1:{nobody}"))
    try:
        run.start_gateway()
        await run.until_connected()
        await broker.publish(ORDER, '{"number": "A1"}')
        await broker.publish(SCRAP, *(payload for _, payload in events.distinct(1_100, padding=12_000)))
        await run.until(_is_full, "full")
        config.write_text(right)
        await run.start_oden()
        run.gateway.send(signal.SIGHUP)
        await run.until_arrived(events.made)
        await run.until_settled(1.0)
        assert run.arrived() == events.made
    finally:
        await run.close()


async def test_p6_what_may_make_room_is_stored_in_an_outbox_that_is_full(tmp_path: Path) -> None:
    """What is found out at Oden is stored, with what was taken in before it; what comes afterwards is not."""
    rig = Rig(tmp_path, limit=1)

    def change(state: LineState) -> Changed:
        return Changed(replace(state, output=replace(state.output, credit={0: Credit(7)})))

    async with rig.running() as intake:
        await intake.take(rig.message("order", {"number": "A"}, 1))
        await until(lambda: rig.acked == [1])
        await intake.take(rig.message("scrap", {"qty": 3}, 2))
        await until(lambda: intake.health.full is not None)
        await intake.amendments.make(PLAN.key, change)
        stored = StateRows(await rig.outbox(Outbox.line_state, PLAN.key)).state(PLAN)
        assert (stored.output.credit, rig.acked) == ({0: Credit(7)}, [1, 2])
        await intake.take(rig.message("scrap", {"qty": 4}, 3))
        await until(lambda: intake.health.full is not None)
        assert rig.acked == [1, 2]


def _is_full(status: Any) -> bool:
    return any(problem["kind"] == "outbox_full" for problem in status["problem_details"])


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
