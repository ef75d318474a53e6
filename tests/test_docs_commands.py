"""What the README and docs/ say can be typed, as it stands and in a shell, beside a gateway that runs between the
simulated plant and the stand-in for Oden; what they show is so.
"""

import json
import shlex
import shutil
import subprocess
import textwrap
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.cli.startup import read_config
from tests.docs_chapters import FIRST, LETTERS, OPERATIONS, README, RESTORING, SIMULATOR, TRYING, Typed
from tests.docs_pages import ROOT, blocks
from tests.docs_rig import ENDS, Rig, rig_in
from tests.peers import PATIENCE, free_port, wait_for
from tests.processes import next_line, status_json

REFUSED = "NO-SUCH-ORDER"
"""What the stand-in refuses wherever it stands."""


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
        stand_in = rig.go_on(f"oden-gateway simulate oden --port {oden} --manner refuse={REFUSED}")
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
        '"all", …': '"all", "factory": {"name": "Factory A"}',
        "replay --json": "replay --json monday.jsonl",
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


def order_what_is_refused(rig: Rig) -> None:
    """Somebody orders what the stand-in refuses."""
    port = int(rig.words["mqtt://broker.plant-a.local"].rsplit(":")[-1])
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    said = json.dumps({"number": REFUSED, "sku": "Film", "at": datetime.now(UTC).isoformat()})
    client.publish("plant-a/L01/events/order", said, qos=1).wait_for_publish()
    client.disconnect()


def dead_letters(rig: Rig) -> Any:
    """As `outbox list` has them."""
    assert rig.type(Typed("oden-gateway outbox list --where dead --json > dead.json")) is None
    return json.loads((rig.folder / "dead.json").read_text())["records"]


def all_wrong(rig: Rig, chapter: tuple[Typed, ...]) -> list[str]:
    """What is wrong with them, typed one after another."""
    return [wrong for typed in chapter if (wrong := rig.type(typed)) is not None]


def test_what_the_page_about_trying_says_can_be_typed(running: Rig) -> None:
    """docs/trying.md, templates.md and configuration.md, in their order."""
    recorded = next(place for place, typed in enumerate(TRYING) if " record " in typed.command) + 1
    assert all_wrong(running, TRYING[:recorded]) == []
    states = (
        {"at": 1_900_000_000.0 + at, "source": "press_plc", "address": "nsu=urn:acme:line;s=L01.State", "value": value}
        for at, value in ((0, 1), (60, 3), (120, 1))
    )
    with (running.folder / "monday.jsonl").open("a") as recording:  # a long time in which something happens
        recording.writelines(f"{json.dumps(state)}\n" for state in states)
    assert all_wrong(running, TRYING[recorded:]) == []


def test_what_the_pages_say_of_a_gateway_that_runs_can_be_typed(running: Rig) -> None:
    """docs/operations.md, oden-client.md, opcua.md, in their order; last of all the backup is put back."""
    assert all_wrong(running, OPERATIONS) == []
    running.processes[-1].terminate()
    running.processes[-1].wait(PATIENCE)
    assert all_wrong(running, RESTORING) == []


def test_what_oden_has_refused_is_seen_to_as_the_page_says(running: Rig) -> None:
    """docs/operations.md: a dead letter is mended, is no record of another kind, and is given up."""
    order_what_is_refused(running)
    wait_for(lambda: dead_letters(running))
    assert all_wrong(running, LETTERS[:2]) == []
    wait_for(lambda: dead_letters(running))  # nothing was mended
    running.words = {**running.words, "drop KEY": "drop KEY --yes", "KEY": dead_letters(running)[0]["record"]["key"]}
    assert all_wrong(running, LETTERS[2:]) == []


def test_what_the_pages_say_of_the_stand_ins_can_be_typed(opened: Rig) -> None:
    """docs/simulator.md. One after another: each stand-in has the port."""
    first, second, *rest = SIMULATOR[1:]
    assert all_wrong(opened, (SIMULATOR[0], first)) == []
    opened.end()
    assert all_wrong(opened, (second, *rest)) == []


def test_a_first_configuration_can_be_made_as_the_pages_say(talking: Rig) -> None:
    """docs/trying.md: `init` in an empty folder."""
    assert all_wrong(talking, FIRST) == []


def repository_of(files: Path, folder: Path) -> Path:
    """A repository of just these files: an archive has none, and not everybody may clone that of another."""
    git = ["git", f"--git-dir={folder}", f"--work-tree={files}", "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], ["-c", "commit.gpgSign=false", "commit", "-q", "-m", "all"]):
        subprocess.run([*git, *words], cwd=files, check=True, timeout=PATIENCE)
    return folder


def test_the_readme_can_be_typed(opened: Rig, tmp_path_factory: pytest.TempPathFactory) -> None:
    """From the clone on, in which `make demo` has all it needs, to the first own line: what the stand-in gets is in the
    ledger."""
    repository = repository_of(ROOT, tmp_path_factory.mktemp("repository"))
    opened.words = {**opened.words, "<this repository>": f"--quiet {shlex.quote(str(repository))}"}
    shutil.copytree(ROOT / "config", opened.folder / "config")
    (opened.folder / ".venv").mkdir()
    (opened.folder / ".venv" / "bin").symlink_to(opened.folder.parent / "bin")
    opened.environment["ODEN_GATEWAY_STATUS__LISTEN"] = f"127.0.0.1:{free_port()}"
    assert all_wrong(opened, README) == []
    ledger = opened.folder / "my-plant" / "requests.jsonl"
    wait_for(lambda: ledger.exists() and "interval/set" in ledger.read_text())
    assert opened.type(Typed("make -n -C oden-gateway demo", "demo")) is None


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
