"""A plant's gateway, with its files, its process and an Oden that refuses."""

import io
import json
import os
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

from gateway.__main__ import main
from gateway.cli import outbox_access
from gateway.model import Output, Record, StartInterval, UpdateInterval, record_key
from gateway.outbox.entries import Attempt, Commit, LineRef
from gateway.outbox.store import Outbox
from gateway.outbox.thread import open_outbox
from tests.peers import PATIENCE, free_port, wait_for
from tests.processes import listens_at, next_line, status_json

TOKEN = "secret-of-the-plant"
PAGE_TOKEN = "secret-of-the-page"
LINE = "Factory A/Line 01"
CONFIG = """
oden: {{url: "{oden}", token: "${{secret:oden_token}}", allow_faster_for_tests: true, rate: 50/s, settle: 1s}}
sources: {{plc: {{type: opcua, url: "opc.tcp://127.0.0.1:{nobody}"}}}}
lines:
  - factory: Factory A
    line: Line 01
    inputs: {{state: {{source: plc, node: "ns=2;s=State"}}}}
    states: {{input: state, codes: {{1: {{category: Uptime}}}}}}
outbox: {{directory: {folder}/outbox, size_limit: 100 MB, min_free: 0%}}
status: {{listen: "127.0.0.1:{status}", actions_token: "${{secret:page_actions}}"}}
"""
NOW = int(time.time())


class Site:
    """One configuration in a folder, its outbox, and the processes started with it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.directory = folder, folder / "outbox"
        self.status_port = free_port()
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("NOTIFY_", "ODEN_"))}
        self.environment |= {"ODEN_GATEWAY_SECRET_ODEN_TOKEN": TOKEN, "TZ": "UTC"}
        self.environment |= {"ODEN_GATEWAY_SECRET_PAGE_ACTIONS": PAGE_TOKEN}
        self.processes: list[subprocess.Popen[str]] = []
        self.configure(f"http://127.0.0.1:{free_port()}/v2")

    def configure(self, oden: str) -> None:
        text = CONFIG.format(oden=oden, nobody=free_port(), folder=self.folder, status=self.status_port)
        (self.folder / "gateway.yaml").write_text(text)

    def open(self) -> Outbox:
        return open_outbox(self.directory, limit=10**9, min_free=0.0, span=900.0)

    def start(self, *command: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
            text=True,
        )
        self.processes.append(process)
        return process

    def run(self) -> "subprocess.Popen[str]":
        """The gateway, once its commands are answered."""
        process = self.start("run", "-c", str(self.folder / "gateway.yaml"))
        wait_for(lambda: status_json(self.status_port) is not None and listens_at(self.directory / "control.sock"))
        return process

    def oden(self, *faults: str) -> Path:
        """The stand-in, configured as Oden; answers its ledger."""
        ledger = self.folder / "oden.jsonl"
        given = [word for fault in faults for word in ("--fault", fault)]
        process = self.start("simulate", "oden", "--port", "0", "--token", TOKEN, "--ledger", str(ledger), *given)
        self.configure(next_line(process).split()[-1])
        return ledger

    def command(self, *arguments: str, text: str = "") -> "subprocess.CompletedProcess[str]":
        """The command as a process of its own."""
        command = [sys.executable, "-m", "gateway", "outbox", arguments[0], "-c", str(self.folder / "gateway.yaml")]
        return subprocess.run(
            [*command, *arguments[1:]],
            input=text,
            capture_output=True,
            env=self.environment,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def outbox(self, *arguments: str, text: str = "", code: int = 0) -> str:
        """What the command prints; with `code` it must end, and with 0 without a word on standard error.

        It runs in this process, because to start another takes a second. It still talks to the gateway through the
        socket. It does not set up logging, which would be that of all the tests after it.
        """
        words = ["outbox", arguments[0], "-c", str(self.folder / "gateway.yaml"), *arguments[1:]]
        output, errors, stdin, environ = io.StringIO(), io.StringIO(), sys.stdin, dict(os.environ)
        os.environ.update(self.environment)
        time.tzset()
        sys.stdin = io.StringIO(text)
        try:
            with redirect_stdout(output), redirect_stderr(errors), patch.object(outbox_access, "configure_logging"):
                ended = main(words)
        except SystemExit as ending:
            ended = int(str(ending.code))
        finally:
            sys.stdin = stdin
            os.environ.clear()
            os.environ.update(environ)
            time.tzset()
        printed = output.getvalue() + errors.getvalue()
        assert (ended, errors.getvalue() if code == 0 else "") == (code, ""), printed
        assert TOKEN not in printed
        return printed

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.outbox(*arguments, "--json", code=code))


def key(number: int) -> str:
    return record_key(LINE, number, NOW - 7200.0 + number)


RUN = StartInterval(key(1), LINE, NOW - 7199.0, "RUN", 1_795_356_180, "4711", {"product": "Film 20"})
ENTRY = Output(
    key(2), LINE, NOW - 7198.0, "RUN", RUN.key, 1_795_356_240,
    {"yield": 12, "scrap": 3, "scrap_code": "Splice"}, ("yield", "scrap"),
)  # fmt: skip
END = UpdateInterval(key(3), LINE, NOW - 7197.0, "RUN", RUN.key, 1_795_359_780)
STATE = StartInterval(
    key(4), LINE, NOW - 60.0, "STATE", 1_795_356_180, None, {"category": "Unplanned Downtime", "reason": "Jam"}
)
BODY = '{"type":{"name":"RUN"},"line":{"id":"7"},"start_time":"2026-11-22T14:03:00Z"}'


def stored(site: Site, *records: Record, refused: int = 0) -> None:
    """An outbox with `records`, of which the first `refused` lanes' heads are dead letters."""
    outbox = site.open()
    outbox.learn_lines({LINE: LineRef("Factory A", "Line 01")})
    outbox.commit(Commit(number=outbox.last_commit() + 1, records=records))
    for work in outbox.work()[:refused]:
        attempt = Attempt(work.lane, work.positions, "interval/set", BODY, begun=1.0, tries=1)
        outbox.begin(work, attempt)
        (begun,) = [item for item in outbox.work() if item.attempt == attempt]
        outbox.settle(begun, {}, {work.positions[0]: "400: no such product: Film 20"}, NOW - 100.0)
    outbox.close()
