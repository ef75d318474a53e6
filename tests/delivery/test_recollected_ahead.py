"""An outbox that was put back after a life whose clock was ahead: what that has told has time stamps that are yet to
come. Each part that was made is at Oden once, and no two entries of a run share a second."""

from pathlib import Path

import pytest

from gateway import recollection
from gateway.clock_evidence import Retiming
from gateway.mending import mend
from gateway.oden.requests import Wording
from tests.delivery.harness import Oden, Rig
from tests.delivery.recollection_rig import Gateway
from tests.mapping.recording import T0, tag

HOUR = 3600.0


def share_no_second(oden: Oden) -> bool:
    return all(len(each) == len({*each}) for each in stamps(oden))


def stamps(oden: Oden) -> list[list[int]]:
    """The time stamps of the output of each run."""
    return [[entry.timestamp or 0 for entry in oden.model.output(run)] for run in oden.runs()]


async def minutes(gateway: Gateway, number: int) -> None:
    """So many minutes, of which each is told by itself."""
    for _ in range(number):
        await gateway.lives(minutes=1)


async def ran_ahead(gateway: Gateway, number: int, by: float) -> None:
    """For so many minutes its clock is ahead, all is told, and then the clock is right."""
    since = T0 + gateway.now + by
    gateway.now += by
    await minutes(gateway, number)
    gateway.now -= by
    async with gateway.asking() as (outbox, _):
        await mend(outbox, gateway.plans, Retiming(int(since), -by))


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


@pytest.mark.parametrize(("order", "since"), [("", ""), ("B", ""), ("", "C"), ("B", "C")])
async def test_p4_where_oden_is_asked_later_what_is_yet_to_come_is_another_lifes(
    ahead: Gateway, oden: Oden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str, since: str
) -> None:
    """Of the run that was on, and of one that it has begun. What this life has told since is known, and taken off
    nothing, also of a run that it has begun."""
    monkeypatch.setattr(recollection, "AGAIN", 0.0)
    copy = ahead.copy()
    ahead.now += HOUR
    await ahead.lives(*order, minutes=5)
    ahead.now -= HOUR
    url, oden.url = oden.url, "http://127.0.0.1:1/v2"
    await ahead.put_back(copy, tmp_path, compared=False)
    oden.url = url
    await ahead.lives(*since, minutes=3)
    await ahead.compares_later()
    await ahead.lives(minutes=3)
    assert await ahead.total() == ahead.made
    assert share_no_second(oden)


async def test_p4_p11_what_was_told_while_the_clock_was_ahead_keeps_its_seconds(ahead: Gateway, oden: Oden) -> None:
    """Once the times are mended, output has the times at which it was made, and comes to the seconds of what is there
    already."""
    await ran_ahead(ahead, 4, by=900.0)
    told = {*stamps(oden)[0]}
    await minutes(ahead, 6)
    assert max({*stamps(oden)[0]} - told) <= T0 + ahead.now + 1
    await minutes(ahead, 14)
    assert await ahead.total() == ahead.made
    assert share_no_second(oden)


async def test_p4_p11_what_was_told_while_the_clock_was_ahead_is_known_to_a_copy(
    ahead: Gateway, oden: Oden, tmp_path: Path
) -> None:
    """It is no other life's; what a life between the two has told is."""
    await ran_ahead(ahead, 12, by=HOUR)
    await minutes(ahead, 9)
    copy = ahead.copy()
    await minutes(ahead, 5)
    await ahead.put_back(copy, tmp_path)
    await minutes(ahead, 3)
    assert await ahead.total() == ahead.made
    assert share_no_second(oden)
