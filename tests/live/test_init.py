"""`oden-gateway init`: what it writes is right whatever was found, says what it is for, and overwrites nothing."""

import asyncio
import os
import pty
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cli.startup import read_config
from gateway.live.first_config import first_configuration
from gateway.sources.found import Found, Metric, Topic, TreeNode
from tests.config.command import environment
from tests.live.site import Site
from tests.live.test_offer import NODES, offers_of
from tests.peers import PATIENCE, Mosquitto, OpcuaServer

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


@settings(max_examples=60)
@given(st.lists(st.one_of(ROLES, NODES), min_size=1, max_size=40), st.text(min_size=1), st.text(min_size=1))
def test_whatever_was_found_makes_a_right_configuration(found: list[Found], factory: str, line: str) -> None:
    """One that the gateway takes as it is, whatever nodes, topics and names are called."""
    offers = offers_of(found)
    if not offers or not (factory.isprintable() and line.isprintable()):
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.yaml"
        path.write_text(first_configuration(SOURCES, offers, factory, line, "x.json"), encoding="utf-8")
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
    text = first_configuration(SOURCES, offers_of(found), "Factory A", "Line 01", "x.json")
    assert text.startswith("# yaml-language-server: $schema=x.json\n")
    for part in (
        'run: {key: order, name: "{order}", product: "{sku}"}',
        '- {count: good_parts, raw_data: {yield: "{n}"}}',
        '- {count: scrap, raw_data: {scrap: "{n}"}}',
        "codes: {3: {category: Uptime}}",
        'good_parts: {source: "plc", node: "ns=2;s=GoodParts", counter: {rollover: 65536}}  # UInt16, 65530',
    ):
        assert part in text, text


@pytest_asyncio.fixture
async def server() -> AsyncIterator[OpcuaServer]:
    server = OpcuaServer()
    await server.start(L01__State=1, L01__Good=65530)
    yield server
    await server.stop()


async def test_from_nothing_to_a_file_that_check_takes(server: OpcuaServer, tmp_path: Path) -> None:
    """By options; what is next is said; a second time nothing is overwritten unless that is said, and nothing else is
    touched; without a source it says what it needs."""
    site = Site(tmp_path)
    folder = site.config.parent
    folder.mkdir()
    with Mosquitto(tmp_path / "broker") as broker:
        await broker.publish("plant-a/L01/order", '{"order": "4711", "sku": "FILM"}', retain=True)
        options = ("--opcua", server.url, "--mqtt", broker.url, "--seconds", "1")
        made = await site.run("init", *options, "--factory", "Factory B", "--line", "Line 02")
        assert made.code == 0, made
        assert "oden-gateway check -c gateway.yaml --live" in made.output
        (folder / "secrets").mkdir()
        (folder / "secrets" / "oden_token").write_text("x\n")
        checked = await site.run("check", "-c", "gateway.yaml")
        assert checked.code == 0, checked
        assert "Line 02 of Factory B" in checked.output
        before = site.config.read_text()
        again = await site.run("init", *options)
        assert (again.code, site.config.read_text()) == (1, before)
        assert "exists already" in again.problems[-1]
        replaced = await site.run("init", *options, "--overwrite", "--line", "Line 03")
        assert (replaced.code, "Line 03" in site.config.read_text()) == (0, True)
    nothing = await site.run("init", "--output", "other.yaml")
    assert (nothing.code, (folder / "other.yaml").exists()) == (2, False)
    wrong = await site.run("init", "--opcua", "http://127.0.0.1", "--output", "other.yaml")
    assert (wrong.code, "is no address" in wrong.problems[-1]) == (1, True)
    assert server.asked_to_act == []


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
    os.write(ours, f"{server.url}\n\nFactory A\nLine 01\n".encode())
    async with asyncio.timeout(PATIENCE):
        output, asked = await process.communicate()
    os.close(ours)
    assert process.returncode == 0, asked
    assert asked.decode().count(": ") >= 4
    assert 'line: "Line 01"' in (tmp_path / "gateway.yaml").read_text()
    assert b"gateway.yaml is written" in output
