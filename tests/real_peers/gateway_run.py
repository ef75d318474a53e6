"""The gateway as a process between real peers and the Oden stand-in, and what became of each event that it was given.

Events are scrap reports. Each *name* is the scrap code of one event, or of several whose payloads are equal to the
byte: the ledger of the stand-in tells how much of each name is at Oden. Nothing is ever judged by totals over names.
"""

import asyncio
import http.client
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.peers import PATIENCE, free_port
from tests.processes import whole_lines
from tests.real_peers.processes import PeerProcess, until_takes_connections

TOKEN = "a-token-of-the-stand-in"
SCRAP, ORDER = "l01/scrap", "l01/order"

_CONFIG = """
oden:
  url: "http://127.0.0.1:{oden}/v2"
  token: "${{secret:oden_token}}"
  settle: 2s
  timeout: 2s
  rate: 500/s
  allow_faster_for_tests: true
{sources}
lines:
  - factory: Factory A
    line: Line 01
{inputs}
outbox: {{directory: "{folder}/outbox", size_limit: {size_limit}, min_free: 0%, merge_span: 1s}}
status: {{listen: "127.0.0.1:{status}"}}
"""

_MQTT_LINE = """
    inputs:
      order: {source: floor, topic: l01/order, field: number}
      scrap: {source: floor, topic: l01/scrap%s}
    run: {key: order, product: Film, name: "{order}", settle: 100ms}
    scrap_yield:
      every: 1s
      entries: [{count: scrap.qty, raw_data: {scrap: "{n}", scrap_code: "{scrap.code}"}}]
"""

_OPCUA_LINE = """
    inputs:
      state: {source: plc, node: "nsu=urn:acme:line;s=L01.State"}
      good:  {source: plc, node: "nsu=urn:acme:line;s=L01.Good", counter: {rollover: 65536, max_rate: 10000/s}}
      order: {source: plc, node: "nsu=urn:acme:line;s=L01.Order"}
    run: {key: order, product: Film, name: "{order}", settle: 500ms}
    states: {input: state, codes: {1: {category: Uptime}, 3: {category: Unplanned Downtime, reason: Jam}}}
    scrap_yield:
      every: 1s
      entries: [{count: good, raw_data: {yield: "{n}"}}]
"""

UNCONFIRMED = 3
"""Equal events of a burst that can be acknowledged and not confirmed when a connection is cut, on a busy machine."""


@dataclass(slots=True)
class Events:
    """Scrap events that have been made for publishing, by name: how many there were of it. `identified`: each has an
    `id` of its own, so that events of one name differ in that."""

    made: Counter[str] = field(default_factory=Counter)
    identified: bool = False
    count: int = 0

    def distinct(self, count: int, *, padding: int = 0) -> list[tuple[str, bytes]]:
        """As many messages, each of a name of its own; `padding` makes each longer by so many bytes."""
        first = len(self.made)
        names = [f"one-{number:05}" for number in range(first, first + count)]
        self.made.update(names)
        return [(SCRAP, self._payload(name, padding)) for name in names]

    def equal(self, count: int) -> list[tuple[str, bytes]]:
        """As many messages with one payload, under a name that is theirs alone; `again` makes more of them."""
        return self.again(f"equal-{len(self.made):05}", count)

    def again(self, name: str, count: int) -> list[tuple[str, bytes]]:
        """More messages equal to those of this name."""
        self.made[name] += count
        return [(SCRAP, self._payload(name, 0)) for _ in range(count)]

    @staticmethod
    def name_of(message: tuple[str, bytes]) -> str:
        """The name in a message, without padding."""
        return str(json.loads(message[1])["code"]).rstrip(".")

    def _payload(self, name: str, padding: int) -> bytes:
        self.count += 1
        own = {"id": self.count} if self.identified else {}
        return json.dumps({"qty": 1, "code": name + "." * padding, **own}).encode()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is at Oden against what was published, by name. `strange` are names that nobody has published.

    `settled`: nothing was under way any more when it was judged. `unsent` are names of which the broker has sent to the
    gateway less than was published: what is lost of them is the broker's loss, not the gateway's. `cuts` is how often
    the gateway had to connect again.
    """

    settled: bool
    published: int
    lost: Mapping[str, int]
    doubled: Mapping[str, int]
    strange: Mapping[str, int]
    unsent: frozenset[str] = frozenset()
    cuts: int = 0

    @property
    def exact(self) -> bool:
        return self.settled and not (self.lost or self.doubled or self.strange)

    @property
    def nearly_exact(self) -> bool:
        """Whether nothing counts twice, and few events are lost for each cut, all of which others equal: those of a
        burst whose acknowledgement was not confirmed."""
        only_equal = all(name.startswith("equal") for name in self.lost)
        doubled = bool(self.doubled or self.strange)
        return self.settled and not doubled and only_equal and _sum(self.lost) <= UNCONFIRMED * self.cuts

    def told(self) -> str:
        """One line with the sums, and one for each name that is wrong, at most forty."""
        under_way = "" if self.settled else ", and it has not come to rest"
        lines = [f"published {self.published}, lost {_sum(self.lost)}, doubled {_sum(self.doubled)}{under_way}"]
        for word, names in (("lost", self.lost), ("doubled", self.doubled), ("never published", self.strange)):
            lines += [
                f"  {word}: {name} ({amount}{', not sent by the broker' if name in self.unsent else ''})"
                for name, amount in names.items()
            ]
        more = len(lines) - 41
        return "\n".join([*lines[:41], f"  and {more} more"] if more > 0 else lines)


def _sum(names: Mapping[str, int]) -> int:
    return sum(names.values())


def judge(
    made: Mapping[str, int],
    arrived: Mapping[str, int],
    *,
    sent: Mapping[str, int] | None = None,
    settled: bool = True,
    cuts: int = 0,
) -> Judgement:
    """Compare by name; the padding of a name does not count. `sent` is what the broker sent to the gateway, where
    known.
    """
    differences = {name: arrived.get(name, 0) - count for name, count in made.items()}
    return Judgement(
        settled=settled,
        cuts=cuts,
        published=sum(made.values()),
        lost={name: -difference for name, difference in differences.items() if difference < 0},
        doubled={name: difference for name, difference in differences.items() if difference > 0},
        unsent=frozenset(name for name, count in made.items() if sent is not None and sent.get(name, 0) < count),
        strange={name: amount for name, amount in arrived.items() if name not in made},
    )


class GatewayRun:
    """A gateway and the Oden stand-in, with a directory, ports and logs of their own; both start where they ended."""

    def __init__(self, folder: Path, sources: str, line: str, *, size_limit: str = "1 GB") -> None:
        self.folder = folder
        self.ports = {"oden": free_port(), "status": free_port()}
        self.ledger = folder / "ledger.jsonl"
        self.gateway = PeerProcess("gateway", folder)
        self.oden = PeerProcess("oden", folder)
        (folder / "secrets").mkdir(parents=True)
        (folder / "secrets" / "oden_token").write_text(TOKEN + "\n")
        text = _CONFIG.format(sources=sources, inputs=line, folder=folder, size_limit=size_limit, **self.ports)
        (folder / "gateway.yaml").write_text(text)

    @classmethod
    def with_mqtt(
        cls,
        folder: Path,
        port: int,
        version: str,
        *,
        keepalive: str = "30s",
        size_limit: str = "1 GB",
        identified: bool = False,
    ) -> "GatewayRun":
        """For a line whose orders and scrap come by MQTT from `port`; `identified`: scrap has an `id`."""
        source = (
            f'sources: {{floor: {{type: mqtt, url: "mqtt://127.0.0.1:{port}", client_id: edge-peers, '
            f'version: "{version}", keepalive: {keepalive}}}}}'
        )
        return cls(folder, source, _MQTT_LINE % (", id: id" if identified else ""), size_limit=size_limit)

    @classmethod
    def with_opcua(cls, folder: Path, url: str, **settings: str) -> "GatewayRun":
        """For a line whose state, order and counter are tags at `url`; `settings` are more of the source's."""
        more = "".join(f', {name}: "{value}"' for name, value in settings.items())
        source = f'sources: {{plc: {{type: opcua, url: "{url}", publishing_interval: 100ms, security: none{more}}}}}'
        return cls(folder, source, _OPCUA_LINE)

    def start_gateway(self) -> None:
        """Returns before it has done anything; see `until_connected`."""
        self.gateway.launch([sys.executable, "-m", "gateway", "run", "-c", str(self.folder / "gateway.yaml")], _local())

    async def start_oden(self) -> None:
        port = str(self.ports["oden"])
        command = [sys.executable, "-m", "gateway", "simulate", "oden", "--port", port, "--ledger", str(self.ledger)]
        self.oden.launch(command, {**_local(), "ODEN_STAND_IN_TOKEN": TOKEN})
        await until_takes_connections(self.oden, self.ports["oden"])

    async def kill_gateway(self) -> None:
        """As a power cut does."""
        await self.gateway.end(signal.SIGKILL)

    async def stop_gateway(self) -> None:
        """As a service manager does; AssertionError unless it exits with success."""
        code = await self.gateway.end(signal.SIGTERM)
        assert code == 0, f"the gateway ended with {code}: {self.gateway.told()}"

    async def stop_oden(self) -> None:
        await self.oden.end(signal.SIGKILL)

    async def close(self) -> None:
        """End both, whatever they are doing."""
        await self.gateway.end(signal.SIGKILL)
        await self.oden.end(signal.SIGKILL)

    async def status(self) -> Any:
        """The answer of `/api/status`; None while the gateway does not answer."""
        return await asyncio.to_thread(_status, self.ports["status"])

    async def until(self, holds: Callable[[Any], bool], what: str, timeout: float = PATIENCE) -> None:
        """Poll the status until `holds` says so; AssertionError when it does not in time, or the gateway ends."""
        deadline = time.monotonic() + timeout
        while True:
            status = await self.status()
            if status is not None and holds(status):
                return
            assert self.gateway.running, f"the gateway ended: {self.gateway.told()}"
            assert time.monotonic() < deadline, f"the gateway is not {what} after {timeout:g} s: {self.gateway.told()}"
            await asyncio.sleep(0.1)

    async def until_connected(self, timeout: float = PATIENCE) -> None:
        """Wait until it is connected to every source."""
        await self.until(lambda status: all(source["connected"] for source in status["sources"]), "connected", timeout)

    async def until_settled(self, quiet: float, timeout: float = 120.0) -> None:
        """Wait until the gateway has taken in and delivered, its outbox has been empty, and the ledger has not grown,
        for `quiet` seconds: one that takes nothing in is not at rest, however empty its outbox.
        AssertionError where something waits and nothing has come to Oden for `timeout` seconds, or for ever: a busy
        machine takes its time with what waits, and an end is waited for that long only while it comes nearer."""
        begun, since, before = time.monotonic(), time.monotonic(), -1
        grown, status = begun, None
        while time.monotonic() - since < quiet:
            now = time.monotonic()
            assert now < min(grown + timeout, begun + 10 * timeout), (
                f"it does not get quiet: {status}\n{self.gateway.told()}"
            )
            await asyncio.sleep(0.1)
            status, size = await self.status(), self._ledger_size()
            grown = time.monotonic() if size != before else grown
            if size != before or not _at_rest(status):
                before, since = size, time.monotonic()

    def entries(self) -> list[Mapping[str, Any]]:
        """Every `raw_data` that has taken effect at the stand-in, in order; AssertionError where one replaced
        another.
        """
        data = [entry["body"]["data"] for entry in self._effects("/v2/scrap_yield/set")]
        assert not any("id" in one for one in data), "output was replaced, which sums do not tell"
        return [one["raw_data"] for one in data]

    def arrived(self) -> Counter[str]:
        """How much scrap of each name is at Oden."""
        total: Counter[str] = Counter()
        for raw in self.entries():
            total[str(raw["scrap_code"]).rstrip(".")] += int(raw["scrap"])
        return total

    def amount(self, key: str) -> int:
        """The sum of what all output at Oden has under one key of its `raw_data`."""
        return sum(int(raw.get(key, 0)) for raw in self.entries())

    def intervals(self, kind: str) -> list[Mapping[str, Any]]:
        """The intervals of a type that were begun, in order: the bodies of the requests, without those that have an
        id.
        """
        return [
            body
            for entry in self._effects("/v2/interval/set")
            if (body := entry["body"])["type"]["name"] == kind and "id" not in body
        ]

    async def until_arrived(self, names: Iterable[str], timeout: float = PATIENCE) -> None:
        """Wait until something of each of the names is at Oden; AssertionError when it is not in time."""
        wanted, deadline = set(names), time.monotonic() + timeout
        while wanted - self.arrived().keys():
            missing = sorted(wanted - self.arrived().keys())[:5]
            assert time.monotonic() < deadline, f"{missing} did not arrive in {timeout:g} s: {self.gateway.told()}"
            await asyncio.sleep(0.2)

    def _ledger_size(self) -> int:
        return self.ledger.stat().st_size if self.ledger.exists() else 0

    def _effects(self, path: str) -> list[dict[str, Any]]:
        entries = (json.loads(line) for line in whole_lines(self.ledger) if path in line)
        return [entry for entry in entries if entry["path"] == path and 200 <= entry["status"] < 300]


def _local() -> dict[str, str]:
    return {"NO_PROXY": "127.0.0.1", "PYTHONPATH": str(Path(__file__).parents[2])}


def _at_rest(status: Any) -> bool:
    """Whether a gateway that answers so takes in and delivers, and has nothing left to deliver."""
    if status is None or any(status[flow]["state"] != "yes" for flow in ("taking_in", "delivering")):
        return False
    return not any(status["outbox"]["records"][state] for state in ("waiting", "sending", "in_doubt"))


def _status(port: int) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2.0)
    try:
        connection.request("GET", "/api/status")
        return json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
