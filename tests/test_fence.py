"""A message that can be mapped and cannot be stored stops no other one, and nothing goes round for ever."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from gateway.clock import LoopClock
from gateway.config.schema import Line
from gateway.errors import DamagedRow, OutboxError
from gateway.fence import CAREFUL, TRIES, WHY, Fence
from gateway.intake import Intake
from gateway.mapping.compile import compile_line
from gateway.model import Moment, Sample
from gateway.outbox.entries import Commit
from gateway.outbox.lanes import stored_record
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from gateway.sources.base import Arrival, Connected, Receipt
from tests.intake_rig import EPOCH, opened
from tests.peers import PATIENCE

POISON = "poison"
PLAN = compile_line(
    Line.model_validate(
        {
            "factory": "Factory A",
            "line": "Line 01",
            "inputs": {
                "order": {"source": "floor", "topic": "order", "field": "number"},
                "scrap": {"source": "floor", "topic": "scrap"},
            },
            "run": {"key": "order", "product": "{order}", "settle": "0s"},
            "scrap_yield": {
                "every": "1s",
                "entries": [{"count": "scrap.qty", "raw_data": {"scrap": "{n}", "code": "{scrap.code}"}}],
            },
        }
    ),
    ("lines", 0),
)


class Floor:
    """A broker that sends again, at each connection, what is not acknowledged; and lives of an intake, of which the
    supervisor runs each again where it fails, until all begins anew."""

    def __init__(self, outbox: OutboxThread, messages: list[tuple[str, object]]) -> None:
        self.outbox, self.fence = outbox, Fence()
        self.unacknowledged = dict(enumerate(messages, 1))
        self.lives = 0

    async def live(self, scrap: int) -> None:
        """Until all is acknowledged and so much scrap is told."""
        while not self._is_done(scrap, await self._told()):
            self.lives += 1
            self.fence.begin()
            clock = LoopClock(EPOCH)
            intake = Intake(self.outbox, [PLAN], clock, lambda _: None, lambda _: None, fence=self.fence)
            await intake.load()
            again = self.lives > 1
            await intake.take(Arrival("floor", connected=Connected("edge at broker", again, clock.monotonic())))
            for packet_id, (topic, value) in [*self.unacknowledged.items()]:
                moment = Moment((Sample("floor", topic, value, clock.now()),))
                receipt = Receipt(packet_id, f"{topic}{value}", again, clock.monotonic())
                done = partial(self.unacknowledged.__delitem__, packet_id)
                await intake.take(Arrival("floor", (moment,), receipt=receipt, done=done))
            while not self.fence.anew.is_set() and not self._is_done(scrap, await self._told()):
                running = asyncio.create_task(intake.run())
                while not running.done() and not self._is_done(scrap, await self._told()):
                    await asyncio.sleep(0.05)
                if not running.done():
                    intake.stop()
                await asyncio.gather(running, return_exceptions=True)

    def _is_done(self, scrap: int, told: int) -> bool:
        return not self.unacknowledged and told == scrap

    async def _told(self) -> int:
        rows = await self.outbox(lambda store: [text for key, text in store.rows() if "/output/" in key])
        records = [stored_record(text).record for text in rows]
        return sum(int(str(each.raw_data["scrap"])) for each in records if each.kind == "output")


@pytest.mark.parametrize("even_as_a_reject", [False, True])
@pytest.mark.parametrize("at", [0, 7, 19])
async def test_p5_a_message_that_cannot_be_stored_stops_no_other(
    at: int, even_as_a_reject: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it stands among others it is found, kept where that is possible, and acknowledged; the others count
    once."""
    whole = Outbox.commit

    def commit(outbox: Outbox, commit: Commit) -> None:
        meant, kept = repr((commit.states, commit.records, commit.heard)), repr(commit.rejects)
        if POISON in meant or (even_as_a_reject and POISON in kept):
            raise UnicodeError("it cannot be written down")
        whole(outbox, commit)

    monkeypatch.setattr(Outbox, "commit", commit)
    messages: list[tuple[str, object]] = [("scrap", {"qty": 1, "code": number}) for number in range(20)]
    messages.insert(at, ("scrap", {"qty": 1, "code": POISON}))
    outbox = OutboxThread()
    await outbox.open(lambda: opened(tmp_path))
    floor = Floor(outbox, [("order", {"number": "A1"}), *messages])
    async with asyncio.timeout(PATIENCE):
        await floor.live(20)
    rejects = (await outbox(Outbox.summary, 10)).totals.kept_rejects.number
    await outbox.close()
    assert (floor.lives, rejects) == ((4, 0) if even_as_a_reject else (3, 1))


def _arrival(value: object) -> Arrival:
    return Arrival("floor", (Moment((Sample("floor", "scrap", value, 1.0),)),))


def test_p5_only_what_failed_alone_and_again_is_kept_out() -> None:
    """Not what failed among others, nor what a disk refused, nor what failed once and was stored then; and later one
    that says the same is tried again."""
    fence, bad, good = Fence(), _arrival("bad"), _arrival("good")

    def fails(*arrivals: Arrival, after: int, now: float = 0.0) -> None:
        for _ in range(TRIES):
            fence.suspect(arrivals, after)
            fence.failed(ValueError(), after, now)

    fence.suspect([bad], 1)
    for error in (OutboxError("full"), DamagedRow("a row")):
        for _ in range(TRIES):
            fence.failed(error, 1, 0.0)
    for number in range(2 * TRIES):
        fence.failed(ValueError(), number, 0.0)
    assert not fence.anew.is_set()
    fails(good, bad, after=7)
    assert fence.anew.is_set()
    fence.begin()
    assert (fence.admitted(bad, 1.0), fence.is_careful(1.0)) == (bad, True)
    fails(bad, after=8, now=1.0)
    fence.begin()
    fails(after=9, now=1.0)  # what fails is what the time has made, and not what was stored before
    instead = fence.admitted(bad, 2.0)
    assert ([reject.payload for reject in instead.rejects], instead.notices[0].text) == ([b"bad"], WHY)
    assert not instead.moments
    assert fence.admitted(good, 2.0) is good
    assert fence.admitted(bad, 1.0 + CAREFUL) is bad
    assert not fence.is_careful(1.0 + CAREFUL)
