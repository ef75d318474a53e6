"""Each mode in which the stand-in answers otherwise for a while, over a real socket."""

import asyncio
import json
from typing import Any

import pytest

from gateway.simulator.oden.manners import Manners
from tests.peers import PATIENCE
from tests.simulator.oden.held_stand_in import LINE, RUN, SEARCH, StandIn

STATE: dict[str, Any] = {"type": {"name": "STATE"}, "line": LINE}


RANGE = {"start_time": "2021-04-04T08:30:00Z", "end_time": "2021-04-04T09:00:00Z", "match": "all"}


@pytest.mark.parametrize(
    ("nothing", "statuses"),
    [("by_match", [200, 404, 404]), ("empty", [200, 200, 200]), ("404", [404, 404, 404])],
)
async def test_mode_nothing_found(stand_in: StandIn, nothing: str, statuses: list[int]) -> None:
    """What a search answers that finds nothing: by match, always an empty list, or always 404."""
    stand_in.model.manners = Manners(nothing=nothing)
    async with stand_in.serving():
        answers = [
            await stand_in.post("interval/search", {**STATE, **wanted})
            for wanted in ({"match": "all"}, {"id": "x"}, {"match": "last"})
        ]
    assert [answer.status for answer, _ in answers] == statuses
    assert all(json.loads(body) == [] for answer, body in answers if answer.status == 200)


@pytest.mark.parametrize(("means", "found"), [("overlap", [8, 9]), ("start", [9])])
async def test_mode_range(stand_in: StandIn, means: str, found: list[int]) -> None:
    """A range finds what overlaps it, or only what starts in it, ends included."""
    stand_in.model.manners = Manners(range=means)
    async with stand_in.serving():
        for hour in (8, 9):
            times = {"start_time": f"2021-04-04T0{hour}:00:00Z", "end_time": f"2021-04-04T{hour + 1:02}:00:00Z"}
            await stand_in.post("interval/set", {**STATE, **times, "metadata": {"category": {"name": "Uptime"}}})
        _, body = await stand_in.post("interval/search", {**STATE, **RANGE})
    assert [interval["start_time"] for interval in json.loads(body)] == [f"2021-04-04T0{hour}:00:00Z" for hour in found]


async def test_mode_no_ids(stand_in: StandIn) -> None:
    """`interval/set` answers without the id for good, searches answer with it."""
    stand_in.model.manners = Manners(ids="no")
    async with stand_in.serving():
        answers = [json.loads((await stand_in.set_run())[1]) for _ in range(2)]
        (interval,) = json.loads((await stand_in.post("interval/search", SEARCH))[1])
    assert answers == [[{key: value for key, value in interval.items() if key != "id"}]] * 2


@pytest.mark.parametrize("status", [404, 501])
async def test_mode_no_bulk_update(stand_in: StandIn, status: int) -> None:
    """`intervals/update` answers for itself that it is not there, whatever it is asked."""
    stand_in.model.manners = Manners(bulk_update=status)
    async with stand_in.serving():
        answer, body = await stand_in.post("intervals/update", {"type": {"name": "RUN"}, "line": LINE, "intervals": []})
    assert answer.status == status
    assert json.loads(body).keys() == {"error", "retryable"}


async def test_mode_search_lag(stand_in: StandIn) -> None:
    """A search sees a write only some time later; what was there when the lag began is seen at once."""
    async with stand_in.serving():
        await stand_in.set_run()
        stand_in.model.manners = Manners(search_lag=3600)
        await stand_in.post("interval/set", RUN | {"start_time": "2021-04-04T09:00:00Z"})
        assert len(json.loads((await stand_in.post("interval/search", SEARCH))[1])) == 1
        assert stand_in.runs() == 2
        stand_in.model.manners = Manners(search_lag=0.001)
        async with asyncio.timeout(PATIENCE):
            while len(json.loads((await stand_in.post("interval/search", SEARCH))[1])) == 1:
                await asyncio.sleep(0.02)
