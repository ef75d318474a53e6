"""An edge node with one device, as libraries for Python speak: LIBRARY PORT GOOD, and what the device has made by then.

Run by an environment that has them, which has neither the gateway nor what it needs. Lines of JSON on standard input:
`{"do": "set", "good": 5}`, `{"do": "die"}` and `{"do": "born"}` of the device.
"""

import json
import sys
import threading
import time
from typing import Any

from mqtt_spb_wrapper import MqttSpbEntityDevice  # type: ignore[import-not-found]
from pysparkplug import Client, DataType, Device, EdgeNode, Metric  # type: ignore[import-not-found]

DEVICE = "Press 7"


def _now() -> int:
    return int(time.time() * 1000)


class ByPysparkplug:
    """It cannot say its births anew but by connecting anew, which the command to do so makes it do."""

    def __init__(self, port: int, good: int) -> None:
        self._port, self._asked = port, threading.Event()
        control = [Metric(_now(), "Node Control/Rebirth", DataType.BOOLEAN, value=False)]
        client = Client(client_id="edge")
        self._node = EdgeNode("Plant A", "Edge 1", control, client, cmd_callback=lambda *_: self._asked.set())
        order = Metric(_now(), "Order", DataType.STRING, value="A", alias=1)
        self._device = Device(DEVICE, [self._good(good), order])
        self._node.register(self._device)
        self._lock = threading.Lock()
        self._connect()
        threading.Thread(target=self._be_reborn, daemon=True).start()

    def set(self, good: int) -> None:
        with self._lock:
            self._node.update_device(DEVICE, [self._good(good)])

    def die(self) -> None:
        with self._lock:
            self._node.deregister(DEVICE)

    def born(self) -> None:
        with self._lock:
            self._node.register(self._device)

    def _good(self, good: int) -> Any:
        return Metric(_now(), "Good", DataType.UINT32, value=good, alias=0)

    def _connect(self) -> None:
        self._node.connect("127.0.0.1", port=self._port)

    def _be_reborn(self) -> None:
        while self._asked.wait():
            with self._lock:
                self._asked.clear()
                self._node.disconnect()
                self._connect()


class ByWrapper:
    """A device that connects without an edge node. It dies by ending its connection."""

    def __init__(self, port: int, good: int) -> None:
        self._port = port
        self._device = MqttSpbEntityDevice("Plant A", "Edge 1", DEVICE)
        self._device.data.set_value("Good", good)
        self._device.data.set_value("Order", "A")
        self._device.on_connect = lambda *_: self._device.publish_birth()
        self.born()

    def set(self, good: int) -> None:
        self._device.data.set_value("Good", good)
        self._device.publish_data()

    def die(self) -> None:
        self._device.disconnect()

    def born(self) -> None:
        self._device.connect("127.0.0.1", self._port)


LIBRARIES = {"pysparkplug": ByPysparkplug, "mqtt-spb-wrapper": ByWrapper}


def _say(**fields: object) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def main() -> None:
    device = LIBRARIES[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
    _say(ready=True)
    for line in sys.stdin:
        command = json.loads(line)
        getattr(device, command.pop("do"))(**command)
        _say(ok=True)


if __name__ == "__main__":
    main()
