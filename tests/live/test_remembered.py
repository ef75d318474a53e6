"""What a gateway has had of a broker is shown beside what comes, and nothing twice."""

from pathlib import Path

import pytest

from gateway.cli.startup import read_config
from gateway.live.browse import BrowseQuestion
from gateway.live.control_handlers import remembered
from gateway.live.tail import Onlookers, Present
from gateway.mapping.inputs import InputMemory
from gateway.sources.base import Arrival
from gateway.sources.found import Found, Metric, Topic, is_within
from tests.config.command import written

PLANT = """
oden: {token: "${secret:oden_token}"}
sources:
  floor: {type: mqtt, url: "mqtt://127.0.0.1", client_id: edge-test}
  other: {type: mqtt, url: "mqtt://127.0.0.2", client_id: edge-test}
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      state: {source: floor, device: Plant A/Edge 1/Press 7, metric: Status/State}
      order: {source: floor, topic: plant-a/L01/order, field: job.number}
      product: {source: floor, topic: plant-a/L01/order, field: job.sku}
      scrap: {source: floor, topic: plant-a/L01/scrap}
      speed: {source: floor, topic: plant-a/L01/speed}
      never: {source: floor, topic: plant-a/L01/never}
      elsewhere: {source: other, topic: plant-b/L01/order}
    states: {input: state, codes: {1: {category: Uptime}}}
"""
MEMORIES = {
    "state": InputMemory("", 3, received=10.0),
    "order": InputMemory("", "4711", received=20.0),
    "product": InputMemory("", "FILM", received=21.0),
    "scrap": InputMemory("", {"qty": 2, "why": {"code": 7}, "list": [1]}, received=30.0),
    "speed": InputMemory("", 12.5, received=40.0),
    "never": InputMemory(""),
    "elsewhere": InputMemory("", "4712", received=50.0),
}


async def _take(_: Arrival) -> None:
    """Nothing arrives here."""


@pytest.fixture
def present(tmp_path: Path) -> Present:
    loaded, plans = read_config(written(tmp_path / "site", PLANT), {})
    return Present(loaded.config, plans, {}, Onlookers(_take), lambda _: MEMORIES)


def test_each_topic_and_metric_that_an_input_has_had(present: Present) -> None:
    """With the fields that inputs take of it, or those of the whole message, and since when it is known."""
    metric, order, scrap, speed = remembered(present, BrowseQuestion("floor"), [])
    assert metric == Metric("Plant A/Edge 1/Press 7", "Status/State", "", 3, known_at=10.0)
    fields = {"job.number": "4711", "job.sku": "FILM"}
    assert order == Topic("plant-a/L01/order", retained=False, fields=fields, known_at=21.0)
    assert scrap == Topic("plant-a/L01/scrap", retained=False, fields={"qty": 2, "why.code": 7}, known_at=30.0)
    assert speed == Topic("plant-a/L01/speed", retained=False, said="12.5", fields={"": 12.5}, known_at=40.0)


def test_what_was_heard_or_is_not_asked_for_is_left_out(present: Present) -> None:
    """By its topic, by the filter of topics, by a part of the name."""
    heard: list[Found] = [Topic("plant-a/L01/order", 1), Metric("Plant A/Edge 1/Press 7", "Status/State", "Int32", 4)]
    left = remembered(present, BrowseQuestion("floor"), heard)
    assert [each.topic for each in left if isinstance(each, Topic)] == ["plant-a/L01/scrap", "plant-a/L01/speed"]
    assert len(left) == 2
    assert len(remembered(present, BrowseQuestion("floor", start="plant-a/+/order"), [])) == 1
    assert len(remembered(present, BrowseQuestion("floor", match="status"), [])) == 1


@pytest.mark.parametrize(
    ("topic", "wanted", "within"),
    [
        ("a/b", "", True),
        ("a/b", "#", True),
        ("a/b", "a/#", True),
        ("a", "a/#", True),
        ("a/b", "a/+", True),
        ("a/+line/c", "a/+/c", True),
        ("a/b", "a", False),
        ("a", "a/b", False),
        ("a/b/c", "a/+", False),
        ("b/a", "a/#", False),
    ],
)
def test_which_topics_a_filter_takes(topic: str, wanted: str, within: bool) -> None:
    """As MQTT has it (4.7)."""
    assert is_within(topic, wanted) is within
