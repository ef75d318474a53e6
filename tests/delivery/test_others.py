"""What other people, or other systems, did at Oden is listed where a look-up shows it."""

from gateway.model import UpdateInterval
from tests.delivery.simulated import Plant, T, live


def test_what_others_did_is_listed_where_a_look_up_shows_it() -> None:
    """A run of somebody else's that is on when a start is looked up, and an end set by hand that a change of metadata
    finds: each once."""

    async def story(plant: Plant) -> None:
        run, product = {"type": {"name": "RUN"}, "start_time": "2027-01-15T08:00:50Z"}, {"product": {"name": "Film 20"}}
        theirs = plant.by_hand(**run, name="trial", metadata=product)
        for at in (100, 200):
            start = plant.start(at, name=f"order {at}")
            plant.commit(start)
            await plant.drained()
            plant.commit(plant.end(start, at + 50))
            await plant.drained()
        assert [f"id {theirs}" in text for text in plant.notices()] == [True]
        state = plant.start(300, "STATE")
        plant.commit(state)
        await plant.drained()
        (there,) = plant.intervals("STATE")
        plant.by_hand(id=there.id, type={"name": "STATE"}, end_time="2027-01-15T08:06:00Z")
        change = UpdateInterval(plant.key(), state.line, T + 400.0, "STATE", state.key, metadata={"comment": "jam"})
        plant.commit(change)
        await plant.drained()
        assert "was ended by somebody at 2027-01-15T08:06:00Z" in plant.notices()[0]

    live(story, faults=("close commit=no at=interval/set since=0 times=1",))
