"""An older copy whose counters Oden does not show: nothing waits for ever, and Oden is not asked without end."""

from pathlib import Path

import pytest

from gateway import recollection, told_elsewhere
from gateway.model import Output
from gateway.outbox.life import is_compared, resting
from gateway.outbox.store import Outbox
from tests.delivery.harness import LINE, Fault, Oden, Rig
from tests.delivery.recollection_rig import PLAN, Gateway, Recorded
from tests.mapping.recording import plan, tag


async def test_p5_a_search_that_oden_never_answers_holds_no_other_line_and_its_own_not_for_ever(
    rig: Rig, oden: Oden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One interval's search is answered with 500 alone. The line after it is compared and its output offered; the
    line itself is asked for less and less often, and offered after some rounds, which is listed. Nothing is stored in
    between, and once Oden answers, the rest is taken off."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    monkeypatch.setattr(recollection, "MOST_ROUNDS", 3)
    monkeypatch.setattr(told_elsewhere, "PAUSE", 0.0)
    second = plan(line="Line 02")
    gateway, other = Gateway(rig, PLAN, second), Gateway(rig, second)
    for each in (gateway, other):
        each.map(tag(0.5, "Good", each.good % 65_536))
        await each.lives("A", minutes=5)
    gateway.makes(1)
    copy = Recorded(gateway.copy())
    gateway.makes(3)
    await gateway.lives(minutes=0)
    rig.rows = copy
    other.makes(1)
    line_id = Outbox(copy).line_refs()[LINE].oden_id
    oden.faults.append(Fault("/scrap_yield/search", "before", 500, times=6 * (1 + 5), contains=f'"{line_id}"'))
    await gateway.put_back(copy, tmp_path, compared=False)

    def offered() -> list[str]:
        return [work.records[0].line for work in Outbox(copy).work() if isinstance(work.records[0], Output)]

    assert ([*resting(Outbox(copy))], offered()) == ([LINE], [second.key])
    asked, stored = len(oden.seen), len(copy.steps)
    await gateway.compares_later()
    assert is_compared(Outbox(copy))
    assert (len(oden.seen) - asked, gateway.rounds) == (5 * (6 + 1) + 2, 1 + 2 + 4 + 8 + 16 + 32)
    assert len(copy.steps) - stored == 2 + 2
    assert sorted(offered()) == [LINE, second.key]
    texts = [notice.text for notice in Outbox(copy).notices(50)]
    assert sum("output that waited is sent" in text for text in texts) == 1
    await gateway.lives(minutes=3)
    assert await gateway.total() == gateway.made


async def test_p5_a_line_that_oden_refuses_to_show_is_asked_for_less_and_less_often(
    gateway: Gateway, oden: Oden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is stored before it is shown, but that what waits is sent."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    copy = Recorded(gateway.copy())
    oden.faults.append(Fault("/search", "before", 403, times=1 + 4))
    await gateway.put_back(copy, tmp_path, compared=False)
    asked, stored = len(oden.seen), len(copy.steps)
    await gateway.compares_later()
    assert (len(oden.seen) - asked, gateway.rounds, len(copy.steps) - stored) == (4 + 2, 1 + 2 + 4 + 8 + 16, 2 + 2)


async def test_p5_while_oden_answers_nobody_what_waits_rests(
    gateway: Gateway, oden: Oden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That says nothing of the line: it is asked for in each round, and taken off before anything is sent."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    monkeypatch.setattr(recollection, "MOST_ROUNDS", 1)
    monkeypatch.setattr(told_elsewhere, "PAUSE", 0.0)
    gateway.makes(1)
    copy = gateway.copy()
    gateway.makes(3)
    await gateway.lives(minutes=0)
    oden.faults.append(Fault("/search", "before", 500, times=(6 + 1) * (1 + 4)))
    await gateway.put_back(copy, tmp_path, compared=False)
    await gateway.compares_later()
    assert gateway.rounds == 5
    assert not any("output that waited is sent" in notice.text for notice in Outbox(copy).notices(50))
    await gateway.lives(minutes=3)
    assert await gateway.total() == gateway.made


async def test_p8_while_oden_does_not_take_the_token_it_is_asked_once_a_round(
    rig: Rig, oden: Oden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many lines there are, for it takes none of them; what waits rests meanwhile, since nothing else can be
    sent either."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    second = plan(line="Line 02")
    gateway, other = Gateway(rig, PLAN, second), Gateway(rig, second)
    for each in (gateway, other):
        each.map(tag(0.5, "Good", each.good % 65_536))
        await each.lives("A", minutes=5)
    copy = gateway.copy()
    oden.faults.append(Fault("/search", "before", 401, times=1 + 4))
    assert await gateway.put_back(copy, tmp_path, compared=False) == 1
    asked = len(oden.seen)
    await gateway.compares_later()
    assert (len(oden.seen) - asked, gateway.rounds) == (4 + 2 * 2, 4 + 1)
    assert not any("output that waited is sent" in notice.text for notice in Outbox(copy).notices(50))
