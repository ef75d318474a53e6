"""What a change of an OPC UA tag costs: read out of the server's message, made a sample, and mapped as a counter of one
of 44 lines; beside the library's decoder alone, which is what a client that only receives spends.

The messages are those of a server with 5,000 values that count each second and 500 that count ten times as fast, with
four publishing intervals a second. Ratios come from one run of CPU time. Exits with 1 where one is above its WORST.
"""

import gc
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from silence import silent

from gateway.batch import Batch, Routes
from gateway.cli.run import UNREACHABLE
from gateway.config.schema import Line, OpcuaConfig
from gateway.mapping.compile import LinePlan, compile_line
from gateway.mapping.feeder import feed
from gateway.mapping.line import LineState
from gateway.mapping.trail import Feed
from gateway.model import Moment
from gateway.repeats import BatchRepeats
from gateway.sources.base import Arrival, SourceHealth, moments_of
from gateway.sources.opcua.audit import Auditor
from gateway.sources.opcua.items import Subscription, WatchedItems
from gateway.sources.opcua.publishing import Published
from gateway.sources.opcua.reports import Reports
from gateway.sources.opcua.server_clock import ServerClock
from gateway.sources.opcua.services import Limits, Link
from gateway.sources.opcua.set_back import SetBack
from gateway.sources.opcua.tags import tags_of
from gateway.sources.opcua.wire import read_publish

SLOW, FAST, PER_LINE, SECONDS, GOES = 5_000, 500, 125, 4, 3
NODES = [f"ns=2;s=c{number}" for number in range(SLOW + FAST)]
BEGIN = datetime(2026, 11, 2, 6, 0, tzinfo=UTC)
WORST = {"source": 1.0, "gateway": 3.0}


def plans() -> list[LinePlan]:
    """Lines that count all tags, and remember them as they do of a server that has a history."""
    made: list[LinePlan] = []
    for begin in range(0, len(NODES), PER_LINE):
        names = {f"c{place}": node for place, node in enumerate(NODES[begin : begin + PER_LINE])}
        given: dict[str, Any] = {
            "factory": "Factory A",
            "line": f"Line {begin}",
            "inputs": {name: {"source": "plc", "node": node, "counter": {}} for name, node in names.items()},
            "scrap_yield": {
                "every": "60s",
                "entries": [{"count": name, "raw_data": {"yield": "{n}"}} for name in names],
            },
        }
        given["inputs"]["order"] = {"source": "plc", "node": "ns=2;s=Order"}
        given["run"] = {"key": "order", "product": "Film"}
        made.append(compile_line(Line.model_validate(given), ("lines", len(made)), keepers=frozenset({"plc"})))
    return made


def messages() -> list[bytes]:
    """What the server sends in SECONDS, four messages a second."""
    said = []
    for beat in range(4 * SECONDS):
        items = []
        for tenth in range(3) if beat % 2 else range(2):
            at = BEGIN + timedelta(milliseconds=250 * beat + 100 * tenth)
            items += [(SLOW + place, 10 * beat + tenth, at) for place in range(FAST)]
        if beat % 4 == 0:
            spread = BEGIN + timedelta(milliseconds=250 * beat)
            items += [(place, beat // 4, spread + timedelta(microseconds=place)) for place in range(SLOW)]
        response = ua.PublishResponse()
        response.Parameters.SubscriptionId = ua.UInt32(1)
        response.Parameters.NotificationMessage.SequenceNumber = ua.UInt32(beat + 1)
        changed = ua.DataChangeNotification()
        changed.MonitoredItems = [_change(*item) for item in items]
        response.Parameters.NotificationMessage.NotificationData = [changed]
        said.append(struct_to_binary(response))
    return said


def _change(handle: int, value: int, at: datetime) -> ua.MonitoredItemNotification:
    stamp: Any = at.replace(tzinfo=None)  # the library's DateTime is datetime with a name
    data = ua.DataValue(ua.Variant(value, ua.VariantType.Int32), ua.StatusCode(), stamp, stamp)
    return ua.MonitoredItemNotification(ua.UInt32(handle), data)


def received(said: Sequence[bytes]) -> int:
    """What a client does that only receives."""
    changes = 0
    for data in said:
        response = struct_from_binary(ua.PublishResponse, Buffer(data))
        for each in response.Parameters.NotificationMessage.NotificationData or ():
            changes += len(each.MonitoredItems)
            max(item.Value.SourceTimestamp for item in each.MonitoredItems)
    return changes


def watched(made: Sequence[LinePlan]) -> WatchedItems:
    """All tags, as if the server had given them items."""
    config = OpcuaConfig.model_validate({"type": "opcua", "url": "opc.tcp://plc"}, strict=False)
    inputs = {f"c{place}": {"source": "plc", "node": node} for place, node in enumerate(NODES)}
    given = {"factory": "A", "line": "L", "inputs": inputs, "states": {"input": "c0", "codes": {1: {"category": "Up"}}}}
    tags = tags_of("plc", config, [Line.model_validate(given)])
    items = WatchedItems(cast("Link", None), tags, {}, lambda _: None, Limits())
    items.subscriptions[1] = Subscription(1, 0.25, 0.25, 60.0, cast("Any", None))
    items.sampling = dict.fromkeys(NODES, 0.05)
    items.missing.clear()
    return items


class Source:
    """Makes arrivals of messages, as a session does."""

    def __init__(self, made: Sequence[LinePlan]) -> None:
        self._reports = Reports("plc", watched(made), Auditor(), SourceHealth(), 0.0, ServerClock(), SetBack())

    def arrival(self, data: bytes) -> Arrival:
        _, message = read_publish(Buffer(data))
        samples, notices = self._reports.of(Published(1, None, [message]), BEGIN.timestamp() + message.number / 4)
        return Arrival("plc", moments_of(samples, self._reports.resolution(samples)), tuple(notices))


class Lines:
    """Maps arrivals, as intake does."""

    def __init__(self, made: Sequence[LinePlan]) -> None:
        self._plans = made
        self._routes: Routes = {route: [plan] for plan in made for route in plan.subscriptions}
        self._lines = {plan.key: Feed(LineState()) for plan in made}

    def take(self, arrival: Arrival) -> None:
        batch = Batch((arrival,), cast("BatchRepeats", _Never()))
        for plan, event in batch.events(arrival, self._plans, self._routes):
            assert isinstance(event, Moment) or event is not None
            after, result = feed(plan, batch.lines.get(plan.key, self._lines[plan.key]), event)
            batch.take(plan.key, after, result, event)
        self._lines.update(batch.lines)


class _Never:
    """Nothing of OPC UA came before."""

    def is_repeat(self, *_: object) -> bool:
        return False


def cost(go: Callable[[], object]) -> float:
    """Seconds of CPU, the median of some goes."""
    spent = []
    for _ in range(GOES):
        begun = time.process_time()
        go()
        spent.append(time.process_time() - begun)
    return statistics.median(spent)


def main() -> int:
    silent()
    said, made = messages(), plans()
    changes = received(said)

    def source() -> None:
        one = Source(made)
        for data in said:
            one.arrival(data)

    def gateway() -> None:
        one, lines = Source(made), Lines(made)
        for data in said:
            lines.take(one.arrival(data))

    only = cost(lambda: received(said))
    gc.freeze()  # as `run` does, and so is the next
    gc.set_threshold(*UNREACHABLE)
    own, whole = cost(source), cost(gateway)
    ratios = {"source": own / only, "gateway": whole / only}
    print(f"receiving only, by the library: {only / changes * 1e6:.1f} us of CPU a change")
    print(f"the source: {own / changes * 1e6:.1f} us, {ratios['source']:.2f} times as much")
    print(f"with mapping: {whole / changes * 1e6:.1f} us, {ratios['gateway']:.2f} times as much")
    return 0 if all(ratio <= WORST[name] for name, ratio in ratios.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
