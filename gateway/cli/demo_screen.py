"""What the demo shows: a screen that is redrawn on a terminal, a line now and then elsewhere, and the report."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gateway.cli.demo_parts import GatewayStatus
from gateway.simulator.truth import AUTO_REJECT, Account, Report

EVERY = 5.0
"""Seconds between two lines where the output is not a terminal."""


@dataclass(frozen=True, slots=True)
class View:
    """The demo at one moment. `gateway` is None while it does not answer."""

    elapsed: float
    seconds: float | None
    phase: str
    plant: Account
    oden: Account
    gateway: GatewayStatus | None
    requests: int
    least_gap: float | None
    events: tuple[str, ...]
    hints: Mapping[str, str]


class Screen:
    """Shows views as they come. Use it in a `with` block."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console.width = 120
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._last_line_at = -EVERY
        self._printed_events = 0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, view: View) -> None:
        """Draw `view` or, where the output is no terminal, print what is new in it."""
        if self._live is not None:
            self._live.update(_screen(view), refresh=True)
            return
        if self._last_line_at == -EVERY:
            for action, text in view.hints.items():
                self._print_line(f"{action}: {text}")
        for event in view.events[self._printed_events :]:
            self._print_line(event)
        self._printed_events = len(view.events)
        if view.elapsed - self._last_line_at >= EVERY:
            self._last_line_at = view.elapsed
            self._print_line(_line(view))

    def report(self, report: Report) -> None:
        """Print the comparison, row by row."""
        table = Table(box=None, pad_edge=False)
        for heading in ("", "the line has made", "Oden has", ""):
            table.add_column(heading, overflow="fold")
        for row in report.rows:
            verdict = Text("ok", "green") if row.ok else Text("WRONG", "bold red")
            table.add_row(Text(row.what), Text(row.plant), Text(row.oden), verdict)
        self._console.print(Text(), table, Text())

    def say(self, text: str, style: str = "") -> None:
        """Print one paragraph."""
        self._console.print(Text(text, style))

    def _print_line(self, line: str) -> None:
        """Print one line without wrapping it, as a log or a pipe needs it."""
        self._console.print(Text(line), soft_wrap=True)


def _screen(view: View) -> RenderableType:
    of = "" if view.seconds is None else f" of {_time(view.seconds)}"
    title = Text.assemble(("oden-gateway demo", "bold"), f"   {_time(view.elapsed)}{of}   ", (view.phase, "cyan"))
    hints = Table.grid(padding=(0, 2))
    for action, text in view.hints.items():
        hints.add_row(Text(action, "bold"), Text(text, overflow="fold"))
    recent = Text("\n".join(view.events[-3:]), "yellow")
    return Group(title, Text(), _amounts(view), Text(), _delivery(view), recent, Text(), hints)


def _amounts(view: View) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("")
    for heading in ("the line (simulated)", "Oden (stand-in)"):
        table.add_column(heading, justify="left", min_width=24)
    for name, plant, oden in _rows(view.plant, view.oden):
        table.add_row(name, Text(plant), Text(oden, "green" if plant == oden else ""))
    return table


def _rows(plant: Account, oden: Account) -> list[tuple[str, str, str]]:
    """What is compared while the demo runs. Oden is always a little behind the plant."""
    amounts = [(plant.scrap(), oden.scrap())]
    codes = sorted({code for pair in amounts for scrap in pair for code in scrap} - {AUTO_REJECT})
    return [
        ("state", _state(plant), _state(oden)),
        ("order", _order(plant), _order(oden)),
        ("runs", str(len(plant.runs)), str(len(oden.runs))),
        ("states", str(len(plant.states)), str(len(oden.states))),
        ("good", str(plant.good), str(oden.good)),
        *(
            (f"scrap {code}", str(plant.scrap().get(code, 0)), str(oden.scrap().get(code, 0)))
            for code in (AUTO_REJECT, *codes)
        ),
    ]


def _state(account: Account) -> str:
    if not account.states:
        return "-"
    last = account.states[-1]
    return f"{last.category} / {last.reason}" if last.reason else last.category


def _order(account: Account) -> str:
    last = account.runs[-1] if account.runs else None
    return f"{last.order}  {last.product}" if last is not None and last.end is None else "-"


def _delivery(view: View) -> Text:
    gap = "" if view.least_gap is None else f", never less than {view.least_gap:.3f} s apart"
    return Text.assemble(_outbox(view.gateway), f"\n{view.requests} requests to Oden{gap}")


def _outbox(gateway: GatewayStatus | None) -> Text:
    if gateway is None:
        return Text("the gateway is starting", "yellow")
    waiting = "1 record waits" if gateway.waiting == 1 else f"{gateway.waiting} records wait"
    waiting += " in the outbox"
    if gateway.held is not None:
        again = f", tried again in {max(0.0, gateway.retry_at - time.time()):.0f} s" if gateway.retry_at else ""
        return Text(f"{waiting}; Oden cannot be reached{again}", "yellow")
    return Text(
        f"{waiting}, {gateway.drain_seconds:.0f} s to drain" if gateway.waiting and gateway.drain_seconds else waiting
    )


def _line(view: View) -> str:
    gap = "" if view.least_gap is None else f", at least {view.least_gap:.3f} s apart"
    return (
        f"{_time(view.elapsed)}  line: {_summary(view.plant)} | {_outbox(view.gateway)} | "
        f"Oden: {_summary(view.oden)} | {view.requests} requests{gap}"
    )


def _summary(account: Account) -> str:
    scrap = sum(account.scrap().values())
    return f"{len(account.runs)} runs, {len(account.states)} states, {account.good} good, {scrap} scrap"


def _time(seconds: float) -> str:
    return str(timedelta(seconds=int(seconds)))[-5:] if seconds < 3600 else str(timedelta(seconds=int(seconds)))


def start_hints(status: str, oden_pid: int, gateway_pid: int, away: float, config: Path) -> dict[str, str]:
    """What a person could do next."""
    return {
        "Look": f"status page {status}",
        "Oden goes away": f"kill {oden_pid}   it is back after {away:.0f} s; watch the backlog grow and drain",
        "A crash": f"kill -9 {gateway_pid}   the gateway starts again; nothing is lost or doubled",
        "Configuration": str(config),
        "Your own": f"copy gateway.yaml from beside it, change it, and: {sys.argv[0]} check -c gateway.yaml",
        "End": "Ctrl-C lets the line finish, compares, and reports",
    }
