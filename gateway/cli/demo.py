"""`oden-gateway demo`: the whole path on this machine, and proof in the end that Oden has what the line has made."""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from gateway.cli.demo_parts import Part, PartFailed, Tail, example, gateway_status, listens, ports
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.persistence import LedgerEntry, read_ledger, replay
from gateway.simulator.oden.store import Organization
from gateway.simulator.plant import EVENT, Event
from gateway.simulator.truth import Report, compare, least_gap, oden_account, plant_account

if TYPE_CHECKING:
    from gateway.cli.demo_screen import Screen, View

TOKEN = "demo-token"  # noqa: S105 - no secret: it opens nothing but the stand-in
STEP = 0.25
AWAY = 15.0
"""Seconds for which the stand-in stays away after somebody has stopped it."""
ENDING = 16.0
"""Seconds before the end at which the line is told to stop, at the latest. It finishes its work, the rest drains."""
SHORTEST_WORK = 14.0
DRAIN = 300.0
"""Seconds that everything may take to reach Oden after the line has stopped."""
QUIET = 45.0
"""Seconds without a request, though Oden can be reached, after which nothing more is expected."""
CALM = 3.0
"""Seconds without a request after everything has reached Oden, because what comes twice comes late."""
FIRST_KILL = 3.0
"""Seconds from the first order to the first kill, because a counter needs a first value before it has a difference."""
KILL_SPACING = 6.0
"""Seconds between two kills, at least, because a state that begins and ends while the gateway is away is not seen."""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `demo`."""
    parser = commands.add_parser(
        "demo",
        help="show the whole path on a simulated line",
        description="Runs a simulated production line, the gateway and a stand-in for the Oden API on this "
        "machine, shows\n"
        "what is going on, and compares in the end what the line has made with what has reached Oden.\n"
        "Exit code 0 only where it adds up.",
        epilog="example:\n  oden-gateway demo --seconds 60",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, metavar="N", help="end after N seconds (default: at Ctrl-C)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another shift (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=0, metavar="K", help="kill the gateway K times on the way")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep ledger, truth and logs in DIR, a new directory")
    parser.set_defaults(call=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    try:
        from gateway.cli.demo_screen import Screen  # noqa: PLC0415 - only the demo needs what it imports
    except ImportError:
        print("The demo needs more packages: pip install 'oden-gateway[demo]'", file=sys.stderr)
        return 1
    if arguments.keep is not None and arguments.keep.exists():
        print(f"{arguments.keep} exists; --keep needs a new directory.", file=sys.stderr)
        return 2
    directory = arguments.keep or Path(tempfile.mkdtemp(prefix="oden-gateway-demo-"))
    screen = Screen()
    try:
        with ports() as own_ports:
            demo = Demo(directory, own_ports, arguments.seconds, arguments.seed, arguments.kills)
            with demo.parts(), screen:
                report = demo.run(screen)
    except PartFailed as error:
        screen.say(str(error), "red")
        report = None
    except KeyboardInterrupt:
        report = None
    if report is not None:
        screen.report(report)
    if report is None or not report.ok:
        screen.say("It does not add up." if report is not None else "The demo was not finished.", "bold red")
        screen.say(f"Ledger, truth and logs: {directory}")
        return 1
    screen.say("It adds up: Oden has everything that the line has made, each thing once.", "bold green")
    if arguments.keep is None:
        shutil.rmtree(directory)
    return 0


class Demo:
    """One demo with its files in `directory`. `run` plays it and compares the plant with Oden."""

    def __init__(self, directory: Path, ports: Mapping[str, int], seconds: float | None, seed: int, kills: int) -> None:
        self._begun = time.monotonic()
        self._seconds = seconds
        self._kills = _kill_times(random.Random(seed), kills, seconds)
        self._ledger, self._truth = directory / "ledger.jsonl", directory / "truth.jsonl"
        self._config = example("demo.yaml")
        directory.mkdir(parents=True, exist_ok=True)
        self._ports = ports
        environment = _environment(directory, ports)
        work = [] if seconds is None else ["--seconds", str(max(SHORTEST_WORK, seconds - ENDING))]
        self._oden = Part(
            "The Oden stand-in",
            ["simulate", "oden", "--port", str(ports["oden"]), "--ledger", str(self._ledger), "--token", TOKEN],
            directory / "oden.log",
            environment,
        )
        plant_ports = ["--opcua-port", str(ports["opcua"]), "--mqtt-port", str(ports["mqtt"])]
        self._plant = Part(
            "The plant",
            ["simulate", "plant", *plant_ports, "--truth", str(self._truth), "--seed", str(seed), *work],
            directory / "plant.log",
            environment,
            takes_commands=True,
        )
        self._gateway = Part("The gateway", ["run", "-c", str(self._config)], directory / "gateway.log", environment)
        self._truth_tail, self._ledger_tail = Tail(self._truth), Tail(self._ledger)
        self._events: list[Event] = []
        self._model = OdenModel(Organization())
        self._received: list[float] = []
        self._messages: list[str] = []
        self._at_work_since: float | None = None
        self._oden_back_at: float | None = None
        self._interrupted = False
        self._finishing = False
        self._finished = False

    @contextmanager
    def parts(self) -> Iterator[None]:
        """All parts run inside the block, and none after it, however it ends. The first Ctrl-C lets the line finish."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        for number in before:
            signal.signal(number, self._interrupt)
        parts = (self._oden, self._plant, self._gateway)
        try:
            self._oden.start()
            self._plant.start()
            while not listens(self._ports["mqtt"]) and not self._plant.has_ended():
                time.sleep(STEP)  # the gateway would wait for it too, but not as shortly
            self._gateway.start()
            yield
        finally:
            for part in reversed(parts):
                part.stop()
            for number, handler in before.items():
                signal.signal(number, handler)

    def run(self, screen: "Screen") -> Report:
        """Run until everything has reached Oden or its time is over. Raises PartFailed where a part fails."""
        quiet_since = drains_since = equal_since = time.monotonic()
        while True:
            before = len(self._received)
            self._read()
            self._supervise()
            view = self._view()
            screen.show(view)
            now = time.monotonic()
            waiting = view.gateway.waiting if view.gateway else None
            if not self._drains():
                quiet_since = drains_since = now
            elif len(self._received) > before or (view.gateway and view.gateway.held):
                quiet_since = now
            if not self._drains() or not compare(view.plant, view.oden, self._received, waiting).ok:
                equal_since = now
            if now - equal_since >= CALM or now - quiet_since >= QUIET or now - drains_since >= DRAIN:
                return self._compare(waiting)
            time.sleep(STEP)

    def _drains(self) -> bool:
        """Whether the line and the kills are over, so that only the backlog is still on its way to Oden."""
        return self._finished and not self._kills and self._oden_back_at is None

    def _compare(self, waiting: int | None) -> Report:
        """The final comparison, made from the files."""
        events = [EVENT.validate_json(line) for line in Tail(self._truth).lines()]
        received = [request.received_at for request in read_ledger(self._ledger)]
        return compare(plant_account(events), oden_account(replay(self._ledger, Organization())), received, waiting)

    def _read(self) -> None:
        """Read what the parts have written since the last call."""
        self._events.extend(EVENT.validate_json(line) for line in self._truth_tail.lines())
        for line in self._ledger_tail.lines():
            request = LedgerEntry(**json.loads(line))
            self._received.append(request.received_at)
            if request.took_effect:
                self._model.answer(request.path, json.dumps(request.body).encode())

    def _supervise(self) -> None:
        """Report what has happened, kill the gateway when it is time, restart what somebody has stopped."""
        now = time.monotonic()
        if self._at_work_since is None and len(self._events) > 1:
            self._at_work_since = now
            self._report("The gateway listens; the line begins its work.")
        if not self._finished and self._events and self._events[-1].kind == "totals":
            self._finished = True
            self._report("The line has finished; the rest is on its way to Oden.")
        if self._interrupted and not self._finishing:
            self._finishing = True
            self._kills.clear()
            self._plant.say("finish")
            self._report("Ctrl-C: the line finishes first. Once more ends the demo at once.")
        if self._kills and self._at_work_since is not None and now - self._at_work_since >= self._kills[0]:
            self._kills.pop(0)
            self._gateway.kill()
        if self._gateway.has_ended():
            self._gateway.start()
            self._report(f"The gateway was killed; it starts again as process {self._gateway.pid}.")
        if self._plant.has_ended():
            raise PartFailed("The plant was stopped; without it there is nothing to compare.")
        if self._oden_back_at is not None and now >= self._oden_back_at:
            self._oden_back_at = None
            self._oden.start()
            self._report(f"Oden is back, as process {self._oden.pid}.")
        elif self._oden_back_at is None and self._oden.has_ended():
            self._oden_back_at = now + AWAY
            self._report(f"Oden has gone away, for {AWAY:.0f} s.")

    def _view(self) -> "View":
        from gateway.cli.demo_screen import View, start_hints  # noqa: PLC0415 - as above

        return View(
            elapsed=time.monotonic() - self._begun,
            seconds=self._seconds,
            phase=self._phase(),
            plant=plant_account(self._events),
            oden=oden_account(self._model),
            gateway=gateway_status(self._ports["status"]),
            requests=len(self._received),
            least_gap=least_gap(self._received),
            events=tuple(self._messages),
            hints=start_hints(
                f"http://127.0.0.1:{self._ports['status']}", self._oden.pid, self._gateway.pid, AWAY, self._config
            ),
        )

    def _phase(self) -> str:
        if self._at_work_since is None:
            return "starting"
        if self._finished:
            return "draining"
        return "finishing" if self._finishing else "the line works"

    def _report(self, text: str) -> None:
        self._messages.append(f"{time.strftime('%H:%M:%S')} {text}")

    def _interrupt(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGINT or self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True


def _environment(directory: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """The environment of the parts, which overrides the configuration's addresses and names the token's folder."""
    credentials = directory / "credentials"
    credentials.mkdir(mode=0o700)
    (credentials / "oden_token").write_text(TOKEN, encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ODEN_GATEWAY_")}
    inherited.pop("NOTIFY_SOCKET", None)
    return inherited | {
        "CREDENTIALS_DIRECTORY": str(credentials),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "ODEN_GATEWAY_ODEN__URL": f"http://127.0.0.1:{ports['oden']}/v2",
        "ODEN_GATEWAY_SOURCES__PRESS_PLC__URL": f"opc.tcp://127.0.0.1:{ports['opcua']}",
        "ODEN_GATEWAY_SOURCES__FLOOR__URL": f"mqtt://127.0.0.1:{ports['mqtt']}",
        "ODEN_GATEWAY_OUTBOX__DIRECTORY": str(directory / "outbox"),
        "ODEN_GATEWAY_STATUS__LISTEN": f"127.0.0.1:{ports['status']}",
    }


def _kill_times(rng: random.Random, kills: int, seconds: float | None) -> list[float]:
    """When the gateway is killed, in seconds from the first order: at random, but at least KILL_SPACING apart."""
    if not kills:
        return []
    slot = max(KILL_SPACING + 2, ((seconds or 0.0) - ENDING) / kills)
    return [FIRST_KILL + number * slot + rng.uniform(0, slot - KILL_SPACING) for number in range(kills)]
