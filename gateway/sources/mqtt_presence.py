"""Who is there, as it is said at a broker: the gateway, by one retained message and a last will, and the primary host
for which Sparkplug edge nodes wait, by its STATE of 3.0 (JSON with a time) and of 2.2 (a word). Pure.

While its host is offline, such a node ends its connection, and keeps what it has to say until the host is back.
"""

import json
import math
from dataclasses import dataclass

from gateway.config.addresses import SPARKPLUG
from gateway.config.schema_mqtt import MqttConfig
from gateway.sources import mqtt_packets as packets
from gateway.sources.mqtt_packets import Version, Will


@dataclass(frozen=True, slots=True)
class Announcement:
    """What is published, retained, once a connection stands (`online`), and by the broker where it loses us (`will`).
    `host`: as a primary host, whose edge nodes must not miss it."""

    online: bytes
    will: Will
    host: bool = False

    def hello(self, version: Version, packet_id: int) -> bytes:
        """The packet that says that we are there."""
        return self._packet(version, packet_id, self.online)

    def farewell(self, version: Version, packet_id: int, now: float) -> bytes:
        """The packet before the connection is ended, at the time `now`."""
        return self._packet(version, packet_id, state(now, online=False) if self.host else self.will.payload)

    def _packet(self, version: Version, packet_id: int, payload: bytes) -> bytes:
        number = packet_id if self.host else 0
        return packets.publish(version, self.will.topic, payload, retain=True, packet_id=number)


def announcement(config: MqttConfig, now: float) -> Announcement | None:
    """What a connection says that is begun at the time `now`."""
    if config.primary_host and config.host_id is not None:
        topic, _ = state_topics(config.host_id)
        return Announcement(state(now, online=True), Will(topic, state(now, online=False)), host=True)
    if config.presence is not None:
        offline = Will(config.presence.topic, config.presence.offline.encode())
        return Announcement(config.presence.online.encode(), offline)
    return None


def state(at: float, *, online: bool) -> bytes:
    """A STATE message."""
    return json.dumps({"online": online, "timestamp": int(at * 1000)}).encode()


def state_topics(host_id: str) -> tuple[str, str]:
    """The topics of the STATE of a host: by Sparkplug 3.0, and by 2.2."""
    return f"{SPARKPLUG}/STATE/{host_id}", f"STATE/{host_id}"


_OFFLINE = "it is offline: edge nodes that wait for it keep what they have to say until it is back"
_WORDS = {b"ONLINE": True, b"OFFLINE": False}


class PrimaryHost:
    """What is known of the host `host_id`; None: of none. That it is offline is told in `failed`."""

    def __init__(self, host_id: str | None, failed: dict[str, str]) -> None:
        self._name = f"primary host {host_id}"
        self._failed = failed
        self.topics: tuple[str, ...] = state_topics(host_id) if host_id is not None else ()
        self._online: dict[str, bool] = {}
        self._said_at = 0.0

    def hear(self, topic: str, payload: bytes) -> bool:
        """Take in a message on one of `topics`; whether it says that the host is offline. One that is older than what
        was said before is of a connection that is no more, and changes nothing here."""
        online, at = _read(topic, payload)
        if online is None:
            return False
        if at >= self._said_at:
            self._said_at = at if topic.startswith(SPARKPLUG) else self._said_at
            self._online[topic] = online
            self._failed.pop(self._name, None)
            if not any(self._online.values()):
                self._failed[self._name] = _OFFLINE
        return not online


def _read(topic: str, payload: bytes) -> tuple[bool | None, float]:
    """Whether the host is online, None where the message does not say so, and of which time that is."""
    if not topic.startswith(SPARKPLUG):
        return _WORDS.get(payload.strip().upper()), math.inf
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        return None, 0.0
    online, at = (said.get("online"), said.get("timestamp")) if isinstance(said, dict) else (None, None)
    return (online, at) if isinstance(online, bool) and isinstance(at, int | float) else (None, 0.0)
