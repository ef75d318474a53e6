"""MQTT brokers of other makers, each a process with a port and a directory of its own, behind one small protocol."""

import asyncio
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.peers import PATIENCE, free_port
from tests.real_peers.processes import PREPARED, PeerProcess, program, until_takes_connections

Version = Literal["5", "3.1.1"]

UNLIMITED = 65_535
"""There are no more packet ids."""

_HERE = Path(__file__).parent
_ASKED = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x1e\x00\x05probe"  # CONNECT: MQTT 3.1.1, clean session, client "probe"
_ACCEPTED = b"\x20\x02\x00\x00"


class Broker(ABC):
    """A broker on 127.0.0.1. Port and directory stay the same over restarts.

    `version` is the newest of MQTT that it speaks. `keeps_ids`: a redelivery has the packet id of the delivery.
    `redelivers_late` is how long after a loss of the connection it may still redeliver, in seconds. `window` is how
    many messages it sends to the gateway without an acknowledgement. `durable`: its sessions are there again after it
    has ended.
    """

    name: str
    version: Version = "3.1.1"
    keeps_ids = True
    redelivers_late = 0.0
    window = UNLIMITED
    durable = True

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.directory = directory
        self.process = PeerProcess(self.name, directory)

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def processes(self) -> list[PeerProcess]:
        """The broker's, and those of what comes with it."""
        return [self.process]

    @abstractmethod
    def _launch(self) -> None:
        """Write what the broker needs and start the process."""

    async def start(self) -> None:
        """Start it; returns when it takes clients in."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._launch()
        await until_takes_connections(self.process, self.port, PATIENCE)
        await self.until_serves()

    async def until_serves(self) -> None:
        """Wait until it answers a CONNECT with success; AssertionError when it does not."""
        deadline = time.monotonic() + PATIENCE
        while not await self._serves():
            assert self.process.running, f"{self.name} ended: {self.process.told()}"
            assert time.monotonic() < deadline, f"{self.name} accepts no client: {self.process.told()}"
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """End it as a service manager does."""
        await self.process.end(signal.SIGTERM)

    async def kill(self) -> None:
        """End it as a power cut does, but for what the kernel has of its files."""
        await self.process.end(signal.SIGKILL)

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def until_saved(self) -> None:  # noqa: B027 - there is nothing to wait for at most brokers
        """Wait until what it has acknowledged would be there again after `kill`; most acknowledge nothing before."""

    def freeze(self) -> None:
        """Its connections stay open and nothing answers any more, until `thaw`."""
        self.process.freeze()

    def thaw(self) -> None:
        self.process.thaw()

    async def publish(self, *messages: tuple[str, bytes], qos: int = 1, retain: bool = False) -> None:
        """Publish (topic, payload) in order by a client of its own, until the broker has acknowledged them all."""
        await asyncio.to_thread(self._publish, messages, qos, retain)

    def _publish(self, messages: Sequence[tuple[str, bytes]], qos: int, retain: bool) -> None:
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
        client.max_inflight_messages_set(100)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        try:
            for info in [client.publish(topic, payload, qos, retain) for topic, payload in messages]:
                info.wait_for_publish(PATIENCE)
                assert info.is_published(), f"{self.name} did not acknowledge a message"
            client.disconnect()
        finally:
            with suppress(AttributeError):  # the thread may end, and forget itself, between paho's two looks at it
                client.loop_stop()

    async def _serves(self) -> bool:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(_ASKED)
                async with asyncio.timeout(5):
                    return await reader.readexactly(len(_ACCEPTED)) == _ACCEPTED
            finally:
                writer.close()
        return False


class Mosquitto(Broker):
    """Eclipse Mosquitto, which saves changes soon, though after it has acknowledged them; see `until_saved`.

    `unlimited`: it sends any number of messages that are not acknowledged.
    """

    name = "mosquitto"
    version: Version = "5"

    def __init__(self, directory: Path, *, unlimited: bool = False) -> None:
        super().__init__(directory)
        self._unlimited = unlimited
        self.window = UNLIMITED if unlimited else 20  # for MQTT 5 it is what the gateway says, which is more

    async def until_saved(self) -> None:
        saved = self.directory / "mosquitto.db"
        before = saved.stat().st_mtime_ns if saved.exists() else 0
        self.process.send(signal.SIGUSR1)  # makes it save, into another file that then takes the place of this one
        deadline = time.monotonic() + PATIENCE
        while not saved.exists() or saved.stat().st_mtime_ns == before:
            assert time.monotonic() < deadline, f"mosquitto does not save: {self.process.told()}"
            await asyncio.sleep(0.02)

    def _launch(self) -> None:
        settings = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "user root",  # stays who it is, so that it may write to its directory
            "persistence true",
            f"persistence_location {self.directory}/",
            "autosave_on_changes true",
            "autosave_interval 1",
            "max_queued_messages 0",
            *(["max_inflight_messages 0"] if self._unlimited else []),
        ]
        config = self.directory / "mosquitto.conf"
        config.write_text("\n".join(settings) + "\n")
        self.process.launch([program("mosquitto"), "-c", str(config)])


class RabbitMq(Broker):
    """RabbitMQ with its MQTT plugin and nothing else, 10 messages at a time as it is delivered unless told; it has
    an epmd of its own, because Erlang nodes need one."""

    name = "rabbitmq"
    keeps_ids = False

    def __init__(self, directory: Path, *, prefetch: int = 10) -> None:
        super().__init__(directory)
        self.window = prefetch
        self._epmd = PeerProcess("epmd", directory)
        self._epmd_port, self._distribution_port = free_port(), free_port()

    @property
    def processes(self) -> list[PeerProcess]:
        return [self.process, self._epmd]

    async def start(self) -> None:
        local = {"ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": str(self._epmd_port)}
        self._epmd.launch([program("epmd"), "-address", "127.0.0.1", "-port", str(self._epmd_port)], local)
        await until_takes_connections(self._epmd, self._epmd_port)
        await super().start()

    async def stop(self) -> None:
        await super().stop()
        await self._epmd.end(signal.SIGKILL)

    async def kill(self) -> None:
        await super().kill()
        await self._epmd.end(signal.SIGKILL)

    def _launch(self) -> None:
        config = self.directory / "rabbitmq.conf"
        config.write_text(
            f"listeners.tcp = none\nmqtt.listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            f"mqtt.prefetch = {self.window}\nlog.console.level = info\n"
        )
        plugins = self.directory / "enabled_plugins"
        plugins.write_text("[rabbitmq_mqtt].\n")
        nothing = self.directory / "rabbitmq-env.conf"
        nothing.write_text("")
        self.process.launch(
            [program("/usr/lib/rabbitmq/bin/rabbitmq-server")],
            {
                "HOME": str(self.directory),  # Erlang keeps a cookie there
                "ERL_EPMD_ADDRESS": "127.0.0.1",
                "ERL_EPMD_PORT": str(self._epmd_port),
                "RABBITMQ_ALLOW_INPUT": "yes",  # makes the script become the server instead of its parent
                "RABBITMQ_SERVER_START_ARGS": "-noinput",
                "RABBITMQ_CONF_ENV_FILE": str(nothing),
                "RABBITMQ_CONFIG_FILE": str(config),
                "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
                "RABBITMQ_NODENAME": f"peer{self.port}@localhost",
                "RABBITMQ_DIST_PORT": str(self._distribution_port),
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
                "RABBITMQ_MNESIA_BASE": str(self.directory / "mnesia"),
                "RABBITMQ_LOG_BASE": str(self.directory / "log"),
                "RABBITMQ_LOGS": "-",
                "RABBITMQ_PID_FILE": str(self.directory / "rabbitmq.pid"),
            },
        )


class Nats(Broker):
    """NATS server with JetStream. It redelivers what was not acknowledged for `ack_wait` seconds, 30 unless told."""

    name = "nats"
    keeps_ids = False
    window = 1024

    def __init__(self, directory: Path, *, ack_wait: float = 5.0) -> None:
        super().__init__(directory)
        self._ack_wait = ack_wait
        self.redelivers_late = ack_wait
        self._own_port = free_port()

    def _launch(self) -> None:
        config = self.directory / "nats.conf"
        config.write_text(
            f'server_name: "peer"\nlisten: "127.0.0.1:{self._own_port}"\n'
            f'jetstream {{ store_dir: "{self.directory}/jetstream", max_mem: 64MB, max_file: 1GB }}\n'
            f'mqtt {{ listen: "127.0.0.1:{self.port}", ack_wait: "{self._ack_wait:g}s", '
            f"max_ack_pending: {self.window} }}\n"
        )
        self.process.launch([program("nats-server"), "-c", str(config)])


class Aedes(Broker):
    """aedes, a broker in Node.js. Its sessions are in memory and end with it; `durable` puts them into a LevelDB.

    With LevelDB and a busy machine it now and then leaves a message unsent until the client connects again.
    """

    name = "aedes"

    def __init__(self, directory: Path, *, durable: bool = False) -> None:
        super().__init__(directory)
        self.durable = durable

    def _launch(self) -> None:
        sessions = [str(self.directory / "sessions")] if self.durable else []
        command = [program("node"), str(_HERE / "node" / "aedes.js"), str(self.port), *sessions]
        self.process.launch(command, {"NODE_PATH": str(PREPARED / "node_modules")})


BROKERS: dict[str, Callable[[Path], Broker]] = {
    "mosquitto": Mosquitto,
    "mosquitto-3.1.1": lambda directory: _older(Mosquitto(directory)),
    "mosquitto-unlimited": lambda directory: _older(Mosquitto(directory, unlimited=True)),
    "rabbitmq": RabbitMq,
    "rabbitmq-wide": lambda directory: RabbitMq(directory, prefetch=5_000),
    "nats": Nats,
    "aedes": Aedes,
    "aedes-durable": lambda directory: Aedes(directory, durable=True),
}
"""Every broker by its name on the command line; `unlimited` and `wide` send many messages without acknowledgement."""


def _older(broker: Broker) -> Broker:
    broker.version = "3.1.1"
    return broker
