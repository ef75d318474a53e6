"""Odens that show of an interval that is open an end that is none: null, an empty text, the year 1 as a time of Go's
that is not set, the year 9999 of some databases."""

from dataclasses import replace

import pytest

from gateway.delivery.drain import DeliveryOptions
from gateway.outbox.key_value import MemoryStore
from gateway.simulator.oden.bodies import Answer
from tests.delivery.simulated import Plant, T, live

NONE_YET = [None, "", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"]


def showing_ends_as(plant: Plant, none_yet: object) -> None:
    answer = plant.oden.model.answer

    def with_ends(path: str, body: bytes) -> Answer:
        whole = answer(path, body)
        entries = whole.body if path.startswith("/v2/interval/") and isinstance(whole.body, list) else None
        return whole if entries is None else replace(whole, body=[{"end_time": none_yet, **one} for one in entries])

    plant.oden.model.answer = with_ends  # type: ignore[method-assign]


@pytest.mark.parametrize("none_yet", NONE_YET)
def test_p4_what_another_life_has_left_open_is_not_taken_for_ended(none_yet: object) -> None:
    """The run was made once more, and the state was left open for ever."""
    later = 86_400

    async def story(plant: Plant) -> None:
        showing_ends_as(plant, none_yet)
        run = plant.start(0, name="A")
        plant.commit(run, plant.start(30, "STATE"), plant.output(run, 100, 5))
        await plant.drained()
        await plant.restart(DeliveryOptions(60.0, 30.0), MemoryStore(), later)
        plant.commit(plant.start(later, name="A"), plant.start(later + 5, "STATE"))
        await plant.drained()

    plant = live(story)
    assert [(run.start - T, run.end) for run in plant.intervals("RUN")] == [(0, None)]
    states = [(one.start - T, None if one.end is None else one.end - T) for one in plant.intervals("STATE")]
    assert states == [(30, 100), (later + 5, None)]
    assert plant.letters() == []


@pytest.mark.parametrize("none_yet", NONE_YET)
def test_p4_the_end_of_what_is_open_is_told_after_a_change(none_yet: object) -> None:
    """Somebody seemed to have ended it, at a time that cannot be, and the machine's own end was never told."""

    async def story(plant: Plant) -> None:
        showing_ends_as(plant, none_yet)
        state = plant.start(0, "STATE")
        plant.commit(state)
        await plant.drained()
        plant.commit(replace(plant.end(state, 0), end=None, metadata={"reason": "Jam"}))
        await plant.drained()
        plant.commit(plant.end(state, 600))
        await plant.drained()

    plant = live(story)
    assert [(one.start - T, one.end) for one in plant.intervals("STATE")] == [(0, T + 600)]
    assert (plant.notices(), plant.letters()) == ([], [])
