"""A work order that is completed and begun again while Oden is away: both are told, one after the other."""

import asyncio
import json

import pytest

from gateway.delivery.drain import DeliveryOptions
from gateway.model import Setting
from gateway.oden.exchange import iso
from gateway.oden.orders import meant
from gateway.record_kinds import begins_anew
from gateway.simulator.oden.manners import Manners
from tests.delivery.harness import LINE
from tests.delivery.simulated import Plant, T, live

MINUTE = 1_796_000_040
"""A full one."""


def order(plant: Plant, at: int, **said: str) -> Setting:
    """What is said of the order at a time."""
    fields = {"external_id": "MWO-1", "name": "Grease", **said}
    return Setting(plant.key(), LINE, T + at, "maintenance_work_order", fields)


def shown(plant: Plant) -> list[tuple[str, str | None]]:
    """The work orders at Oden: when each began and was completed."""
    body = json.dumps({"external_id": "MWO-1", "match": "all"}).encode()
    found = plant.oden.model.answer("/v2/maintenance_work_order/search", body).body
    assert isinstance(found, list)
    return sorted((one["started_at"], one.get("completed_at")) for one in found)


@pytest.mark.parametrize("orders", [200, 400, 409])
@pytest.mark.parametrize("is_known", [False, True])
def test_p4_an_order_that_is_completed_and_begun_again_in_an_outage_is_told_whole(
    *, is_known: bool, orders: int
) -> None:
    """Each time that it was done is there, and nothing is refused: what was begun at 10 and completed at 9 would be. An
    Oden that takes changes of what is completed has what was said last. `is_known`: it had heard of the beginning."""

    async def story(plant: Plant) -> None:
        if is_known:
            plant.commit(order(plant, 0, started_at=iso(T)))
            await plant.drained()
        plant.oden.up = False
        plant.commit(order(plant, 0, started_at=iso(T)))
        for cycle in range(3):
            begun = {"started_at": iso(T + 3600 * cycle)}
            plant.commit(order(plant, 3600 * cycle, **begun))
            plant.commit(order(plant, 3600 * cycle + 600, **begun, completed_at=iso(T + 3600 * cycle + 600)))
        plant.commit(order(plant, 3 * 3600, started_at=iso(T + 3 * 3600)))
        await asyncio.sleep(60)
        plant.oden.up = True
        await plant.drained()
        plant.commit(order(plant, 3 * 3600 + 60, completed_at=iso(T + 3 * 3600 + 60)))
        await plant.drained()

    plant = live(story, Manners(orders=orders))
    assert plant.letters() == []
    done = [600, 600, 600, 60]
    cycles = [(iso(T + 3600 * cycle), iso(T + 3600 * cycle + done[cycle])) for cycle in range(4)]
    assert shown(plant)[-2:] == cycles[-2:]
    assert shown(plant) == cycles or orders == 200


@pytest.mark.parametrize(
    ("older", "later", "anew"),
    [
        ({"started_at": "1", "completed_at": "2"}, {"started_at": "3"}, True),
        ({"started_at": "1", "completed_at": "2"}, {"started_at": "3", "completed_at": "4"}, True),
        ({"completed_at": "2"}, {"started_at": "3"}, True),
        ({"started_at": "1"}, {"started_at": "1", "completed_at": "2"}, False),
        ({"started_at": "1", "completed_at": "2"}, {"started_at": "1", "completed_at": "3"}, False),
        ({"started_at": "1", "completed_at": "2"}, {"started_at": "0", "completed_at": "2"}, False),
        ({"started_at": "1", "completed_at": "2"}, {"name": "Oil"}, False),
    ],
)
def test_p4_what_begins_an_order_anew(older: dict[str, str], later: dict[str, str], *, anew: bool) -> None:
    """Another beginning after a completion, and no correction of either."""
    both = [
        Setting("", LINE, 0.0, "maintenance_work_order", {"external_id": "17", **fields}) for fields in (older, later)
    ]
    assert begins_anew(*both) == anew


@pytest.mark.parametrize("orders", [200, 400, 409])
@pytest.mark.parametrize("told", [1, 2, 3])
def test_p4_what_a_copy_says_of_an_order_once_more_makes_no_other(*, told: int, orders: int) -> None:
    """The outbox is put back to when the first `told` words of it waited; the life since has told it all. What is said
    in a copy was said by then, of the one that began then, whatever has become of that."""
    words = [{"started_at": iso(T)}, {"completed_at": iso(T + 600)}, {"started_at": iso(T + 900)}]

    async def story(plant: Plant) -> None:
        plant.oden.up = False
        for number, said in enumerate(words[:told]):
            plant.commit(order(plant, number, **said))
        copy = plant.copied()
        plant.oden.up = True
        for number, said in enumerate(words):
            plant.commit(*([order(plant, number, **said)] if number >= told else []))
            await plant.drained()
        await plant.restart(DeliveryOptions(60.0, 30.0), copy, 200.0)
        await plant.drained()

    plant = live(story, Manners(orders=orders))
    assert plant.letters() == []
    assert shown(plant) == [(iso(T), iso(T + 600)), (iso(T + 900), None)]


@pytest.mark.parametrize("orders", [200, 400, 409])
def test_p4_a_completion_whose_answer_is_lost_makes_no_other(orders: int) -> None:
    """It took effect: what is completed cannot be changed at some, which is no reason to make another."""

    async def story(plant: Plant) -> None:
        plant.commit(order(plant, 0, started_at=iso(T)))
        await plant.drained()
        plant.commit(order(plant, 600, started_at=iso(T), completed_at=iso(T + 600)))
        await plant.drained()

    faults = ["close commit=yes at=maintenance_work_order/set times=2"]
    plant = live(story, Manners(orders=orders), faults)
    assert plant.letters() == []
    assert shown(plant) == [(iso(T), iso(T + 600))]


@pytest.mark.parametrize("lag", [0.0, 30.0])
def test_p4_an_order_is_looked_for_once_searches_show_what_was_told_of_it(lag: float) -> None:
    """Searches lag behind what was written: what was made a second ago is not made again, and what was completed is not
    begun anew itself; nor after a restart that knows of neither when it was told."""

    async def story(plant: Plant) -> None:
        for cycle in range(3):
            plant.commit(order(plant, 900 * cycle, started_at=iso(T + 900 * cycle)))
            await plant.drained()
            plant.commit(order(plant, 900 * cycle + 600, completed_at=iso(T + 900 * cycle + 600)))
            await plant.drained()
            await plant.restart(DeliveryOptions(60.0, 30.0), plant.rows, 0.0, forgets=False)

    plant = live(story, Manners(search_lag=lag))
    assert plant.letters() == []
    assert shown(plant) == [(iso(T + 900 * cycle), iso(T + 900 * cycle + 600)) for cycle in range(3)]


def test_p4_an_order_that_was_begun_twice_in_one_minute_is_two() -> None:
    """The first began on the full minute, and its end has seconds: so its times are not rounded, and what begins in the
    same minute is another, however the answer is ordered. Where all times are full minutes, it may be the same."""
    first = {"id": "1", "external_id": "MWO-1", "started_at": iso(MINUTE), "completed_at": iso(MINUTE + 20)}
    second = {"id": "2", "external_id": "MWO-1", "started_at": iso(MINUTE + 40), "completed_at": None}
    said = {"external_id": "MWO-1", "started_at": iso(MINUTE + 40)}
    record = Setting("k", LINE, MINUTE + 40, "maintenance_work_order", said)
    assert meant([first], record) is None
    assert meant([second, first], record) == meant([first, second], record) == second
    rounded = first | {"completed_at": iso(MINUTE)}
    assert meant([rounded], record) == rounded
