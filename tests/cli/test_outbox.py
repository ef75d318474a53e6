"""`oden-gateway outbox` as a process: asking a gateway that runs, and on the files of one that does not."""

import http.client
import io
import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gateway.__main__ import main
from gateway.cli.demo_parts import status_json
from gateway.model import Notice, Output, Record, StartInterval, UpdateInterval, record_key
from gateway.outbox import told
from gateway.outbox.entries import Attempt, Commit, LineRef
from gateway.outbox.store import Outbox
from gateway.outbox.thread import open_outbox
from gateway.status.actions import HEADER
from tests.peers import PATIENCE, free_port, wait_for

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
        wait_for(lambda: status_json(self.status_port) is not None and (self.directory / "control.sock").exists())
        return process

    def oden(self, *faults: str) -> Path:
        """The stand-in, configured as Oden; answers its ledger."""
        ledger = self.folder / "oden.jsonl"
        given = [word for fault in faults for word in ("--fault", fault)]
        process = self.start("simulate", "oden", "--port", "0", "--token", TOKEN, "--ledger", str(ledger), *given)
        assert process.stdout is not None
        self.configure(process.stdout.readline().split()[-1])
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
        socket.
        """
        words = ["outbox", arguments[0], "-c", str(self.folder / "gateway.yaml"), *arguments[1:]]
        output, errors, stdin, environ = io.StringIO(), io.StringIO(), sys.stdin, dict(os.environ)
        os.environ.update(self.environment)
        time.tzset()
        sys.stdin = io.StringIO(text)
        try:
            with redirect_stdout(output), redirect_stderr(errors):
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


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    for process in site.processes:
        process.kill()
        process.communicate()


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


@pytest.fixture
def refused(site: Site) -> Site:
    """A refused run, its output and its end behind it, and a state that waits; no gateway runs."""
    stored(site, RUN, refused=1)
    stored(site, ENTRY, END, STATE)
    return site


def test_list_shows_what_an_engineer_needs(refused: Site) -> None:
    """Key, place, age, line, the record in plain words and the error; within 100 columns; refused ones first."""
    done = refused.command("list")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].split() == ["KEY", "WHERE", "AGE", "LINE", "WHAT"]
    assert lines[1].split(None, 3) == [RUN.key[:14], "dead", "2h", f"{LINE}  run 4711 starts 2026-11-22 14:03"]
    assert lines[2] == "  400: no such product: Film 20"
    rest = "\n".join(lines[3:])
    assert "12 yield, 3 scrap Splice at 2026-11-22 14:04" in rest
    assert "run ends 2026-11-22 15:03" in rest
    assert "state Unplanned Downtime,… starts 2026-11-22 14:03" in rest


def test_list_is_narrowed_by_filters(refused: Site) -> None:
    """Each filter leaves what fits; the limit says that there are more; what does not exist is nothing or an error."""

    def keys(*arguments: str) -> set[str]:
        return {item["record"]["key"] for item in refused.json("list", *arguments)["records"]}

    assert keys("--where", "dead") == keys("--error", "No Such") == {RUN.key}
    assert keys("--kind", "state") == keys("--newer", "90m") == {STATE.key}
    assert keys("--older", "1h", "--kind", "output") == {ENTRY.key}
    assert keys("--line", "Line 01") == keys("--line", LINE) == {RUN.key, ENTRY.key, END.key, STATE.key}
    answer = refused.json("list", "--limit", "2")
    assert (len(answer["records"]), answer["more"]) == (2, True)
    assert refused.json("list", "--limit", "4")["more"] is False
    assert "No records." in refused.outbox("list", "--where", "doubt")
    assert f"no line is called 'Line 99'. Lines here: {LINE}" in refused.outbox("list", "--line", "Line 99", code=1)


def test_show_shows_all_of_one(refused: Site) -> None:
    """The record, the request exactly as sent, the answer, how often it was sent, and what waits for it."""
    text = refused.outbox("show", RUN.key[:14].lower())
    assert text.startswith("run 4711 starts 2026-11-22 14:03\n")
    assert f"The request, as it was sent to interval/set\n{BODY}\n" in text
    assert "The answer\n400: no such product: Film 20\n" in text
    assert "sent    once" in text
    assert "2 records wait for it:" in text
    assert max(len(line) for line in text.splitlines()) <= 100
    answer = refused.json("show", RUN.key)
    assert (answer["letter"]["body"], answer["number_of_dependents"]) == (BODY, 2)
    assert answer["record"]["record"]["details"] == {"product": "Film 20"}
    assert "no record here has the key 01ZZZ" in refused.outbox("show", "01zzz", code=1)
    assert "more than one record here begins with 01" in refused.outbox("show", "01", code=1)


def test_show_says_when_it_is_tried_next(site: Site) -> None:
    """One that waits for its next try says in how long that is, with its request and the reason."""
    stored(site, STATE)
    outbox = site.open()
    (work,) = outbox.work()
    outbox.begin(
        work,
        Attempt(work.lane, work.positions, "interval/set", BODY, 1.0, 3, "retry", time.time() + 3000, "503: busy"),
    )
    outbox.close()
    text = site.outbox("show", STATE.key)
    assert "next    tried again in 49 min" in text or "next    tried again in 50 min" in text
    assert "sent    3 times" in text
    assert "The answer\n503: busy" in text
    assert site.outbox("retry", STATE.key) == "1 record will be sent once more.\n"
    assert "tried again as soon as its turn comes" in site.outbox("show", STATE.key)


def test_retry_on_the_files(refused: Site) -> None:
    """A retried record waits again; nothing is lost; one that is no dead letter, or nothing said, is refused."""
    refused_keys = {item["record"]["key"] for item in refused.json("list")["records"]}
    assert "is not a dead letter: it waits for its turn. Nothing was changed." in refused.outbox(
        "retry", STATE.key, code=1
    )
    assert refused.outbox("retry", RUN.key[:16]) == "1 record will be sent once more.\n"
    assert refused.outbox("retry", "--all") == "0 records will be sent once more.\n"
    assert {item["where"] for item in refused.json("list")["records"]} == {"waiting"}
    # The end has become part of its start, which waits again.
    assert {item["record"]["key"] for item in refused.json("list")["records"]} == refused_keys
    assert "records that are dead or unsettled or again, not parked" in refused.outbox(
        "retry", "--where", "parked", code=1
    )
    for arguments in (["retry"], ["drop"], ["retry", RUN.key, "--all"], ["drop", "--all", "--line", "Line 01"]):
        assert "say which" in refused.outbox(*arguments, code=2)
    refused.outbox("verify")


def test_drop_asks_and_takes_what_depends_on_it(refused: Site) -> None:
    """It says how many, does nothing without a yes, and takes with a start all that names it; the rest stays."""
    asked = "This gives up 1 dead letter, and 2 records that depend on it. They will never be at Oden."
    for answer in ("", "n\n", "1\n"):
        printed = refused.outbox("drop", "--where", "dead", text=answer, code=1)
        assert asked in printed
        assert "Nothing was dropped." in printed
    assert "records that are dead or unsettled or deleted, not waiting" in refused.outbox(
        "drop", "--where", "waiting", "--yes", code=1
    )
    assert len(refused.json("list")["records"]) == 4
    printed = refused.outbox("drop", RUN.key, text="y\n")
    assert asked in printed
    assert printed.endswith("Dropped 1 dead letter, and 2 records that depend on it.\n")
    assert [item["record"]["key"] for item in refused.json("list")["records"]] == [STATE.key]
    assert refused.outbox("drop", "--all", "--yes") == "Dropped 0 dead letters.\n"
    assert refused.outbox("drop", "--all") == "There is nothing to drop.\n"
    refused.outbox("verify")


def test_an_export_is_changed_and_imported(refused: Site) -> None:
    """What is exported, one record a line, can be changed and sent; a wrong line, and nothing of the file is."""
    lines = refused.outbox("export").splitlines()
    assert [json.loads(line)["where"] for line in lines] == ["dead", "waiting", "waiting", "waiting"]
    (line,) = refused.outbox("export", "--where", "dead").splitlines()
    fixed = json.loads(line)
    fixed["details"]["product"] = "Film 21"
    changed = json.dumps(fixed)
    path = refused.folder / "letters.jsonl"
    path.write_text(f"{changed}\n{lines[1]}\n")
    assert f"line 2: there is no dead letter {json.loads(lines[1])['key']}" in refused.outbox(
        "import", str(path), code=1
    )
    path.write_text(f'{changed}\n\n{{"key": \n')
    assert "line 3: this is not JSON" in refused.outbox("import", str(path), code=1)
    assert refused.json("list", "--where", "dead")["records"] != []
    assert refused.outbox("import", "-", text=changed) == "1 record will be sent as the file says.\n"
    assert refused.json("list", "--where", "dead")["records"] == []
    assert refused.json("show", RUN.key)["record"]["record"]["details"] == {"product": "Film 21"}
    assert "No such file" in refused.outbox("import", str(path) + ".no", code=1)


def test_stats_say_how_much_and_how_long(refused: Site) -> None:
    """Records by place and line, requests and minutes at the configured pace; without a gateway no rate is known."""
    answer = refused.json("stats")
    assert (answer["records"], answer["where"]) == (4, {"waiting": 3, "dead": 1})
    assert answer["lines"] == {LINE: {"waiting": 3, "dead": 1}}
    assert (answer["requests"], answer["minutes"]) == (3, pytest.approx(3 / 50 / 60))
    assert answer["bytes"] > 4000
    assert 0 < answer["room"] < 10**8
    assert (answer["records_per_hour"], answer["hours"]) == (None, None)
    text = refused.outbox("stats")
    assert "4 records" in text
    assert "to drain at the configured pace, with 3 requests at the least" in text
    assert "at Oden" not in text
    outbox = refused.open()
    told.note(outbox, Notice("oden", 1.0, "", "", "Line 01: a run that was not begun from here"))
    outbox.close()
    assert refused.json("stats")["at_oden"] == ["Line 01: a run that was not begun from here"]
    assert "not told from here (the newest first):\n  Line 01: a run" in refused.outbox("stats")


def test_verify_says_what_is_wrong(refused: Site) -> None:
    """In order, it ends with 0; with a row that is gone, with 1 and the row's name."""
    assert refused.outbox("verify") == "4 records were read: they are in order.\n"
    outbox = refused.open()
    with outbox.transaction() as transaction:
        transaction.drop.add(f"record/{LINE}/output/0")
    outbox.close()
    assert f"{LINE}/output: 0 records are there, and 1 should be" in refused.outbox("verify", code=1)
    answer = refused.json("verify", code=1)
    assert (answer["ok"], answer["records"]) == (False, 3)


def test_verify_reports_damage_until_it_is_acknowledged(refused: Site) -> None:
    """A report of damage makes it end with 1, each time, until it is acknowledged; then no more."""
    report = {
        "at": 1_795_356_180.0, "folder": "outbox-damaged-2026", "reason": "the disk image is malformed",
        "read": 17, "lost": {"record": 2}, "keys": ["record/x/1"],
    }  # fmt: skip
    outbox = refused.open()
    with outbox.transaction() as transaction:
        transaction.put["damage"] = json.dumps([report])
    outbox.close()
    for _ in range(2):
        text = refused.outbox("verify", code=1)
        assert "2026-11-22 14:03: the outbox was damaged: the disk image is malformed" in text
        assert "17 rows could be read. The damaged files are in outbox-damaged-2026." in text
        assert "Lost: 2 record." in text
    assert "This is acknowledged now." in refused.outbox("verify", "--acknowledge")
    assert "damaged" not in refused.outbox("verify")


def test_where_there_is_no_outbox_none_is_made(site: Site) -> None:
    """A command on a directory that is not there says so and leaves nothing behind."""
    assert "there is no outbox in" in site.outbox("list", code=1)
    assert not site.directory.exists()


@pytest.mark.parametrize("command", ["list", "show", "retry", "drop", "export", "import", "stats", "verify"])
def test_help_has_an_example(site: Site, command: str) -> None:
    """Each command explains itself, with an example that begins as it is typed."""
    text = site.outbox(command, "--help")
    assert f"example:\n  oden-gateway outbox {command} " in text


def test_wrong_usage_is_refused(site: Site) -> None:
    """A duration without a unit, a limit of nothing and an unknown place end with 2 and say what is right."""
    assert "'2' is not a duration with its unit" in site.outbox("list", "--older", "2", code=2)
    assert "'0' is not a number of records" in site.outbox("list", "--limit", "0", code=2)
    assert "invalid choice: 'lost'" in site.outbox("list", "--where", "lost", code=2)
    (site.folder / "gateway.yaml").write_text("oden: 7")
    site.outbox("list", code=2)


def test_p5_a_change_through_the_running_gateway_is_delivered(site: Site) -> None:
    """A run that Oden refuses is exported, changed and imported while the gateway runs: run, output and end reach Oden,
    once each."""
    ledger = site.oden("error status=400 holding='Film 20'")
    stored(site, RUN, ENTRY, END)
    site.run()
    wait_for(lambda: site.json("stats")["where"] == {"dead": 1, "parked": 1})
    shown = site.json("show", RUN.key)
    assert (shown["record"]["where"], shown["number_of_dependents"]) == ("dead", 1)
    assert '"Film 20"' in shown["letter"]["body"]
    assert "the stand-in was told to fail" in shown["letter"]["error"]
    line = json.loads(site.outbox("export", "--where", "dead"))
    line["details"]["product"] = "Film 21"
    site.outbox("import", "-", text=json.dumps(line))
    wait_for(lambda: site.json("list")["records"] == [])
    site.outbox("verify")
    taken = [entry for entry in map(json.loads, ledger.read_text().splitlines()) if entry["status"] == 200]
    sent = [entry["path"].removeprefix("/v2/") for entry in taken if "search" not in entry["path"]]
    assert sorted(sent) == ["interval/set", "scrap_yield/set"]
    assert "Film 21" in str(taken)
    assert "2026-11-22T15:03:00Z" in str(taken)


def test_delivery_is_paused_and_resumed_by_a_person(site: Site) -> None:
    """Paused while the gateway stands, it is still paused when it runs: everywhere the same is said, with who and why;
    resumed, what waited is delivered. The log has who did what.
    """
    ledger = site.oden()
    stored(site, RUN)
    site.environment["SUDO_USER"] = "anna"
    assert "by anna" in site.outbox("pause", "--reason", "lines are renamed")
    process = site.run()
    status = status_json(site.status_port)
    assert status is not None
    assert status["delivering"]["state"] == "waiting"
    assert re.fullmatch(
        r"Delivery to Oden was paused by anna \(lines are renamed\) at [-\d]+ [:\d]+ UTC; 1 record is safe on disk, "
        r"until it is resumed\.",
        status["headline"],
    )
    assert status["outbox"]["drain_seconds"] is None
    assert status["problem_details"][0]["remedy"] == "oden-gateway outbox resume"
    assert "by anna" in site.outbox("pause")
    assert not ledger.exists() or not ledger.read_text()
    site.environment["SUDO_USER"] = "bert"
    assert "goes on" in site.outbox("resume")
    wait_for(lambda: not site.json("list")["records"])
    assert site.outbox("resume") == "Delivery was not paused.\n"
    process.send_signal(signal.SIGTERM)
    _, text = process.communicate(timeout=PATIENCE)
    said = [json.loads(line) for line in text.splitlines() if "operator_acted" in line]
    assert [(event["command"], event["by"]) for event in said] == [
        ("pause", "anna"), ("resume", "bert"), ("resume", "bert"),
    ]  # fmt: skip


def on_page(site: Site, action: str, body: object, token: str = PAGE_TOKEN) -> tuple[int, Any]:
    """What the page's button asks, and the answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", site.status_port, timeout=PATIENCE)) as connection:
        headers = {"Content-Type": "application/json", HEADER: token}
        connection.request("POST", f"/api/actions/{action}", json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def test_the_page_does_what_the_command_does(site: Site) -> None:
    """Delivery is paused and resumed, a dead letter tried again and given up, by who has the token for it; the log has
    what was done and from where, and no token.
    """
    site.oden("error status=400 holding='Film 20'")
    stored(site, RUN, ENTRY, END)
    process = site.run()
    wait_for(lambda: site.json("stats")["where"] == {"dead": 1, "parked": 1})
    assert on_page(site, "drop", {"keys": [RUN.key]}, "secret-of-the-cage")[0] == 401
    assert on_page(site, "pause", {"reason": "trial"})[1]["paused"]["reason"] == "trial"
    assert on_page(site, "retry", {"keys": [RUN.key]}) == (200, {"retried": 1, "hopeless": 0, "outdated": 0})
    assert on_page(site, "retry", {"keys": [RUN.key]})[0] == 409
    assert on_page(site, "resume", {})[1]["resumed"]["by"] == "the page, from 127.0.0.1"
    wait_for(lambda: site.json("stats")["where"] == {"dead": 1, "parked": 1})
    would = on_page(site, "drop", {"keys": [RUN.key], "dry": True})[1]
    assert (would["letters"], would["dependents"]) == (1, 1)
    assert on_page(site, "drop", {"keys": [RUN.key]})[0] == 200
    assert site.json("list")["records"] == []
    process.send_signal(signal.SIGTERM)
    printed, text = process.communicate(timeout=PATIENCE)
    said = [json.loads(line) for line in text.splitlines() if "operator_acted" in line]
    assert [event["command"] for event in said] == ["pause", "retry", "resume", "drop"]
    assert {event["by"] for event in said} == {"the page, from 127.0.0.1"}
    assert "action_refused" in text
    assert PAGE_TOKEN not in text + printed


def test_the_running_gateway_answers_and_goes_on(site: Site) -> None:
    """Retry and drop through the daemon act on its outbox, and it ends properly with its socket gone."""
    site.oden("error status=400 holding='Film 20'")
    stored(site, RUN, ENTRY)
    process = site.run()
    wait_for(lambda: site.json("stats")["where"] == {"dead": 1, "parked": 1})
    mode = (site.directory / "control.sock").stat().st_mode
    assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o660)
    assert site.outbox("retry", "--all") == "1 record will be sent once more.\n"
    wait_for(lambda: site.json("stats")["where"] == {"dead": 1, "parked": 1})
    assert site.outbox("drop", "--all", "--yes") == "Dropped 1 dead letter, and 1 record that depends on it.\n"
    assert site.json("stats")["records"] == 0
    answer = site.json("verify")
    assert (answer["ok"], len(answer["notes"])) == (True, 1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    assert not (site.directory / "control.sock").exists()
    assert site.json("stats")["records"] == 0


def test_a_socket_that_was_left_over_is_replaced(site: Site) -> None:
    """After a kill the command opens the files, although the socket is still there; the next start takes it over."""
    stored(site, STATE)
    process = site.run()
    process.kill()
    process.wait()
    assert (site.directory / "control.sock").exists()
    assert len(site.json("list")["records"]) == 1
    site.run()
    wait_for(lambda: "rows that no lane leads to" in site.outbox("verify"))


def test_a_gateway_that_cannot_listen_runs_on_and_says_so(site: Site) -> None:
    """Where the socket cannot be made, the gateway runs. Its log and status say why, a command names the process."""
    (site.directory / "control.sock").mkdir(parents=True)
    process = site.start("run", "-c", str(site.folder / "gateway.yaml"))
    wait_for(lambda: "its control socket cannot be made (Address already in use)" in str(status_json(site.status_port)))
    assert f"in use by another oden-gateway (process {process.pid})" in site.outbox("list", code=1)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=PATIENCE)
    assert '"task": "control"' in errors
    assert process.returncode == 0


def test_p8_dead_letters_hold_no_secret(site: Site) -> None:
    """P8: where Oden's answer repeats the token, it is neither shown nor exported (the outbox never has it)."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            site.configure(f"http://127.0.0.1:{server.server_port}/v2")
            outbox = site.open()
            outbox.learn_lines({LINE: LineRef("Factory A", "Line 01", "7")})
            outbox.commit(Commit(number=outbox.last_commit() + 1, records=(STATE,)))
            outbox.close()
            site.run()
            wait_for(lambda: site.json("list", "--where", "dead")["records"])
        finally:
            server.shutdown()
            serving.join()
    assert "no such thing" in site.outbox("export")
    site.outbox("show", STATE.key)


class _Refusing(BaseHTTPRequestHandler):
    """Finds nothing, and refuses everything else with 400 and words that repeat the token."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Authorization"] == f"Token {TOKEN}"
        refusal = json.dumps({"error": f"no such thing: Token {TOKEN}", "retryable": False})
        status, text = (200, "[]") if self.path.endswith("/search") else (400, refusal)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_a_backup_is_taken_while_the_gateway_runs_and_put_back_when_it_does_not(refused: Site) -> None:
    """The copy is where it was asked for and nowhere else; putting it back is refused while the gateway runs; what was
    there before is set aside."""
    file = refused.folder / "monday"
    refused.outbox("pause")  # so that all stays where it is
    process = refused.run()
    assert "rows." in refused.outbox("backup", str(file))
    assert list(refused.directory.glob("backup-*")) == []
    refused.outbox("backup", str(file), code=1)
    refused.outbox("restore", str(file), code=1)
    process.terminate()
    process.wait(PATIENCE)
    before = refused.outbox("list")
    refused.outbox("drop", "--all", "--yes")
    assert refused.outbox("list") != before
    assert "outbox-replaced-" in refused.outbox("restore", str(file))
    assert refused.outbox("list") == before
