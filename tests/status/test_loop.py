"""The loop that keeps the picture current, on an outbox that cannot always be read."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.clock import LoopClock
from gateway.errors import DamagedRow, OutboxError, SourceError
from gateway.health import Problems
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.store import Outbox
from gateway.status import findings, loop
from gateway.status.history_file import Chronicle
from gateway.status.loop import StatusLoop
from gateway.supervisor import Failure, Supervisor
from tests.campaign.virtual import simulate


@pytest.fixture(autouse=True)
def plain_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture without parts, of which only the problems count."""

    def snapshot(_: object, problems: Problems, *rest: Any, unreadable: str | None, **__: object) -> object:
        problems.set_conditions(findings.unreadable(unreadable))
        way = SimpleNamespace(requests={}, records={}, drain_seconds=0.0)
        return SimpleNamespace(sources=(), headline="a headline", lines=(), now=rest[1], outbox=way, oden=way)

    monkeypatch.setattr(loop, "snapshot", snapshot)


class Rig:
    """A status loop over an outbox in memory; `error` is what reading it raises."""

    def __init__(self) -> None:
        self.clock = LoopClock(1_800_000_000.0)
        self.outbox = Outbox(MemoryStore())
        self.error: Exception | None = None
        self.problems = Problems(self.clock)
        self.supervisor = Supervisor(self.clock)
        self.said: list[str] = []
        quiet: Any = SimpleNamespace(look=lambda _: None, status=self.said.append, observe=lambda *_: None)
        self.loop = StatusLoop(
            cast("Any", SimpleNamespace(plans=(), drain=SimpleNamespace(health=SimpleNamespace(lines={})))),
            cast("Any", self._ask),
            self.problems,
            self.supervisor,
            self.clock,
            handlers=quiet,
            journal=quiet,
            systemd=quiet,
            summary=self.outbox.summary(1),
            chronicle=Chronicle(Path("/nowhere/page-history.jsonl")),
        )

    async def _ask(self, call: Callable[..., Any], *args: Any) -> Any:
        if self.error is not None:
            raise self.error
        return call(self.outbox, *args)

    def kinds(self) -> list[str]:
        return [problem.kind for problem in self.problems.current()]


def test_p9_an_outbox_that_cannot_be_read_is_shown_until_it_can() -> None:
    """The loop goes on; its picture of the outbox stays what it was."""

    async def story() -> None:
        rig = Rig()
        running = asyncio.create_task(rig.loop.run())
        await asyncio.sleep(3.0)
        assert rig.kinds() == []
        rig.error = OutboxError("disk I/O error")
        await asyncio.sleep(3.0)
        assert rig.kinds() == ["outbox_unreadable"]
        rig.error = None
        await asyncio.sleep(3.0)
        assert rig.kinds() == []
        assert not running.done()
        running.cancel()

    simulate(story())


def test_p7_a_damaged_row_ends_the_loop() -> None:
    """It is for the supervisor, which ends the process."""

    async def story() -> None:
        rig = Rig()
        rig.error = DamagedRow("the row totals is not as it was written")
        with pytest.raises(DamagedRow):
            await rig.loop.run()

    simulate(story())


def test_p9_what_failed_is_shown_and_a_source_that_is_away_says_so_itself() -> None:
    """Each failure once; one of a source is no failure of a task."""

    async def story() -> None:
        rig = Rig()
        running = asyncio.create_task(rig.loop.run())
        failure = Failure("page", 1.0, OutboxError("the port is taken"))
        rig.supervisor.failures += [
            failure,
            replace(failure, name="source floor", error=SourceError("refused")),
            replace(failure, name="tables", error=ValueError("odd")),
        ]
        await asyncio.sleep(3.0)
        texts = [problem.text for problem in rig.problems.current()]
        assert texts == ["the port is taken", "tables failed and was started again: odd"]
        assert not rig.supervisor.failures
        running.cancel()

    simulate(story())
