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
from difflib import get_close_matches

from gateway.clock import Clock
from gateway.config.addresses import SPARKPLUG, DeviceAddress, parse_device, sparkplug_address
from gateway.model import Notice, Recovered, Sample
from gateway.sources.base import moments_of
from gateway.sources.sparkplug_decode import SEQUENCE_OF_BIRTHS, Payload, decode, rebirth, value

REQUEST_PAUSE = 2.0
"""Seconds until a node can be asked for its births again, doubling with each request to LONGEST_PAUSE.

Begins anew when the node has been left alone for LONGEST_PAUSE.
"""
LONGEST_PAUSE = 300.0

_COMPARED = 2000
"""With how many of a device's metrics a name that it does not have is compared, at a few microseconds each."""

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
class _Device:
    """A device, or an edge node as far as its own metrics go.

    `alive`: between its birth and its death; None while neither is known, and the mapping has heard nothing of it.
    `names` and `datatypes` are what its birth said of the wanted metrics: alias -> name, name -> data type. `refused`:
    why values cannot be used. `flushes`: since its birth it has sent values from before. `awaited`: its node was born
    again, and it has yet to be.
    """

    address: str
    wanted: frozenset[str]
    alive: bool | None = None
    names: dict[int, str] = field(default_factory=dict)
    datatypes: dict[str, int | None] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    flushes: bool = False
    awaited: bool = False


@dataclass(slots=True)
class _Node:
    """An edge node.

    `alive`: its birth has come, and since then no message was missing. `heard`: something of it has come since the
    subscription stands. On the monotonic clock: `ask_at` is when it will be asked for its births, `may_ask_at` when it
    can be asked again, `pause` seconds after the last time; at `give_up_at` devices of which nothing was heard count as
    gone.
    """

    address: DeviceAddress
    devices: dict[str | None, _Device] = field(default_factory=dict)
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
    asked for their births. `keeps`: what they had kept is wanted.
    """

    def __init__(
        self,
        source: str,
        wanted: Mapping[str, Collection[str]],
        clock: Clock,
        *,
        asks: bool = True,
        keeps: bool = False,
    ) -> None:
        self.failed: dict[str, str] = {}
        self._asks = asks
        self._keeps = keeps
        self._recovered_at = 0.0
        self._source = source
        self._clock = clock
        self._nodes: dict[tuple[str, str], _Node] = {}
        for text, metrics in wanted.items():
            address = parse_device(text)
            its_node = DeviceAddress(address.group, address.node)
            node = self._nodes.setdefault((address.group, address.node), _Node(its_node))
            node.devices[address.device] = _Device(sparkplug_address(text), frozenset(metrics))

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
            return Interpretation(self._lose_track(node, received), (notice,), notice.text)
        if kind == "NBIRTH":
            return self._node_born(node, message, received)
        if kind == "NDEATH":
            return self._node_died(node, message, received)
        if not node.alive:
            self._ask(node)
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
        samples, notices = self._samples_of(device, message, received, initial=False)
        kept, of_kept = self._kept_by(device, message, received)
        return Interpretation(tuple(samples), (*notices, *of_kept), recovered=kept)

    def _node_born(self, node: _Node, message: Payload, received: float) -> Interpretation:
        birth, gone = _birth_number(message), tuple[Sample, ...]()
        if not node.alive or birth is None or birth != node.birth:
            gone = self._node_gone(node, received, "nothing is known of its edge node")
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
        born = self._device_born(own, message, received) if own is not None else _NOTHING
        return Interpretation((*gone, *born.samples), born.notices)

    def _node_died(self, node: _Node, message: Payload, received: float) -> Interpretation:
        """The end of a connection of the node; of an earlier one than its last birth, if their numbers differ.

        Not every node counts right, so then its births are asked for: one that is dead does not answer.
        """
        birth = _birth_number(message)
        if node.alive and birth is not None and node.birth is not None and birth != node.birth:
            self._ask(node)
            self._wait_for(node)
            for device in node.devices.values():
                device.awaited = bool(device.alive)
            return _NOTHING
        samples = self._node_gone(node, received, "its edge node is offline", unheard=True)
        self.failed[sparkplug_address(str(node.address))] = "the edge node is offline"
        return Interpretation(samples)

    def _device_born(self, device: _Device, message: Payload, received: float) -> Interpretation:
        device.alive, device.flushes, device.awaited = True, False, False
        wanted = [(metric, metric.name) for metric in message.metrics if metric.name in device.wanted]
        device.names = {metric.alias: name for metric, name in wanted if metric.alias is not None and name}
        device.datatypes = {name: metric.datatype for metric, name in wanted if name}
        device.refused.clear()
        for key in [device.address, *(_metric_key(device, name) for name in device.wanted)]:
            self.failed.pop(key, None)  # why the device or metrics of it were not received
        known = [metric.name for metric in message.metrics if metric.name]
        missing = sorted(device.wanted - device.datatypes.keys())
        for name in missing:
            matches = get_close_matches(name, known[:_COMPARED], cutoff=0.3)
            nearest = f"; of its {len(known)}, nearest are {', '.join(matches)}" if matches else ""
            self.failed[_metric_key(device, name)] = f'the device has no metric "{name}"{nearest}'
        samples, notices = self._samples_of(device, message, received, initial=True)
        return Interpretation((*samples, *self._bad(device, missing, received)), notices)

    def _samples_of(
        self, device: _Device, message: Payload, received: float, *, initial: bool, kept: bool = False
    ) -> tuple[list[Sample], tuple[Notice, ...]]:
        """The values of the metrics that are wanted, in the order of their times; of those that the node had `kept`, or
        of the others.

        Those of one time and quality are one sample. A metric that comes twice is two values.
        """
        groups: dict[tuple[float | None, bool, int], dict[str, object]] = {}
        repeats: Counter[tuple[float | None, bool, str]] = Counter()
        notices: list[Notice] = []
        for metric in message.metrics:
            name = metric.name or device.names.get(metric.alias if metric.alias is not None else -1)
            if name is None or name not in device.wanted or metric.historical != kept:
                continue
            try:
                content = value(metric, device.datatypes.get(name)) if metric.good else None
            except ValueError as error:
                notices += self._refuse(device, name, str(error), received)
                content, good = None, False
            else:
                self._accept(device, name)
                good = metric.good
            time = metric.time if metric.time is not None else message.time
            repeats[time, good, name] += 1
            groups.setdefault((time, good, repeats[time, good, name]), {})[name] = content
        samples = [
            Sample(self._source, device.address, values, received, "good" if good else "bad", time, initial=initial)
            for (time, good, _), values in groups.items()
        ]
        samples.sort(key=lambda sample: sample.source_time if sample.source_time is not None else received)
        return samples, tuple(notices)

    def _kept_by(
        self, device: _Device, message: Payload, received: float
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

    def _leave_out(self, device: _Device, received: float) -> Iterator[Notice]:
        """There can be much of it, which is said once after each birth."""
        if not device.flushes:
            device.flushes = True
            why = "they have no time that can be" if self._keeps else "for them to be used write `history: auto`"
            text = f"values from before, which the edge node had kept, are left out: {why}"
            yield Notice("gap", received, self._source, device.address, text)

    def _refuse(self, device: _Device, name: str, reason: str, received: float) -> Iterator[Notice]:
        """Each reason is told once, not with each value."""
        if device.refused.get(name) != reason:
            device.refused[name] = reason
            self.failed[_metric_key(device, name)] = reason
            yield Notice("reject", received, self._source, device.address, f"{name}: {reason}")

    def _accept(self, device: _Device, name: str) -> None:
        """The metric has a value that can be used, even if its birth did not name it."""
        device.refused.pop(name, None)
        self.failed.pop(_metric_key(device, name), None)

    def _lose_track(self, node: _Node, at: float) -> tuple[Sample, ...]:
        """What the node says cannot be relied on any more: its births are asked for."""
        samples = self._node_gone(node, at, "nothing is known of its edge node")
        self._ask(node)
        return samples

    def _wait_for(self, node: _Node) -> None:
        """Births come at once, or not at all."""
        node.give_up_at = self._clock.monotonic() + REQUEST_PAUSE

    def _ask(self, node: _Node) -> None:
        if not self._asks:
            text = "something of it is missing, so its next birth is waited for (`rebirth: never`)"
            self.failed[sparkplug_address(str(node.address))] = text
            return
        now = self._clock.monotonic()
        if now - node.may_ask_at > LONGEST_PAUSE:
            node.pause = REQUEST_PAUSE
        if node.ask_at is None:
            node.ask_at = max(now, node.may_ask_at)
        if node.heard:
            text = f"its births are asked for on {_command(node)}; does the broker let the gateway publish that?"
            self.failed[sparkplug_address(str(node.address))] = text

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

    def _device_gone(self, device: _Device, reason: str, at: float) -> tuple[Sample, ...]:
        was_alive, device.alive, device.awaited = device.alive, False, False
        self.failed[device.address] = reason
        return self._bad(device, device.wanted, at) if was_alive is not False else ()

    def _bad(self, device: _Device, names: Iterable[str], at: float) -> tuple[Sample, ...]:
        values = dict.fromkeys(sorted(names))
        return (Sample(self._source, device.address, values, at, quality="bad"),) if values else ()


def _metric_key(device: _Device, metric: str) -> str:
    """A metric among the addresses: '#' stands in no name of a device."""
    return f"{device.address}#{metric}"


def _command(node: _Node) -> str:
    return f"{SPARKPLUG}/{node.address.group}/NCMD/{node.address.node}"


def _birth_number(message: Payload) -> object:
    """The number that a birth of a node and its death have in common."""
    return next((metric.raw for metric in message.metrics if metric.name == SEQUENCE_OF_BIRTHS), None)
