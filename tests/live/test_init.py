"""`oden-gateway init`: what it writes is right whatever was found, says what it is for, and overwrites nothing."""

import asyncio
import os
import pty
import re
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest_asyncio
from asyncua import ua
from asyncua.common.structures104 import new_enum
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cli.init import _next_steps, _of_one_machine, _outbox_of_right
from gateway.cli.startup import read_config
from gateway.live.first_config import FirstLine, first_configuration
from gateway.live.offer import Offer, Offers
from gateway.model import Scalar
from gateway.simulator.oden.persistence import replay
from gateway.simulator.oden.store import Organization
from gateway.simulator.plant import EVENT
from gateway.simulator.plant_server import ORDER_TOPIC, SCRAP_TOPIC
from gateway.simulator.truth import AUTO_REJECT, Account, oden_account, plant_account
from gateway.sources.found import Found, Metric, Topic, TreeNode
from tests.config.command import TOKEN, environment
from tests.live.site import Site
from tests.live.test_offer import METRICS, NODES, TOPICS, offers_of
from tests.peers import LINE, PATIENCE, Mosquitto, OpcuaServer, free_port, wait_until
from tests.processes import whole_lines

SOURCES = {
    "plc": {"type": "opcua", "url": "opc.tcp://127.0.0.1:4840", "security": "none"},
    "broker": {"type": "mqtt", "url": "mqtt://127.0.0.1", "client_id": "edge-1"},
}
ROLES: st.SearchStrategy[Found] = st.one_of(
    st.builds(
        lambda word, value: TreeNode(f"ns=2;s={word}", "", word, 1, variable=True, type="Int32", value=value),
        st.sampled_from(["State", "Order", "PartsGood", "Reject", "Product"]),
        st.one_of(st.integers(-5, 5), st.booleans(), st.text(max_size=5), st.floats(allow_nan=False), st.none()),
    ),
)

BOOKED: st.SearchStrategy[Found] = st.builds(
    lambda topic, fields: Topic(topic, 1, fields=fields),
    st.sampled_from(["a/scrap", "a/good", "b/scrap", "plant/L01/Scrap"]),
    st.dictionaries(
        st.sampled_from(["qty", "amount", "code", "reason", "at", "ts", "order.number", "x y", "qty.1"]),
        st.one_of(st.integers(-5, 5), st.just("2026-01-05T06:00:00Z"), st.just(1_767_592_800), st.booleans()),
        max_size=4,
    ),
)


def _text(offers: list[Offer], line: FirstLine = FirstLine("Factory A", "Line 01")) -> str:  # noqa: B008 - frozen
    return first_configuration(SOURCES, offers, line, "x.json")


@settings(max_examples=60)
@given(
    st.lists(st.one_of(ROLES, BOOKED, NODES, TOPICS, METRICS), min_size=1, max_size=40),
    st.text(min_size=1),
    st.text(min_size=1),
    st.lists(st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=5), max_size=2),
)
def test_whatever_was_found_makes_a_right_configuration(
    found: list[Found], factory: str, line: str, running: list[str]
) -> None:
    """One that the gateway takes as it is, whatever nodes, topics and names are called."""
    names: set[str] = set()
    plc, broker = Offers("plc", names), Offers("broker", names)
    offers = [offer for each in found for offer in (plc if isinstance(each, TreeNode) else broker).of(each)]
    if not offers or not (factory.isprintable() and line.isprintable()):
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.yaml"
        path.write_text(_text(offers, FirstLine(factory, line, running)), encoding="utf-8")
        loaded, plans = read_config(path, {"ODEN_GATEWAY_SECRET_ODEN_TOKEN": "x"})
    assert (plans[0].factory, plans[0].line) == (factory, line)
    assert loaded.config.lines[0].states is not None or loaded.config.lines[0].run is not None


def test_what_things_are_is_guessed_from_their_names() -> None:
    """An order makes runs, counters make output, a state its states; each with the value beside it."""
    found: list[Found] = [
        TreeNode("ns=2;s=Speed", "", "Speed", 1, variable=True, type="Double", value=1.5),
        TreeNode("ns=2;s=State", "", "State", 1, variable=True, type="Int32", value=3),
        TreeNode("ns=2;s=GoodParts", "", "GoodParts", 1, variable=True, type="UInt16", value=65530),
        Topic("plant-a/order", 1, fields={"order": "4711", "sku": "FILM"}),
        Metric("G/E/D", "Counts/Scrap", "Int32", 3),
    ]
    text = _text(offers_of(found))
    assert text.startswith("# yaml-language-server: $schema=x.json\n")
    for part in (
        'run: {key: order, name: "{order}", product: "{sku}"}',
        '- {count: good_parts, raw_data: {yield: "{n}"}}',
        '- {count: scrap, raw_data: {scrap: "{n}"}}',
        'good_parts: {source: "plc", node: "ns=2;s=GoodParts", counter: {rollover: 65536}}  # UInt16, 65530',
    ):
        assert part in text, text


def test_names_of_other_languages_are_understood_too() -> None:
    """As machines of other countries have them; a name of its own counts more than what it stands in."""
    found: list[Found] = [
        TreeNode("ns=2;s=M.Status.Text", "", "Text", 1, variable=True, type="String", value="Automatik"),
        TreeNode("ns=2;s=M.Status.Betriebsart", "", "Betriebsart", 1, variable=True, type="Int32", value=2),
        TreeNode("ns=2;s=M.Auftrag.Nummer", "", "Nummer", 1, variable=True, type="String", value="FA-1"),
        TreeNode("ns=2;s=M.Auftrag.Artikel", "", "Artikel", 1, variable=True, type="String", value="A"),
        TreeNode("ns=2;s=M.Zaehler.Stueckzahl", "", "Stückzahl", 1, variable=True, type="UInt32", value=1),
        Topic("werk/ausschuss", 1, fields={"menge": 2, "grund": "Grat", "zeit": 1_767_592_800_000}),
    ]
    text = _text(offers_of(found), FirstLine("Factory A", "Line 01", numbers={0: "Aus", 2: "Automatik"}))
    for part in (
        "input: betriebsart",
        "# At the server: 0 Aus, 2 Automatik",
        'run: {key: nummer, name: "{nummer}", product: "{artikel}"}',
        '- {count: stueckzahl, raw_data: {yield: "{n}"}}',
        '- {count: scrap.menge, raw_data: {scrap: "{n}", scrap_code: "{scrap.grund}"}}',
        'topic: "werk/ausschuss", time: "zeit"',
    ):
        assert part in text, text


def test_a_server_with_much_leaves_room_for_what_the_broker_has() -> None:
    found = [TreeNode(f"ns=2;s=P{n}", "", f"P{n}", 1, variable=True, type="Double", value=1.0) for n in range(200)]
    offers = [offer for each in found for offer in Offers("plc", set()).of(each)]
    topics = [Topic(f"a/t{n}", 1, fields={"": 1}) for n in range(200)]
    more = [offer for each in topics for offer in Offers("broker", set()).of(each)]
    text = _text([*offers, *more])
    assert (text.count('source: "plc"'), text.count('source: "broker"')) == (15, 15)
    assert "# 370 more that were found" in text


def test_what_a_state_means_is_not_guessed() -> None:
    """The value that was seen is none that runs because it was seen: only what somebody has said is told."""
    found: list[Found] = [TreeNode("ns=2;s=State", "", "State", 1, variable=True, type="Int32", value=3)]
    assert "codes: {TODO: {category: Uptime}}" in _text(offers_of(found))
    said = _text(offers_of(found), FirstLine("Factory A", "Line 01", ["1", "2"]))
    assert "codes: {1: {category: Uptime}, 2: {category: Uptime}}" in said
    assert 'other: {category: Unplanned Downtime, reason: "Code {state}"}' in said


def test_messages_that_book_scrap_are_counted_with_their_cause_and_time() -> None:
    """Beside a counter of rejects; neither their time nor their fields are inputs of their own."""
    fields: dict[str, Scalar] = {"qty": 3, "code": "Splice", "at": "2026-01-05T06:00:00.000+00:00"}
    found: list[Found] = [
        TreeNode("ns=2;s=Reject", "", "Reject", 1, variable=True, type="UInt16", value=0),
        Topic("plant-a/L01/order", 1, fields={"number": "4711", "sku": "FILM", "sent_at": 1_767_592_800}),
        Topic("plant-a/L01/scrap", 1, fields=fields),
    ]
    text = _text(offers_of(found))
    for part in (
        'number: {source: "plc", topic: "plant-a/L01/order", field: "number", time: "sent_at"}',
        'scrap: {source: "plc", topic: "plant-a/L01/scrap", time: "at"}  # qty: 3, code: "Splice"',
        '- {count: reject, raw_data: {scrap: "{n}"}}',
        '- {count: scrap.qty, raw_data: {scrap: "{n}", scrap_code: "{scrap.code}"}}',
    ):
        assert part in text, text
    assert not {"qty:", "code:", "at:", "sent_at:"} & {line.split()[0] for line in text.splitlines() if line.strip()}


@pytest_asyncio.fixture
async def server() -> AsyncIterator[OpcuaServer]:
    server = OpcuaServer()
    await server.start(L01__State=1, L01__Good=65530)
    yield server
    await server.stop()


def test_how_another_machine_is_taken() -> None:
    """By what the source can be asked for: nodes by their names, topics by a filter. Of Sparkplug it is shown."""
    metrics = Offers("broker", set())
    metric = [each for name in ("L01", "L02") for each in metrics.of(Metric(f"G/E/{name}", "Good", "Int32", 1))]
    topics = Offers("broker", set())
    topic = [each for name in ("L01", "L02") for each in topics.of(Topic(f"p/{name}/x", 1, fields={"good": 1}))]
    node = [Offer(name, {"node": f"ns=2;s={name}.Good"}, "", path=(name, "Good")) for name in ("L01", "L02")]
    said = [_of_one_machine({"source": offers})[1] for offers in (node, topic, metric)]
    begin = "source: L01 is taken, and not L02, which are like it: "
    ways = ("init --match L02", "init --topics 'p/L02/#'", "browse --yaml shows their inputs")
    assert said == [[begin + way] for way in ways]


def test_the_folder_that_a_trial_leaves_is_that_of_the_file(tmp_path: Path) -> None:
    """Also where the file does not name it, as in the service's own folder."""
    path = tmp_path / "gateway.yaml"
    path.write_text(_text(offers_of([TreeNode("ns=2;s=State", "", "State", 1, variable=True, type="Int32", value=1)])))
    outbox = _outbox_of_right(path)
    assert outbox == Path("/var/lib/oden-gateway")
    assert f"once the folder {outbox} is emptied" in _next_steps(path, outbox, 1, 1)


async def test_from_nothing_to_a_file_that_check_takes(server: OpcuaServer, tmp_path: Path) -> None:
    """By options; what is next is said; a second time nothing is overwritten unless that is said, and nothing else is
    touched; without a source it says what it needs."""
    site = Site(tmp_path)
    folder = site.config.parent
    folder.mkdir()
    with Mosquitto(tmp_path / "broker") as broker:
        await broker.publish("plant-a/L01/order", '{"order": "4711", "sku": "FILM"}', retain=True)
        options = ("--opcua", server.url, "--mqtt", broker.url, "--seconds", "1")

        def heard() -> bool:
            """Whether the second was long enough for what the broker keeps."""
            return site.config.exists() and "plant-a/L01/order" in site.config.read_text()

        first = ("init", *options, "--overwrite", "--factory", "Factory B", "--line", "Line 02")
        made = await site.until(lambda answer: answer.code == 0 and heard(), *first)
        assert made.code == 0, made
        assert "oden-gateway check -c gateway.yaml --live" in made.output
        assert f"once the folder {folder / 'outbox'} is emptied" in made.output
        (folder / "secrets").mkdir()
        (folder / "secrets" / "oden_token").write_text("x\n")
        checked = await site.run("check", "-c", "gateway.yaml")
        assert checked.code == 0, checked
        assert "Line 02 of Factory B" in checked.output
        assert f"keeps in {folder / 'outbox'} what" in checked.output
        left = [problem for problem in checked.problems if "still to be done: what each value of state" in problem]
        assert len(left) == 1, checked.problems
        before = site.config.read_text()
        again = await site.run("init", *options)
        assert (again.code, site.config.read_text()) == (1, before)
        assert "exists already" in again.problems[-1]
        replaced = await site.run("init", *options, "--overwrite", "--line", "Line 03")
        assert (replaced.code, "Line 03" in site.config.read_text()) == (0, True)
        topics = ("--match", "*.Nothing", "--topics", "plant-a/L01/#")
        of_one = await site.until(lambda answer: answer.code == 0 and heard(), "init", *options, "--overwrite", *topics)
        assert of_one.code == 0, of_one
        assert "plc: nothing was found that matches" in of_one.problems
        written = site.config.read_text()
        assert ('source: "plc", node' in written, "plant-a/L01/order" in written) == (False, True)
    nothing = await site.run("init", "--output", "other.yaml")
    assert (nothing.code, (folder / "other.yaml").exists()) == (2, False)
    wrong = await site.run("init", "--opcua", "http://127.0.0.1", "--output", "other.yaml")
    assert (wrong.code, "is no address" in wrong.problems[-1]) == (1, True)
    assert server.asked_to_act == []


async def test_of_many_machines_one_is_taken_and_the_others_are_named(tmp_path: Path) -> None:
    """Nothing of two machines is put together, at server and broker; what the values of its state are called is read;
    the option that is named takes another."""
    site, server = Site(tmp_path), OpcuaServer()
    site.config.parent.mkdir()
    await server.start()
    index = await server.server.get_namespace_index(LINE)
    modes = await new_enum(server.server, index, "Modes", ["Off", "Setup", "Production"])
    for number, value in ((1, 7), (2, 2), (3, 1)):
        await server.add(f"M{number:02}.Order", f"O-{number}")
        if number == 1:
            await server.add("M01.Text", 7)
        place = ua.NodeId(ua.String(f"M{number:02}.Mode"), ua.Int16(index))
        mode = ua.Variant(value, ua.VariantType.Int32)
        await server.server.nodes.objects.add_variable(place, f"M{number:02}.Mode", mode, datatype=modes.nodeid)
    try:
        with Mosquitto(tmp_path / "broker") as broker:
            for number in (1, 2, 3):
                await broker.publish(f"hall/m{number}/scrap", '{"qty": 1}', retain=True)
                await broker.publish(f"hall/m{number}/speed", "1.5", retain=True)
            options = ("init", "--opcua", server.url, "--mqtt", broker.url, "--seconds", "2", "--overwrite")

            def machines() -> set[tuple[str, str]]:
                """Of which nodes and topics the file is."""
                return set(re.findall(r"s=(M\d\d)\.|hall/(m\d)/", re.sub("#.*", "", site.config.read_text())))

            made = await site.until(lambda _: machines() == {("M01", ""), ("", "m1")}, *options)
            assert machines() == {("M01", ""), ("", "m1")}
            assert "# At the server: 0 Off, 1 Setup, 2 Production" in site.config.read_text()
            assert "plc: M01 is taken, and not M02, M03, which are like it: init --match M02" in made.problems
            told = next(each for each in made.problems if each.startswith("broker: m1 is taken"))
            another = ("--match", "M02", *shlex.split(told.rpartition("init ")[2]))
            await site.until(lambda _: machines() == {("M02", ""), ("", "m2")}, *options, *another)
            assert machines() == {("M02", ""), ("", "m2")}
            await site.until(lambda _: machines() == {("M03", ""), ("", "m3")}, *options, "--match", "M03")
            assert machines() == {("M03", ""), ("", "m3")}  # the topics are those of the same machine
    finally:
        await server.stop()


async def test_it_asks_for_what_is_not_given(server: OpcuaServer, tmp_path: Path) -> None:
    """On a terminal, question by question; an empty answer is none."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "init"),
        stdin=theirs,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    os.close(theirs)
    os.write(ours, f"{server.url}\n\nFactory A\nLine 01\n1, 2\n".encode())
    async with asyncio.timeout(PATIENCE):
        output, asked = await process.communicate()
    os.close(ours)
    assert process.returncode == 0, asked
    assert asked.decode().count(": ") >= 5
    written = (tmp_path / "gateway.yaml").read_text()
    assert 'line: "Line 01"' in written
    assert "codes: {1: {category: Uptime}, 2: {category: Uptime}}" in written
    assert b"gateway.yaml is written" in output


async def test_what_it_writes_tells_oden_what_the_plant_made(tmp_path: Path) -> None:
    """From the addresses of the simulated plant alone: runs, good and scrapped parts are those that the plant made, and
    no state is told, because nobody has said what one means."""
    site = Site(tmp_path)
    site.configure("")
    opcua, mqtt, oden = free_port(), free_port(), free_port()
    ports = ("--opcua-port", str(opcua), "--mqtt-port", str(mqtt))
    try:
        await _line(site, "simulate", "plant", *ports, "--at-once")
        addresses = ("--opcua", f"opc.tcp://127.0.0.1:{opcua}", "--mqtt", f"mqtt://127.0.0.1:{mqtt}")

        def heard() -> bool:
            """Whether the time was long enough for an order and for scrap."""
            return all(topic in site.config.read_text() for topic in (ORDER_TOPIC, SCRAP_TOPIC))

        looking = ("init", *addresses, "--seconds", "20", "--overwrite")
        made = await site.until(lambda answer: answer.code == 0 and heard(), *looking)
        assert made.code == 0, made
        await site.end()
        checked = await site.run("check", "-c", "gateway.yaml")
        assert checked.code == 0, checked
        site.config.write_text(site.config.read_text() + f'status: {{listen: "127.0.0.1:{free_port()}"}}\n')
        await _line(site, "simulate", "oden", "--port", str(oden), "--ledger", "ledger.jsonl", "--token", TOKEN)
        await _line(site, "simulate", "plant", *ports, "--seconds", "15", "--truth", "truth.jsonl")
        await site.start("run", "-c", "gateway.yaml", ODEN_GATEWAY_ODEN__URL=f"http://127.0.0.1:{oden}/v2")

        def accounts() -> tuple[Account, Account]:
            lines = whole_lines(site.config.parent / "truth.jsonl")
            model = replay(site.config.parent / "ledger.jsonl", Organization())
            return plant_account(map(EVENT.validate_json, lines)), oden_account(model)

        def all_told() -> bool:
            finished = any('"kind":"totals"' in line for line in whole_lines(site.config.parent / "truth.jsonl"))
            return finished and made_of(accounts()[0]) == made_of(accounts()[1])

        await wait_until(all_told)
        plant, told = accounts()
        assert plant.good > 0
        assert sum(plant.scrap().values()) > plant.scrap().get(AUTO_REJECT, 0) > 0
        assert told.states == ()
    finally:
        await site.end()


def made_of(account: Account) -> list[tuple[str, str, float, dict[str, float]]]:
    """The runs that are over, each with what was made in it; the counter of rejects has no code."""
    runs = [run for run in account.runs if run.end is not None]
    names = {AUTO_REJECT: "", "None": ""}
    return [
        (run.order, run.product, run.good, {names.get(code, code): qty for code, qty in run.scrap.items()})
        for run in runs
    ]


async def _line(site: Site, *words: str) -> None:
    """Start a part of the surroundings, and wait until it says where it listens."""
    process = await site.start(*words)
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        assert await process.stdout.readline()
