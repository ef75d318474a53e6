"""The campaign in real time: the gateway as a process of its own, between a broker, a PLC and an Oden that are real
too.

Nothing here looks into the gateway: it is killed from outside, and what reached Oden is read from the stand-in's
ledger.
"""

import asyncio
import math
import shlex
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from ruamel.yaml import YAML

from gateway.cli.demo_parts import listens
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.persistence import read_ledger, replay
from gateway.simulator.oden.store import Organization
from tests.campaign.compare import differences
from tests.campaign.plant import FLOOR, PLC, Message, Story, described
from tests.campaign.processes import Process, disk_for
from tests.campaign.real_schedule import SETTLE, TIMEOUT, RealSchedule, Spell, names
from tests.links import Tap
from tests.peers import PATIENCE, Mosquitto, OpcuaServer, free_port, wait_until
from tests.processes import status_json

TOKEN = "a-token-that-nobody-may-see"
GAP = 1.000
"""Seconds between two requests at the least."""
CALM = 3.0
"""Seconds in which nothing more may come after that: what comes twice comes late."""
FULL_NO_MORE = 60.0
"""Seconds after a full disk in which the gateway may still find that it cannot start."""


@dataclass
class RealResult:
    """What came of it: `wrong` is empty where all is as it must be."""

    wrong: list[str] = field(default_factory=list)
    requests: int = 0
    gap: float = math.inf
    lives: int = 0
    ended: int = 0
    """How often it ended by itself, as it may where the disk is full."""
    drained: float = 0.0
    """Seconds from the end of the story until everything was at Oden."""
    struck: Counter[str] = field(default_factory=Counter)
    """How many requests each kind of fault has struck."""
    disk: str = ""

    def __str__(self) -> str:
        struck = ", ".join(f"{kind} {number}" for kind, number in sorted(self.struck.items()))
        return (
            f"{self.requests} requests, at least {self.gap:.4f} s apart; "
            f"{self.lives} lives of the gateway, {self.ended} of "
            f"them ended by a full disk ({self.disk}); all at Oden {self.drained:.0f} s after the end; faults: {struck}"
        )


async def real(schedule: RealSchedule, folder: Path) -> RealResult:
    """Carry out `schedule`; ledger, logs and outbox are in `folder` afterwards."""
    world = _World(schedule, folder)
    try:
        return await world.run()
    finally:
        await world.end()


class _World:
    def __init__(self, schedule: RealSchedule, folder: Path) -> None:
        self.schedule = schedule
        self.folder = folder
        self.result = RealResult()
        self.ledger = folder / "ledger.jsonl"
        self.ports = {"oden": free_port(), "admin": free_port(), "status": free_port()}
        self.tap = Tap(self.ports["oden"])
        self.mosquitto = Mosquitto(folder / "mosquitto")
        self.opcua = OpcuaServer()
        options = [f"--port={self.ports['oden']}", f"--admin-port={self.ports['admin']}", f"--ledger={self.ledger}"]
        modes = [f"--mode={name}={value}" for name, value in asdict(schedule.modes).items()]
        self.oden = Process(
            ["simulate", "oden", *options, f"--seed={schedule.seed}", *modes],
            folder / "oden.log",
            {"ODEN_STAND_IN_TOKEN": TOKEN},
            at_once=True,
        )
        self.gateway = Process(["run", "-c", str(folder / "gateway.yaml")], folder / "gateway.log")
        self.disk = disk_for(folder / "outbox", self.gateway)
        self.result.disk = self.disk.kind
        self.counts: dict[str, Any] = {f"{story.name}.Reject": story.counts[0][1] for story in schedule.stories(0)}
        self.faults: dict[Spell, None] = {}
        self.turns = {part: asyncio.Lock() for part in ("oden", "broker", "plc")}
        self.meant_to_run = True
        self.full_until = 0.0
        self.epoch = 0.0

    async def run(self) -> RealResult:
        self._configure()
        self.mosquitto.start()
        await self.opcua.start(**self.counts)
        await self._start_oden()
        await self._start_gateway()
        await wait_until(self._ready)
        self.epoch = math.ceil(time.time()) + 2.0
        stories = self.schedule.stories(self.epoch)
        watching = asyncio.create_task(self._watch())
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._publish(stories))
                tasks.create_task(self._count(stories))
                for spells, carry_out in self._disturbances():
                    tasks.create_task(_in_turn(spells, carry_out))
                for fault in self.schedule.faults:
                    tasks.create_task(self._fault(fault))
            await self._all_there(stories)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        code = await self.gateway.end(signal.SIGTERM)
        if code != 0:
            self.result.wrong.append(f"asked to stop, the gateway ended with code {code}")
        self._judge(stories)
        return self.result

    async def end(self) -> None:
        """Whatever has happened: nothing stays but the files."""
        await self.gateway.end()
        await self._end_oden()
        self.mosquitto.stop()
        await self.opcua.stop()
        self.disk.free()
        self.disk.leave()

    def _disturbances(self) -> list[tuple[tuple[Spell, ...], Callable[[Spell], Awaitable[None]]]]:
        schedule = self.schedule
        return [
            (schedule.gateway, self._gateway_away),
            (schedule.oden, self._oden_away),
            (schedule.broker, self._broker_away),
            (schedule.plc, self._plc_away),
            (schedule.disk, self._disk_full),
        ]

    def _configure(self) -> None:
        (self.folder / "secrets").mkdir()
        (self.folder / "secrets" / "oden_token").write_text(TOKEN + "\n")
        config = {
            "oden": {
                "url": self.tap.url,
                "token": "${secret:oden_token}",
                "timeout": f"{TIMEOUT:.0f}s",
                "settle": f"{SETTLE:.0f}s",
            },
            "sources": {
                FLOOR: {"type": "mqtt", "url": self.mosquitto.url, "client_id": "edge-campaign"},
                PLC: {"type": "opcua", "url": self.opcua.url, "security": "none"},
            },
            "lines": [described(name) for name in names(len(self.schedule.seeds))],
            "outbox": {"directory": str(self.folder / "outbox")},
            "status": {"listen": f"127.0.0.1:{self.ports['status']}"},
        }
        with (self.folder / "gateway.yaml").open("w") as file:
            YAML(typ="safe").dump(config, file)

    # --- what the lines do

    async def _publish(self, stories: list[Story]) -> None:
        messages: list[Message] = sorted(message for story in stories for message in story.messages)
        for message in messages:
            await self._at(message.at)
            async with self.turns["broker"]:
                await self.mosquitto.publish(message.topic, message.text)

    async def _count(self, stories: list[Story]) -> None:
        counts = sorted((at, f"{story.name}.Reject", count) for story in stories for at, count in story.counts[1:])
        for at, name, count in counts:
            await self._at(at)
            async with self.turns["plc"]:
                self.counts[name] = count
                await self.opcua.write(name, count, time=datetime.fromtimestamp(self.epoch + at, UTC))

    async def _at(self, at: float) -> None:
        await asyncio.sleep(max(0.0, self.epoch + at - time.time()))

    # --- what goes wrong

    async def _gateway_away(self, spell: Spell) -> None:
        await self._at(spell.since)
        self.meant_to_run = False
        code = await self.gateway.end(signal.SIGTERM if spell.what == "stop" else signal.SIGKILL)
        if code not in (None, 0, -signal.SIGTERM, -signal.SIGKILL) and not self._may_end():
            self.result.wrong.append(f"the gateway ended with code {code}")
        await asyncio.sleep(spell.seconds)
        self.meant_to_run = True
        await self._start_gateway()

    async def _oden_away(self, spell: Spell) -> None:
        await self._at(spell.since)
        async with self.turns["oden"]:
            await self._read_struck()
            await self._end_oden()
            await asyncio.sleep(spell.seconds)
            await self._start_oden()

    async def _broker_away(self, spell: Spell) -> None:
        """A power cut finds the broker at rest: what it had not saved itself would be its own loss."""
        await self._at(spell.since)
        async with self.turns["broker"]:
            if spell.what == "kill":
                await asyncio.sleep(1.0)
                self.mosquitto.kill()
            else:
                self.mosquitto.stop()
            await asyncio.sleep(spell.seconds)
            self.mosquitto.start()

    async def _plc_away(self, spell: Spell) -> None:
        """What it counts meanwhile, it shows when it is back."""
        await self._at(spell.since)
        async with self.turns["plc"]:
            await self.opcua.stop()
            await asyncio.sleep(spell.seconds)
            await self.opcua.start(**self.counts)

    async def _disk_full(self, spell: Spell) -> None:
        """Full once, so that what the gateway holds back is enough; or full again at once, whatever it gives up."""
        await self._at(spell.since)
        ends = time.monotonic() + spell.seconds
        self.full_until = math.inf
        self.disk.fill()
        while time.monotonic() < ends:
            await asyncio.sleep(0.1)
            if spell.what == "all of it":
                self.disk.fill()
        self.disk.free()
        self.full_until = time.monotonic()

    async def _fault(self, spell: Spell) -> None:
        await self._at(spell.since)
        self.faults[spell] = None
        async with self.turns["oden"]:
            await self._in_force()
        await self._at(spell.since + spell.seconds)
        del self.faults[spell]
        async with self.turns["oden"]:
            await self._in_force()

    async def _in_force(self) -> None:
        """Have the stand-in do what goes wrong now."""
        await self._read_struck()
        async with aiohttp.ClientSession(f"http://127.0.0.1:{self.ports['admin']}") as session:
            async with session.delete("/faults") as answer:
                assert answer.status == 200
            for spell in tuple(self.faults):
                kind, *options = shlex.split(spell.what)
                fault = {"kind": kind} | {key: value for key, _, value in (option.partition("=") for option in options)}
                async with session.post("/faults", json=fault) as answer:
                    assert answer.status == 200, await answer.text()

    async def _read_struck(self) -> None:
        url = f"http://127.0.0.1:{self.ports['admin']}/faults"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            for one in (await answer.json())["faults"]:
                words = one["fault"].split()
                told = " ".join([words[0], *(word for word in words[1:] if word.startswith(("status=", "commit=")))])
                self.result.struck[told] += one["struck"]

    # --- the processes

    async def _start_oden(self) -> None:
        await self.oden.start()
        await wait_until(lambda: listens(self.ports["oden"]) and listens(self.ports["admin"]))
        self.tap.start()
        await self._in_force()

    async def _end_oden(self) -> None:
        await self.oden.end()
        await asyncio.to_thread(self.tap.stop)

    async def _start_gateway(self) -> None:
        self.result.lives += 1
        await self.gateway.start()

    async def _watch(self) -> None:
        """Start the gateway again when it has ended, as a service manager does; only a full disk is a reason to end."""
        while True:
            await asyncio.sleep(0.5)
            if self.meant_to_run and self.gateway.ended is not None:
                if not self._may_end():
                    self.result.wrong.append(f"the gateway ended by itself with code {self.gateway.ended}")
                self.result.ended += 1
                await self.gateway.end()
                await self._start_gateway()

    def _may_end(self) -> bool:
        return time.monotonic() < self.full_until + FULL_NO_MORE

    def _ready(self) -> bool:
        """Whether it is connected to both sources."""
        status = status_json(self.ports["status"])
        return status is not None and all(source["connected"] for source in status["sources"])

    # --- the end

    def _model(self) -> OdenModel:
        return replay(self.ledger, Organization()) if self.ledger.exists() else OdenModel(Organization())

    def _is_all_there(self, stories: list[Story]) -> bool:
        status = status_json(self.ports["status"])
        return (
            status is not None
            and not any(status["outbox"]["records"].values())
            and not any(differences(story, self._model()) for story in stories)
        )

    async def _all_there(self, stories: list[Story]) -> None:
        """Wait until everything is at Oden and nothing is left; or until that has taken too long."""
        ended, equal_since = self.epoch + self.schedule.length, None
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and (equal_since is None or time.monotonic() < equal_since + CALM):
            there = await asyncio.to_thread(self._is_all_there, stories)
            equal_since = (equal_since or time.monotonic()) if there else None
            if there and not self.result.drained:
                self.result.drained = time.time() - ended
            await asyncio.sleep(0.5)
        if equal_since is None:
            self.result.wrong.append(f"not all is at Oden {PATIENCE:.0f} s after everything works again")
        status = status_json(self.ports["status"])
        if status is None:
            self.result.wrong.append("the gateway does not answer")
            return
        left = {state: number for state, number in status["outbox"]["records"].items() if number}
        self.result.wrong += [f"left in the outbox: {left}"] * bool(left)
        self.result.wrong += [f"dead letter: {one}" for one in status["dead_letters"]]
        # What a PLC shows in between while it is away cannot be known, and is said to be so.
        self.result.wrong += [f"noticed: {one}" for one in status["notices"] if one["source"] != PLC]
        self.result.wrong += [f"lost: {status['lost_total']}"] * any(status["lost_total"].values())

    def _judge(self, stories: list[Story]) -> None:
        """By the files."""
        wrong = self.result.wrong
        self.result.requests = sum(1 for _ in read_ledger(self.ledger))
        self.result.gap = self.tap.least_gap
        if len(self.tap.written) < self.result.requests:
            wrong.append(f"of {self.result.requests} requests only {len(self.tap.written)} came by the tap")
        if self.result.gap < GAP:
            wrong.append(f"requests {self.result.gap:.4f} s apart")
        for story in stories:
            wrong += differences(story, self._model())
        for path in (self.gateway.log, self.oden.log):
            if TOKEN in path.read_text(errors="replace"):
                wrong.append(f"the token is in {path.name}")


async def _in_turn(spells: tuple[Spell, ...], carry_out: Callable[[Spell], Awaitable[None]]) -> None:
    for spell in spells:
        await carry_out(spell)
