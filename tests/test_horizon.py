"""What lines have heard is read from disk while everything else turns, and once for all of them."""

import asyncio
import base64
import json
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import LoopClock
from gateway.horizon import Horizon
from gateway.intake import Intake
from gateway.mapping.state_rows import StateRows
from gateway.mapping.trail import Feed
from gateway.oden.client import OdenClient
from gateway.oden.pace import Pace
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.life import LifeMark, begin_life
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from gateway.recollection import recollect
from tests.horizon_rig import T0, Heard, plan, said

LINES, ROWS, STEP = 6, 40, 5
END = T0 + ROWS * STEP


PLANS = [plan(number) for number in range(LINES)]


@pytest.fixture
def stored() -> MemoryStore:
    """Each line has heard a message in each of so many commits."""
    rows = MemoryStore()
    heard = Heard(Outbox(rows), PLANS)
    for number in range(1, ROWS + 1):
        now = T0 + STEP * number
        value: Mapping[str, object]
        what, value = ("order", {"number": "A"}) if number == 1 else ("count", {"n": 100 + number})
        heard.commit(number, now, [(place, said(place, what, value, now)) for place in range(LINES)])
    return rows


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the outbox was asked for the rows, and for the beginnings of trails."""
    count = Counter[str]()
    heard, trail = Outbox.heard, Outbox.trail

    def counted_heard(outbox: Outbox) -> list[tuple[int, str]]:
        count["heard"] += 1
        return heard(outbox)

    def counted_trail(outbox: Outbox, line: str) -> str | None:
        count["trail"] += 1
        return trail(outbox, line)

    monkeypatch.setattr(Outbox, "heard", counted_heard)
    monkeypatch.setattr(Outbox, "trail", counted_trail)
    return count


@contextmanager
def turns(look: Callable[[], object]) -> Iterator[list[object]]:
    """What `look` says at each turn of the loop."""
    seen: list[object] = []

    async def turning() -> None:
        while True:
            seen.append(look())
            await asyncio.sleep(0)

    task = asyncio.ensure_future(turning())
    try:
        yield seen
    finally:
        task.cancel()


class Turned:
    """Counts how often it was said that something turns."""

    number = 0

    def __call__(self) -> None:
        self.number += 1


async def opened(rows: MemoryStore) -> OutboxThread:
    outbox = OutboxThread()
    await outbox.open(lambda: Outbox(rows))
    return outbox


def heard_numbers(line: Feed) -> Sequence[float]:
    return [entry.at for entry in line.trail()]


async def test_p9_everything_turns_while_a_large_horizon_is_read(
    stored: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a pause after each row, and after each entry of a line; else the process would be taken to hang."""
    monkeypatch.setattr("gateway.batch.SLICE", 0.0)
    outbox, said = Outbox(stored), Turned()

    async def ask(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return call(outbox, *args, **kwargs)

    horizon = Horizon(ask, turn=said)
    with turns(lambda: said.number) as seen:
        await horizon.load()
    assert {*range(1, ROWS)} <= {*seen}
    with turns(lambda: said.number) as seen:
        line = await horizon.line(PLANS[0], StateRows(outbox.line_state(PLANS[0].key)).state(PLANS[0]))
    assert len({*seen}) >= ROWS
    assert heard_numbers(line)[-1] == END


async def test_p9_a_reload_reads_what_lines_have_heard_once_and_turns_meanwhile(
    stored: MemoryStore, asked: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a commit nothing that was read at the start is there any more."""
    monkeypatch.setattr("gateway.batch.SLICE", 0.0)
    outbox, clock = await opened(stored), LoopClock(END)
    intake = Intake(outbox, PLANS[:1], clock, lambda _: None, lambda _: None)
    await intake.load()
    intake._horizon.take({}, ROWS, END)
    asked.clear()
    with turns(lambda: intake.turned_at) as seen:
        await intake.replan(PLANS, ())
    assert asked == {"heard": 1, "trail": LINES - 1}
    assert len({*seen}) >= ROWS
    assert all(intake.state(one.key).now for one in PLANS)
    await outbox.close()


async def test_p9_lines_that_only_change_are_gone_over_to_one_by_one(stored: MemoryStore) -> None:
    outbox, clock = await opened(stored), LoopClock(END)
    intake = Intake(outbox, PLANS, clock, lambda _: None, lambda _: None)
    await intake.load()
    with turns(lambda: intake.turned_at) as seen:
        await intake.replan([plan(number) for number in range(LINES)], {one.key for one in PLANS})
    assert len({*seen}) >= LINES
    await outbox.close()


async def test_p9_a_comparison_that_has_to_wait_reads_each_line_once(
    stored: MemoryStore, asked: Counter[str], tmp_path: Path
) -> None:
    """Another life has begun and Oden is away: what each of the lines counts is held, and what all of them have heard
    is kept."""
    assert begin_life(Outbox(stored), LifeMark(tmp_path / "box", tmp_path))
    outbox, before = await opened(stored), Outbox(stored).last_commit()
    async with OdenClient("http://127.0.0.1:1/v2", lambda: "token", pace=Pace(0.0, 0.0)) as client:
        await recollect(outbox, client, PLANS, END + 60.0)
    assert asked == {"heard": 1, "trail": LINES}
    assert Outbox(stored).last_commit() == before + LINES
    again = Horizon(outbox)
    await again.load()
    for one in PLANS:
        state = StateRows(Outbox(stored).line_state(one.key)).state(one)
        assert state.output.holds or state.output.held or state.batch_output.holds or state.batch_output.held
        line = await again.line(one, state)
        assert line.numbered >= ROWS
    await outbox.close()


async def test_p12_what_is_read_of_a_horizon_takes_the_room_of_its_text(stored: MemoryStore) -> None:
    """As objects it took twenty times that, for as long as no commit was made: what lines have heard is small numbers
    and short words."""
    outbox, text = (
        Outbox(stored),
        json.dumps({"e": [[one, 0, T0 + one, 1, 0, 0, [0, {"n": one}, T0]] for one in range(500)]}),
    )
    row = base64.b85encode(zlib.compress(f'{{"at":{T0},"lines":{{"Line 00":{text}}}}}'.encode())).decode()
    rows = [(number, row) for number in range(40)]

    async def ask(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return rows if call is Outbox.heard else call(outbox, *args, **kwargs)

    horizon = Horizon(ask)
    tracemalloc.start()
    try:
        await horizon.load()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1.5 * len(rows) * len(text)
