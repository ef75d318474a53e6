"""SIGHUP: another configuration while the gateway runs. What differs is changed, and a wrong one changes nothing."""

import asyncio
import http.client
import json
import os
import random
import signal
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from gateway.cli.startup import read_config
from gateway.config.difference import Names, marks
from gateway.config.schema_process import PageTls
from gateway.control import ask
from gateway.control_places import places
from gateway.errors import ConfigFault
from gateway.live.look import SOURCE_LOOK, LookDifference, LookQuestion
from gateway.reload import Difference, difference, renamed, wanted
from gateway.simulator.oden.model import OdenModel
from gateway.simulator.oden.persistence import replay
from gateway.simulator.oden.store import Organization
from tests.peers import PATIENCE, Mosquitto, free_port, wait_for, wait_until
from tests.processes import end_all, status_json, whole_lines
from tests.status.test_tls import write

TOKEN = "t0k3n"
RELOADS = int(os.environ.get("ODEN_RELOADS", "8"))
"""Under load; `make campaign` makes 50."""
HEAD = """
oden: {{url: "http://127.0.0.1:{oden}/v2", token: t0k3n, rate: 50/s, allow_faster_for_tests: true{oden_more}}}
sources: {{floor: {{type: mqtt, url: "{broker}", client_id: reload{source_more}}}}}
outbox: {{directory: {folder}/outbox{outbox_more}}}
status: {{listen: "127.0.0.1:{status}"}}
lines:
"""
LINE = """
  - factory: Factory A
    line: {name}
    {more}
    inputs:
      order: {{source: floor, topic: "{topic}/order", field: number}}
      scrap: {{source: floor, topic: "{topic}/scrap"}}
    run: {{key: order, product: {product}, name: "{{order}}", settle: 0s}}
    scrap_yield:
      every: 1s
      entries: [{{count: scrap.qty, raw_data: {{scrap: "{{n}}", scrap_code: "{{scrap.id}}"}}}}]
"""


class Plant:
    """A gateway between a broker and Oden's stand-in, and its configuration, of which parts can be changed."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        self.folder, self.broker = folder, broker
        self.oden, self.status_port = free_port(), free_port()
        self.ledger = folder / "ledger.jsonl"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.configure()

    def configure(self, *lines: dict[str, str], **more: str) -> None:
        values = {"oden_more": "", "source_more": "", "outbox_more": "", **more}
        text = HEAD.format(
            oden=self.oden, broker=self.broker.url, folder=self.folder, status=self.status_port, **values
        )
        for line in lines or ({},):
            text += LINE.format(**{"name": "Line 01", "topic": "l01", "product": "Film", "more": "", **line})
        (self.folder / "new.yaml").write_text(text)
        (self.folder / "new.yaml").rename(self.folder / "gateway.yaml")

    def start(self, *command: str, module: str = "gateway") -> subprocess.Popen[bytes]:
        with (self.folder / f"{command[0]}.log").open("ab") as log:
            environment = os.environ | {"ODEN_STAND_IN_TOKEN": TOKEN}
            process = subprocess.Popen(
                [sys.executable, "-m", module, *command], stdout=log, stderr=log, env=environment
            )
        self.processes.append(process)
        return process

    def up(self, module: str = "gateway") -> subprocess.Popen[bytes]:
        gateway = self.up_unconnected(module)
        wait_for(self.is_connected)
        return gateway

    def up_unconnected(self, module: str = "gateway") -> subprocess.Popen[bytes]:
        self.start("simulate", "oden", "--port", str(self.oden), "--ledger", str(self.ledger))
        gateway = self.start("run", "-c", str(self.folder / "gateway.yaml"), module=module)
        wait_for(lambda: self.status()["lines"])
        return gateway

    def status(self) -> Any:
        return status_json(self.status_port) or {"sources": [], "problem_details": [], "lines": []}

    def is_connected(self) -> bool:
        sources = self.status()["sources"]
        return bool(sources) and all(source["connected"] for source in sources)

    def log(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in whole_lines(self.folder / "run.log")]
        return [line for line in lines if line["event"] == event]

    def reload(self, gateway: subprocess.Popen[bytes]) -> dict[str, Any]:
        """Ask for it, and wait until it is done or refused; the line of the log that says so."""
        events = ("configuration_reloaded", "configuration_refused")
        before = sum(len(self.log(event)) for event in events)
        gateway.send_signal(signal.SIGHUP)
        wait_for(lambda: sum(len(self.log(event)) for event in events) > before)
        return max((line for event in events for line in self.log(event)), key=lambda line: str(line["timestamp"]))

    def model(self) -> OdenModel:
        return replay(self.ledger, Organization()) if self.ledger.exists() else OdenModel(Organization())

    def runs(self, line: str = "Line 01") -> list[tuple[str, bool]]:
        """Names of the runs at Oden, and whether they have ended."""
        return [(str(run.name), run.end is not None) for run in self.model().intervals("RUN", "Factory A", line)]

    def scrap(self, line: str = "Line 01") -> Counter[str]:
        """How often each scrap event was booked at Oden."""
        booked: Counter[str] = Counter()
        model = self.model()
        for run in model.intervals("RUN", "Factory A", line):
            for entry in model.output(run):
                booked[str(entry.raw_data["scrap_code"])] += int(str(entry.raw_data["scrap"]))
        return booked


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    with Mosquitto(tmp_path / "broker") as broker:
        plant = Plant(tmp_path, broker)
        yield plant
        end_all(plant.processes)


async def event(plant: Plant, topic: str, **fields: object) -> None:
    await plant.broker.publish(topic, json.dumps(fields))


async def test_p10_a_wrong_file_changes_nothing_and_is_said(plant: Plant) -> None:
    """P10: what ran runs on; the place of the mistake is in the log and on the page until a right file is read."""
    gateway = plant.up()
    text = (plant.folder / "gateway.yaml").read_text()
    (plant.folder / "gateway.yaml").write_text(text.replace("every: 1s", "every: soon"))
    said = plant.reload(gateway)
    assert said["event"] == "configuration_refused"
    assert "gateway.yaml:" in said["reason"]
    [problem] = [p for p in plant.status()["problem_details"] if p["kind"] == "configuration_refused"]
    assert "gateway.yaml:" in problem["text"]
    await event(plant, "l01/order", number="A")
    await wait_until(lambda: plant.runs() == [("A", False)])
    plant.configure()
    assert plant.reload(gateway)["event"] == "configuration_reloaded"
    await wait_until(lambda: not plant.status()["problem_details"])
    assert gateway.poll() is None


@pytest.mark.parametrize("more", [{"oden_more": ", timeout: 21s"}, {"source_more": ", keepalive: 21s"}])
async def test_p9_where_a_part_cannot_be_made_the_old_one_goes_on(plant: Plant, more: dict[str, str]) -> None:
    """P9: nothing was stopped by then; it is said with its reason until another configuration is gone over to."""
    gateway = plant.up("tests.broken_parts")
    plant.configure({}, {"name": "Line 02", "topic": "l02"}, **more)
    gateway.send_signal(signal.SIGHUP)
    await wait_until(lambda: "restart_needed" in [p["kind"] for p in plant.status()["problem_details"]])
    [problem] = [p for p in plant.status()["problem_details"] if p["kind"] == "restart_needed"]
    assert "no more files" in problem["text"] or "no such folder" in problem["text"]
    assert plant.log("task_failed")[0]["task"] == "reload"
    assert [line["line"] for line in plant.status()["lines"]] == ["Line 01"]
    await event(plant, "l01/order", number="A")
    await wait_until(lambda: plant.runs() == [("A", False)])
    plant.configure({}, {"name": "Line 02", "topic": "l02"}, oden_more=", timeout: 22s")
    assert plant.reload(gateway)["event"] == "configuration_reloaded"
    await wait_until(lambda: "restart_needed" not in [p["kind"] for p in plant.status()["problem_details"]])
    await wait_until(plant.is_connected)
    await event(plant, "l02/order", number="B")
    await wait_until(lambda: plant.runs("Line 02") == [("B", False)])


def certificate_of_the_page(plant: Plant) -> str | None:
    """As whom the page answers over TLS, with a page; None where it does not."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPSConnection("127.0.0.1", plant.status_port, timeout=PATIENCE, context=context)
        with closing(connection):
            connection.request("GET", "/readyz")
            shown = connection.sock.getpeercert(binary_form=True)
            if connection.getresponse().status == 200:
                return x509.load_der_x509_certificate(shown or b"").subject.rfc4514_string()
    return None


async def test_the_page_goes_over_to_tls_and_takes_renewed_files(plant: Plant) -> None:
    """By a reload, and back; renewed files need none. The lines go on meanwhile."""
    gateway = plant.up()
    files = PageTls(certificate=plant.folder / "page.pem", key=plant.folder / "page.key")
    write(files, "first")
    text = (plant.folder / "gateway.yaml").read_text()
    tls = text.replace("status: {listen", "status: {tls: {certificate: page.pem, key: page.key}, listen")
    assert tls != text
    (plant.folder / "gateway.yaml").write_text(tls)
    assert plant.reload(gateway)["page"] is True
    await wait_until(lambda: certificate_of_the_page(plant) == "CN=first")
    assert status_json(plant.status_port) is None
    await event(plant, "l01/order", number="A")
    write(files, "second")
    await wait_until(lambda: certificate_of_the_page(plant) == "CN=second")
    (plant.folder / "gateway.yaml").write_text(text)
    plant.reload(gateway)
    await wait_until(plant.is_connected)
    await wait_until(lambda: plant.runs() == [("A", False)])


async def test_a_line_comes_and_a_line_goes_while_the_others_work(plant: Plant) -> None:
    """The new line is mapped from then on, what waits of the one that is gone is delivered, and the run of the one that
    stays is the same."""
    gateway = plant.up()
    await event(plant, "l01/order", number="A")
    await wait_until(lambda: plant.runs() == [("A", False)])
    plant.configure({}, {"name": "Line 02", "topic": "l02"})
    said = plant.reload(gateway)
    assert (said["sources"], said["lines"]) == ("~floor", "+Factory A/Line 02")
    await wait_until(plant.is_connected)  # what is published before its topic is subscribed was never asked for
    await event(plant, "l02/order", number="B")
    await wait_until(lambda: plant.runs("Line 02") == [("B", False)])
    await wait_until(lambda: plant.status()["lines"][1]["waiting"] == 0)  # so that what waits next is the scrap
    await event(plant, "l02/scrap", qty=1, id="last")
    await wait_until(lambda: plant.status()["lines"][1]["waiting"] or plant.scrap("Line 02"))
    plant.configure({})
    plant.reload(gateway)
    await wait_until(lambda: plant.scrap("Line 02") == Counter(last=1))
    await event(plant, "l01/scrap", qty=1, id="x")
    await wait_until(lambda: plant.scrap() == Counter(x=1))
    assert plant.runs() == [("A", False)]


async def test_a_renamed_line_goes_on_with_its_run(plant: Plant) -> None:
    """Under another name alone it is refused, with what to write; with `renamed_from` the run that was on is ended
    by the one that follows, which begins under the new name."""
    gateway = plant.up()
    await event(plant, "l01/order", number="A")
    await wait_until(lambda: plant.runs() == [("A", False)])
    plant.configure({"name": "Line 03"})
    said = plant.reload(gateway)
    assert said["event"] == "configuration_refused"
    assert "write `renamed_from: Line 01`" in said["reason"]
    plant.configure({"name": "Line 03", "more": "renamed_from: Line 01"})
    assert plant.reload(gateway)["event"] == "configuration_reloaded"
    await event(plant, "l01/order", number="B")
    await wait_until(lambda: plant.runs("Line 03") == [("B", False)])
    [first] = plant.model().intervals("RUN", "Factory A", "Line 01")
    await wait_until(
        lambda: any(
            f'"id":"{first.id}"' in text.replace("\\", "").replace(" ", "") and "end" in text
            for text in whole_lines(plant.ledger)
        )
    )


async def test_what_counts_after_a_restart_is_said(plant: Plant) -> None:
    """A setting of the outbox changes nothing of what is open; the page says that it waits for a restart."""
    gateway = plant.up()
    plant.configure(outbox_more=", size_limit: 3 GB")
    assert plant.reload(gateway)["after_a_restart"] == "outbox.size_limit"
    await wait_until(lambda: [p["kind"] for p in plant.status()["problem_details"]] == ["restart_needed"])
    plant.configure()
    assert "after_a_restart" not in plant.reload(gateway)  # as it was at the start
    await wait_until(lambda: not plant.status()["problem_details"])


EXTRA = 'sources: {extra: {type: opcua, url: "opc.tcp://127.0.0.1:1", security: none}, '


async def test_whoever_asks_during_a_reload_is_answered_by_one_configuration(plant: Plant) -> None:
    """While sources and lines come and go and delivery changes: each question by the one before or the one after, none
    by half of each."""
    text = (plant.folder / "gateway.yaml").read_text()
    more = text.replace("sources: {", EXTRA, 1).replace("token: t0k3n", "token: t0k3n, timeout: 20s")
    more += LINE.format(name="Line 02", topic="l02", product="Film", more="")
    (plant.folder / "gateway.yaml").write_text(more)
    loaded, _ = read_config(plant.folder / "gateway.yaml", {})
    known = marks(loaded.config, loaded.lookups, loaded.schemas, "a")
    question = LookQuestion(seconds=0, salt="a", marks=known).model_dump(mode="json")
    directory, over = plant.folder / "outbox", False
    gateway, seen = plant.up_unconnected(), Counter[tuple[str, ...]]()

    async def asking() -> None:
        while not over:
            first, *looks = [item async for item in ask(directory, places(directory), "look", question)]
            differs = LookDifference.model_validate(first["differs"])
            names = tuple(SOURCE_LOOK.validate_python(item["look"]).name for item in looks)
            assert names == (("extra", "floor") if not differs.by_reload else ())  # floor has the topics of both lines
            assert differs.sources == (Names(changed=("floor",), new=("extra",)) if differs.by_reload else Names())
            assert differs.lines == (Names(new=("Factory A/Line 02",)) if differs.by_reload else Names())
            assert differs.oden is differs.by_reload
            seen[names] += 1

    asked = [asyncio.create_task(asking()) for _ in range(3)]
    for number in range(2 * RELOADS):
        (plant.folder / "gateway.yaml").write_text(more if number % 2 else text)
        assert (await asyncio.to_thread(plant.reload, gateway))["event"] == "configuration_reloaded"
    over = True
    await asyncio.gather(*asked)
    assert len(seen) == 2


async def test_p4_nothing_is_lost_or_doubled_over_reloads_under_load(plant: Plant) -> None:
    """P4: sources, lines and delivery are changed at random moments, while every event is of its own kind: each is at
    Oden once."""
    chance = random.Random(4)
    gateway = plant.up()
    await event(plant, "l01/order", number="A")
    sent = Counter[str]()
    for number in range(RELOADS):
        for part in range(chance.randrange(1, 30)):
            id_ = f"{number}-{part}"
            sent[id_] += 1
            await event(plant, "l01/scrap", qty=1, id=id_)
        plant.configure(
            {"product": chance.choice(["Film", "Foil"])},
            *([{"name": "Line 02", "topic": "l02"}] if chance.random() < 0.5 else []),
            oden_more=chance.choice(["", ", timeout: 20s"]),
            source_more=chance.choice(["", ", keepalive: 20s"]),
        )
        gateway.send_signal(signal.SIGHUP)
    await wait_until(lambda: plant.scrap().total() >= sent.total())
    gateway.send_signal(signal.SIGTERM)
    assert gateway.wait(PATIENCE) == 0
    assert plant.scrap() == sent
    assert [name for name, _ in plant.runs()] == ["A"]


BASE = {"name": "Line 01", "topic": "l01"}


def changes(plant: Plant, before: list[dict[str, str]], after: list[dict[str, str]], **more: str) -> Difference:
    """What differs between two configurations, the second with `more`."""
    plant.configure(*before)
    old, old_plans = read_config(plant.folder / "gateway.yaml", {})
    plant.configure(*after, **more)
    new, new_plans = read_config(plant.folder / "gateway.yaml", {})
    return difference(
        old.config, new.config, (wanted(old.config, old_plans), wanted(new.config, new_plans)), tables=False
    )


@pytest.fixture
def paper(tmp_path: Path) -> Plant:
    """A configuration of which nothing runs."""
    return Plant(tmp_path, Mosquitto(tmp_path / "broker"))


def test_the_same_is_no_difference(paper: Plant) -> None:
    """A reload of an unchanged file touches nothing."""
    assert changes(paper, [BASE], [BASE]) == Difference(Names(), Names(), delivery=False, page=False, restart=())


def test_only_what_differs_is_touched(paper: Plant) -> None:
    """A rule of a line leaves its source connected; another topic does not; delivery is its own matter."""
    assert changes(paper, [BASE], [{**BASE, "product": "Foil"}]) == Difference(
        Names(), Names(changed=("Factory A/Line 01",)), delivery=False, page=False, restart=()
    )
    assert changes(paper, [BASE], [{**BASE, "topic": "other"}]).sources == Names(changed=("floor",))
    assert changes(paper, [BASE], [BASE], oden_more=", timeout: 20s") == Difference(
        Names(), Names(), delivery=True, page=False, restart=()
    )
    for of_delivery in ("backlog: in_order", "ends: bulk", "updates: whole", "merge_span: 1m"):
        change = changes(paper, [BASE], [BASE], outbox_more=f", {of_delivery}")
        assert (change.delivery, change.restart) == (True, ())
    assert changes(paper, [BASE], [BASE], outbox_more=", min_free: 10%").restart == ("outbox.min_free",)


def test_a_line_that_only_seems_renamed(paper: Plant) -> None:
    """Another line with inputs of its own is no rename, nor is one that takes over less than half."""

    def found(after: dict[str, str]) -> list[ConfigFault]:
        paper.configure(BASE)
        old, old_plans = read_config(paper.folder / "gateway.yaml", {})
        paper.configure(after)
        new, new_plans = read_config(paper.folder / "gateway.yaml", {})
        return list(renamed(old.config, new.config, (old_plans, new_plans)))

    assert found({**BASE, "name": "Line 02", "topic": "l02"}) == []
    assert found(BASE) == []
    [fault] = found({**BASE, "name": "Line 02"})
    assert fault.loc == ("lines", 0, "line")
    assert found({**BASE, "name": "Line 02", "more": "renamed_from: Line 01"}) == []
