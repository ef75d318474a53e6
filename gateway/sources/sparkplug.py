"""Sparkplug B: what the messages of edge nodes say of the devices that inputs name (Sparkplug 3.0.0, sections 4 to 6).

Edge nodes send at QoS 0, only what has changed, and often by numbers (aliases) to which only their births give names. So
what is said counts only from a birth on, and only while no message is missing: the sequence number tells. Otherwise
nothing is known of the node's devices, and it is asked for its births, which say everything anew. The values of a birth are
first values: what happened before them was not watched.

Only what the messages mean is decided here; the connection is another's.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from gateway.clock import Clock
from gateway.config.device import SPARKPLUG, DeviceAddress, parse_device, sparkplug_address
from gateway.model import Notice, Sample, Scalar
from gateway.sources.sparkplug_decode import SEQUENCE_OF_BIRTHS, Metric, Payload, decode, rebirth, value

ASK_AGAIN = 2.0
"""Seconds until a node can be asked for its births again, doubling with each request to LONGEST, until it has been left alone for so long."""
LONGEST = 300.0

_COMPARED = 2000
"""With how many of a device's metrics a name that it does not have is compared, at a few microseconds each."""

_KINDS = {"NBIRTH": 4, "NDATA": 4, "NDEATH": 4, "DBIRTH": 5, "DDATA": 5, "DDEATH": 5}
"""Kind of message -> levels of its topic. Commands, which are for edge nodes, are not among them."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a message said."""

    samples: tuple[Sample, ...] = ()
    notices: tuple[Notice, ...] = ()


_NOTHING = Told()


@dataclass(slots=True)
class _Device:
    """A device, or an edge node as far as its own metrics go. `alive`: between its birth and its death; None while neither is known, and
    nothing has been told of it.

    `names` and `kinds` are what its birth said of the wanted metrics: alias -> name, name -> data type. `refused`: why values cannot be
    used. `flushes`: since its birth it has sent values from before. `awaited`: its node was born again, and it has yet to be.
    """

    address: str
    wanted: frozenset[str]
    alive: bool | None = None
    names: dict[int, str] = field(default_factory=dict)
    kinds: dict[str, int | None] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    flushes: bool = False
    awaited: bool = False


@dataclass(slots=True)
class _Node:
    """An edge node. `alive`: its birth has come, and since then no message was missing. `ask_at`: when it will be asked for its births,
    `may_ask_at`: when it can be asked again, `pause` seconds after the last time; `missed_at`: when devices count as gone of which nothing
    was heard. These are on the monotonic clock. `heard`: something of it has come since the subscription stands."""

    address: DeviceAddress
    devices: dict[str | None, _Device] = field(default_factory=dict)
    alive: bool = False
    seq: int | None = None
    birth: object = None
    ask_at: float | None = None
    missed_at: float = math.inf
    heard: bool = False
    may_ask_at: float = -math.inf
    pause: float = ASK_AGAIN


class SparkplugHost:
    """What is known of the edge nodes behind one broker.

    `wanted` are the metrics of each device. `failed` says by address why something is not received.
    """

    def __init__(self, source: str, wanted: Mapping[str, Collection[str]], clock: Clock) -> None:
        self.failed: dict[str, str] = {}
        self._source = source
        self._clock = clock
        self._nodes: dict[tuple[str, str], _Node] = {}
        for text, metrics in wanted.items():
            one = parse_device(text)
            node = self._nodes.setdefault((one.group, one.node), _Node(DeviceAddress(one.group, one.node)))
            node.devices[one.device] = _Device(sparkplug_address(text), frozenset(metrics))

    @property
    def topics(self) -> tuple[str, ...]:
        """The topic filters to subscribe to: everything that a node sends, because the sequence goes over all of it."""
        return tuple(f"{SPARKPLUG}/{group}/+/{node}/#" for group, node in self._nodes)

    @property
    def devices(self) -> int:
        """How many devices are wanted."""
        return sum(len(node.devices) for node in self._nodes.values())

    def subscribed(self, topic: str) -> None:
        """The subscription of one of `topics` stands: from here on nothing is missed, so the node is asked for its births."""
        _, group, _, name, _ = topic.split("/")
        node = self._nodes[group, name]
        node.may_ask_at, node.heard = -math.inf, False
        self._ask(node)
        self._wait_for(node)

    def lost(self) -> tuple[Sample, ...]:
        """The connection is lost: nothing is known of any device any more."""
        now = self._clock.now()
        for node in self._nodes.values():
            node.ask_at, node.missed_at = None, math.inf
        why = "nothing is known of its edge node"
        return tuple(sample for node in self._nodes.values() for sample in self._gone(node, now, why, unheard=True))

    @property
    def due(self) -> float:
        """When `requests` or `missed` has something, on the monotonic clock; infinite while nothing is waited for."""
        times = [time for node in self._nodes.values() for time in (node.ask_at, node.missed_at) if time is not None]
        return min(times, default=math.inf)

    def missed(self) -> tuple[Sample, ...]:
        """What is said of devices that were expected and of which nothing has come: they are gone, as after a death."""
        samples: list[Sample] = []
        for node in self._nodes.values():
            if node.missed_at <= self._clock.monotonic():
                node.missed_at = math.inf
                if not node.heard:
                    text = f"nothing has come of edge node {node.address.node} in group {node.address.group}; is it on, and written as in its topics?"
                    self.failed[sparkplug_address(str(node.address))] = text
                for device in node.devices.values():
                    if device.alive is None or device.awaited:
                        why = self.failed.get(device.address, "nothing is known of its edge node")
                        samples += self._died(device, why, self._clock.now())
        return tuple(samples)

    def requests(self) -> Iterator[tuple[str, bytes]]:
        """Topic and payload of the requests for births that are due, at QoS 0."""
        now = self._clock.monotonic()
        for node in self._nodes.values():
            if node.ask_at is not None and node.ask_at <= now:
                node.may_ask_at = node.ask_at = now + node.pause
                node.pause = min(2 * node.pause, LONGEST)
                yield _command(node), rebirth(self._clock.now())

    def take(self, topic: str, payload: bytes, received: float) -> Told:
        """What a message says, on one of `topics` or any other: a session can hold subscriptions of an earlier configuration."""
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
            return Told(self._broken(node, received), (notice,))
        if kind == "NBIRTH":
            return self._node_born(node, message, received)
        if kind == "NDEATH":
            return self._node_died(node, message, received)
        if not node.alive:
            self._ask(node)
            return _NOTHING
        if message.seq is not None and node.seq is not None and message.seq != (node.seq + 1) % 256:
            text = f"messages of {node.address} are missing before this one, so its births are asked for"
            return Told(self._broken(node, received), (Notice("gap", received, self._source, topic, text),))
        node.seq = message.seq
        device = node.devices.get(rest[0] if rest else None)
        if device is None:
            return _NOTHING
        if kind == "DBIRTH":
            return self._born(device, message, received)
        if kind == "DDEATH":
            return Told(self._died(device, "the device is offline, says its edge node", received))
        if not device.alive:
            self._ask(node)
            return _NOTHING
        samples, notices = self._samples(device, message, received, initial=False)
        return Told(tuple(samples), notices)

    def _node_born(self, node: _Node, message: Payload, received: float) -> Told:
        birth, gone = _birth(message), tuple[Sample, ...]()
        if not node.alive or birth is None or birth != node.birth:
            gone = self._gone(node, received, "nothing is known of its edge node")
        node.alive, node.seq, node.birth, node.ask_at = True, message.seq, birth, None
        self._wait_for(node)
        self.failed.pop(sparkplug_address(str(node.address)), None)
        for device in node.devices.values():
            # A node that was asked for its births lives on; its devices do if their births follow.
            device.awaited = bool(device.alive)
            device.names.clear()
            if not device.alive:
                self.failed[device.address] = "its edge node has not said that the device is there"
        own = node.devices.get(None)
        told = self._born(own, message, received) if own is not None else _NOTHING
        return Told((*gone, *told.samples), told.notices)

    def _node_died(self, node: _Node, message: Payload, received: float) -> Told:
        """The end of a connection of the node; of an earlier one than its last birth, if their numbers differ. Not every node counts
        right, so then its births are asked for: one that is dead does not answer."""
        birth = _birth(message)
        if node.alive and birth is not None and node.birth is not None and birth != node.birth:
            self._ask(node)
            self._wait_for(node)
            for device in node.devices.values():
                device.awaited = bool(device.alive)
            return _NOTHING
        samples = self._gone(node, received, "its edge node is offline", unheard=True)
        self.failed[sparkplug_address(str(node.address))] = "the edge node is offline"
        return Told(samples)

    def _born(self, device: _Device, message: Payload, received: float) -> Told:
        device.alive, device.flushes, device.awaited = True, False, False
        wanted = [(metric, metric.name) for metric in message.metrics if metric.name in device.wanted]
        device.names = {metric.alias: name for metric, name in wanted if metric.alias is not None and name}
        device.kinds = {name: metric.datatype for metric, name in wanted if name}
        device.refused.clear()
        self._clear(device)
        missing = sorted(device.wanted - device.kinds.keys())
        for name in missing:
            there = [metric.name for metric in message.metrics if metric.name]
            near = get_close_matches(name, there[:_COMPARED], cutoff=0.3)
            like = f"; of its {len(there)}, nearest are {', '.join(near)}" if near else ""
            self.failed[_of(device, name)] = f'the device has no metric "{name}"{like}'
        samples, notices = self._samples(device, message, received, initial=True)
        return Told((*samples, *self._bad(device, missing, received)), notices)

    def _samples(
        self, device: _Device, message: Payload, received: float, *, initial: bool
    ) -> tuple[list[Sample], tuple[Notice, ...]]:
        """What the message says of the metrics that are wanted: those of one time and quality together, in the order of their times."""
        told: list[tuple[float | None, bool, dict[str, Scalar]]] = []
        notices: list[Notice] = []
        for metric in message.metrics:
            name = metric.name or device.names.get(metric.alias if metric.alias is not None else -1)
            if name is None or name not in device.wanted:
                continue
            if metric.historical:
                notices += self._leave_out(device, received)
                continue
            try:
                found = value(metric, device.kinds.get(name)) if metric.good else None
            except ValueError as error:
                notices += self._refuse(device, name, str(error), received)
                continue
            self._accept(device, name)
            _together(told, metric.time if metric.time is not None else message.time, metric, name, found)
        told.sort(key=lambda one: one[0] if one[0] is not None else received)
        samples = [
            Sample(self._source, device.address, values, received, "good" if good else "bad", at, initial=initial)
            for at, good, values in told
        ]
        return samples, tuple(notices)

    def _leave_out(self, device: _Device, received: float) -> Iterator[Notice]:
        """What a node sends that it had kept is older than its birth; there can be much of it, which is said once."""
        if not device.flushes:
            device.flushes = True
            text = "values from before, which the edge node had kept, are left out: newer ones are known"
            yield Notice("gap", received, self._source, device.address, text)

    def _refuse(self, device: _Device, name: str, why: str, received: float) -> Iterator[Notice]:
        """Each reason is told once, not with each value."""
        if device.refused.get(name) != why:
            device.refused[name] = why
            self.failed[_of(device, name)] = why
            yield Notice("reject", received, self._source, device.address, f"{name}: {why}")

    def _accept(self, device: _Device, name: str) -> None:
        """The metric has a value that can be used, even if its birth did not name it."""
        device.refused.pop(name, None)
        self.failed.pop(_of(device, name), None)

    def _broken(self, node: _Node, at: float) -> tuple[Sample, ...]:
        """What the node says cannot be relied on any more: its births are asked for."""
        samples = self._gone(node, at, "nothing is known of its edge node")
        self._ask(node)
        return samples

    def _wait_for(self, node: _Node) -> None:
        """Births come at once, or not at all."""
        node.missed_at = self._clock.monotonic() + ASK_AGAIN

    def _ask(self, node: _Node) -> None:
        now = self._clock.monotonic()
        if now - node.may_ask_at > LONGEST:
            node.pause = ASK_AGAIN
        if node.ask_at is None:
            node.ask_at = max(now, node.may_ask_at)
        if node.heard:
            text = f"its births are asked for on {_command(node)}; does the broker let the gateway publish that?"
            self.failed[sparkplug_address(str(node.address))] = text

    def _gone(self, node: _Node, at: float, why: str, *, unheard: bool = False) -> tuple[Sample, ...]:
        """Nothing is known of the node and its devices, which is told once; of devices of which nothing was heard yet, only if `unheard`:
        their births may be on their way."""
        node.alive, node.seq = False, None
        samples: list[Sample] = []
        for device in node.devices.values():
            if unheard or device.alive is not None:
                samples += self._died(device, why, at)
            else:
                self.failed[device.address] = why
        return tuple(samples)

    def _died(self, device: _Device, why: str, at: float) -> tuple[Sample, ...]:
        was, device.alive, device.awaited = device.alive, False, False
        self.failed[device.address] = why
        return self._bad(device, device.wanted, at) if was is not False else ()

    def _bad(self, device: _Device, names: Iterable[str], at: float) -> tuple[Sample, ...]:
        values = dict.fromkeys(sorted(names))
        return (Sample(self._source, device.address, values, at, quality="bad"),) if values else ()

    def _clear(self, device: _Device) -> None:
        """Forget why the device or metrics of it were not received."""
        for key in [device.address, *(_of(device, name) for name in device.wanted)]:
            self.failed.pop(key, None)


def _of(device: _Device, metric: str) -> str:
    """A metric among the addresses: '#' stands in no name of a device."""
    return f"{device.address}#{metric}"


def _command(node: _Node) -> str:
    return f"{SPARKPLUG}/{node.address.group}/NCMD/{node.address.node}"


def _birth(message: Payload) -> object:
    """The number that a birth of a node and its death have in common."""
    return next((metric.raw for metric in message.metrics if metric.name == SEQUENCE_OF_BIRTHS), None)


def _together(
    told: list[tuple[float | None, bool, dict[str, Scalar]]],
    at: float | None,
    metric: Metric,
    name: str,
    found: Scalar,
) -> None:
    """Put the value with those of the same time and quality. A metric that comes twice is two values."""
    for time, good, values in told:
        if (time, good) == (at, metric.good) and name not in values:
            values[name] = found
            return
    told.append((at, metric.good, {name: found}))
