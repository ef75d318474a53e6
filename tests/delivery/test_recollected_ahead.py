"""An outbox that was put back after a life whose clock was ahead: what that has told has time stamps that are yet to
come. Each part that was made is at Oden once, and no two entries of a run share a second."""

from pathlib import Path

import pytest

from gateway import recollection
from gateway.oden.requests import Wording
from tests.delivery.harness import Oden, Rig
from tests.delivery.recollection_rig import Gateway
from tests.mapping.recording import tag

HOUR = 3600.0


def share_no_second(oden: Oden) -> bool:
    stamps = [[entry.timestamp for entry in oden.model.output(run)] for run in oden.runs()]
    return all(len(each) == len({*each}) for each in stamps)


@pytest.fixture(params=[None, "gateway_key"])
async def ahead(rig: Rig, request: pytest.FixtureRequest) -> Gateway:
    """A gateway whose counters have gone on for five minutes of a run, all of which is at Oden."""
    rig.wording = Wording(reference=request.param)
    gateway = Gateway(rig)
    gateway.map(tag(0.5, "Good", gateway.good % 65_536))
    await gateway.lives("A", minutes=5)
    return gateway


@pytest.mark.parametrize("order", ["", "B"])
async def test_p4_what_a_life_whose_clock_was_ahead_has_told_is_not_told_again(
    ahead: Gateway, oden: Oden, tmp_path: Path, order: str
) -> None:
    """Of the run that was on, and of one that it has begun."""
    copy = ahead.copy()
    ahead.now += HOUR
    await ahead.lives(*order, minutes=5)
    ahead.now -= HOUR
    await ahead.put_back(copy, tmp_path)
    await ahead.lives(minutes=3)
    assert await ahead.total() == ahead.made
    assert share_no_second(oden)


async def test_p4_what_was_told_since_is_not_taken_for_what_was_taken_off(
    ahead: Gateway, oden: Oden, tmp_path: Path
) -> None:
    """A copy of the copy: what the life in between has told, of a run of its own, has earlier time stamps than what it
    had taken off."""
    copy = ahead.copy()
    ahead.now += HOUR
    await ahead.lives(minutes=5)
    ahead.now -= HOUR
    places = [tmp_path / name for name in ("one", "other")]
    for place in places:
        place.mkdir()
    await ahead.put_back(copy, places[0])
    await ahead.lives(minutes=3)
    await ahead.lives("B", minutes=3)
    again = ahead.copy()
    await ahead.lives(minutes=3)
    await ahead.put_back(again, places[1])
    await ahead.lives(minutes=3)
    assert await ahead.total() == ahead.made
    assert share_no_second(oden)


async def test_p4_where_oden_is_asked_later_what_is_yet_to_come_is_another_lifes(
    ahead: Gateway, oden: Oden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this life has told since is known, and taken off nothing."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    copy = ahead.copy()
    ahead.now += HOUR
    await ahead.lives(minutes=5)
    ahead.now -= HOUR
    url, oden.url = oden.url, "http://127.0.0.1:1/v2"
    await ahead.put_back(copy, tmp_path, compared=False)
    oden.url = url
    await ahead.lives(minutes=3)
    await ahead.compares_later()
    await ahead.lives(minutes=3)
    assert await ahead.total() == ahead.made
    assert share_no_second(oden)
