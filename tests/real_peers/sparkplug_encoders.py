"""A birth with one metric of each kind, as encoders of others write it: a JSON object of name -> payload in base 64.

Run by an environment that has them, which has neither the gateway nor what it needs.
"""

import base64
import json
import sys

import mqtt_spb_wrapper.spb_protobuf as wrapper  # type: ignore[import-not-found]
from mqtt_spb_wrapper import MqttSpbEntityDevice
from pysparkplug import DataType, DBirth, Metric  # type: ignore[import-not-found]

TIME = 1_767_592_800_250
PLAIN = {"Good": 300, "Speed": 0.1, "Exact": 0.1, "Off": -1, "Order": "Größe 4711", "On": True, "Large": 2**40}
KINDS = {
    "Good": "UInt32",
    "Speed": "Float",
    "Exact": "Double",
    "Off": "Int8",
    "Order": "String",
    "On": "Boolean",
    "Large": "Int64",
}
ARRAYS = {
    "Rejects": ("INT16_ARRAY", (3, 0, -4)),
    "Temps": ("FLOAT_ARRAY", (0.1, 2.5)),
    "Flags": ("BOOLEAN_ARRAY", (True, False, True, False, False, False, False, False, True)),
    "Codes": ("STRING_ARRAY", ("Gel", "", "Gauge")),
    "Counts": ("UINT64_ARRAY", (2**40, 1)),
}


def by_pysparkplug() -> bytes:
    """With arrays."""
    metrics = [
        Metric(TIME, name, getattr(DataType, KINDS[name].upper()), value=value, alias=place)
        for place, (name, value) in enumerate(PLAIN.items())
    ]
    metrics += [Metric(TIME, name, getattr(DataType, kind), value=value) for name, (kind, value) in ARRAYS.items()]
    encoded: bytes = DBirth(TIME, 3, tuple(metrics)).encode()
    return encoded


def by_wrapper() -> bytes:
    """Plain values only: it has no arrays."""
    payload = wrapper.getDeviceBirthPayload()
    for place, (name, value) in enumerate(PLAIN.items()):
        wrapper.addMetric(payload, name, place, getattr(wrapper.MetricDataType, KINDS[name]), value, TIME)
    encoded: bytes = payload.SerializeToString()
    return encoded


def by_a_device_of_the_wrapper() -> list[bytes]:
    """What a device says that connects without an edge node: its birth, then a change."""
    device = MqttSpbEntityDevice("G", "E", "D")
    device.attributes.set_value("Good", "an attribute")
    device.data.set_value("Good", 300)
    device.data.set_value("Order", "4711")
    birth = bytes(device.serialize_payload_birth())
    device.data.set_value("Good", 307)
    return [birth, bytes(device.serialize_payload_data())]


if __name__ == "__main__":
    payloads = {"pysparkplug": by_pysparkplug(), "mqtt-spb-wrapper": by_wrapper()}
    for place, payload in enumerate(by_a_device_of_the_wrapper()):
        payloads[f"device {place}"] = payload
    json.dump({name: base64.b64encode(payload).decode() for name, payload in payloads.items()}, sys.stdout)
