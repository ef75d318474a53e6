"""An outbox that was copied back while counters went on: each part that was made is at Oden once."""

from pathlib import Path

import pytest

from gateway import recollection, told_elsewhere
from gateway.outbox.key_value import MemoryStore
from gateway.outbox.life import LifeMark, begin_life, is_compared, keep_uncompared
from gateway.outbox.store import Outbox
from tests.delivery.harness import Fault, Oden, Rig
from tests.delivery.recollection_rig import Gateway
from tests.mapping.recording import tag, tick


@pytest.mark.parametrize(("minutes", "seconds"), [(0, 0), (0, 30), (1, 0), (60, 0)])
async def test_p4_a_copy_of_before_tells_no_counter_twice(
    gateway: Gateway, oden: Oden, minutes: int, seconds: int, tmp_path: Path
) -> None:
    """Put back after no time, half a minute, a minute, an hour of the same run: two searches, and the sum is what was
    made."""
    copy = gateway.copy()
    await gateway.lives(minutes=minutes, seconds=seconds)
    assert await gateway.put_back(copy, tmp_path) == 2
    await gateway.lives(minutes=3)
    assert (await gateway.total(), len(oden.runs())) == (gateway.made, 1)


async def test_p4_a_copy_from_another_box_is_no_other(gateway: Gateway, oden: Oden, tmp_path: Path) -> None:
    """The copy of a copy, with a life in between that delivered, and a run in that life that the copy does not know:
    what was made in it is not told again."""
    copy = gateway.copy()
    await gateway.lives(minutes=10)
    again = MemoryStore()
    again.apply(dict(copy.items()))
    await gateway.put_back(copy, tmp_path)
    await gateway.lives("B", minutes=10)
    (tmp_path / "other").mkdir()
    assert await gateway.put_back(again, tmp_path / "other") == 3
    assert Outbox(again).counts().waiting == 0
    await gateway.lives(minutes=2)
    assert await gateway.total() == gateway.made


@pytest.mark.parametrize("minutes", [0, 10])
async def test_p4_where_oden_does_not_answer_the_difference_is_held_until_it_does(
    gateway: Gateway, oden: Oden, minutes: int, tmp_path: Path
) -> None:
    """What is made later is told at once, and the stretch that another life may have told not before that is known:
    nothing is told twice, and where there was no other life, as after a reboot, nothing is missing."""
    copy = gateway.copy()
    await gateway.lives(minutes=minutes)
    before, made = oden.total("yield"), gateway.made
    url, oden.url = oden.url, "http://127.0.0.1:1/v2"
    gateway.good, gateway.made = gateway.good + 7, gateway.made + 7
    assert await gateway.put_back(copy, tmp_path, compared=False) == 0
    oden.url = url
    gateway.now += 1.0
    gateway.map(tag(gateway.now, "Good", gateway.good % 65_536))
    await gateway.lives(minutes=2)
    assert await gateway.total() - before == gateway.made - made - 7
    await gateway.put_back(gateway.rig.rows, tmp_path)
    await gateway.lives(minutes=1)
    assert await gateway.total() == gateway.made


@pytest.mark.parametrize(
    ("status", "text"), [(500, ""), (503, "<html>"), (429, "{}"), (200, '{"cut'), (200, '{"other": 1}'), (None, "")]
)
async def test_p4_an_answer_that_tells_nothing_is_asked_for_again(
    gateway: Gateway, oden: Oden, status: int | None, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An Oden that is there and has its troubles: nothing is told twice because of that."""
    monkeypatch.setattr(told_elsewhere, "PAUSE", 0.0)
    copy = gateway.copy()
    await gateway.lives(minutes=10)
    oden.faults.append(Fault("/search", "before", status, text=text, times=3))
    assert await gateway.put_back(copy, tmp_path) == 5
    await gateway.lives(minutes=3)
    assert await gateway.total() == gateway.made


@pytest.mark.parametrize("known_to_oden", [False, True])
async def test_p4_a_copy_of_before_the_first_run_tells_no_counter_twice(
    rig: Rig, oden: Oden, known_to_oden: bool, tmp_path: Path
) -> None:
    """The copy knows what the counter showed, and no run; perhaps not even the line's id."""
    gateway = Gateway(rig)
    gateway.map(tag(0.5, "Good", gateway.good % 65_536), tag(0.6, "State", 1), tick(50))
    gateway.now = 60.0
    async with rig.running():
        if known_to_oden:
            await rig.drained()
    copy = gateway.copy()
    await gateway.lives("A", minutes=5)
    await gateway.put_back(copy, tmp_path)
    await gateway.lives("B", minutes=3)
    assert await gateway.total() == gateway.made


async def test_p4_a_line_that_is_named_without_its_id_is_asked_for_again(
    rig: Rig, oden: Oden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such an answer does not mean that there is no such line, of which nothing can have been told."""
    monkeypatch.setattr(told_elsewhere, "PAUSE", 0.0)
    gateway = Gateway(rig)
    gateway.map(tag(0.5, "Good", gateway.good % 65_536), tick(50))
    gateway.now = 60.0
    copy = gateway.copy()
    begin_life(Outbox(copy), LifeMark(tmp_path / "first", tmp_path))
    await gateway.lives("A", minutes=5)
    oden.faults.append(Fault("/line/search", "before", 200, text='[{"name": "Line 01"}]'))
    await gateway.put_back(copy, tmp_path)
    await gateway.lives("B", minutes=3)
    assert await gateway.total() == gateway.made


@pytest.mark.parametrize("minutes", [1, 5])
async def test_p4_a_run_that_began_before_the_latest_time_of_the_copy_is_looked_at_too(
    gateway: Gateway, oden: Oden, minutes: int, tmp_path: Path
) -> None:
    """Of what began just before the copy was taken, it need not have heard; nor where the clock was ahead then."""
    gateway.map(tick(gateway.now + 30))
    copy = gateway.copy()
    await gateway.lives("B", minutes=minutes)
    gateway.now += 30.0
    await gateway.put_back(copy, tmp_path)
    await gateway.lives("C", minutes=3)
    assert (await gateway.total(), len(oden.runs())) == (gateway.made, 3)


async def test_p4_a_copy_of_before_the_first_run_takes_off_nothing_that_was_made_before_it(
    gateway: Gateway, oden: Oden, tmp_path: Path
) -> None:
    """A new box, whose memory begins where the counters stand, one of which has not moved for long: what the one before
    it has told of the run that is on is none of what it counts."""
    told = await gateway.total()
    gateway.rig.rows = MemoryStore()
    gateway.map(tag(0.5, "Reject", 3), tag(gateway.now, "Good", gateway.good % 65_536), tick(gateway.now))
    (tmp_path / "new").mkdir()
    begin_life(Outbox(gateway.rig.rows), LifeMark(tmp_path / "new" / "box", tmp_path / "new"))
    gateway.made = 0
    await gateway.put_back(gateway.copy(), tmp_path)
    await gateway.lives("B", minutes=3)
    assert await gateway.total() == told + gateway.made


async def test_p4_what_a_life_from_an_older_copy_has_told_of_an_older_run_is_not_told_again(
    gateway: Gateway, oden: Oden, tmp_path: Path
) -> None:
    """It went on with the run that it knew; the copy that is put back then knows two later ones, and asks for the
    older one because others have told something."""
    older = gateway.copy()
    await gateway.lives("B", minutes=5)
    await gateway.lives("C", minutes=5)
    newer = gateway.copy()
    await gateway.lives(minutes=1)
    await gateway.put_back(older, tmp_path)
    await gateway.lives(minutes=10)
    (tmp_path / "other").mkdir()
    assert await gateway.put_back(newer, tmp_path / "other") == 4
    await gateway.lives("D", minutes=3)
    assert (await gateway.total(), len(oden.runs())) == (gateway.made, 4)


async def put_back_in_turn(gateway: Gateway, folder: Path) -> MemoryStore:
    """Put back a copy from before two runs, let that live, and put back one from after them, which is not compared."""
    older = gateway.copy()
    await gateway.lives("B", minutes=5)
    await gateway.lives("C", minutes=5)
    newer = gateway.copy()
    await gateway.put_back(older, folder)
    await gateway.lives(minutes=3)
    (folder / "other").mkdir()
    assert await gateway.put_back(newer, folder / "other", compared=False) == 3
    return newer


async def test_p4_what_has_been_told_of_an_older_run_alone_is_found_while_the_gateway_works(
    gateway: Gateway, oden: Oden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that Oden shows of the runs that the copy knows says that there was a life from an older one: that is no
    reason to wait. What it has told a run that was over is told back there, once: the counter has shown it to this
    life, which has told it of the run that was on."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    monkeypatch.setattr(told_elsewhere, "BETWEEN", 0.0)
    newer = await put_back_in_turn(gateway, tmp_path)
    await gateway.lives("D", minutes=1)
    noted = Outbox(newer).row("uncompared")
    before = len(oden.seen)
    for _ in range(2):
        await gateway.compares_later()
        assert is_compared(Outbox(newer))
        keep_uncompared(Outbox(newer), noted)
    assert len(oden.seen) - before == 2
    texts = [notice.text.partition(": ")[2] for notice in Outbox(newer).notices(50)]
    assert texts == ["a run that was over is told yield -300: another life told it"]
    await gateway.lives(minutes=9)
    assert (await gateway.total(), len(oden.runs())) == (gateway.made, 4)
    by_run = [sum(int(str(entry.raw_data["yield"])) for entry in oden.model.output(run)) for run in oden.runs()]
    assert by_run == [500, 500, 500, 1300]


async def test_p4_what_an_older_run_was_told_before_a_reset_is_taken_off_what_is_counted_next(
    gateway: Gateway, oden: Oden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counter does not show by now what another life has told, so that this one has not told it."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    monkeypatch.setattr(told_elsewhere, "BETWEEN", 0.0)
    newer = await put_back_in_turn(gateway, tmp_path)
    gateway.good = 65_536
    await gateway.lives("D", minutes=1)
    before = oden.total("yield")
    await gateway.compares_later()
    assert Outbox(newer).counts().waiting == 0
    await gateway.lives(minutes=9)
    assert await gateway.total() - before == 1000 - 300


async def test_p4_a_refused_search_is_made_again_only_later(gateway: Gateway, oden: Oden, tmp_path: Path) -> None:
    """A token that is not taken, say: the line does not wait for that."""
    oden.faults.append(Fault("/search", "before", 401))
    assert await gateway.put_back(gateway.copy(), tmp_path, compared=False) == 1


async def test_p4_a_copy_of_a_memory_that_was_compared_takes_nothing_off_once_more(
    gateway: Gateway, oden: Oden, tmp_path: Path
) -> None:
    """A copy is put back and copied before anything was counted; that copy is put back in turn."""
    copy = gateway.copy()
    await gateway.lives(minutes=10)
    await gateway.put_back(copy, tmp_path)
    again = gateway.copy()
    await gateway.lives(minutes=3)
    (tmp_path / "other").mkdir()
    await gateway.put_back(again, tmp_path / "other")
    await gateway.lives(minutes=3)
    assert await gateway.total() == gateway.made
