"""Every command and block of the README and docs/ has a home: a test that runs it, or a reason why none can.

Most run here as they stand, in a shell, beside a gateway that runs between the simulated plant and the stand-in for
Oden: only what `Rig.words` says is another word than on the page. The commands of an installation run on a machine
that is made for them: `packaging/stories`, which `make package` boots.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.__main__ import main
from gateway.cli.startup import read_config
from tests.docs_pages import blocks, commands, lines_of
from tests.mapping.test_mapping_page import examples
from tests.peers import PATIENCE, free_port, wait_for
from tests.processes import next_line, status_json

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Typed:
    """A command as a page has it; something that it says, and how it ends. One that goes on is left to."""

    command: str
    says: str = ""
    code: int = 0
    goes_on: bool = False


TRYING = (
    Typed("oden-gateway browse opc.tcp://10.1.4.20:4840", "L01.State"),
    Typed("oden-gateway browse mqtt://broker.plant-a.local --seconds 60", "events/note"),
    Typed("oden-gateway browse -c gateway.yaml press_plc --from /Objects/2:Press --match good", "Good"),
    Typed("oden-gateway check -c gateway.yaml --live", "press_plc"),
    Typed("oden-gateway tail -c gateway.yaml", "state"),
    Typed("oden-gateway tail -c gateway.yaml floor --for 1m --json"),
    Typed("oden-gateway record -c gateway.yaml monday.jsonl --for 8h", "samples in"),
    Typed("oden-gateway replay -c gateway.yaml monday.jsonl > monday.txt"),
    Typed("oden-gateway replay -c gateway.yaml monday.jsonl --expect monday.txt"),
    Typed('oden-gateway explain --last "Line 01"', "Line 01"),
    Typed('oden-gateway explain -c gateway.yaml --recording monday.jsonl --last "Line 01"', "Line 01"),
    Typed("oden-gateway test -c gateway.yaml", "an order starts a run"),
    Typed("oden-gateway test -c gateway.yaml --accept"),
    Typed("oden-gateway check --live", "press_plc"),
    Typed("oden-gateway check --expanded", "press_plc"),
    Typed("oden-gateway check -c FILE", "is right"),
)
"""docs/trying.md and docs/templates.md, beside a running gateway."""
OPERATIONS = (
    Typed("oden-gateway outbox list"),
    Typed("oden-gateway outbox list --where dead"),
    Typed("oden-gateway outbox list --where unsettled"),
    Typed("oden-gateway outbox list --where deleted"),
    Typed("oden-gateway outbox stats", "records"),
    Typed("oden-gateway outbox pause"),
    Typed("oden-gateway outbox resume"),
    Typed("oden-gateway outbox retry --all"),
    Typed("oden-gateway outbox retry --where unsettled"),
    Typed("oden-gateway outbox verify"),
    Typed("oden-gateway outbox backup FILE"),
    Typed("oden-gateway clock show", "NTP"),
    Typed("oden-gateway clock accept"),
    Typed("oden-gateway rejects list", "events/order"),
    Typed("oden-gateway rejects show 17", "not JSON at all"),
    Typed("oden-gateway check && sudo systemctl reload oden-gateway"),
    Typed("oden-gateway rejects replay --topic orders", "1 stays", 1),  # nothing was mended
    Typed("oden-gateway call --list", "line/search"),
    Typed(
        """oden-gateway call line search --body '{"factory": {"name": "Factory A"}, "match": "all"}'""",
        "Line 01",
    ),
    Typed("oden-gateway call interval set --body @run.json --json", "id"),
    Typed("oden-gateway call oql query --body @query.json --format csv", "4711"),
    Typed("oden-gateway call OBJECT ACTION --body …", "Line 01"),
    Typed("sudo oden-gateway pki create"),
    Typed("sudo oden-gateway pki trust THUMBPRINT --pki /var/lib/oden-gateway/pki", "no certificate", 1),
    Typed("oden-gateway pki export > oden-gateway.pem"),
    Typed("sudo oden-gateway support-bundle", ".tar.gz"),
    Typed("tar -xzf"),
    Typed("openssl rand -hex 16"),
    Typed("date -u"),
    Typed("df -h"),
    Typed("kill -HUP"),
    Typed("oden-gateway version", "oden-gateway"),
)
"""docs/operations.md, docs/oden-client.md and docs/opcua.md, beside the same gateway."""
SIMULATOR = (
    Typed("oden-gateway simulate oden --help", "--fault"),
    Typed("oden-gateway simulate oden --port 8400 --ledger oden.jsonl", goes_on=True),
    Typed(
        'oden-gateway simulate oden --port 8400 --admin-port 8401 --fault "close commit=5 at=interval/set chance=20%"',
        goes_on=True,
    ),
    Typed("""curl -d '{"kind": "error", "status": 503, "times": 3}' http://127.0.0.1:8401/faults"""),
    Typed("curl http://127.0.0.1:8401/faults", "503"),
    Typed("curl -X DELETE http://127.0.0.1:8401/faults"),
    Typed("""curl -d '{"range": "start"}' http://127.0.0.1:8401/manners""", "start"),
    Typed("oden-gateway simulate plant --opcua-port 48400 --mqtt-port 18800 --at-once", goes_on=True),
)
"""docs/simulator.md and docs/trying.md."""
FIRST = (
    Typed(
        "oden-gateway init --opcua opc.tcp://10.1.4.20:4840 --mqtt mqtt://broker.plant-a.local "
        '--factory "Factory A" --line "Line 01"',
        "gateway.yaml",
    ),
    Typed("oden-gateway browse -c gateway.yaml plc", "L01.State"),
    Typed("oden-gateway init", "gateway.yaml exists already", 1),
)
"""docs/trying.md and the README, in an empty folder."""
README = (
    Typed("mkdir -p -m 700 my-plant/secrets && cp config/gateway.yaml my-plant/"),
    Typed("echo demo-token > my-plant/secrets/oden_token"),
    Typed(".venv/bin/oden-gateway check -c my-plant/gateway.yaml", "is right"),
    Typed(".venv/bin/oden-gateway simulate plant --opcua-port 48400 --mqtt-port 18800", goes_on=True),
    Typed(".venv/bin/oden-gateway simulate oden --port 8400 --ledger my-plant/requests.jsonl", goes_on=True),
    Typed(
        "ODEN_GATEWAY_ODEN__URL=http://127.0.0.1:8400/v2 ODEN_GATEWAY_OUTBOX__DIRECTORY=trial "
        "ODEN_GATEWAY_SOURCES__PRESS_PLC__URL=opc.tcp://127.0.0.1:48400 "
        "ODEN_GATEWAY_SOURCES__FLOOR__URL=mqtt://127.0.0.1:18800 .venv/bin/oden-gateway run -c my-plant/gateway.yaml",
        goes_on=True,
    ),
)
RESTORING = (Typed("oden-gateway outbox restore FILE"),)
"""docs/operations.md, once the gateway stands."""
CHAPTERS = {
    "trying": TRYING,
    "operations": OPERATIONS,
    "simulator": SIMULATOR,
    "first": FIRST,
    "readme": README,
    "restoring": RESTORING,
}

STORIES = {
    "sudo apt install ./": "install",
    "sudo apt remove oden-gateway": "install",
    "systemctl status oden-gateway": "install",
    "systemctl status": "install",
    "sudo systemctl reload oden-gateway": "install",
    "sudo systemctl restart oden-gateway": "install",
    "sudo usermod -aG oden-gateway NAME": "install",
    "journalctl -u oden-gateway": "lib",
}
"""Commands in sentences that a story of packaging/stories runs, and which; `follow PAGE SECTION` there runs blocks."""
NEVER = {
    "git clone <this repository> oden-gateway && cd oden-gateway": "it has been done where a test runs",
    "docker compose up -d": "no container engine: packaging/image runs the image as the compose file says",
    "docker exec": "the same",
    "docker kill --signal HUP": "the same; packaging/image sends the signal",
    "sudo nano /etc/oden-gateway/gateway.yaml": "an editor: the page says what a person writes in it",
    "pip install": "the beginning of two lines that the page has whole, which the story by-hand runs",
}
MAKE = re.compile(r"(?:[A-Z_]+=\S+ )?make ([a-z]+)(?: [A-Z]+=\S+)*")
"""tests/packaging/test_makefile.py has make plan each target; what it runs is what the target is for."""
DEVELOPING = re.compile(r"(?:bash|(?:\.venv/bin/)?(?:python|pytest -q -n0))(?: -m)? (\S+)(?: .*)?")
"""Whoever changes the code calls these: that they are there is looked at."""


@dataclass(slots=True)
class Rig:
    """A folder in which commands are typed, with what they find there, and what a page's words mean in it."""

    folder: Path
    words: Mapping[str, str]
    environment: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def meant(self, command: str) -> str:
        for word, other in self.words.items():
            command = command.replace(word, other)
        return command

    def type(self, typed: Typed) -> str | None:
        """What is wrong with how the command went; None where nothing is. One that listens for some seconds is typed
        again until it has heard what it is to say: how much that is depends on what else the machine has to do."""
        command = self.meant(typed.command)
        deadline = time.monotonic() + PATIENCE
        while (wrong := self._type(typed, command)) and LISTENS.search(command) and time.monotonic() < deadline:
            pass
        return wrong

    def _type(self, typed: Typed, command: str) -> str | None:
        if typed.goes_on:
            process = self.go_on(command)
            said = next_line(process)
            return None if said and typed.says in said else f"{command}: it ended with {process.wait(PATIENCE)}"
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        said = done.stdout + done.stderr
        if done.returncode != typed.code or typed.says not in said:
            return f"{command}: exit code {done.returncode}\n{said[-600:]}"
        return None

    def go_on(self, command: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            ["bash", "-c", f"exec env {command}"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        return process

    def end(self) -> None:
        """End what goes on."""
        while self.processes:
            process = self.processes.pop()
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def program(folder: Path, name: str, text: str) -> None:
    """A program of the test's own."""
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)


CURL = """
import sys, urllib.request as u
words, data, method = sys.argv[1:], None, None
while words[0].startswith("-"):
    if words[0] == "-d":
        data = words[1].encode()
    else:
        method = words[1]
    words = words[2:]
headers = {"Content-Type": "application/json"}
sys.stdout.write(u.urlopen(u.Request(words[0], data, headers, method=method)).read().decode())
"""
ENDS = (
    ("--for 8h", "--for 2s"),
    ("--for 1m", "--for 1s"),
    ("--seconds 60", "--seconds 2"),
    ("--live", "--live --seconds 2"),
)
"""What a person ends by Ctrl-C, or waits for longer than a test should."""


LISTENS = re.compile(r" (browse|check|tail) .*--(for|seconds) \d+s?\b")


def rig_in(place: Path) -> Rig:
    """An empty folder in `place`, and the programs that a page calls."""
    bin_ = place / "bin"
    bin_.mkdir()
    program(bin_, "oden-gateway", f'#!/bin/sh\nexec {sys.executable} -m gateway "$@"\n')
    program(bin_, "sudo", '#!/bin/sh\nexec "$@"\n')
    program(bin_, "systemctl", f'#!/bin/sh\n[ "$1" = reload ] && kill -HUP $(cat {place}/pid)\n')
    program(bin_, "curl", f"#!{sys.executable}\n{CURL}")
    folder = place / "here"
    folder.mkdir()
    ports = {port: str(free_port()) for port in ("48400", "18800", "8400", "8401")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ODEN_")}
    return Rig(folder, ports, {**kept, "PATH": f"{bin_}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)})


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Rig]:
    """An empty folder, in which nothing runs yet."""
    rig = rig_in(tmp_path)
    yield rig
    rig.end()


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The simulated plant and the stand-in for Oden run for all tests: their addresses, for those on the pages."""
    rig = rig_in(tmp_path_factory.mktemp("stand-ins"))
    opcua, broker, oden = (rig.words[port] for port in ("48400", "18800", "8400"))
    try:
        plant = rig.go_on(f"oden-gateway simulate plant --at-once --opcua-port {opcua} --mqtt-port {broker}")
        stand_in = rig.go_on(f"oden-gateway simulate oden --port {oden}")
        for process in (plant, stand_in):
            assert next_line(process)
        yield {
            "opc.tcp://10.1.4.20:4840": f"opc.tcp://127.0.0.1:{opcua}",
            "mqtt://broker.plant-a.local": f"mqtt://127.0.0.1:{broker}",
            "https://api.oden.app/v2": f"http://127.0.0.1:{oden}/v2",
        }
    finally:
        rig.end()


@pytest.fixture
def talking(opened: Rig, stand_ins: Mapping[str, str]) -> Iterator[Rig]:
    """An empty folder beside the stand-ins, and somebody who says something on the floor now and then."""
    opened.words = {**dict(ENDS), **stand_ins}
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    port = int(stand_ins["mqtt://broker.plant-a.local"].rsplit(":")[-1])
    client.connect("127.0.0.1", port)
    client.loop_start()
    ended = threading.Event()

    def talk() -> None:
        while not ended.wait(0.3):
            client.publish("plant-a/L01/events/note", json.dumps({"text": "all is quiet"}), qos=1)

    talker = threading.Thread(target=talk)
    talker.start()
    yield opened
    ended.set()
    talker.join()
    client.disconnect()
    client.loop_stop()


@pytest.fixture
def configured(talking: Rig) -> Rig:
    """config/gateway.yaml with their addresses, and a case."""
    rig = talking
    text = (ROOT / "config" / "gateway.yaml").read_text()
    for word in ("opc.tcp://10.1.4.20:4840", "mqtt://broker.plant-a.local"):
        text = text.replace(word, rig.words[word])
    text = text.replace("oden:\n", f"oden:\n  url: {rig.words['https://api.oden.app/v2']}\n", 1)
    text += f'outbox: {{directory: outbox}}\nstatus: {{listen: "127.0.0.1:{free_port()}"}}\n'
    (rig.folder / "gateway.yaml").write_text(text)
    (rig.folder / "secrets").mkdir(mode=0o700)
    (rig.folder / "secrets" / "oden_token").write_text("demo-token")
    (rig.folder / "secrets" / "oden_token").chmod(0o600)
    (case,) = (block.text for block in blocks() if (block.page, block.kind) == ("docs/trying.md", "yaml"))
    (rig.folder / "docs.test.yaml").write_text(case)
    return rig


@pytest.fixture
def running(configured: Rig) -> Rig:
    """The gateway runs by it, has an order that nobody understands, and a run."""
    rig = configured
    status = int((rig.folder / "gateway.yaml").read_text().rstrip().rpartition(":")[2].strip('"}'))
    (rig.folder / "run.json").write_text(json.dumps(RUN))
    (rig.folder / "query.json").write_text(json.dumps({"query": "SELECT * FROM RUN"}))
    gateway = rig.go_on("oden-gateway run -c gateway.yaml > gateway.log 2>&1")
    (rig.folder.parent / "pid").write_text(str(gateway.pid))

    def status_now() -> Mapping[str, object]:
        return status_json(status) or {}

    wait_for(lambda: status_now().get("records_total") and '"connected": true' in json.dumps(status_now()))
    port = int(rig.words["mqtt://broker.plant-a.local"].rsplit(":")[-1])
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish("plant-a/L01/events/order", "not JSON at all", qos=1).wait_for_publish()
    client.disconnect()
    wait_for(lambda: "not JSON at all" in json.dumps(status_now()) or "is not JSON" in json.dumps(status_now()))
    rig.words = {
        **rig.words,
        "tail -c gateway.yaml": "tail -c gateway.yaml --for 1s",
        "--for 1s floor --for 1s": "floor --for 1s",
        "/Objects/2:Press": "i=85",
        "check -c FILE": "check -c gateway.yaml",
        "backup FILE": "backup outbox.backup",
        "restore FILE": "restore outbox.backup",
        "show 17": "show 1",
        "--topic orders": "--topic order",
        "OBJECT ACTION --body …": """line search --body '{"factory": {"name": "Factory A"}, "match": "all"}'""",
        "THUMBPRINT": 64 * "0",
        "/var/lib/oden-gateway/pki": "pki",
        "pki create": "pki create --pki pki",
        "pki export": "pki export --pki pki",
        "tar -xzf": "tar -xzf *.tar.gz",
        "kill -HUP": f"kill -HUP {gateway.pid}",
    }
    return rig


RUN = {
    "type": {"name": "RUN"},
    "line": {"name": "Line 02", "factory": {"name": "Factory A"}},
    "name": "4711",
    "start_time": "2026-01-05T06:00:00Z",
    "metadata": {"product": {"name": "Film"}},
}


def all_wrong(rig: Rig, chapter: tuple[Typed, ...]) -> list[str]:
    """What is wrong with them, typed one after another."""
    return [wrong for typed in chapter if (wrong := rig.type(typed)) is not None]


def test_what_the_pages_say_of_a_gateway_that_runs_can_be_typed(running: Rig) -> None:
    """docs/trying.md, operations.md, oden-client.md, opcua.md, in their order; last of all the backup is put back."""
    recorded = next(place for place, typed in enumerate(TRYING) if " record " in typed.command) + 1
    assert all_wrong(running, TRYING[:recorded]) == []
    states = (
        {"at": 1_900_000_000.0 + at, "source": "press_plc", "address": "nsu=urn:acme:line;s=L01.State", "value": value}
        for at, value in ((0, 1), (60, 3), (120, 1))
    )
    with (running.folder / "monday.jsonl").open("a") as recording:  # a long time in which something happens
        recording.writelines(f"{json.dumps(state)}\n" for state in states)
    assert all_wrong(running, TRYING[recorded:]) == []
    assert all_wrong(running, OPERATIONS) == []
    running.processes[-1].terminate()
    running.processes[-1].wait(PATIENCE)
    assert all_wrong(running, RESTORING) == []


def test_what_the_pages_say_of_the_stand_ins_can_be_typed(opened: Rig) -> None:
    """docs/simulator.md. One after another: each stand-in has the port."""
    first, second, *rest = SIMULATOR[1:]
    assert all_wrong(opened, (SIMULATOR[0], first)) == []
    opened.end()
    assert all_wrong(opened, (second, *rest)) == []


def test_a_first_configuration_can_be_made_as_the_pages_say(talking: Rig) -> None:
    """docs/trying.md: `init` in an empty folder."""
    assert all_wrong(talking, FIRST) == []


def test_the_readme_can_be_typed(opened: Rig) -> None:
    """The first own line: what the stand-in gets is in the ledger."""
    shutil.copytree(ROOT / "config", opened.folder / "config")
    (opened.folder / ".venv").mkdir()
    (opened.folder / ".venv" / "bin").symlink_to(opened.folder.parent / "bin")
    opened.environment["ODEN_GATEWAY_STATUS__LISTEN"] = f"127.0.0.1:{free_port()}"
    assert all_wrong(opened, README) == []
    ledger = opened.folder / "my-plant" / "requests.jsonl"
    wait_for(lambda: ledger.exists() and "interval/set" in ledger.read_text())


def steps_of(story: str) -> set[str]:
    """The commands of the sections of docs/ that a story follows."""
    text = (ROOT / "packaging" / "stories" / story).read_text()
    found: set[str] = set()
    for page, section in re.findall(r'^(?:follow|commands) (\S+) "([^"]+)"', text, re.MULTILINE):
        part = re.split(rf"^#+ {re.escape(section)}$", (ROOT / "docs" / page).read_text(), flags=re.MULTILINE)[1]
        for block in re.findall(
            r"^```sh\n(.*?)^```", re.split(r"^#+ ", part, flags=re.MULTILINE)[0], re.DOTALL | re.MULTILINE
        ):
            found.update(lines_of(block))
    if "docs/log.md" in text:
        found.update(line for block in blocks() if block.page == "docs/log.md" for line in lines_of(block.text))
    return found


def names_of_commands() -> list[str]:
    """What a sentence says of a command by its name alone: no option, no value."""
    typed = {one.command for chapter in CHAPTERS.values() for one in chapter}
    plain = re.compile(r"oden-gateway(?: [a-z][a-z-]*)+")
    return sorted({command for _, command in commands() if plain.fullmatch(command)} - typed)


@pytest.mark.parametrize("command", names_of_commands())
def test_a_command_that_is_named_says_how_it_is_used(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`oden-gateway outbox`, for instance: its help begins with it."""
    with pytest.raises(SystemExit) as ended:
        main([*command.split()[1:], "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {command} ")


def test_every_command_has_a_home() -> None:
    """A test that types it, a story that runs it, a target of make, or a reason; and nothing here is on no page."""
    found = {command for _, command in commands()}
    typed = {one.command for chapter in CHAPTERS.values() for one in chapter}
    told = {step for story in ("install", "by-hand") for step in steps_of(story)}
    homes = typed | told | STORIES.keys() | NEVER.keys() | set(names_of_commands())
    homeless = {one for one in found - homes if not MAKE.fullmatch(one) and not DEVELOPING.fullmatch(one)}
    assert homeless == set()
    assert (typed | STORIES.keys() | NEVER.keys()) - found == set()


@pytest.mark.parametrize("command", STORIES)
def test_a_story_has_the_command(command: str) -> None:
    """Without `sudo`, as root types it there."""
    text = (ROOT / "packaging" / "stories" / STORIES[command]).read_text()
    assert command.removeprefix("sudo ").removesuffix(" NAME").replace("apt remove", "apt-get remove -y") in (
        text.replace("apt-get install -y --reinstall --allow-downgrades ./", "apt install ./")
    )


def test_what_developers_call_is_there() -> None:
    """The module or file that each command names."""
    for page, command in commands():
        if named := DEVELOPING.fullmatch(command):
            assert (ROOT / named[1]).exists() or importlib.util.find_spec(named[1]), f"{page}: {command}"


BLOCKS = {
    ("README.md", ""): "a picture",
    ("README.md", "yaml"): "tests/config/test_readme.py::test_the_example_in_the_readme_is_right",
    ("docs/mapping.md", "yaml"): "tests/mapping/test_mapping_page.py::test_example_can_be_copied",
    ("docs/templates.md", "yaml"): "tests/config/test_templates.py::test_the_page_about_templates_is_right",
    ("docs/templates.md", "csv"): "tests/config/test_templates.py::test_the_page_about_templates_is_right",
    ("docs/oden-client.md", "python"): "tests/oden/test_objects.py::test_the_example_of_the_documentation",
    ("docs/opcua.md", "yaml"): "tests/test_docs_commands.py::test_the_examples_of_the_page_about_opc_ua_are_right",
    ("docs/simulator.md", "yaml"): "tests/test_docs_commands.py::test_the_plant_of_the_page_about_the_stand_in_is_one",
    (
        "docs/trying.md",
        "yaml",
    ): "tests/test_docs_commands.py::test_what_the_pages_say_of_a_gateway_that_runs_can_be_typed",
    ("docs/trying.md", ""): "tests/test_docs_commands.py::test_what_check_is_shown_to_say_is_what_it_says",
}
"""By page and kind, the test of each block that is not for the shell, all of that kind on the page."""


def test_every_block_has_a_home() -> None:
    """Blocks for the shell are commands, which have theirs; each other kind on a page has a test that is there."""
    others = {(block.page, block.kind) for block in blocks() if block.kind != "sh"}
    assert others == BLOCKS.keys()
    for home in BLOCKS.values():
        path, _, name = home.partition("::")
        assert home == "a picture" or f"def {name}(" in (ROOT / path).read_text(), home
    mapping = [block for block in blocks() if (block.page, block.kind) == ("docs/mapping.md", "yaml")]
    assert len(mapping) == len(examples()), "a section of docs/mapping.md that its test does not know"


def test_what_check_is_shown_to_say_is_what_it_says(configured: Rig) -> None:
    """docs/trying.md shows a tag that the server refuses, and what to do about it."""
    (shown,) = texts("docs/trying.md", "")
    wrong, cure = shown.splitlines()[:2]
    config = configured.folder / "gateway.yaml"  # no gateway runs: it would look, by what it runs by
    config.write_text(config.read_text().replace("s=L01.Good", "s=L01.Goood"))
    done = Typed("oden-gateway check -c gateway.yaml --live", wrong.strip(), 1)
    assert configured.type(done) is None
    cured = cure.strip().replace(" plc ", " press_plc ")
    assert configured.type(Typed("oden-gateway check -c gateway.yaml --live ", cured, 1)) is None


def texts(page: str, kind: str) -> list[str]:
    return [block.text for block in blocks() if (block.page, block.kind) == (page, kind)]


def test_the_examples_of_the_page_about_opc_ua_are_right(tmp_path: Path) -> None:
    """The source passes the check; inputs and states of alarms make a line on it."""
    source, line = texts("docs/opcua.md", "yaml")
    head = "oden: {token: x}\n" + source.replace("${secret:press_plc}", "secret")
    indented = textwrap.indent(line, "    ").replace(
        "    inputs:\n", "    inputs:\n      running: {source: press_plc, node: i=1}\n"
    )
    text = f"{head}lines:\n  - factory: Factory A\n    line: Line 01\n{indented}"
    (tmp_path / "gateway.yaml").write_text(text)
    loaded, plans = read_config(tmp_path / "gateway.yaml", {})
    assert len(plans) == len(loaded.config.lines) == 1


def test_the_plant_of_the_page_about_the_stand_in_is_one(opened: Rig) -> None:
    """`simulate oden --plant` takes it and listens."""
    (plant,) = texts("docs/simulator.md", "yaml")
    (opened.folder / "plant.yaml").write_text(plant)
    assert (
        opened.type(Typed("oden-gateway simulate oden --port 8400 --plant plant.yaml", "listens", goes_on=True)) is None
    )
