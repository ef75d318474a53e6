"""Real peers for tests: an MQTT broker process and an OPC UA server; and how a test waits for what must happen."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from asyncua import ua
from asyncua.common.callback import Callback, CallbackService, CallbackType, ServerItemCallback
from asyncua.common.node import Node
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.listening import stop_listening

PATIENCE = 300.0
"""Seconds that a test waits for what must happen. It says nothing of how long that may take: another hundred processes
may want the same two cores. How fast the gateway is, is told by the campaign, whose clock is its own."""

LINE = "urn:acme:line"
"""The namespace of the test server's variables."""

PORTS = range(20_000, 32_768)
"""Below those that Linux lends to connections going out: none of these takes a port before its owner listens."""


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on, and that no other test is given while this process lives."""
    for port in PORTS:
        claim = socket.socket(socket.AF_UNIX)  # an abstract name goes with the process that holds it: unix(7)
        try:
            claim.bind(f"\0oden-gateway-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        claim.detach()  # it stays open until the process ends
        return port
    raise AssertionError(f"none of the ports {PORTS.start} to {PORTS.stop - 1} is free")


def _pause(took: float) -> float:
    """Seconds until a condition is looked at again that has taken so long: whoever asks a process, or reads all that it
    has written, leaves most of the time to those who are to make it true, the more the busier the machine is."""
    return min(max(0.02, 8 * took), 1.0)


async def wait_until(predicate: Callable[[], object], timeout: float = PATIENCE) -> None:
    """Poll until `predicate()` holds; AssertionError when it does not within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        began = time.monotonic()
        if predicate():
            return
        ended = time.monotonic()
        assert ended < deadline, f"did not become true within {timeout} s: {predicate!r}"
        await asyncio.sleep(_pause(ended - began))


def wait_for(condition: Callable[[], object]) -> None:
    """`wait_until` where there is no event loop."""
    deadline = time.monotonic() + PATIENCE
    while True:
        began = time.monotonic()
        if condition():
            return
        ended = time.monotonic()
        assert ended < deadline, f"did not become true within {PATIENCE} s: {condition!r}"
        time.sleep(_pause(ended - began))


class Mosquitto:
    """A mosquitto process on a port of its own, with persistence in `directory`.

    `settings` are further lines of its configuration. The port stays the same over restarts. Its sessions and retained
    messages are on disk after `stop`, and after `kill` too, because every change is saved at once.
    """

    def __init__(self, directory: Path, settings: Sequence[str] = (), port: int | None = None) -> None:
        self.port = port or free_port()
        self.directory = directory
        self.settings = list(settings)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "mosquitto.conf"
        config.write_text("\n".join(self._config()) + "\n")
        binary = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        assert binary is not None, "mosquitto is not installed"
        with (self.directory / "mosquitto.log").open("ab") as output:
            self._process = subprocess.Popen([binary, "-c", str(config)], stdout=output, stderr=output)
        deadline = time.monotonic() + PATIENCE
        while not self._takes_connections():
            assert self._process.poll() is None, (self.directory / "mosquitto.log").read_text()
            assert time.monotonic() < deadline, "mosquitto does not take connections"
            time.sleep(0.02)

    def stop(self) -> None:
        """End it as a service manager does (SIGTERM)."""
        self._end(subprocess.Popen.terminate)

    def kill(self) -> None:
        """End it as a power cut does (SIGKILL)."""
        self._end(subprocess.Popen.kill)

    def reload(self) -> None:
        """Read its files anew: who may do what, and passwords."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def forget(self) -> None:
        """Lose all sessions and retained messages; only while it is stopped."""
        (self.directory / "mosquitto.db").unlink()

    async def publish(self, topic: str, *payloads: str | bytes, qos: int = 1, retain: bool = False) -> None:
        """Publish `payloads` in order; returns when the broker has acknowledged them all (QoS 1)."""
        await asyncio.to_thread(self._publish, topic, payloads, qos, retain)

    def _publish(self, topic: str, payloads: Sequence[str | bytes], qos: int, retain: bool) -> None:
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        for info in [client.publish(topic, payload, qos, retain) for payload in payloads]:
            info.wait_for_publish(PATIENCE)
            assert info.is_published(), "the broker did not acknowledge"
        client.disconnect()
        client.loop_stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _config(self) -> list[str]:
        own = [] if any(line.startswith("allow_anonymous") for line in self.settings) else ["allow_anonymous true"]
        return [
            f"listener {self.port} 127.0.0.1",
            *own,
            "user root",  # stays who it is, so that it may write to its directory
            "persistence true",
            f"persistence_location {self.directory}/",
            "autosave_on_changes true",
            "autosave_interval 1",
            "max_queued_messages 0",
            *self.settings,
        ]

    def _takes_connections(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def _end(self, how: Callable[["subprocess.Popen[bytes]"], None]) -> None:
        if self._process is not None:
            how(self._process)
            self._process.wait(PATIENCE)
            self._process = None


NULL_TEXT = ua.Variant(None, ua.VariantType.Null)
"""What many servers send for a text that is null: null without a type."""


class OpcuaServer:
    """An OPC UA server in this event loop whose variables are `nsu=urn:acme:line;s=<name>`.

    The port stays the same over restarts; each start begins with an empty address space. Names in `before` become
    namespaces ahead of the line's own, which shifts its index.
    """

    def __init__(self, port: int | None = None, *, ticks: bool = False) -> None:
        """`ticks`: its own clock, node i=2258, is kept; it costs a second at every stop."""
        self.port = port or free_port()
        self._ticks = ticks
        self.asked_to_act: list[str] = []
        """What clients have asked for, over all starts, that is more than to look: writes, and calls of methods."""
        self._server: Server | None = None
        self._nodes: dict[str, Node] = {}
        self._index = 0

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}"

    @property
    def server(self) -> Server:
        assert self._server is not None, "the server is not running"
        return self._server

    async def start(self, *, before: Sequence[str] = (), **variables: Any) -> None:
        """Start it with `variables` (dots as `__`: `L01__State=1`), values as `add` takes them."""
        self._server = server = Server()
        await server.init()
        server.subscribe_server_callback(CallbackType.PreWrite, self._note_write)
        core: Any = server.iserver
        core.method_service = _NotedCalls(core.method_service, self.asked_to_act)
        if not self._ticks:
            server.disable_clock()
        server.set_endpoint(self.url)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        for uri in (*before, LINE):
            self._index = await server.register_namespace(uri)
        self._nodes.clear()
        for name, value in variables.items():
            await self.add(name.replace("__", "."), value)
        await server.start()

    async def stop(self) -> None:
        """Stop it; clients lose their connection, and none gets another: the library waits for those for ever."""
        if self._server is not None:
            listener: Any = self._server.bserver
            await stop_listening(listener._server)
            await self._server.stop()
            self._server = None

    async def add(self, name: str, value: Any) -> None:
        """Add a variable; `value` is a Python value or a `ua.Variant`. Ints become Int32, as PLCs have them."""
        kind = ua.NodeId(ua.Int32(ObjectIds.String)) if value is NULL_TEXT else None
        self._nodes[name] = await self.server.nodes.objects.add_variable(
            ua.NodeId(ua.String(name), ua.Int16(self._index)), name, _variant(value), datatype=kind
        )

    async def delete(self, name: str) -> None:
        """Take a variable away, without a word to those who watch it."""
        await self.server.delete_nodes([self._nodes.pop(name)])

    def _note_write(self, event: Callback, _service: CallbackService) -> None:
        assert isinstance(event, ServerItemCallback)
        if event.is_external:
            self.asked_to_act.append(f"write {event.request_params}")

    async def write(self, name: str, value: Any, *, status: int = 0, time: datetime | None = None) -> None:
        """Set value, status code and source time at once."""
        stamp: Any = time  # the library's DateTime is datetime with a name
        data = ua.DataValue(_variant(value), ua.StatusCode(ua.UInt32(status)), stamp)
        id_ = self._nodes[name].nodeid
        if data.Value is not None and data.Value.VariantType == ua.VariantType.Null:
            core: Any = self.server.iserver.aspace[
                id_
            ]  # the library lets null without a type follow nothing but itself
            core.attributes[AttributeIds.Value].value = None
        await self.server.write_attribute_value(id_, data)


class _NotedCalls:
    """The server's methods, with a note of who calls any."""

    def __init__(self, methods: Any, notes: list[str]) -> None:
        self._methods, self._notes = methods, notes

    async def call(self, methods: Any) -> Any:
        self._notes.append(f"call {methods}")
        return await self._methods.call(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._methods, name)


def _variant(value: Any) -> ua.Variant:
    if isinstance(value, ua.Variant):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return ua.Variant(value, ua.VariantType.Int32)
    return ua.Variant(value)
