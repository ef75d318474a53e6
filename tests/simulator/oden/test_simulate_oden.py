"""`oden-gateway simulate oden` as a process."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.processes import end_all, next_line

COMMAND = (sys.executable, "-m", "gateway", "simulate", "oden")
DEFAULT = "demo-token"
RUN = {
    "type": {"name": "RUN"},
    "line": {"name": "Line 40", "factory": {"name": "Factory B"}},
    "start_time": "2021-04-04T08:00:00Z",
    "metadata": {"product": {"name": "Pipe"}},
}

Start = Callable[..., tuple["subprocess.Popen[str]", str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the command; gives the process and the address that it prints when it listens."""
    processes: list[subprocess.Popen[str]] = []

    def launch(*arguments: str, **environment: str) -> tuple["subprocess.Popen[str]", str]:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )
        processes.append(process)
        line = next_line(process)
        assert line.startswith("Oden stand-in listens on http://127.0.0.1:"), line
        return process, line.split()[-1]

    yield launch
    end_all(processes)


def post(address: str, endpoint: str, body: object, token: str = DEFAULT) -> tuple[int, Any]:
    request = urllib.request.Request(  # noqa: S310 - the address is our own
        f"{address}/{endpoint}",
        json.dumps(body).encode(),
        {"Authorization": f"Token {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310 - the same
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_stopped(start: Start, number: signal.Signals) -> None:
    """It prints one line when it listens, answers, and ends with 0 and no other word on SIGTERM and SIGINT."""
    process, address = start("--port", "0")
    status, factories = post(address, "factory/search", {"match": "all"})
    assert (status, [factory["name"] for factory in factories]) == (200, ["Factory A", "Factory B"])
    process.send_signal(number)
    assert process.communicate(timeout=120) == ("", "")
    assert process.returncode == 0


def test_the_token_is_an_option_or_in_the_environment(start: Start) -> None:
    """`--token` goes before the environment, which goes before the default; the token is nowhere in the output."""
    process, address = start("--port", "0", "--token", "one", ODEN_STAND_IN_TOKEN="two")
    assert [post(address, "factory/search", {"match": "all"}, token)[0] for token in ("one", "two")] == [200, 401]
    process.terminate()
    assert process.communicate(timeout=120) == ("", "")
    _, address = start("--port", "0", ODEN_STAND_IN_TOKEN="two")
    assert [post(address, "factory/search", {"match": "all"}, token)[0] for token in ("two", DEFAULT)] == [
        200,
        401,
    ]


def test_killed_and_restarted_it_has_what_it_had(start: Start, tmp_path: Path) -> None:
    """After SIGKILL and a half-written line, a restart with the same ledger knows the interval and adds to the file."""
    ledger = tmp_path / "oden.jsonl"
    process, address = start("--port", "0", "--ledger", str(ledger))
    status, (interval,) = post(address, "interval/set", RUN)
    assert status == 200
    process.kill()
    process.wait()
    with ledger.open("a") as file:
        file.write('{"received_at": 17')
    _, address = start("--port", "0", "--ledger", str(ledger))
    search = {"type": {"name": "RUN"}, "line": RUN["line"], "match": "last"}
    assert post(address, "interval/search", search) == (200, [interval])
    entries = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [(entry["path"], entry["status"]) for entry in entries] == [
        ("/v2/interval/set", 200),
        ("/v2/interval/search", 200),
    ]


def test_faults_modes_types_and_the_admin_port(start: Start) -> None:
    """What the flags say holds from the first request; the admin port, whose address is printed, changes it."""
    process, address = start(
        *("--port", "0", "--admin-port", "0", "--interval-type", "operator id", "--mode", "nothing=404"),
        *("--fault", "error status=503 times=1", "--fault", "error status=400 holding=4711"),
    )
    admin = next_line(process).removeprefix("Its admin port is ").strip()
    body = {"type": {"name": "operator id"}, "line": RUN["line"], "intervals": [{"start_time": RUN["start_time"]}]}
    assert [post(address, "intervals/set", body)[0] for _ in range(2)] == [503, 200]
    assert post(address, "interval/set", RUN | {"name": "4711"})[0] == 400
    assert post(address, "interval/search", {"type": {"name": "RUN"}, "line": RUN["line"], "match": "all"})[0] == 404
    assert post(admin, "faults", {"kind": "error", "status": 401}) == (200, {"number": 3})
    assert post(address, "interval/set", RUN)[0] == 401
    process.terminate()
    assert process.communicate(timeout=120) == ("", "")


def test_the_same_seed_strikes_the_same_requests(start: Start) -> None:
    """Two processes with one seed fail the same requests; about half of them."""
    flags = ("--port", "0", "--seed", "5", "--fault", "error chance=50%")
    answers = []
    for _ in range(2):
        _, address = start(*flags)
        answers.append([post(address, "factory/search", {"match": "all"})[0] for _ in range(30)])
    assert answers[0] == answers[1]
    assert 5 <= answers[0].count(500) <= 25


def test_custom_types_and_bulk_requests_are_there_after_a_kill(start: Start, tmp_path: Path) -> None:
    """The ledger brings back a type that was made, bulk intervals and their ends; another plant is refused."""
    ledger = str(tmp_path / "oden.jsonl")
    process, address = start("--port", "0", "--ledger", ledger, "--interval-type", "operator id")
    assert post(address, "interval_type/set", {"name": "shift"})[0] == 200
    for name in ("operator id", "shift"):
        body = {"type": {"name": name}, "line": RUN["line"], "intervals": [{"start_time": RUN["start_time"]}]}
        _, (made,) = post(address, "intervals/set", body)
        ends = [{"id": made, "end_time": "2021-04-04T09:00:00Z"}]
        assert post(address, "intervals/update", body | {"intervals": ends})[1]["num_updated"] == 1
    search = {"type": {"name": "shift"}, "line": RUN["line"], "match": "last"}
    before = post(address, "interval/search", search)
    process.kill()
    process.wait()
    _, address = start("--port", "0", "--ledger", ledger, "--interval-type", "operator id")
    assert post(address, "interval/search", search) == before
    ended = subprocess.run(
        [*COMMAND, "--port", "0", "--ledger", ledger], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 1
    assert f"{ledger}:2: " in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--fault", "explode"),
        ("--fault", "close commit=soon"),
        ("--manner", "range=inside"),
        ("--manner", "range"),
        ("--interval-type", "RUN"),
        ("--seed", "x"),
        ("--admin-port", "70000"),
    ],
)
def test_wrong_faults_manners_and_types_are_wrong_usage(arguments: tuple[str, str]) -> None:
    """2, with the flag and what was wrong, before anything listens."""
    ended = subprocess.run(
        [*COMMAND, "--port", "0", *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"argument {arguments[0]}" in ended.stderr


def test_an_admin_port_that_is_taken_is_said() -> None:
    """The sentence names that port and its flag, not the other."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [*COMMAND, "--port", "0", "--admin-port", port], capture_output=True, text=True, timeout=120, check=False
        )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert port in ended.stderr
    assert "--admin-port" in ended.stderr


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    """Where it cannot listen it ends with 1 and one sentence that names the port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert port in ended.stderr


@pytest.mark.parametrize("content", [None, "this is no ledger\n"])
def test_a_ledger_that_cannot_be_used_is_said(tmp_path: Path, content: str | None) -> None:
    """A directory or a file that is no ledger: 1 and one sentence that names it; the file stays as it is."""
    ledger = tmp_path / "oden.jsonl"
    if content is None:
        ledger.mkdir()
    else:
        ledger.write_text(content)
    ended = subprocess.run(
        [*COMMAND, "--port", "0", "--ledger", str(ledger)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert str(ledger) in ended.stderr
    assert content is None or ledger.read_text() == content


@pytest.mark.parametrize("arguments", [[], ["--port", "70000"], ["--port", "x"], ["--port", "-1"]])
def test_wrong_usage_is_2(arguments: list[str]) -> None:
    """No port, or what is no port, is wrong usage."""
    ended = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 2
    assert "--port" in ended.stderr


def test_help_has_an_example() -> None:
    """`--help` shows how it is used."""
    ended = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0
    assert "oden-gateway simulate oden --port 8400" in ended.stdout
