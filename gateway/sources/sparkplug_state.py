"""The STATE of the primary host for which Sparkplug edge nodes wait: by 3.0 (JSON with a time) and by 2.2 (a word).

While it is offline, such a node ends its connection, and keeps what it has to say until the host is back. Pure.
"""

import json
import math

from gateway.config.addresses import SPARKPLUG
from gateway.sources.mqtt_presence import state_topics

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
