"""`oden-gateway call` as a process: against the stand-in, by itself and through a gateway that runs."""

import json
import os
import pty
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.__main__ import main
from gateway.oden.endpoints import ENDPOINTS
from gateway.simulator.oden.persistence import read_ledger
from tests.links import Tap
from tests.peers import PATIENCE, free_port, wait_for
from tests.processes import end_all, listens_at, next_line

TOKEN = "secret-of-the-plant"
CONFIG = """
oden: {{url: "{oden}", token: "${{secret:oden_token}}", allow_faster_for_tests: true, rate: {rate}}}
sources: {{plc: {{type: opcua, url: "opc.tcp://127.0.0.1:{nobody}"}}}}
lines:
  - factory: Factory A
    line: Line 01
    inputs: {{state: {{source: plc, node: "ns=2;s=State"}}}}
    states: {{input: state, codes: {{1: {{category: Uptime}}}}}}
outbox: {{directory: outbox, size_limit: 100 MB, min_free: 0%}}
status: {{listen: "127.0.0.1:{status}"}}
"""
LINE = '{"name": "Line 01", "factory": {"name": "Factory A"}}'
STATE = f"""{{"type": {{"name": "STATE"}}, "line": {LINE}, "start_time": "2026-11-02T08:00:00Z",
  "metadata": {{"category": {{"name": "Uptime"}}}}}}"""

Run = subprocess.CompletedProcess[str]


class Site:
    """A stand-in for Oden, a configuration for it, and the processes started with them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ledger = folder, folder / "oden.jsonl"
        self.status_port = free_port()
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("NOTIFY_", "ODEN_"))}
        self.environment |= {"ODEN_GATEWAY_SECRET_ODEN_TOKEN": TOKEN}
        self.processes: list[subprocess.Popen[str]] = []

    def start(
        self, *command: str, stdin: int = subprocess.DEVNULL, variables: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *command],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment | dict(variables or {}),
            cwd=self.folder,
            text=True,
        )
        self.processes.append(process)
        return process

    def oden(self, *faults: str) -> None:
        """The stand-in, with `faults`, and a configuration that leads to it."""
        self.configure(f"http://127.0.0.1:{self.stand_in(*faults)}/v2")

    def stand_in(self, *faults: str) -> int:
        """The stand-in, with `faults`; its port."""
        given = [word for fault in faults for word in ("--fault", fault)]
        process = self.start("simulate", "oden", "--port", "0", "--token", TOKEN, "--ledger", str(self.ledger), *given)
        return urlsplit(next_line(process).split()[-1]).port or 0

    def configure(self, oden: str, rate: str = "50/s") -> None:
        text = CONFIG.format(oden=oden, rate=rate, nobody=free_port(), status=self.status_port)
        (self.folder / "gateway.yaml").write_text(text)

    def gateway(self) -> "subprocess.Popen[str]":
        """The gateway, once it can be asked."""
        process = self.start("run", "-c", "gateway.yaml")
        wait_for(lambda: listens_at(self.folder / "outbox" / "control.sock"))
        return process

    def calling(
        self, *words: str, stdin: int = subprocess.DEVNULL, variables: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[str]":
        return self.start("call", "-c", "gateway.yaml", *words, stdin=stdin, variables=variables)

    def call(self, *words: str, text: str | None = None, variables: Mapping[str, str] | None = None) -> Run:
        """The command, with `text` on its standard input, to its end."""
        process = self.calling(
            *words, stdin=subprocess.DEVNULL if text is None else subprocess.PIPE, variables=variables
        )
        output, errors = process.communicate(text, timeout=PATIENCE)
        assert TOKEN not in output + errors
        return Run(words, process.returncode, output, errors)

    @property
    def received(self) -> list[Any]:
        return list(read_ledger(self.ledger))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    end_all(site.processes)


def test_the_list_has_every_endpoint(site: Site) -> None:
    """35 lines, each with a call and what it does; as JSON the same, and no configuration is needed for it."""
    listed = site.start("call", "--list").communicate(timeout=PATIENCE)[0].splitlines()
    assert len(listed) == 35
    for line in listed:
        path, does = line.split(maxsplit=1)
        assert does == ENDPOINTS[path].does
    result = json.loads(site.start("call", "--list", "--json").communicate(timeout=PATIENCE)[0])
    assert [entry["call"] for entry in result] == [line.split()[0] for line in listed]
    assert {"call": "interval/delete", "does": "deletes the interval with the id", "effect": "deletes"} in result


def test_a_call_without_a_gateway(site: Site) -> None:
    """The answer is printed, for people or on one line; the request is what was given, with times as documented."""
    site.oden()
    done = site.call("line", "search", "--body", LINE)
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = json.loads(done.stdout)
    assert line["name"] == "Line 01"
    assert len(done.stdout.splitlines()) > 3
    (site.folder / "state.json").write_text(STATE.replace("08:00:00Z", "09:00:00+01:00"))
    done = site.call("interval", "set", "--body", "@state.json", "--json")
    (made,) = json.loads(done.stdout)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)
    assert site.received[-1].body["start_time"] == "2026-11-02T08:00:00Z"
    wanted = f'{{"id": "{made["id"]}", "type": {{"name": "STATE"}}, "line": {LINE}}}'
    done = site.call("interval", "search", "--body", "-", "--json", text=wanted)
    assert [entry["id"] for entry in json.loads(done.stdout)] == [made["id"]]


def test_p3_calls_at_once_keep_their_distance(site: Site) -> None:
    """Three commands started together, with no gateway: their requests are written a second apart."""
    with Tap(site.stand_in()) as tap:
        site.configure(tap.url, rate="1/s")
        running = [site.calling("line", "search", "--body", LINE) for _ in range(3)]
        assert [process.wait(timeout=PATIENCE) for process in running] == [0, 0, 0]
    assert len(site.received) == len(tap.written) == 3
    assert tap.least_gap >= 1.0


def test_p3_a_running_gateway_makes_the_call(site: Site) -> None:
    """The gateway makes it, with its own address and token; those of the command lead nowhere. Several keep their
    distance."""
    elsewhere = {
        "ODEN_GATEWAY_ODEN__URL": f"http://127.0.0.1:{free_port()}/v2",
        "ODEN_GATEWAY_SECRET_ODEN_TOKEN": "another-token",
    }
    with Tap(site.stand_in()) as tap:
        site.configure(tap.url, rate="1/s")
        site.gateway()
        done = site.call("line", "search", "--body", LINE, "--json", variables=elsewhere)
        assert (done.returncode, done.stderr) == (0, "")
        assert [entry["name"] for entry in json.loads(done.stdout)] == ["Line 01"]
        running = [site.calling("line", "search", "--body", LINE, variables=elsewhere) for _ in range(3)]
        assert [process.wait(timeout=PATIENCE) for process in running] == [0, 0, 0]
        failed = site.call("line", "search", "--body", '{"factory": {"name": "Nowhere"}}', "--json")
        assert (failed.returncode, json.loads(failed.stdout)["status"]) == (1, 404)
    assert len(site.received) == len(tap.written) == 5
    assert tap.least_gap >= 1.0


def test_p4_a_gateway_that_dies_in_the_middle(site: Site) -> None:
    """The command does not make the call once more by itself: it says that nobody knows."""
    with socket.create_server(("127.0.0.1", 0)) as oden:
        oden.settimeout(PATIENCE)
        site.configure(f"http://127.0.0.1:{oden.getsockname()[1]}/v2")
        gateway = site.gateway()
        calling = site.calling("interval", "set", "--body", STATE)
        with oden.accept()[0] as connection:
            connection.settimeout(PATIENCE)
            assert connection.recv(65536).startswith(b"POST /v2/interval/set ")
            gateway.kill()
            output, errors = calling.communicate(timeout=PATIENCE)
        assert (calling.returncode, output) == (1, "")
        assert "whether the call was made is not known" in errors
        oden.setblocking(False)
        with pytest.raises(BlockingIOError):
            oden.accept()


FAILURES = [
    ("error status=401", 401, "answered", False, True),
    ("error status=500", 500, "in doubt", False, False),
    ("close commit=yes", None, "in doubt", True, False),
    ("html status=407", 407, "not sent", True, True),
]


@pytest.mark.parametrize(("fault", "status", "certainty", "retryable", "may_repeat"), FAILURES)
def test_a_failure(
    site: Site, fault: str, status: int | None, certainty: str, retryable: bool, may_repeat: bool
) -> None:
    """Exit code 1, with what is known of it as JSON."""
    site.oden(fault)
    done = site.call("interval", "set", "--body", STATE, "--json")
    result = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (1, "")
    assert (result["call"], result["status"], result["certainty"]) == ("interval/set", status, certainty)
    assert (result["retryable"], result["may_repeat"]) == (retryable, may_repeat)
    assert (result["id"] is not None) == (status == 500)


def test_a_failure_in_words(site: Site) -> None:
    """What may have taken effect must be looked up, what only read need not be; a failure's id is shown."""
    site.oden("error status=500")
    done = site.call("interval", "set", "--body", STATE)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("oden-gateway: interval/set: 500: the stand-in was told to fail\n")
    assert "Oden's support finds this by its id: " in done.stderr
    assert "look it up before you send it again" in done.stderr
    assert "look it up" not in site.call("line", "search", "--body", LINE).stderr


def test_oden_is_away(site: Site) -> None:
    """Exit code 1, and why nothing was sent."""
    site.configure(f"http://127.0.0.1:{free_port()}/v2")
    done = site.call("factory", "search")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "oden-gateway: factory/search: Oden cannot be reached (connection refused)\n"


def test_a_name_that_the_document_does_not_have(site: Site) -> None:
    """It is sent, because the API grows, and pointed out, because it is probably a slip. Metadata may hold anything."""
    site.oden()
    body = '{"nam": "Line 01", "factory": {"nme": "x", "name": "Factory A"}, "match": "all"}'
    done = site.call("line", "search", "--body", body)
    assert done.returncode == 0
    assert "'nam'" in done.stderr
    assert "'factory.nme'" in done.stderr
    assert site.received[-1].body["nam"] == "Line 01"
    done = site.call("interval", "set", "--body", STATE.replace('"category"', '"note": "ours", "category"'))
    assert (done.returncode, done.stderr) == (0, "")


DELETE = ("product", "delete", "--body", '{"name": "Film 20"}')


def test_deleting_where_nobody_can_be_asked(site: Site) -> None:
    """It is refused without --yes, also where standard input holds the body, and nothing is sent."""
    site.oden()
    for words, text in [(DELETE, None), ((*DELETE[:3], "-"), '{"name": "Film 20"}')]:
        done = site.call(*words, text=text)
        assert (done.returncode, done.stdout) == (2, "")
        assert "add --yes" in done.stderr
    assert site.received == []
    site.call(*DELETE, "--yes")
    assert [request.path for request in site.received] == ["/v2/product/delete"]


@pytest.mark.parametrize(("answer", "sent"), [("y", True), ("", False)])
def test_deleting_is_asked_for_at_a_terminal(site: Site, answer: str, sent: bool) -> None:
    """The request is shown; only a yes deletes, all else ends with 1 and sends nothing."""
    site.oden()
    terminal, end = pty.openpty()
    try:
        process = site.calling(*DELETE, stdin=end)
        os.write(terminal, f"{answer}\n".encode())
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        os.close(terminal)
        os.close(end)
    assert 'product/delete {"name":"Film 20"}' in errors
    assert [request.path for request in site.received] == (["/v2/product/delete"] if sent else [])
    assert sent or (process.returncode == 1 and "Nothing was deleted." in errors)


WRONG = [
    (("lin", "search"), "there is no call 'lin search'"),
    (("interval", "find"), "interval has: search, set, update, delete"),
    ((), "which call?"),
    (("line",), "line has: search"),
    (("line", "search", "--body", "{"), "the body is no JSON"),
    (("line", "search", "--body", '{"id": NaN}'), "NaN is no JSON"),
    (("line", "search", "--body", '{"factory": {"id": "1", "id": "2"}}'), "'id' stands twice"),
    (("line", "search", "--body", "[" * 100_000), "nested too deeply"),
    (("line", "search", "--body", "[]"), "the body: it must be an object"),
    (("line", "search", "--body", "@nowhere.json"), "nowhere.json: No such file"),
    (("line", "search", "--format", "csv"), "line search has no --format"),
    (("oql", "query", "--format", "xml"), "json, jsonextended, csv"),
    (("oql", "query"), "query: it must be given"),
    (("interval", "set", "--body", '{"start_time": "2026-11-02T08:00:00"}'), "start_time: a time needs its zone"),
    (("interval", "set", "--body", f'{{"line": {LINE}}}'), "`type` must be given"),
    (("interval_type", "set", "--body", '{"name": "RUN"}'), "the built-in type RUN cannot be set"),
]


@pytest.mark.parametrize(("words", "why"), WRONG)
def test_a_call_that_is_wrong(words: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and what is wrong, before the configuration is read and before anything is sent."""
    try:
        code = main(["call", "-c", "/nowhere/gateway.yaml", *words])
    except SystemExit as ending:
        code = int(str(ending.code))
    printed = capsys.readouterr()
    assert (code, printed.out) == (2, "")
    assert why in printed.err


def test_a_wrong_body_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json what is wrong stands on standard output, as other failures do."""
    assert main(["call", "-c", "/nowhere/gateway.yaml", "interval", "set", "--json"]) == 2
    result = json.loads(capsys.readouterr().out)
    assert result["error"] == "`type` must be given; `line` must be given"
    assert (result["call"], result["certainty"], result["retryable"]) == ("interval/set", "not sent", False)


def test_p10_a_wrong_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and where it is wrong; nothing is sent."""
    (tmp_path / "gateway.yaml").write_text("oden: {tokn: x}\n")
    assert main(["call", "-c", str(tmp_path / "gateway.yaml"), "factory", "search"]) == 2
    assert "gateway.yaml:1:8" in capsys.readouterr().err


def test_enough_of_the_list_is_no_failure(site: Site) -> None:
    """Whoever reads only the first line of the list gets no traceback."""
    command = f"{sys.executable} -m gateway call --list | head -1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=site.environment, timeout=PATIENCE, check=False
    )
    assert done.stdout.startswith("factory/search")
    assert done.stderr == ""
