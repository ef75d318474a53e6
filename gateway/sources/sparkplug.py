"""Sparkplug B: what the messages of edge nodes say of the devices that inputs name (Sparkplug 3.0.0, sections 4 to 6).

Edge nodes send at QoS 0, only what has changed, and often by numbers (aliases) to which only their births give names.
So what is said counts only from a birth on, and only while no message is missing: the sequence number tells. Otherwise
nothing is known of the node's devices, and it is asked for its births, which say everything anew. The values of a birth
are first values: what happened before them was not watched.

Only what the messages mean is decided here; the connection is another's.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from gateway.clock import Clock
from gateway.config.addresses import SPARKPLUG, DeviceAddress, parse_device, sparkplug_address
from gateway.model import Notice, Recovered, Sample
from gateway.sources.base import moments_of
from gateway.sources.sparkplug_decode import Payload, decode, rebirth
from gateway.sources.sparkplug_device import Device

REQUEST_PAUSE = 2.0
"""Seconds until a node can be asked for its births again, doubling with each request to LONGEST_PAUSE.

Begins anew when the node has been left alone for LONGEST_PAUSE.
"""
LONGEST_PAUSE = 300.0

_ALONE = "if its devices connect without it, write `node_birth: optional` at the source"

_KINDS = {"NBIRTH": 4, "NDATA": 4, "NDEATH": 4, "DBIRTH": 5, "DDATA": 5, "DDEATH": 5}
"""Kind of message -> levels of its topic. Commands, which are for edge nodes, are not among them."""


@dataclass(frozen=True, slots=True)
class Interpretation:
    """What a message means for the devices that are wanted; `unread`: why it could not be read. `recovered` is what
    had been kept, for its places."""

    samples: tuple[Sample, ...] = ()
    notices: tuple[Notice, ...] = ()
    unread: str = ""
    recovered: Recovered | None = None


_NOTHING = Interpretation()


@dataclass(slots=True)
class _Node:
    """An edge node.

    `alive`: its birth has come, and since then no message was missing. `heard`: something of it has come since the
    subscription stands. On the monotonic clock: `ask_at` is when it will be asked for its births, `may_ask_at` when it
    can be asked again, `pause` seconds after the last time; at `give_up_at` devices of which nothing was heard count as
    gone.
    """

    address: DeviceAddress
    devices: dict[str | None, Device] = field(default_factory=dict)
    alive: bool = False
    seq: int | None = None
    birth: object = None
    ask_at: float | None = None
    give_up_at: float = math.inf
    heard: bool = False
    may_ask_at: float = -math.inf
    pause: float = REQUEST_PAUSE


class SparkplugHost:
    """What is known of the edge nodes behind one broker.

    `wanted` are the metrics of each device. `failed` says by address why something is not received. `asks`: nodes are
    asked for their births. `keeps`: what they had kept is wanted. `alone`: devices need no birth of their node.
    """

    def __init__(
        self,
        source: str,
        wanted: Mapping[str, Collection[str]],
        clock: Clock,
        *,
        asks: bool = True,
        keeps: bool = False,
        alone: bool = False,
    ) -> None:
        self.failed: dict[str, str] = {}
        self._asks = asks
        self._keeps = keeps
        self._alone = alone
        self._recovered_at = 0.0
        self._source = source
        self._clock = clock
        self._nodes: dict[tuple[str, str], _Node] = {}
        for text, metrics in wanted.items():
            address = parse_device(text)
            its_node = DeviceAddress(address.group, address.node)
            node = self._nodes.setdefault((address.group, address.node), _Node(its_node))
            node.devices[address.device] = Device(sparkplug_address(text), frozenset(metrics), by_name=alone)

    @property
    def topics(self) -> tuple[str, ...]:
        """The topic filters to subscribe to: everything that a node sends, because the sequence goes over all of it."""
        return tuple(f"{SPARKPLUG}/{group}/+/{node}/#" for group, node in self._nodes)

    @property
    def devices(self) -> int:
        """How many devices are wanted."""
        return sum(len(node.devices) for node in self._nodes.values())

    def subscribed(self, topic: str) -> None:
        """The subscription of one of `topics` stands: from here on nothing is missed, so births are asked for."""
        _, group, _, name, _ = topic.split("/")
        node = self._nodes[group, name]
        node.may_ask_at, node.heard = -math.inf, False
        self._ask(node)
        self._wait_for(node)

    def connection_lost(self, now: float) -> tuple[Sample, ...]:
        """Nothing is known of any device any more."""
        nodes, reason = self._nodes.values(), "nothing is known of its edge node"
        for node in nodes:
            node.ask_at, node.give_up_at = None, math.inf
        return tuple(sample for node in nodes for sample in self._node_gone(node, now, reason, unheard=True))

    @property
    def due(self) -> float:
        """When `birth_requests` or `give_up_awaited` has something, on the monotonic clock; infinite if never."""
        times = [time for node in self._nodes.values() for time in (node.ask_at, node.give_up_at) if time is not None]
        return min(times, default=math.inf)

    def give_up_awaited(self) -> tuple[Sample, ...]:
        """Devices that were expected, and of which nothing has come in time, are gone, as after a death."""
        samples: list[Sample] = []
        for node in self._nodes.values():
            if node.give_up_at <= self._clock.monotonic():
                node.give_up_at = math.inf
                if not node.heard:
                    self.failed[sparkplug_address(str(node.address))] = (
                        f"nothing has come of edge node {node.address.node} in group {node.address.group}; "
                        "is it on, and written as in its topics?"
                    )
                for device in node.devices.values():
                    if device.alive is None or device.awaited:
                        reason = self.failed.get(device.address, "nothing is known of its edge node")
                        samples += self._device_gone(device, reason, self._clock.now())
        return tuple(samples)

    def birth_requests(self) -> Iterator[tuple[str, bytes]]:
        """Topic and payload of the requests for births that are due, at QoS 0."""
        now = self._clock.monotonic()
        for node in self._nodes.values():
            if node.ask_at is not None and node.ask_at <= now:
                node.may_ask_at = node.ask_at = now + node.pause
                node.pause = min(2 * node.pause, LONGEST_PAUSE)
                yield _command(node), rebirth(self._clock.now())

    def interpret(self, topic: str, payload: bytes, received: float) -> Interpretation:
        """What a message means, on one of `topics` or any other: a session can hold older subscriptions."""
        levels = topic.split("/")
        if len(levels) < 4 or _KINDS.get(levels[2]) != len(levels):
            return _NOTHING
        _, group, kind, name, *rest = levels
        node = self._nodes.get((group, name))
        if node is None:
            return _NOTHING
        node.heard = True
        try:
            message = decode(payload)
        except ValueError as error:
            notice = Notice("reject", received, self._source, topic, f"the payload {error}")
            gone = self._lose_track(node, received) if not self._alone else ()
            return Interpretation(gone, (notice,), notice.text)
        if self._alone:
            return self._said_alone(node, rest, kind, message, received)
        if kind == "NBIRTH":
            return self._node_born(node, message, received)
        if kind == "NDEATH":
            return self._node_died(node, message, received)
        if not node.alive:
            self._ask(node, of_device=bool(rest))
            return _NOTHING
        if message.seq is not None and node.seq is not None and message.seq != (node.seq + 1) % 256:
            text = f"messages of {node.address} are missing before this one, so its births are asked for"
            return Interpretation(
                self._lose_track(node, received), (Notice("gap", received, self._source, topic, text),)
            )
        node.seq = message.seq
        device = node.devices.get(rest[0] if rest else None)
        if device is None:
            return _NOTHING
        if kind == "DBIRTH":
            return self._device_born(device, message, received)
        if kind == "DDEATH":
            return Interpretation(self._device_gone(device, "the device is offline, says its edge node", received))
        if not device.alive:
            self._ask(node)
            return _NOTHING
        return self._changed(device, message, received)

    def _changed(self, device: Device, message: Payload, received: float) -> Interpretation:
        samples, notices = self._samples_of(device, message, received, initial=False)
        kept, of_kept = self._kept_by(device, message, received)
        return Interpretation(tuple(samples), (*notices, *of_kept), recovered=kept)

    def _said_alone(self, node: _Node, rest: list[str], kind: str, message: Payload, received: float) -> Interpretation:
        """The node and its devices stand each for themselves, from a birth or the first value on, by names alone: no
        sequence says that nothing is missing, so that a number could mean another metric by now."""
        if kind == "NDEATH":
            return self._node_off(node, received)
        if kind == "NBIRTH":
            node.ask_at = None
        device = node.devices.get(rest[0] if rest else None)
        if device is None:
            return _NOTHING
        if kind == "DDEATH":
            return Interpretation(self._device_gone(device, "the device is offline", received))
        if kind in ("NBIRTH", "DBIRTH"):
            said = self._device_born(device, message, received)
        else:
            said = self._changed(device, message, received)
            if not said.samples:
                return said
            device.alive = True
            self.failed.pop(device.address, None)
        self.failed.pop(sparkplug_address(str(node.address)), None)
        if all(each.alive for each in node.devices.values()):
            node.ask_at, node.give_up_at = None, math.inf
        return said

    def _node_born(self, node: _Node, message: Payload, received: float) -> Interpretation:
        birth, gone = message.birth_number, tuple[Sample, ...]()
        if not node.alive or birth is None or birth != node.birth:
            gone = self._node_gone(node, received, "nothing is known of its edge node")
        node.alive, node.seq, node.birth, node.ask_at = True, message.seq, birth, None
        self._wait_for(node)
        self.failed.pop(sparkplug_address(str(node.address)), None)
        for device in node.devices.values():
            # A node that was asked for its births lives on; its devices do if their births follow.
            device.awaited = bool(device.alive)
            device.numbered.clear()
            if not device.alive:
                self.failed[device.address] = "its edge node has not said that the device is there"
        own = node.devices.get(None)
        born = self._device_born(own, message, received) if own is not None else _NOTHING
        return Interpretation((*gone, *born.samples), born.notices)

    def _node_died(self, node: _Node, message: Payload, received: float) -> Interpretation:
        """The end of a connection of the node; of an earlier one than its last birth, if their numbers differ.

        Not every node counts right, so then its births are asked for: one that is dead does not answer.
        """
        birth = message.birth_number
        if node.alive and birth is not None and node.birth is not None and birth != node.birth:
            self._ask(node)
            self._wait_for(node)
            for device in node.devices.values():
                device.awaited = bool(device.alive)
            return _NOTHING
        return self._node_off(node, received)

    def _node_off(self, node: _Node, received: float) -> Interpretation:
        samples = self._node_gone(node, received, "its edge node is offline", unheard=True)
        self.failed[sparkplug_address(str(node.address))] = "the edge node is offline"
        return Interpretation(samples)

    def _device_born(self, device: Device, message: Payload, received: float) -> Interpretation:
        device.alive, device.flushes, device.awaited = True, False, False
        missing = device.learn(message.metrics)
        device.refused.clear()
        device.heard.clear()
        for key in [device.address, *map(device.key, device.wanted)]:
            self.failed.pop(key, None)  # why the device or metrics of it were not received
        self.failed |= {device.key(name): reason for name, reason in missing.items()}
        samples, notices = self._samples_of(device, message, received, initial=True)
        return Interpretation((*samples, *self._bad(device, missing, received)), notices)

    def _samples_of(
        self, device: Device, message: Payload, received: float, *, initial: bool, kept: bool = False
    ) -> tuple[list[Sample], tuple[Notice, ...]]:
        """The values of the metrics that are wanted, in the order of their times; of those that the node had `kept`, or
        of the others.

        Those of one time and quality are one sample. A metric that comes twice is two values.
        """
        groups: dict[tuple[float | None, bool, bool, int], dict[str, object]] = {}
        repeats: Counter[tuple[float | None, bool, str]] = Counter()
        notices: list[Notice] = []
        meant = [(metric, name) for metric in message.metrics for name in device.meant(metric)]
        for metric, name in meant:
            if metric.historical != kept:
                continue
            first = initial or not (kept or name in device.heard)
            content, good = None, metric.good
            try:
                content = device.value_of(name, metric) if good else None
            except ValueError as error:
                notices += self._refuse(device, name, str(error), received)
                good = False
            else:
                self._accept(device, name)
            time = metric.time if metric.time is not None else message.time
            repeats[time, good, name] += 1
            groups.setdefault((time, good, first, repeats[time, good, name]), {})[name] = content
        if not kept:
            device.heard.update(name for metric, name in meant if not metric.historical)
        samples = [
            Sample(self._source, device.address, values, received, "good" if good else "bad", time, initial=first)
            for (time, good, first, _), values in groups.items()
        ]
        samples.sort(key=lambda sample: sample.source_time if sample.source_time is not None else received)
        return samples, tuple(notices)

    def _kept_by(
        self, device: Device, message: Payload, received: float
    ) -> tuple[Recovered | None, tuple[Notice, ...]]:
        """What the node had kept, at its own times. They lie before its birth, which newer values have followed."""
        samples, notices = self._samples_of(device, message, received, initial=False, kept=True)
        timed = [each for each in samples if self._keeps and (each.source_time or math.inf) <= received]
        if len(timed) < len(samples):
            notices = (*notices, *self._leave_out(device, received))
        if not timed:
            return None, notices
        self._recovered_at = max(received, math.nextafter(self._recovered_at, math.inf))  # each is told apart by it
        moments = moments_of(replace(each, received=each.source_time or received) for each in timed)
        since = min(each.samples[0].received for each in moments)
        return Recovered(self._source, self._recovered_at, since, moments, in_part=True), notices

    def _leave_out(self, device: Device, received: float) -> Iterator[Notice]:
        """There can be much of it, which is said once after each birth."""
        if not device.flushes:
            device.flushes = True
            why = "they have no time that can be" if self._keeps else "for them to be used write `history: auto`"
            text = f"values from before, which the edge node had kept, are left out: {why}"
            yield Notice("gap", received, self._source, device.address, text)

    def _refuse(self, device: Device, name: str, reason: str, received: float) -> Iterator[Notice]:
        """Each reason is told once, not with each value."""
        if device.refused.get(name) != reason:
            device.refused[name] = reason
            self.failed[device.key(name)] = reason
            yield Notice("reject", received, self._source, device.address, f"{name}: {reason}")

    def _accept(self, device: Device, name: str) -> None:
        """The metric has a value that can be used, even if its birth did not name it."""
        device.refused.pop(name, None)
        self.failed.pop(device.key(name), None)

    def _lose_track(self, node: _Node, at: float) -> tuple[Sample, ...]:
        """What the node says cannot be relied on any more: its births are asked for."""
        samples = self._node_gone(node, at, "nothing is known of its edge node")
        self._ask(node)
        return samples

    def _wait_for(self, node: _Node) -> None:
        """Births come at once, or not at all."""
        node.give_up_at = self._clock.monotonic() + REQUEST_PAUSE

    def _ask(self, node: _Node, *, of_device: bool = False) -> None:
        """`of_device`: because a device speaks whose node was not born."""
        text = "something of it is missing, so its next birth is waited for (`rebirth: never`)"
        if self._asks:
            now = self._clock.monotonic()
            if now - node.may_ask_at > LONGEST_PAUSE:
                node.pause = REQUEST_PAUSE
            if node.ask_at is None:
                node.ask_at = max(now, node.may_ask_at)
            text = f"its births are asked for on {_command(node)}; does the broker let the gateway publish that?"
        if node.heard or not self._asks:
            self.failed[sparkplug_address(str(node.address))] = f"{text}; {_ALONE}" if of_device else text

    def _node_gone(self, node: _Node, at: float, reason: str, *, unheard: bool = False) -> tuple[Sample, ...]:
        """Nothing is known of the node and its devices, which is told once.

        Of devices of which nothing was heard yet it is told only if `unheard`: their births may be on their way.
        """
        node.alive, node.seq = False, None
        samples: list[Sample] = []
        for device in node.devices.values():
            if unheard or device.alive is not None:
                samples += self._device_gone(device, reason, at)
            else:
                self.failed[device.address] = reason
        return tuple(samples)

    def _device_gone(self, device: Device, reason: str, at: float) -> tuple[Sample, ...]:
        was_alive, device.alive, device.awaited = device.alive, False, False
        device.heard.clear()
        self.failed[device.address] = reason
        return self._bad(device, device.wanted, at) if was_alive is not False else ()

    def _bad(self, device: Device, names: Iterable[str], at: float) -> tuple[Sample, ...]:
        values = dict.fromkeys(sorted(names))
        return (Sample(self._source, device.address, values, at, quality="bad"),) if values else ()


def _command(node: _Node) -> str:
    return f"{SPARKPLUG}/{node.address.group}/NCMD/{node.address.node}"
