"""What the gateway says at the broker of itself: that it is there, and what is to be said when it is not. Pure.

As the primary host of Sparkplug edge nodes that is its STATE (Sparkplug 3.0.0, 5.3 and 6.4.25); else what `presence`
says; else nothing.
"""

import json
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
