"""5,000 values a second and 500 that change ten times as fast: the gateway beside a client that only receives.

`python -m tests.real_peers.load [SECONDS] [DELAY] [SERVER]` runs a server (node-opcua, asyncua or o6) with tags that
count, and then, one after the other, the receive-only client (the library's own decoder, three requests) and the whole
gateway with 44 lines, each for so many seconds (the first for a minute at most), with `DELAY` seconds on the way in
each direction. It prints changes per second, CPU per change that came (of two within one sampling a server tells one),
and how old the newest value is; the server's own CPU tells whether it was the limit. In the end the counters rest, and
what they have counted must be at the stand-in, to the last one. Exits with 1 where something is lost, or a newest value
was more than two seconds old. On two busy cores asyncua's own server is too slow: to write 10,000 values a second
takes a core and more of it, so that it answers nothing for half a minute, and both clients give it up.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections import deque
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from subprocess import PIPE
from typing import Any

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.ua_binary import struct_from_binary

from tests.peers import free_port
from tests.real_peers.gateway_run import GatewayRun
from tests.real_peers.opcua_servers import SERVERS, OpcuaPeer

SLOW, FAST = 5_000, 500
NAMES = [*(f"s{number}" for number in range(SLOW)), *(f"f{number}" for number in range(FAST))]
PER_LINE = 125
OLDEST = 2.0
"""Seconds: the newest value is never older."""
ENOUGH = 60.0
"""Seconds in which it shows what only receiving costs."""
SETTLED = 150.0
"""Seconds in which everything is told that was counted."""
NODE = "nsu=urn:acme:line;s="


class Delay:
    """A way to `port` on which everything takes `seconds` longer in each direction, in a process of its own."""

    def __init__(self, target: int, seconds: float, port: int | None = None) -> None:
        self.port, self._target, self._seconds = port or free_port(), target, seconds

    async def serve(self) -> None:
        server = await asyncio.start_server(self._join, "127.0.0.1", self.port)
        async with server:
            await server.serve_forever()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting: deque[bytes] = deque()
        loop = asyncio.get_running_loop()

        def pass_on() -> None:
            writer.write(waiting.popleft())

        with suppress(OSError):
            while data := await reader.read(1 << 20):
                waiting.append(data)
                loop.call_later(self._seconds, pass_on)
        writer.close()


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def receive(port: int, names: list[str], seconds: float) -> None:
    """The receive-only client; prints `changes, CPU, median age, worst age`."""
    client = Client(f"opc.tcp://127.0.0.1:{port}", timeout=30)
    await client.connect_socket()
    await client.send_hello()
    await client.open_secure_channel()
    await client.create_session()
    await client.activate_session()
    index = (await client.get_namespace_array()).index("urn:acme:line")
    link = client.uaclient.protocol
    assert link is not None
    request = ua.CreateSubscriptionRequest()
    request.Parameters = ua.CreateSubscriptionParameters(250.0, 240, 20, 1000, True, 0)
    created = struct_from_binary(ua.CreateSubscriptionResponse, await link.send_request(request, 30))
    id_ = created.Parameters.SubscriptionId
    for begin in range(0, len(names), 500):
        items = [
            ua.MonitoredItemCreateRequest(
                ua.ReadValueId(ua.NodeId(ua.String(name), ua.Int16(index)), AttributeIds.Value),
                ua.MonitoringMode.Reporting,
                ua.MonitoringParameters(ClientHandle=begin + place, SamplingInterval=50.0, QueueSize=100),
            )
            for place, name in enumerate(names[begin : begin + 500])
        ]
        await client.uaclient.session.create_monitored_items(
            ua.CreateMonitoredItemsParameters(id_, ua.TimestampsToReturn.Both, items)
        )
    changes, ages, until = 0, [], time.monotonic() + seconds
    used = time.process_time()

    async def loop() -> None:
        nonlocal changes
        acknowledged: list[ua.SubscriptionAcknowledgement] = []
        while time.monotonic() < until:
            publish = ua.PublishRequest()
            publish.Parameters.SubscriptionAcknowledgements = acknowledged
            response = struct_from_binary(ua.PublishResponse, await link.send_request(publish, 0))
            message = response.Parameters.NotificationMessage
            acknowledged = [ua.SubscriptionAcknowledgement(id_, message.SequenceNumber)]
            for each in message.NotificationData or ():
                if isinstance(each, ua.DataChangeNotification):
                    changes += len(each.MonitoredItems)
                    newest = max(item.Value.SourceTimestamp for item in each.MonitoredItems)
                    ages.append(time.time() - newest.timestamp())

    await asyncio.gather(loop(), loop(), loop())
    told = (changes, time.process_time() - used, statistics.median(ages), max(ages[len(ages) // 4 :]))
    sys.stdout.write(" ".join(map(str, told)))
    await client.disconnect()


def config(names: list[str]) -> str:
    """Lines with as many counters each, of the stand-in's factories, and what they are told."""
    text = []
    for number, begin in enumerate(range(0, len(names), PER_LINE)):
        own = names[begin : begin + PER_LINE]
        inputs = "".join(f'      c_{name}: {{source: plc, node: "{NODE}{name}", counter: {{}}}}\n' for name in own)
        entries = "".join(f'        - {{count: c_{name}, raw_data: {{yield: "{{n}}"}}}}\n' for name in own)
        text.append(
            f"  - factory: Factory {'AB'[number // 39]}\n    line: Line {number % 39 + 2:02}\n    inputs:\n{inputs}"
            f'      order: {{source: plc, node: "{NODE}Order"}}\n'
            f'    run: {{key: order, product: Film, name: "{{order}}"}}\n'
            f"    scrap_yield:\n      every: 60s\n      entries:\n{entries}"
        )
    return "".join(text)


async def receive_only(server: OpcuaPeer, way: Delay, seconds: float) -> float:
    """Seconds of CPU for one change."""
    begun = cpu(server.process.popen.pid)
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.real_peers.load", "receive", str(way.port), str(seconds), stdout=PIPE
    )
    told, _ = await client.communicate()
    changes, used, median, worst = map(float, told.split())
    share = (cpu(server.process.popen.pid) - begun) / seconds
    say(f"receive only: {changes / seconds:,.0f} changes/s, {used / changes * 1e6:.1f} us of CPU a change, newest")
    say(f"  {median:.2f} s old (worst {worst:.2f}); the server used {share:.0%} of a core")
    return used / changes


async def gateway(server: OpcuaPeer, run: GatewayRun, seconds: float, base: float) -> bool:
    """The whole gateway, beside `base`, what only receiving costs a change; whether all is as it must be."""
    before = (await server.ask(do="rest"))["made"]
    await run.start_oden()
    run.start_gateway()
    await run.until_connected()
    await run.until(lambda status: status["sources"][0]["samples"]["good"] >= len(NAMES), "told of each counter")
    pid, ages = run.gateway.popen.pid, list[float]()
    heard = await came(run)
    used, begun, started = cpu(pid), cpu(server.process.popen.pid), time.monotonic()
    await server.ask(do="count")
    last: Any = None
    while time.monotonic() < started + 10 + seconds:
        await asyncio.sleep(10)  # the page is not what is measured
        last = await run.status() or last
        newest = last["sources"][0]["newest_at"]
        ages.append((datetime.fromisoformat(last["now"]) - datetime.fromisoformat(newest)).total_seconds())
    share = (cpu(server.process.popen.pid) - begun) / (time.monotonic() - started)
    meanwhile, heard = cpu(pid) - used, -heard
    heard += await came(run)
    made, told = (await server.ask(do="rest"))["made"] - before, 0
    took = time.monotonic() - started
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLED):
            while (told := run.amount("yield")) != made:
                await asyncio.sleep(2)
    a_change, later = meanwhile / heard, (cpu(pid) - used) / heard
    say(
        f"gateway: {heard / took:,.0f} changes/s, {a_change * 1e6:.1f} us of CPU a change ({a_change / base:.1f} times)"
    )
    say(f"  while they came, {later * 1e6:.1f} ({later / base:.1f} times) until all was told; newest")
    say(f"  {statistics.median(ages):.2f} s old (worst {max(ages):.2f}), gaps {last['sources'][0]['gaps']};")
    say(f"  the server used {share:.0%} of a core")
    say(f"  counted {made:,}, told {told:,}, lost {made - told:,}")
    return made == told and max(ages) <= OLDEST


async def came(run: GatewayRun) -> int:
    """How many changes have come to the gateway by now; a busy one answers late."""
    while (status := await run.status()) is None:
        await asyncio.sleep(0.1)
    return int(status["sources"][0]["samples"]["good"])


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def main(seconds: float, delay: float, name: str) -> bool:
    """Both, one after the other; whether all is as it must be."""
    with tempfile.TemporaryDirectory() as folder:
        server = SERVERS[name](Path(folder) / "server", counting={"s": [SLOW, 1000], "f": [FAST, 100]})
        way = Delay(server.port, delay)
        source = f'sources: {{plc: {{type: opcua, url: "opc.tcp://127.0.0.1:{way.port}", security: none}}}}'
        order = f'    inputs: {{order: {{source: plc, node: "{NODE}Order"}}}}\n    run: {{key: order, product: Film}}\n'
        run = GatewayRun(Path(folder) / "gateway", source, order + config(NAMES))
        carrier = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.real_peers.load", "delay", str(way.port), str(server.port), str(delay)
        )
        try:
            await server.start(Order="A1")
            await server.ask(do="count")
            await asyncio.sleep(3)
            return await gateway(server, run, seconds, await receive_only(server, way, min(seconds, ENOUGH)))
        finally:
            await run.close()
            await server.kill()
            carrier.kill()
            await carrier.wait()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["receive", port, seconds]:
            asyncio.run(receive(int(port), NAMES, float(seconds)))
        case ["delay", port, target, seconds]:
            asyncio.run(Delay(int(target), float(seconds), int(port)).serve())
        case given:
            seconds, delay, name = [*given, *["60", "0", "node-opcua"][len(given) :]]
            sys.exit(0 if asyncio.run(main(float(seconds), float(delay), name)) else 1)
