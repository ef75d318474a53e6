"""A Sparkplug source and what an intake was told by it, for its tests."""

from typing import Any

from gateway.model import Sample
from gateway.sources.mqtt import MqttSource
from gateway.sources.sparkplug import SparkplugHost
from tests.peers import Mosquitto
from tests.sources.harness import HandClock, Intake, mqtt_config

PRESS = "Plant A/Edge 1/Press 7"


ADDRESS = f"spBv1.0/{PRESS}"


METRICS = ("State", "Counts/Good", "Order")


def source(
    broker: Mosquitto,
    *topics: str,
    url: str | None = None,
    devices: dict[str, tuple[str, ...]] | None = None,
    clock: HandClock | None = None,
    alone: bool = False,
    **more: Any,
) -> MqttSource:
    clock = clock or HandClock()
    host = SparkplugHost("floor", devices or {PRESS: METRICS}, clock, alone=alone)
    return MqttSource("floor", mqtt_config(url or broker.url, **more), topics, clock, host)


def reported(intake: Intake, name: str) -> list[tuple[object, str, bool]]:
    """What has been handed over of a metric of the press: value, quality, and whether it was a first value."""
    of_press = [(sample, values(sample)) for sample in intake.samples if sample.address == ADDRESS]
    return [(fields[name], sample.quality, sample.initial) for sample, fields in of_press if name in fields]


def values(sample: Sample) -> dict[str, object]:
    assert isinstance(sample.value, dict)
    return sample.value
