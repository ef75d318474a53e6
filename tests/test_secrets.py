"""P8: every secret that is planted is found nowhere: in no file, no line of the log, no answer, no bundle, no backup.

A gateway at level debug, with a broker, a server that is not there, and an Oden behind a proxy that says in its answers
what it was asked with, as some do. It is stopped, started, reloaded with other secrets and with wrong files, asked by
every command, page and socket, made to fail and to hang, and aborted.
"""

import asyncio
import base64
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import pytest
from asyncua.server.internal_session import InternalSession
from pydantic import BaseModel, SecretStr

from gateway.cli.startup import read_config
from gateway.config.schema_walk import alternatives
from tests.peers import PATIENCE, Mosquitto, OpcuaServer, free_port, wait_for, wait_until
from tests.processes import whole_lines

ROOT = Path(__file__).parents[1]
PLANTED = (
    "PlantedOden",
    "PlantedProxy",
    "PlantedBroker",
    "PlantedServer",
    "PlantedPage",
    "PlantedAction",
    "PlantedLater",
)
"""What each secret has in its middle, in which nothing has to be escaped."""
IN_QUERIES = "PlantedQuery"
"""In the queries of addresses, of which no setting says that they may be secret."""
CONFIG = """
oden: {{url: "http://oden.plant.example/v2", token: "${{secret:oden_token}}", proxy: "${{secret:proxy}}", rate: 50/s,
  allow_faster_for_tests: true, settle: 1s, timeout: {wait}}}
sources:
  plc: {{type: opcua, url: "opc.tcp://127.0.0.1:{nobody}/x?key=PlantedQuery", security: none,
    username: edge, password: {server}}}
  floor: {{type: mqtt, url: "{broker}", alternatives: ["ws://127.0.0.1:{nobody}/mqtt?key=PlantedQuery"],
    client_id: secrets, username: edge, password: {word}}}
tables: {{products: {{file: products.csv}}}}
lines:
  - factory: Factory A
    line: Line 01
    id: l1
    inputs:
      order: {{source: floor, topic: plant/order, field: number}}
      state: {{source: plc, node: "ns=2;s=State"}}
    run: {{key: order, product: "{{products[order].name}}", settle: 0s, metadata: {{cell: "{{order}}"}}}}
outbox: {{directory: outbox}}
status: {{listen: "127.0.0.1:{status}", token: {page}, actions_token: {action}}}
log: {{level: debug, format: {form}}}
"""


class Echo(BaseHTTPRequestHandler):
    """Oden, as a proxy has it: says with each answer, in another form each time, what it was asked with."""

    protocol_version = "HTTP/1.1"
    asked = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        Echo.asked += 1
        status, form = [(401, json.dumps), (400, json.dumps), (502, str), (200, str), (403, json.dumps)][Echo.asked % 5]
        said = "\n".join(f"{name}: {value}" for name, value in self.headers.items())
        body = (form({"error": said, "retryable": False}) if form is json.dumps else f"<html>{said}</html>").encode()
        self.send_response(status, "No: " + self.headers.get("Authorization", "")[:40])
        self.send_header("Content-Type", "application/json" if form is json.dumps else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def echoing() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


class Plant:
    """The gateway, and all that it and its commands have ever said."""

    def __init__(self, folder: Path, broker: Mosquitto, proxy: int) -> None:
        self.folder, self.broker, self.proxy, self.port = folder / "site", broker, proxy, free_port()
        self.nobody = free_port()
        self.said: dict[str, bytes] = {}
        self.log = folder / "log"
        (self.folder / "secrets").mkdir(parents=True)
        (self.folder / "products.csv").write_text("order,name\n4711,Film\n")
        self.page, self.action = "'PlantedPage\"%2F\\", "%0APlantedAction\"'\\<&>"
        self.configure("PlantedOden", "PlantedProxy", "PlantedBroker")
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, token: str, proxy: str, word: str, **more: str) -> str:
        """Each secret with signs around it that are written in other ways elsewhere."""
        (self.folder / "secrets" / "oden_token").write_text(f"a%41\"'\\{token}<&>\u007b\u007d=")
        name = quote(f"{proxy}\n\"'@:/%41", safe="")
        (self.folder / "secrets" / "proxy").write_text(f"http://edge:{name}@127.0.0.1:{self.proxy}")
        values = {
            "nobody": self.nobody,
            "broker": self.broker.url,
            "status": self.port,
            "wait": "20s",
            "form": "json",
            "server": json.dumps("ä\n\"'PlantedServer%0A\u2028"),
            "word": json.dumps(f"\"'\\{word}\n%41${{}}\u20ac"),
            "page": json.dumps(self.page),
            "action": json.dumps(self.action),
        }
        text = CONFIG.format(**values | more)
        (self.folder / "gateway.yaml").write_text(text)
        for path in (self.folder / "gateway.yaml", *(self.folder / "secrets").iterdir()):
            path.chmod(0o600)
        return text

    def environment(self) -> dict[str, str]:
        ours = ("NOTIFY_", "ODEN_", "JOURNAL_")
        return {name: value for name, value in os.environ.items() if not name.startswith(ours)}

    def start(self, module: str = "gateway") -> None:
        """By another module than the gateway's own, where one is given."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", module, "run", "-c", "gateway.yaml"]
            environment = self.environment() | {"PYTHONPATH": str(ROOT)}
            self.process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)
        wait_for(lambda: self.get("/healthz")[0] == 200)

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def logged(self, event: str) -> int:
        return sum(f'"{event}"' in line for line in whole_lines(self.log))

    def get(self, path: str, token: str = "", method: str = "GET") -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = base64.b64encode(f"edge:{token}".encode()).decode()
        try:
            connection.request(method, path, headers={"Authorization": f"Basic {given}"} if token else {})
            answer = connection.getresponse()
            body = str(answer.getheaders()).encode() + answer.read()
        except OSError:
            return 0, b""
        finally:
            connection.close()
        self.said[f"{method} {path} {bool(token)} {len(self.said)}"] = body
        return answer.status, body

    def command(self, *words: str, code: int | None = 0) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *words, "-c", "gateway.yaml"],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert code is None or done.returncode == code, (words, done.stdout, done.stderr)
        self.said[f"{' '.join(words)} {len(self.said)}"] = done.stdout + done.stderr

    def everything(self) -> dict[str, bytes]:
        """By where it stands, whatever was written or answered, but for where the secrets belong."""
        kept = {self.folder / "gateway.yaml", *(self.folder / "secrets").iterdir()}
        files = {str(path): path.read_bytes() for path in self.folder.rglob("*") if path.is_file() and path not in kept}
        for path in self.folder.glob("*.tar.gz"):
            with tarfile.open(path) as archive:
                for member in archive:
                    content = archive.extractfile(member)
                    assert content is not None
                    files[f"{path}: {member.name}"] = content.read()
        return {"the log": self.log.read_bytes(), **files, **self.said}


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    with Mosquitto(tmp_path / "broker") as broker, echoing() as proxy:
        plant = Plant(tmp_path, broker, proxy)
        yield plant
        if plant.process is not None:
            plant.process.kill()
            plant.process.wait()


def forms_of(planted: str) -> list[bytes]:
    """As it is, and in base 64 wherever in a group of three bytes it begins."""
    whole = planted.encode()
    coded = [base64.b64encode(bytes(before) + whole)[4:-4] for before in (0, 1, 2)]
    return [whole, *coded]


def ask_everything(plant: Plant) -> None:
    for token in ("", plant.page):
        for path in ("/", "/wall", "/api/status", "/metrics", "/readyz", "/api/openapi.json", "/api/line?key=l1", "/x"):
            plant.get(path, token)
        plant.get("/api/actions/pause", token, "POST")
    for words in (
        ("check", "--expanded"),
        ("check", "--live", "--seconds", "1", "--json"),
        ("outbox", "list", "--json"),
        ("outbox", "export"),
        ("rejects", "list"),
        ("call", "line", "search", "--body", '{"match": "all"}'),
        ("check", "--strict"),
        ("tail", "--for", "1s"),
        ("tail", "floor", "--for", "1s", "--json"),
        ("browse", "--for", "1s"),
        ("browse", "floor", "--for", "1s", "--yaml"),
        ("browse", "plc", "--json"),
        ("record", "day.jsonl", "--for", "1s"),
        ("replay", "day.jsonl", "--json"),
        ("explain", "--last", "Line 01"),
        ("outbox", "stats"),
        ("outbox", "verify"),
        ("rejects", "show", "1"),
        ("clock", "show"),
        ("pki", "list"),
    ):
        plant.command(*words, code=None)


async def test_p8_every_planted_secret_is_found_nowhere(plant: Plant) -> None:
    """P8: whoever echoes it, whichever of them is new by a reload, and whatever is asked."""
    plant.start()
    wait_for(lambda: plant.logged("source_connected"))
    await plant.broker.publish("plant/order", '{"number": "4711"}')
    await plant.broker.publish("plant/order", '{"number": broken}')
    wait_for(lambda: Echo.asked > 5)  # each of its answers has come
    right = plant.configure("PlantedLater", "PlantedLater", "PlantedLater")
    plant.signal(signal.SIGHUP)
    wait_for(lambda: plant.logged("configuration_reloaded"))
    wrong = right.replace("password:", "passwort:").replace("actions_token: ", "actions_tokens: ")
    (plant.folder / "gateway.yaml").write_text(wrong)
    plant.signal(signal.SIGHUP)
    wait_for(lambda: plant.logged("configuration_refused"))
    plant.command("check", code=2)
    plant.command("support-bundle", "-o", "wrong.tar.gz")
    plant.get("/api/status", plant.page)
    (plant.folder / "gateway.yaml").write_text(right)
    plant.signal(signal.SIGHUP)
    wait_for(lambda: plant.logged("configuration_reloaded") > 1)
    ask_everything(plant)
    plant.command("support-bundle", "-o", "right.tar.gz")
    plant.command("outbox", "backup", "monday.backup")
    plant.signal(signal.SIGTERM)
    assert plant.process is not None
    assert plant.process.wait(PATIENCE) == 0
    everything = plant.everything()
    assert {"the log", str(plant.folder / "monday.backup"), str(plant.folder / "day.jsonl")} < everything.keys()
    assert found_in(everything) == set()


def found_in(everything: dict[str, bytes]) -> set[tuple[str, str]]:
    """What was planted, and where it stands."""
    return {
        (planted, where)
        for where, content in everything.items()
        for planted in (*PLANTED, IN_QUERIES)
        if any(form in content for form in forms_of(planted))
    }


@pytest.mark.parametrize("form", ["json", "text"])
async def test_p8_what_ends_badly_shows_no_secret(plant: Plant, form: str) -> None:
    """P8: neither a traceback, nor what is written of each thread when it is aborted, as by systemd's watchdog, or ends
    itself because its loop hangs. No memory is written to a file."""
    plant.configure("PlantedOden", "PlantedProxy", "PlantedBroker", form=form)
    plant.start("tests.broken_parts")
    assert plant.process is not None
    assert resource.prlimit(plant.process.pid, resource.RLIMIT_CORE) == (0, 0)
    await plant.broker.publish("plant/order", '{"number": "4711"}')
    wait_for(lambda: Echo.asked > 5)
    plant.configure("PlantedLater", "PlantedLater", "PlantedLater", form=form, wait="21s")
    plant.signal(signal.SIGHUP)
    wait_for(lambda: b"no more files" in plant.log.read_bytes())
    plant.get("/api/status", plant.page)
    plant.signal(signal.SIGABRT)
    assert plant.process.wait(PATIENCE) == -signal.SIGABRT
    plant.start("tests.hang_loop")
    plant.signal(signal.SIGUSR1)
    assert plant.process.wait(PATIENCE) == 1
    said = plant.log.read_text()
    assert "Fatal Python error: Aborted" in said
    assert said.count("most recent call first") > 2
    assert "Traceback" in said or '"frames"' in said
    assert found_in(plant.everything()) == set()


def test_p8_each_setting_that_can_hold_a_secret_has_one(plant: Plant) -> None:
    """None is left out of what is looked for here."""
    loaded, _ = read_config(plant.folder / "gateway.yaml", {})

    def settings(value: object) -> Iterator[object]:
        if isinstance(value, BaseModel):
            for name, info in type(value).model_fields.items():
                if SecretStr in alternatives(cast("Any", info.annotation)):
                    yield getattr(value, name)
                else:
                    yield from settings(getattr(value, name))
        elif isinstance(value, dict | list):
            for each in value.values() if isinstance(value, dict) else value:
                yield from settings(each)

    texts = [secret.get_secret_value() for secret in settings(loaded.config) if isinstance(secret, SecretStr)]
    assert len(texts) == len([*settings(loaded.config)]) == 6
    assert {word for text in texts for word in PLANTED if word in text} == {*PLANTED} - {"PlantedLater"}


async def test_p8_what_takes_up_a_session_stands_in_the_runtime_directory_alone(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P8: whoever has the token and the last nonce of a session with an OPC UA server is its user."""
    runtime, server = tmp_path / "run", OpcuaServer()
    runtime.mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(runtime))
    for counter in ("_counter", "_auth_counter"):  # from numbers that stand nowhere else
        monkeypatch.setattr(InternalSession, counter, {"_counter": 918_273_600, "_auth_counter": 817_263_500}[counter])
    await server.start(State=1)
    config = re.sub(r'url: "opc.tcp.*\n.*', f'url: "{server.url}", security: none}}', plant.configure("a", "b", "c"))
    (plant.folder / "gateway.yaml").write_text(config)
    try:
        await asyncio.to_thread(plant.start)
        await wait_until(lambda: plant.logged("source_connected") > 1)
        await asyncio.to_thread(ask_everything, plant)
        await asyncio.to_thread(plant.command, "support-bundle", "-o", "bundle.tar.gz")
        await asyncio.to_thread(plant.command, "outbox", "backup", "monday.backup")
        kept = json.loads((runtime / "opcua" / "plc.json").read_text())
        plant.signal(signal.SIGKILL)
        everything = await asyncio.to_thread(plant.everything)
    finally:
        await server.stop()
    number = kept["token"].removeprefix("i=")
    assert number.startswith("8172635")
    secrets = [number.encode(), b"9182736", kept["nonce"].encode(), bytes.fromhex(kept["nonce"])]
    assert str(plant.folder / "monday.backup") in everything
    assert [where for where, said in everything.items() if any(secret in said for secret in secrets)] == []


def test_what_is_looked_for_is_found_however_it_was_coded() -> None:
    """The forms are found in what has the secret in it, wherever."""
    for before in ("", "x", "xx"):
        coded = base64.b64encode(f"{before}PlantedOden and more".encode())
        assert any(form in coded for form in forms_of("PlantedOden"))
