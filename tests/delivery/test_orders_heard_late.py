"""P13: of a work order that was completed and begun again it is heard late what was before: Oden has it as if it had
been heard at once, whatever of it was at Oden, waited or was refused by then."""

import json
from collections.abc import Mapping, Sequence

import pytest

from gateway.mapping.facts import Facts
from gateway.mapping.told_once import untold_settings
from gateway.model import Setting
from gateway.oden.exchange import iso
from gateway.outbox.control_handlers import Question
from gateway.outbox.listing import Filter
from gateway.record_kinds import was_over_before
from gateway.simulator.oden.manners import Manners
from tests.delivery.harness import LINE
from tests.delivery.simulated import Plant, T, live

Said = Mapping[str, str]
FIRST: Said = {"name": "Grease", "started_at": iso(T)}
END: Said = {"completed_at": iso(T + 600)}
NOTE: Said = {"description": "both bearings"}
AGAIN: Said = {"name": "Oil", "started_at": iso(T + 900)}
DONE: Said = {"completed_at": iso(T + 1200)}


def order(key: str, said: Said) -> Setting:
    return Setting(key, LINE, T, "maintenance_work_order", {"external_id": "MWO-1", **said})


def shown(plant: Plant) -> list[tuple[str, str, str | None, str | None]]:
    """The work orders at Oden."""
    body = json.dumps({"external_id": "MWO-1", "match": "all"}).encode()
    found = plant.oden.model.answer("/v2/maintenance_work_order/search", body).body
    assert isinstance(found, list)
    names = ("name", "started_at", "completed_at", "description")
    return sorted((tuple(one.get(name) for name in names) for one in found), key=lambda one: str(one[1]))


def heard_late(plant: Plant, timely: Sequence[Said], late: Said, place: int) -> list[Setting]:
    """What the mapping tells once `late` is heard, which belongs before the one at `place`."""
    told = [order("", said) for said in timely]
    now = [*told[:place], order("", late), *told[place:]]
    untold = untold_settings(Facts(settings=told), Facts(settings=now))
    return [order(plant.key(), {k: str(v) for k, v in one.fields.items()}) for one in untold]


LATE = [
    ((FIRST, {**FIRST, **END}, AGAIN), NOTE, 1),
    ((FIRST, END, AGAIN), NOTE, 2),
    ((FIRST, AGAIN), END, 1),
    ((FIRST, AGAIN), {**FIRST, **END}, 1),
    ((AGAIN,), {**FIRST, **END}, 0),
    ((FIRST, END, AGAIN, DONE), NOTE, 1),
]


@pytest.mark.parametrize("orders", [200, 400, 409])
@pytest.mark.parametrize("away", [False, True])
@pytest.mark.parametrize(("timely", "late", "place"), LATE)
def test_p13_what_is_heard_late_of_an_order_is_told_of_the_time_before(
    timely: Sequence[Said], late: Said, place: int, *, away: bool, orders: int
) -> None:
    """The order that is on is as it was, also where it waits; and what is said of it next is said of it."""

    async def story(plant: Plant) -> None:
        plant.oden.up = not away
        for said in timely:
            plant.commit(order(plant.key(), said))
            if not away:
                await plant.drained()
        plant.commit(*heard_late(plant, timely, late, place))
        if not away:
            await plant.drained()
        plant.commit(order(plant.key(), DONE))
        plant.oden.up = True
        await plant.drained()

    plant = live(story, Manners(orders=orders))
    before = {**FIRST, **END, **({"description": NOTE["description"]} if late is NOTE else {})}
    right = [before, {**AGAIN, **DONE}]
    if orders == 200:
        assert plant.letters() == []
        assert shown(plant) == [
            (one["name"], one["started_at"], one["completed_at"], one.get("description")) for one in right
        ]
    else:  # what is completed is not changed there
        assert [(name, begun, done) for name, begun, done, _ in shown(plant)] == [
            (one["name"], one["started_at"], one["completed_at"]) for one in right
        ]


@pytest.mark.parametrize("retried_first", [False, True])
def test_p5_what_was_refused_of_the_time_before_is_whole_when_it_is_sent_again(*, retried_first: bool) -> None:
    """What is said of the order that was begun again takes nothing of it."""

    async def story(plant: Plant) -> None:
        plant.oden.up = False
        plant.commit(order(plant.key(), {**FIRST, **END}))
        plant.commit(order(plant.key(), AGAIN))
        plant.oden.up = True
        await plant.drained()
        assert len(plant.letters()) == 1
        plant.oden.up = not retried_first
        await plant.ask("retry", Question(Filter()))
        plant.oden.up = True
        await plant.drained()

    faults = ["error status=400 at=maintenance_work_order/set times=1"]
    plant = live(story, Manners(orders=200), faults)
    assert plant.letters() == []
    assert [one[:3] for one in shown(plant)] == [
        ("Grease", iso(T), iso(T + 600)),
        ("Oil", iso(T + 900), None),
    ]


@pytest.mark.parametrize(
    ("said", "known", "before"),
    [
        ({"started_at": "1", "completed_at": "2"}, {"started_at": "3"}, True),
        ({"started_at": "1", "completed_at": "3"}, {"started_at": "3", "completed_at": "4"}, True),
        ({"completed_at": "2"}, {"started_at": "3"}, True),
        ({"completed_at": "3"}, {"started_at": "3"}, False),
        ({"started_at": "3", "completed_at": "2"}, {"started_at": "3"}, False),
        ({"started_at": "1", "completed_at": "4"}, {"started_at": "3"}, False),
        ({"started_at": "1"}, {"started_at": "3"}, False),
        ({"completed_at": "2"}, {"name": "Oil"}, False),
    ],
)
def test_p13_what_is_of_the_time_before(said: Said, known: Said, *, before: bool) -> None:
    """It was over when the other began; the correction of a beginning is of the same."""
    assert was_over_before(order("", said), order("", known)) == before
