"""A message that can be mapped and cannot be stored stops no other one, and nothing goes round for ever."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from gateway.clock import LoopClock
from gateway.config.schema import Line
from gateway.errors import DamagedRow, OutboxError
from gateway.fence import CAREFUL, MOST_CAREFUL, OF_TIME, TRIES, WHY, Fence
from gateway.frozen import replace
from gateway.intake import Intake
from gateway.mapping.compile import LinePlan, compile_line
from gateway.model import Contact, Moment, Notice, Recovered, Sample
from gateway.outbox.entries import Commit
from gateway.outbox.lanes import stored_record
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread
from gateway.sources.base import Arrival, Connected, Receipt
from tests.intake_rig import EPOCH, opened
from tests.peers import PATIENCE
from tests.receipts.digests import hashed

POISON = "poison"
BACK = Contact("plc", 1.0, "back", 1.0)
GAP = Notice("gap", 1.0, "plc", "", "not connected")
PLAN, OTHER = (
    compile_line(
        Line.model_validate(
            {
                "factory": "Factory A",
                "line": line,
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
        ("lines", number),
    )
    for number, line in enumerate(("Line 01", "Line 02"))
)


class Floor:
    """A broker that sends again, at each connection, what is not acknowledged; and lives of an intake, of which the
    supervisor runs each again where it fails, until all begins anew."""

    def __init__(self, outbox: OutboxThread, messages: list[tuple[str, object]], *others: LinePlan) -> None:
        self.outbox, self.fence, self.plans = outbox, Fence(), [PLAN, *others]
        self.unacknowledged = dict(enumerate(messages, 1))
        self.lives = 0

    async def live(self, scrap: int) -> None:
        """Until all is acknowledged and so much scrap is told of the last line."""
        while not self._is_done(scrap, await self._told()):
            self.lives += 1
            self.fence.begin()
            clock = LoopClock(EPOCH)
            intake = Intake(self.outbox, self.plans, clock, lambda _: None, lambda _: None, fence=self.fence)
            await intake.load()
            again = self.lives > 1
            await intake.take(Arrival("floor", connected=Connected("edge at broker", again, clock.monotonic())))
            for packet_id, (topic, value) in [*self.unacknowledged.items()]:
                moment = Moment((Sample("floor", topic, value, clock.now()),))
                receipt = Receipt(packet_id, hashed(f"{topic}{value}"), again, clock.monotonic())
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
        return sum(
            int(str(each.raw_data["scrap"]))
            for each in records
            if each.kind == "output" and each.line == self.plans[-1].key
        )


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


@pytest.mark.parametrize("for_good", [False, True])
async def test_p5_what_a_timer_makes_and_cannot_be_stored_stops_no_other(
    for_good: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is lost with a notice that names its line; or where the line cannot be stored from then on (`for_good`), the
    line stands still, and what it does not take is kept. No arrival is blamed: the other line counts each once."""
    whole, failed = Outbox.commit, list[int]()

    def commit(outbox: Outbox, commit: Commit) -> None:
        if POISON in repr([each for each in commit.records if each.line == PLAN.key]):
            failed.append(commit.number)
            raise UnicodeError("it cannot be written down")
        if for_good and failed and PLAN.key in commit.states:
            raise UnicodeError("it cannot be written down")
        whole(outbox, commit)

    monkeypatch.setattr(Outbox, "commit", commit)
    messages: list[tuple[str, object]] = [("scrap", {"qty": 1, "code": number}) for number in range(5)]
    messages.insert(2, ("scrap", {"qty": 1, "code": POISON}))
    outbox = OutboxThread()
    await outbox.open(lambda: opened(tmp_path))
    floor = Floor(outbox, [("order", {"number": "A1"}), *messages], OTHER)
    async with asyncio.timeout(PATIENCE):
        await floor.live(6)
    notices = {(each.kind, each.text) for each in await outbox(Outbox.notices, 100)}
    await outbox.close()
    stands = ("reject", f"line {PLAN.key}: internal error: RuntimeError")
    assert failed
    assert notices == {stands if for_good else ("loss", f"line {PLAN.key}: {OF_TIME}")}


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
    assert (fence.admitted(bad, 1.0), fence.is_careful(1.0)) == ([bad], True)
    fails(bad, after=8, now=1.0)
    fence.begin()
    fails(after=9, now=1.0)  # what fails is what the time has made, and not what was stored before
    [instead] = fence.admitted(bad, 2.0)
    assert ([reject.payload for reject in instead.rejects], instead.notices[0].text) == ([b"bad"], WHY)
    assert not instead.moments
    assert fence.admitted(good, 2.0) == [good]
    assert fence.admitted(bad, 1.0 + CAREFUL) == [bad]
    assert not fence.is_careful(1.0 + CAREFUL)


def _tags(*values: tuple[str, object]) -> tuple[Moment, ...]:
    return (Moment(tuple(Sample("plc", address, value, 1.0) for address, value in values)),)


def _stored(fence: Fence, arrivals: Callable[[int], Arrival], poison: str = POISON) -> list[Arrival]:
    """What is stored of the arrival of the first life, by its number, in which all of it can be, and of none else."""
    for life in range(10):
        fence.begin()
        stored = list[Arrival]()
        for part in fence.admitted(arrivals(life), 0.0):
            if poison in repr((part.moments, part.recovered, part.contacts)):
                for _ in range(TRIES):
                    fence.suspect([part], life)
                    fence.failed(ValueError(), life, 0.0)
                break
            stored.append(part)
        else:
            return stored
    raise AssertionError("it goes round for ever")


@pytest.mark.parametrize("moves", [False, True])
def test_p5_of_many_tags_only_the_one_that_cannot_be_stored_is_kept_out(moves: bool) -> None:
    """Though at each connection all come at once, a counter has moved, and maybe the bad one too."""
    done = list[int]()

    def arrival(life: int) -> Arrival:
        bad = f"{POISON} {life if moves else 0}"
        moments = (*_tags(("first", 1)), *_tags(("count", life), ("bad", bad), ("order", "A")))
        notice = Notice("gap", 1.0, "plc", "", f"not connected, {life}")
        return Arrival("plc", moments, (notice,), done=lambda: done.append(life), contacts=(BACK,))

    stored = _stored(Fence(), arrival)
    assert [sample.address for part in stored for sample in part.samples] == ["first", "count", "order"]
    assert [reject.address for part in stored for reject in part.rejects] == ["bad"]
    assert [notice.kind for part in stored for notice in part.notices] == ["gap", "reject"]
    assert [contact for part in stored for contact in part.contacts] == [BACK]
    assert [part.done is not None for part in stored] == [False, False, False, False, True]


def test_p5_many_tags_have_the_time_to_be_stored_one_by_one() -> None:
    fence = Fence()
    for _ in range(TRIES):
        fence.failed(ValueError(), 1, 0.0)
    fence.admitted(Arrival("plc", tuple(moment for n in range(1_000) for moment in _tags((f"t{n}", 1)))), 1.0)
    assert fence.is_careful(CAREFUL + 1.0)
    fence.admitted(Arrival("plc", tuple(moment for n in range(9_000) for moment in _tags((f"t{n}", 1)))), 1.0)
    assert not fence.is_careful(MOST_CAREFUL)


def test_p5_what_was_kept_and_cannot_be_stored_is_listed_whole() -> None:
    """Each time that it is read again there is more of it; nothing of it is dropped without a word, nor what came with
    it."""

    def arrival(life: int) -> Arrival:
        moments = tuple(moment for number in range(life + 1) for moment in _tags(("n", f"{POISON} {number}")))
        return Arrival("plc", notices=(GAP,), recovered=Recovered("plc", 9.0, 1.0, moments))

    stored = _stored(Fence(), arrival)
    rejects = [reject.payload.decode() for part in stored for reject in part.rejects]
    assert rejects == [f"{POISON} {number}" for number in range(len(rejects))]
    assert [(each.text, each.count) for part in stored for each in part.notices] == [(GAP.text, 1), (WHY, len(rejects))]


def test_p5_an_arrival_without_values_is_known_by_what_it_says() -> None:
    """It is lost with a notice, and no other one of its source; who says nothing is never blamed."""
    fence, lost = Fence(), replace(BACK, state="lost")
    [stored] = _stored(fence, lambda _: Arrival("plc", contacts=(BACK,)), "'back'")
    assert (stored.contacts, [(each.kind, each.text) for each in stored.notices]) == ((), [("loss", WHY)])
    others = Arrival("plc", contacts=(lost,)), Arrival("plc", notices=(GAP,)), *map(_arrival, ("a", "b"))
    assert [fence.admitted(each, 0.0) for each in others] == [[each] for each in others]
    nothing = Arrival("plc", connected=Connected("edge at broker", resumed=True, at=0.0))
    for _ in range(TRIES):
        fence.suspect([nothing], 100)
        fence.failed(ValueError(), 100, 0.0)
    assert fence.admitted(nothing, 0.0) == [nothing]


def test_p5_who_was_suspected_in_an_earlier_life_is_not_blamed_in_the_next() -> None:
    fence = Fence()
    for _ in range(3):
        fence.begin()
        for _ in range(TRIES):
            fence.failed(ValueError(), 5, 0.0)
        fence.suspect([Arrival("plc", contacts=(BACK,))], 5)
    assert fence.admitted(Arrival("plc", contacts=(BACK,)), 0.0) == [Arrival("plc", contacts=(BACK,))]
