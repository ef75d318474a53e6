"""Why the gateway reads MQTT itself: what paho, the usual client, costs and does where the gateway must not.

A peer in a thread of its own says what a broker would, byte by byte; what it costs is not counted. Three figures:
the processor's time for each message that is received and acknowledged; the memory for one message of 200 MB, of which
nothing is wanted; and how long paho lets a connection stand that is left unread because nothing can be taken, while
messages wait in the socket.
"""

import asyncio
import fcntl
import multiprocessing
import resource
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.clock import AnchoredClock
from gateway.config.schema_mqtt import MqttConfig
from gateway.sources.mqtt_connection import MqttConnection, Publish
from gateway.sources.mqtt_packets import Version

MESSAGES = 20_000
LARGE = 200_000_000
KEEPALIVE = 5
TOPIC, PAYLOAD = b"plant/1/scrap", b'{"qty": 1, "code": "code 3", "at": 12345}'
Say = Callable[[socket.socket, bool], None]
"""What the peer says on a connection that stands; whether in MQTT 5."""


def length_of(number: int) -> bytes:
    """A length as MQTT writes it."""
    out = b""
    while True:
        number, digit = divmod(number, 128)
        out += bytes([digit | 128 * (number > 0)])
        if not number:
            return out


def message(payload_size: int, packet_id: int, *, is_v5: bool) -> bytes:
    """A PUBLISH at QoS 1 up to where its payload begins."""
    head = struct.pack(">H", len(TOPIC)) + TOPIC + struct.pack(">H", packet_id) + b"\0" * is_v5
    return b"\x32" + length_of(len(head) + payload_size) + head


def small(connection: socket.socket, is_v5: bool) -> None:  # noqa: FBT001 - as `Say` has it
    """MESSAGES, as fast as they are taken."""
    each = [message(len(PAYLOAD), 1 + number % 60_000, is_v5=is_v5) + PAYLOAD for number in range(MESSAGES)]
    with suppress(OSError):
        connection.sendall(b"".join(each))


def large(connection: socket.socket, is_v5: bool) -> None:  # noqa: FBT001
    """One message of LARGE bytes, and a small one."""
    connection.sendall(message(LARGE, 1, is_v5=is_v5))
    for _ in range(LARGE // 1_000_000):
        connection.sendall(bytes(1_000_000))
    connection.sendall(message(len(PAYLOAD), 2, is_v5=is_v5) + PAYLOAD)


class Peer:
    """Takes one connection on `port`, grants it, and says something."""

    def __init__(self, say: Say, version: Version) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._say, self._is_v5 = say, version == "5"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        connection.recv(4_096)
        connection.sendall(b"\x20\x03\0\0\0" if self._is_v5 else b"\x20\x02\0\0")
        threading.Thread(target=self._say, args=(connection, self._is_v5), daemon=True).start()
        with suppress(OSError):
            while connection.recv(65_536):
                pass


def paho(say: Say, version: Version, messages: int) -> float:
    """Receive and acknowledge so many messages with paho; seconds of the processor."""
    peer = Peer(say, version)
    protocol = MQTTProtocolVersion.MQTTv5 if version == "5" else MQTTProtocolVersion.MQTTv311
    client = Client(CallbackAPIVersion.VERSION2, "edge", protocol=protocol, manual_ack=True)
    count = 0

    def on_message(client: Client, _: object, received: Any) -> None:
        nonlocal count
        count += 1
        client.ack(received.mid, received.qos)

    client.on_message = on_message
    client.connect("127.0.0.1", peer.port)
    began = time.thread_time()
    while count < messages:
        client.loop(1.0)
    return time.thread_time() - began


def ours(say: Say, version: Version, messages: int) -> float:
    """The same with the gateway's connection."""

    async def receive() -> float:
        peer = Peer(say, version)
        config = MqttConfig(type="mqtt", url=f"mqtt://127.0.0.1:{peer.port}", client_id="edge")
        connection = MqttConnection(config, AnchoredClock(), lambda _: None, version=version)
        await connection.open()
        began, count = time.thread_time(), 0
        while count < messages:
            await connection.wait(1.0)
            while (packet := connection.pop()) is not None:
                if isinstance(packet, Publish) and packet.message.packet_id is not None:
                    count += 1
                    connection.acknowledge(packet.message.packet_id, packet.number)
        spent = time.thread_time() - began
        await connection.close()
        return spent

    return asyncio.run(receive())


def memory(client: Callable[[Say, Version, int], float], version: Version, results: Any) -> None:
    """How much more memory than before, in bytes, `client` has needed at most for the large message."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    client(large, version, 2)
    results.put((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)


def stands_unread() -> tuple[float, int]:
    """Seconds until paho calls a connection dead of which nothing is read, but whose keep-alive is looked after as its
    documentation has it (`loop_misc`), and how many bytes wait in the socket then."""
    peer = Peer(small, "5")
    client = Client(CallbackAPIVersion.VERSION2, "edge", protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True)
    client.connect("127.0.0.1", peer.port, keepalive=KEEPALIVE)
    while not client.is_connected():
        client.loop(0.1)
    began, waiting = time.monotonic(), 0
    while (sock := client.socket()) is not None:
        waiting = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4)))[0]
        client.loop_misc()
        client.loop_write()
        time.sleep(0.1)
    return time.monotonic() - began, waiting


def main() -> None:
    versions: tuple[Version, ...] = ("5", "3.1.1")
    for version in versions:
        for name, client in (("paho", paho), ("the gateway", ours)):
            best = min(client(small, version, MESSAGES) for _ in range(3))
            print(f"MQTT {version}, {name}: {best / MESSAGES * 1e6:.1f} µs of the processor for each message at QoS 1")
    context = multiprocessing.get_context("spawn")
    for name, client in (("paho", paho), ("the gateway", ours)):
        results = context.Queue()
        process = context.Process(target=memory, args=(client, "3.1.1", results))
        process.start()
        print(f"MQTT 3.1.1, {name}: a message of {LARGE / 1e6:.0f} MB takes {results.get() / 1e6:.0f} MB more memory")
        process.join()
    seconds, waiting = stands_unread()
    print(
        f"paho, not read, keep-alive of {KEEPALIVE} s: called dead after {seconds:.0f} s, while {waiting:,} "
        "bytes wait in the socket"
    )


if __name__ == "__main__":
    main()
