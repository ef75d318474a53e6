"""What a line goes on to tell after the times that a wrong clock had stamped were mended."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.clock_evidence import Retiming
from gateway.config.schema import Line
from gateway.intake import Intake
from gateway.mapping.compile import compile_line
from gateway.mending import mend
from gateway.model import Moment, Output, Sample
from gateway.outbox.lanes import stored_record
from gateway.outbox.thread import OutboxThread
from gateway.sources.base import Arrival
from tests.intake_rig import EPOCH, opened

PLAN = compile_line(
    Line.model_validate(
        {
            "factory": "Factory A",
            "line": "Line 01",
            "inputs": {
                "order": {"source": "floor", "topic": "order", "field": "number", "time": "t"},
                "scrap": {"source": "floor", "topic": "scrap", "time": "t"},
            },
            "run": {"key": "order", "product": "{order}", "settle": "0s"},
            "scrap_yield": {"every": "5s", "entries": [{"count": "scrap.qty", "raw_data": {"scrap": "{n}"}}]},
        }
    ),
    ("lines", 0),
)


Message = tuple[float, str, dict[str, object]]


class WrongClock:
    """The gateway's clock, `ahead` of the plant's time."""

    plant = 0.0
    ahead = 0.0

    def now(self) -> float:
        return EPOCH + self.plant + self.ahead

    def monotonic(self) -> float:
        return self.plant

    def slept(self) -> float:
        return 0.0


async def told(intake: Intake, clock: WrongClock, messages: Sequence[Message]) -> None:
    """Map messages whose senders have the right time, each by itself: seconds at the plant, topic, what it says."""
    for plant, topic, said in messages:
        clock.plant = plant
        mapped = intake.health.samples.total()
        sample = Sample("floor", topic, {**said, "t": EPOCH + plant}, clock.now())
        await intake.take(Arrival("floor", (Moment((sample,)),)))
        while intake.health.samples.total() == mapped:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("ahead", [3600.0, 90.0])
@pytest.mark.asyncio
async def test_p4_p11_nothing_is_told_twice_after_a_clock_that_was_ahead(tmp_path: Path, ahead: float) -> None:
    """Orders and scrap with times of their own, and a clock that is set back between two of them: each part is told
    once, also of messages that come late after it."""
    clock, outbox = WrongClock(), OutboxThread()
    await outbox.open(lambda: opened(tmp_path))
    scraps: list[Message] = [(float(at), "scrap", {"qty": 1}) for at in range(6, 27, 3)]
    more: list[Message] = [(float(at), "scrap", {"qty": 1000}) for at in range(120, 120 + 40 * 60, 60)]
    first: list[Message] = [(3.0, "order", {"number": "A"}), *scraps]
    second: list[Message] = [(30.0, "scrap", {"qty": 10}), (33.0, "order", {"number": "B"})]
    second += [(31.0, "scrap", {"qty": 100}), *more]
    for life, (before, messages) in enumerate([(ahead, first), (0.0, second)]):
        if life:
            await mend(outbox, [PLAN], Retiming(int(EPOCH + ahead), -ahead))
        clock.ahead = before
        intake = Intake(outbox, [PLAN], clock, lambda _: None, lambda _: None)
        await intake.load()
        task = asyncio.create_task(intake.run())
        await told(intake, clock, messages)
        intake.stop()
        await task
    rows = await outbox(lambda outbox: [text for key, text in outbox.rows() if key.startswith("record/")])
    records = [stored_record(row).record for row in rows]
    amounts = [str(record.raw_data["scrap"]) for record in records if isinstance(record, Output)]
    stamps = [record.timestamp for record in records if isinstance(record, Output)]
    await outbox.close()
    assert sum(map(int, amounts)) == 7 + 10 + 100 + 40_000 - 1000  # the last window is not over
    assert max(stamps) <= EPOCH + clock.plant
