"""The gateway as its own process, killed on Monday and begun on Friday without its outbox: what Oden shows then."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.simulator.oden.store import Interval
from tests.peers import wait_until
from tests.processes import end_all
from tests.test_clock_set import CONFIG, DAY, Machine

FRIDAY = 4 * DAY
STATES = """
      state: {{source: floor, topic: l01/state, field: code}}
    states: {{input: state, codes: {{1: {{category: Uptime}}}}}}
    run:"""


class Box(Machine):
    """A line with states, whose broker keeps the last order and state; a machine with a runtime directory."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        text = CONFIG.replace("\n    run:", STATES).format(folder=folder, mqtt=self.mosquitto.url, **self.ports)
        (folder / "gateway.yaml").write_text(text)
        self.runtime = folder / "run"
        self.runtime.mkdir()
        self.environment["RUNTIME_DIRECTORY"] = str(self.runtime)

    def told(self) -> list[str]:
        """What a person is told of what was found at Oden."""
        return [notice["text"] for notice in self.status()["notices"] if notice["kind"] == "oden"]

    def states(self) -> list[Interval]:
        return self.oden().intervals("STATE", "Factory A", "Line 01")


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    box = Box(tmp_path)
    yield box
    end_all(box.processes)
    box.mosquitto.stop()


@pytest.mark.parametrize("lost", ["the folder", "the container"])
async def test_p4_an_outbox_lost_on_monday_and_begun_on_friday(box: Box, lost: str) -> None:
    """The run of the same key goes on, with what is made in it; the days between are no uptime: the state ended on
    Monday, and a new one begins. A person is told. The next order is a run as any other."""
    box.set_clock(0.0)
    box.mosquitto.start()
    box.start_oden()
    box.start_gateway()
    await wait_until(box.takes_in)
    await box.mosquitto.publish("l01/order", '{"number": "A"}', retain=True)
    await box.mosquitto.publish("l01/state", '{"code": 1}', retain=True)
    await wait_until(lambda: box.runs() and box.states())
    await box.mosquitto.publish("l01/scrap", '{"qty": 3}')
    await wait_until(lambda: box.scrap() == 3)
    (monday,) = box.states()
    box.kill_gateway()
    shutil.rmtree(box.folder / "outbox")
    if lost == "the container":
        shutil.rmtree(box.runtime)
        box.runtime.mkdir()
    box.set_clock(FRIDAY)
    box.start_gateway()
    await wait_until(box.takes_in)
    await box.mosquitto.publish("l01/scrap", '{"qty": 2}')
    await wait_until(lambda: box.scrap() == 5 and len(box.states()) == 2 and box.states()[0].end is not None)
    assert [(run.name, run.end) for run in box.runs()] == [("A", None)]
    before, after = box.states()
    assert before.start == monday.start
    assert before.end is not None
    assert before.end - before.start < DAY
    assert after.start - before.start > FRIDAY - DAY
    assert after.end is None
    await wait_until(lambda: any("the run A" in text and "goes on" in text for text in box.told()))
    await wait_until(lambda: any("the state Uptime" in text and "was ended" in text for text in box.told()))
    await box.mosquitto.publish("l01/order", '{"number": "B"}', retain=True)
    await wait_until(lambda: [run.name for run in box.runs()] == ["A", "B"] and box.runs()[0].end is not None)
