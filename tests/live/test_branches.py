"""Of what was found, one machine: no more, and nothing of it is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.live.first_config import Branch, one_branch
from gateway.live.offer import Offer, Offers
from gateway.model import Scalar
from gateway.sources.found import Topic


def offers(*paths: str) -> list[Offer]:
    return [Offer(path, {"source": "plc"}, "", path=tuple(path.split("/"))) for path in paths]


MACHINES = [f"Hall/{name}/{tag}" for name in ("M01", "M02", "M10") for tag in ("State", "Zone1/Temp", "Zone2/Temp")]


@pytest.mark.parametrize(
    ("paths", "favoured", "name", "kept"),
    [
        (MACHINES, [], "M01", ["Hall/M01/State", "Hall/M01/Zone1/Temp", "Hall/M01/Zone2/Temp"]),
        (MACHINES, ["m2"], "M02", ["Hall/M02/State", "Hall/M02/Zone1/Temp", "Hall/M02/Zone2/Temp"]),
        ([*MACHINES, "Hall/Temp"], ["other"], "M01", [*MACHINES[:3], "Hall/Temp"]),
        (MACHINES[:3], [], "Zone1", MACHINES[:2]),
        ([*MACHINES[:3], "Hall/M01/Speed", "Hall/M01/Order"], [], "", None),  # zones are the smaller part of it
        (["Hall/M01/State", "Hall/M02/Order"], [], "", None),  # nothing that both have
        (["Hall/P1", "Hall/P2"], [], "", None),  # values
        (["Hall/Good/Value", "Hall/Scrap/Value"], [], "", None),  # of another name
        ([], [], "", None),
    ],
)
def test_machines_are_what_differs_by_its_number(
    paths: list[str], favoured: list[str], name: str, kept: list[str] | None
) -> None:
    branch = one_branch(offers(*paths), favoured)
    assert (branch.name, [each.name for each in branch.offers]) == (name, paths if kept is None else kept)


def test_what_one_message_says_is_of_one_machine() -> None:
    """Zones are numbered in it; machines are by the topic, also where that ends with them."""
    fields: dict[str, Scalar] = {f"zone_{number}.{part}": 1.0 for number in (1, 2, 3) for part in ("temp", "set")}

    def heard(*topics: str) -> Branch:
        names = Offers("broker", set())
        return one_branch([offer for topic in topics for offer in names.of(Topic(topic, 1, fields=fields))])

    one, two = heard("plant/oven"), heard("plant/L01", "plant/L02")
    assert (one.name, len(one.offers)) == ("", 6)
    assert (two.name, two.others, {offer.keys["topic"] for offer in two.offers}) == ("L01", ["L02"], {"plant/L01"})


PARTS = st.lists(st.sampled_from(["M1", "M02", "M2", "Z1", "Z2", "State", "Good"]), min_size=1, max_size=4)


@given(st.lists(PARTS.map("/".join), unique=True, max_size=20))
def test_what_is_left_out_is_of_a_machine_that_is_named(paths: list[str]) -> None:
    """And the one that is taken has something."""
    branch = one_branch(offers(*paths))
    left = {*paths} - {each.name for each in branch.offers}
    assert all({*path.split("/")} & {*branch.others} for path in left)
    assert not branch.name or any(branch.name in each.path for each in branch.offers)
    assert bool(branch.offers) == bool(paths)
    assert branch.name or not left
