"""Payloads of Sparkplug B as encoders of others write them: each value as it was given."""

import base64
import json
import subprocess

import pytest

from gateway.sources.sparkplug import SparkplugHost
from gateway.sources.sparkplug_decode import decode, value
from tests.real_peers.processes import PREPARED
from tests.sources.harness import HandClock

PLAIN = {"Good": 300, "Speed": 0.1, "Exact": 0.1, "Off": -1, "Order": "Größe 4711", "On": True, "Large": 2**40}
MORE: dict[str, dict[str, object]] = {
    "pysparkplug": {
        "Rejects": [3, 0, -4],
        "Temps": [0.1, 2.5],
        "Flags": [True, False, True, False, False, False, False, False, True],
        "Codes": ["Gel", "", "Gauge"],
        "Counts": [2**40, 1],
    },
    "mqtt-spb-wrapper": {},
    "sparkplug-payload": {
        "Codes": [{"code": "Gel", "qty": 3}, {"code": "Gauge", "qty": -1}],
        "Shot": {"Order": "4711", "Weight": 12.5},
    },
}


@pytest.fixture(scope="module")
def encoded() -> dict[str, bytes]:
    here = "tests/real_peers"
    python = [str(PREPARED / "sparkplug" / "bin" / "python"), f"{here}/sparkplug_encoders.py"]
    texts: dict[str, str] = json.loads(subprocess.run(python, check=True, capture_output=True).stdout)
    node = ["node", f"{here}/node/sparkplug.js"]
    modules = {"NODE_PATH": str(PREPARED / "node_modules"), "PATH": "/usr/bin:/bin"}
    texts["sparkplug-payload"] = subprocess.run(node, check=True, capture_output=True, env=modules).stdout.decode()
    return {name: base64.b64decode(text) for name, text in texts.items()}


@pytest.mark.parametrize("encoder", sorted(MORE))
def test_each_value_is_as_it_was_given(encoded: dict[str, bytes], encoder: str) -> None:
    """With its name, its time and the number by which later messages call it."""
    birth = decode(encoded[encoder])
    found = {str(metric.name): value(metric, None) for metric in birth.metrics if metric.name in PLAIN | MORE[encoder]}
    assert found == PLAIN | MORE[encoder]
    assert {metric.time for metric in birth.metrics if metric.name in PLAIN} == {1_767_592_800.25}
    assert [metric.alias for metric in birth.metrics if metric.name in PLAIN] == list(range(len(PLAIN)))
    assert birth.seq is not None


@pytest.mark.parametrize("written", ["Good", "DATA/Good"])
def test_a_device_without_a_node_of_mqtt_spb_wrapper(encoded: dict[str, bytes], written: str) -> None:
    """Its birth puts DATA/ before the names, its later messages do not, and no node is ever born."""
    clock = HandClock()
    host = SparkplugHost("floor", {"G/E/D": (written,)}, clock, alone=True)
    host.subscribed(host.topics[0])
    samples = [
        sample
        for place, kind in enumerate(("DBIRTH", "DDATA"))
        for sample in host.interpret(f"spBv1.0/G/{kind}/E/D", encoded[f"device {place}"], clock.now()).samples
    ]
    assert [(sample.value, sample.initial) for sample in samples] == [({written: 300}, True), ({written: 307}, False)]
    assert not host.failed
