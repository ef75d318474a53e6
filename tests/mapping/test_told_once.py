"""P13: what is told once and not taken back, settings and tests, where something comes late."""

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.mapping.line import Tick
from gateway.model import Sample, Setting, StartInterval, UpdateInterval
from tests.mapping.laws import examples
from tests.mapping.recording import T0, Played, fed, message, plan, tick
from tests.mapping.test_late_properties import INPUTS as PLANT_INPUTS
from tests.mapping.test_late_properties import SECTIONS, Made, arrivals

INPUTS: Mapping[str, Any] = {
    "product": {"source": "mes", "topic": "product", "field": "v", "time": "at"},
    "speed": {"source": "mes", "topic": "speed", "field": "v", "time": "at"},
    "tank": {"source": "mes", "topic": "tank", "field": "v", "time": "at"},
    "lab": {"source": "mes", "topic": "lab", "time": "at"},
}
TARGET = {"set": "target", "product": "{product}", "metric_group": "Speed", "value": "{speed}"}
TEST = {"set": "quality_test", "event": "lab", "of": "batch", "quality_schema": 65, "raw_data": {"force": "{lab.v}"}}
TARGETS = plan(inputs=INPUTS, run=None, states=None, scrap_yield=None, rules=[TARGET])
TESTS = plan(
    inputs=INPUTS,
    run=None,
    states=None,
    scrap_yield=None,
    batches={"key": "tank", "name": "T{tank}", "without_run": True},
    rules=[TEST],
)


def said(topic: str, value: object, at: float, heard: float | None = None) -> Sample:
    return message(at if heard is None else heard, topic, {"v": value, "at": T0 + at})


def last_told(played: Played) -> dict[str, object]:
    """The target of each product, as Oden shows it at the end."""
    settings = [record.fields for record in played.records if isinstance(record, Setting)]
    return {str(fields["product"]): fields["target_value"] for fields in settings}


STORIES = st.lists(
    st.tuples(st.sampled_from(["product", "speed"]), st.sampled_from("123"), st.integers(0, 300)),
    min_size=1,
    max_size=9,
)


@examples(100)
@given(STORIES)
def test_p13_the_target_of_each_product_is_what_it_was_last_however_late_that_is_heard(
    story: Sequence[tuple[str, str, int]],
) -> None:
    """Also where what was told of a product turns out to have been of another, and nothing new is to be told."""
    first = [said("product", "1", 0.0), said("speed", 1, 0.0)]
    timed = [(topic, value, 10.0 * place, lag) for place, (topic, value, lag) in enumerate(story, 1)]
    messages = [
        (topic, value if topic == "product" else int(value) + 10 * number, at, lag)
        for number, (topic, value, at, lag) in enumerate(timed)
    ]
    timely = fed(TARGETS, *first, *(said(topic, value, at) for topic, value, at, _ in messages), tick(900))
    late = sorted(
        (said(topic, value, at, at + lag) for topic, value, at, lag in messages), key=lambda one: one.received
    )
    disturbed = last_told(fed(TARGETS, *first, *late, tick(900)))
    assert {product: disturbed[product] for product in last_told(timely)} == last_told(timely)


def test_p13_a_test_that_was_told_of_another_batch_is_listed_once() -> None:
    """It stays where it is, as tests do; later corrections of the same time do not say so again."""
    events: list[Sample | Tick] = [
        said("tank", 1, 0),
        said("lab", 4, 95),
        said("tank", 2, 90, 131),
        said("tank", 3, 50, 160),
        tick(900),
    ]
    played = fed(TESTS, *events)
    assert [text for text in played.texts if text.startswith("test")] == ["test 65 of 1 at 95: force 4"]
    assert [notice.text for notice in played.notices if notice.kind == "gap"] == [
        'a test of 06:01:35Z was told of T1 and stays there, though it is T2\'s by what is known now: {"force": 4}'
    ]


def test_p13_of_two_equal_tests_the_one_is_listed_that_is_elsewhere() -> None:
    """They are told apart by their times."""
    events: list[Sample | Tick] = [
        said("tank", 1, 0),
        said("lab", 4, 20),
        said("lab", 4, 95),
        said("tank", 2, 90, 131),
        tick(900),
    ]
    played = fed(TESTS, *events)
    assert [notice.text.split(" was told")[0] for notice in played.notices if notice.kind == "gap"] == [
        "a test of 06:01:35Z"
    ]


def test_p13_stops_that_were_counted_by_mistake_are_none() -> None:
    """The uptime in which a short stop was counted had ended before it, by what is heard later."""
    states = {
        "input": "speed",
        "codes": {1: {"category": "Uptime"}, 2: {"category": "Setup"}, 3: {"category": "Down"}},
        "short_stops": {"under": "30s", "during": ["Uptime"]},
    }
    line = plan(inputs=INPUTS, run=None, states=states, scrap_yield=None)
    timely = [(1, 7), (2, 13), (1, 43), (3, 55), (1, 79), (2, 85)]
    events: list[Sample | Tick] = [said("speed", code, at) for code, at in timely]
    played = fed(line, *events, said("speed", 2, 49, 115), tick(900))
    begun = next(one for one in played.records if isinstance(one, StartInterval) and one.start == T0 + 43)
    metadata = dict(begun.metadata)
    for record in played.records:
        if isinstance(record, UpdateInterval) and record.interval == begun.key:
            metadata |= record.metadata
    assert metadata == {"category": "Uptime", "short_stops": 0, "short_stop_seconds": 0}
    assert not [notice for notice in played.notices if "keeps its" in notice.text]


def test_p13_of_two_equal_tests_the_one_is_told_that_was_not() -> None:
    """A result of before comes after one that says the same: it is told of its own batch and time, the other once."""
    events: list[Sample | Tick] = [
        said("tank", 1, 0),
        said("tank", 2, 50),
        said("lab", 4, 95),
        said("lab", 4, 20, 131),
        tick(900),
    ]
    played = fed(TESTS, *events)
    tests = [text for text in played.texts if text.startswith("test")]
    assert tests == ["test 65 of 2 at 95: force 4", "test 65 of 1 at 20: force 4"]
    assert [notice for notice in played.notices if notice.kind == "gap"] == []


def test_p13_what_is_said_again_is_said_by_a_record_of_its_own() -> None:
    """A target that was told long before is so again, because a late order shows that the one since was of another
    product: it is told once more, under another key."""
    inputs = {**PLANT_INPUTS, "speed": INPUTS["speed"]}
    line = plan(inputs=inputs, run=SECTIONS["run"], states=None, rules=[TARGET])
    made = [Made(40.5, "speed", {"v": 30}, 0.0), Made(87.25, "order", {"number": "B", "sku": "PIPE"}, 0.0)]
    made += [Made(111.25, "order", {"number": "A", "sku": "FILM"}, 37.0), Made(127.5, "speed", {"v": 10}, 0.0)]
    played = fed(line, *arrivals(made, late=True))
    assert last_told(played) == {"{'name': 'PIPE'}": 30, "{'name': 'FILM'}": 10}
    keys = [record.key for record in played.records]
    assert len(set(keys)) == len(keys)
