"""`oden-gateway outbox` and the page, asking a gateway that runs."""

import http.client
import json
import re
import signal
import stat
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gateway.outbox.entries import Commit, LineRef
from gateway.status.actions import HEADER
from tests.cli.outbox_rig import END, ENTRY, LINE, PAGE_TOKEN, RUN, STATE, TOKEN, Site, stored
from tests.peers import PATIENCE, wait_for
from tests.processes import status_json, whole_lines


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
    taken = [entry for entry in map(json.loads, whole_lines(ledger)) if entry["status"] == 200]
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
    answer = refused.outbox("restore", str(file))
    assert refused.outbox("list") == before
    (aside,) = refused.directory.glob("outbox-replaced-*")
    assert str(aside) in answer
    refused.outbox("restore", str(aside))
    assert refused.outbox("list") != before
    assert len(list(refused.directory.glob("outbox-replaced-*"))) == 1
