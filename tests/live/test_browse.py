"""`oden-gateway browse` as a process: at servers and brokers, by itself and through a gateway that runs."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import ua

from tests import edge_node as wire
from tests.config.command import Answer
from tests.edge_node import EdgeNode
from tests.live.site import Site
from tests.peers import LINE, PATIENCE, Mosquitto, OpcuaServer, free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEVICE = "Plant A/Edge 1/Press 7"
REST = """
oden: {{url: "http://127.0.0.1:{nobody}/v2", token: "${{secret:oden_token}}"}}
outbox: {{directory: outbox, size_limit: 100 MB, min_free: 0%}}
status: {{listen: "127.0.0.1:{status}"}}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[OpcuaServer]:
    """A server with a press: values, a unit, an array, a folder of its own, and what cannot be read."""
    server = OpcuaServer()
    await server.start(L01__State=1, L01__Good=65530)
    index = await server.server.get_namespace_index(LINE)

    def place(name: str) -> ua.NodeId:
        return ua.NodeId(ua.String(name), ua.Int16(index))

    name = ua.QualifiedName("Press: left", ua.UInt16(index))
    press = await server.server.nodes.objects.add_object(place("Press"), name)
    speed = await press.add_variable(place("Press.Speed"), "Speed", 1.5)
    unit = ua.EUInformation(DisplayName=ua.LocalizedText("m/min"))
    await speed.add_property(place("Press.Speed.Unit"), "0:EngineeringUnits", unit)
    await press.add_variable(place("Press.Recipe"), "Recipe", [1, 2, 3])
    await server.write("L01.Good", 65531)
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path)
    site.config.parent.mkdir()
    yield site
    await site.end()


def objects(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


async def test_p14_an_address_alone_shows_the_tree(server: OpcuaServer, site: Site) -> None:
    """Names with their values, types, units and node ids, each below what it belongs to; nothing is written."""
    shown = await site.run("browse", server.url)
    assert (shown.code, shown.problems) == (0, [])
    lines = shown.output.splitlines()
    assert "  L01.State = 1 (Int32)  nsu=urn:acme:line;s=L01.State" in lines
    place = lines.index("  Press: left/  nsu=urn:acme:line;s=Press")
    assert lines[place + 1 : place + 3] == [
        "    Speed = 1.5 m/min (Double)  nsu=urn:acme:line;s=Press.Speed",
        "    Recipe = an array, of which `index: 0` is the first (Int64[])  nsu=urn:acme:line;s=Press.Recipe",
    ]
    assert server.asked_to_act == []


async def test_a_part_of_the_tree_by_node_by_path_and_by_name(server: OpcuaServer, site: Site) -> None:
    """From a node id or a path, so many levels deep, and what has a text in its name or is like a pattern."""
    by_id = await site.run("browse", server.url, "--json", "--from", "nsu=urn:acme:line;s=Press")
    assert [found["name"] for found in objects(by_id.output)] == ["nsu=urn:acme:line;s=Press", "Speed", "Recipe"]
    path = next(
        found["path"]
        for found in objects((await site.run("browse", server.url, "--json")).output)
        if found["name"] == "Press: left"
    )
    by_path = await site.run("browse", server.url, "--json", "--from", path)
    assert [found["path"] for found in objects(by_path.output)] == [path, f"{path}/Speed", f"{path}/Recipe"]
    shallow = objects((await site.run("browse", server.url, "--json", "--depth", "1")).output)
    assert {found["depth"] for found in shallow} == {0, 1}
    for match in ("press.sp*", "*PRESS.sp*", "objects/press: left/sp*", "left/Speed"):
        matching = await site.run("browse", server.url, "--match", match, "--json")
        assert [found["unit"] for found in objects(matching.output)] == ["m/min"], match
    first = await site.run("browse", server.url, "--most", "2")
    assert len(first.output.splitlines()) == 2
    assert first.problems == ["There is more: --most 2 were asked for."]


async def test_a_path_that_leads_nowhere_is_told_with_one_that_leads_on(server: OpcuaServer, site: Site) -> None:
    """Namespaces are easily left out, and names easily written otherwise: what is said instead can be typed."""
    path = "/Objects/nsu=urn:acme:line;Press&: left"
    for wrong in ("/Objects/Press&: left/Speed", "/Objects/2:press&: left/2:speed"):
        refused = await site.run("browse", server.url, "--from", wrong)
        assert refused.problems[-1].endswith(f"at the path {wrong}; there is {path}"), refused.problems
    refused = await site.run("browse", server.url, "--from", f"{path}/2:Speed")
    right = refused.problems[-1].rpartition("there is ")[2]
    shown = await site.run("browse", server.url, "--from", right, "--json")
    assert [found["unit"] for found in objects(shown.output)] == ["m/min"]
    several = await site.run("browse", server.url, "--from", f"{path}/Velocity")
    assert several.problems[-1].endswith(f"there is {path}/Speed, {path}/Recipe"), several.problems


async def test_what_is_not_there_is_said(server: OpcuaServer, site: Site) -> None:
    """A node, a path, a namespace, a name, a server, an address: a sentence, and 1."""
    nobody = f"opc.tcp://127.0.0.1:{free_port()}"
    for words, said in (
        ((server.url, "--from", "nsu=urn:acme:line;s=Nothing"), "the server has no node nsu=urn:acme:line;s=Nothing"),
        ((server.url, "--from", "/Objects/2:Nothing"), "the server has no node at the path /Objects/2:Nothing"),
        ((server.url, "--from", "nsu=urn:other;s=x"), "the server has no namespace urn:other"),
        ((server.url, "--from", "L01.State"), "is not a node id"),
        ((server.url, "--match", "nowhere"), "nothing was found that matches"),
        ((nobody,), "cannot connect"),
        (("http://127.0.0.1",), "is no address"),
    ):
        refused = await site.run("browse", *words)
        assert (refused.code, refused.output) == (1, "")
        assert said in refused.problems[-1]


async def test_a_file_with_nothing_but_sources_is_enough(server: OpcuaServer, site: Site, tmp_path: Path) -> None:
    """No token, no lines; what is wrong with the sources is said, and what is wrong elsewhere is not."""
    site.config.write_text(f'sources: {{plc: {{type: opcua, url: "{server.url}", security: none}}}}\n')
    shown = await site.run("browse", "-c", "gateway.yaml")
    assert (shown.code, "L01.Good = 65531" in shown.output) == (0, True)
    unknown = await site.run("browse", "-c", "gateway.yaml", "floor")
    assert (unknown.code, unknown.problems) == (1, ["oden-gateway: there is no source floor; there are: plc"])
    site.config.write_text('sources: {plc: {type: opcua}, floor: {type: mqtt, url: "mqtt://x", client_id: a}}\n')
    wrong = await site.run("browse", "-c", "gateway.yaml", "floor")
    assert (wrong.code, len(wrong.problems)) == (2, 1)
    assert "the key 'url' is missing" in wrong.problems[0]


async def test_inputs_to_paste_are_right(server: OpcuaServer, site: Site) -> None:
    """As YAML and as a table: a whole configuration with them is right, and the inputs have values."""
    shown = await site.run("browse", server.url, "--yaml", "--match", "urn:acme:line")
    assert shown.output.splitlines()[0] == "inputs:"
    table = await site.run("browse", server.url, "--csv", "--match", "urn:acme:line")
    (site.config.parent / "tags.csv").write_text(table.output)
    pasted = "".join(f"    {line}\n" for line in shown.output.splitlines())
    for inputs in (pasted, "    inputs: {file: tags.csv}\n"):
        (site.config.parent / "secrets").mkdir(exist_ok=True)
        (site.config.parent / "secrets" / "oden_token").write_text("x\n")
        site.config.write_text(
            REST.format(nobody=free_port(), status=free_port())
            + f'sources: {{source: {{type: opcua, url: "{server.url}", security: none}}}}\n'
            "lines:\n  - factory: Factory A\n    line: Line 01\n"
            f"{inputs}    states: {{input: state, codes: {{1: {{category: Uptime}}}}}}\n"
        )
        checked = await site.run("check", "-c", "gateway.yaml", "--json")
        assert checked.code == 0, checked.output
        expanded = json.loads((await site.run("check", "-c", "gateway.yaml", "--expanded", "--json")).output)
        nodes = {name: each["node"] for name, each in expanded["lines"][0]["inputs"].items()}
        assert nodes == {
            "state": "nsu=urn:acme:line;s=L01.State",
            "good": "nsu=urn:acme:line;s=L01.Good",
            "speed": "nsu=urn:acme:line;s=Press.Speed",
        }


def heard_both(answer: Answer) -> bool:
    """Whether the broker has sent what it keeps, and the edge node its births and what changed after."""
    found = objects(answer.output)
    topics, metrics = ({each[of] for each in found if of in each} for of in ("topic", "metric"))
    values = [each["value"] for each in found if each.get("metric") == "Counts/Good"]
    kept = {f"plant-a/L01/{name}" for name in ("order", "speed", "raw")}
    return kept <= topics and {"Counts/Good", "Blob"} <= metrics and values == [8]


async def test_topics_with_their_last_message_and_its_fields(site: Site, tmp_path: Path) -> None:
    """Heard for a while: what the broker had kept and what comes; Sparkplug births; as inputs for a configuration."""
    with Mosquitto(tmp_path / "broker") as broker:
        await broker.publish("plant-a/L01/order", '{"number": "4711", "sku": {"id": "FILM"}, "a.b": 1}', retain=True)
        await broker.publish("plant-a/L01/speed", "12.5", retain=True)
        await broker.publish("plant-a/L01/raw", b"\xff\xfe", retain=True)
        edge = EdgeNode(broker.port)
        edge.add("Press 7", Counts__Good=(wire.INT32, 7), Blob=(wire.BYTES, b"x"))
        await asyncio.to_thread(edge.start)
        listening = asyncio.create_task(
            site.until(heard_both, "browse", broker.url, "--births", "--seconds", "6", "--json")
        )
        while not listening.done():  # births are asked for once something of the node is heard
            await asyncio.to_thread(edge.change, "Press 7", Counts__Good=8)
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(listening), 0.5)
        await asyncio.to_thread(edge.stop)
        found = objects((await listening).output)
        topics = {each["topic"]: each for each in found if "topic" in each}
        assert topics["plant-a/L01/order"]["fields"] == {"number": "4711", "sku.id": "FILM"}
        assert topics["plant-a/L01/order"]["retained"] is True
        assert topics["plant-a/L01/speed"]["fields"] == {"": 12.5}
        assert "is not UTF-8" in topics["plant-a/L01/raw"]["problem"]
        metrics = {each["metric"]: each for each in found if each.get("device") == DEVICE}
        assert (metrics["Counts/Good"]["type"], metrics["Counts/Good"]["value"]) == ("Int32", 8)
        assert "row of bytes" in metrics["Blob"]["problem"]
        inputs = [
            "inputs:",
            '  number: {source: "source", topic: "plant-a/L01/order", field: "number"}  # "4711"',
            '  id: {source: "source", topic: "plant-a/L01/order", field: "sku.id"}  # "FILM"',
            '  speed: {source: "source", topic: "plant-a/L01/speed"}  # 12.5',
        ]
        pasted = ("browse", broker.url, "--seconds", "2", "--yaml", "--from", "plant-a/#")
        shown = await site.until(lambda answer: answer.output.splitlines() == inputs, *pasted)
        assert shown.output.splitlines() == inputs
        told = "nothing came in 0.5 s"
        seeking = ("browse", broker.url, "--seconds", "0.5", "--from", "nowhere/#")
        nothing = await site.until(lambda answer: told in answer.problems[0], *seeking)
        assert (nothing.code, nothing.output) == (1, "")
        assert told in nothing.problems[0]


async def test_the_gateway_that_runs_is_asked(server: OpcuaServer, site: Site, tmp_path: Path) -> None:
    """Its session at the server is used, and another client's at the broker: what waits there for the gateway stays."""
    with Mosquitto(tmp_path / "broker") as broker:
        site.configure(
            REST.format(nobody=free_port(), status=free_port())
            + f'sources:\n  plc: {{type: opcua, url: "{server.url}", security: none}}\n'
            f'  floor: {{type: mqtt, url: "{broker.url}", client_id: edge-test}}\n'
            "lines:\n  - factory: Factory A\n    line: Line 01\n"
            '    inputs:\n      state: {source: plc, node: "nsu=urn:acme:line;s=L01.State"}\n'
            "      order: {source: floor, topic: plant-a/L01/order}\n"
            "      scrap: {source: floor, topic: plant-a/L01/scrap}\n"
            "    states: {input: state, codes: {1: {category: Uptime}}}\n"
        )
        await site.gateway()
        async with asyncio.timeout(PATIENCE):
            while (shown := await site.run("browse", "-c", "gateway.yaml", "plc", "--json")).code:
                assert "not connected" in shown.problems[-1]
        assert "L01.State" in {found["name"] for found in objects(shown.output)}
        await broker.publish("plant-a/L01/order", "4711", retain=True)
        listening = ("browse", "-c", "gateway.yaml", "floor", "--seconds", "2", "--json")
        shown = await site.until(lambda answer: answer.output, *listening)
        assert [found["topic"] for found in objects(shown.output)] == ["plant-a/L01/order"]
        async with asyncio.timeout(PATIENCE):
            while True:
                await broker.publish("plant-a/L01/scrap", '{"qty": 3, "why": {"code": "Gel"}}')
                shown = await site.run("browse", "-c", "gateway.yaml", "floor", "--seconds", "1", "--json")
                if len(found := objects(shown.output)) == 2:
                    break
        scrap = found[1]
        assert (scrap["topic"], scrap["messages"]) == ("plant-a/L01/scrap", 0)
        assert scrap["fields"] == {"qty": 3, "why.code": "Gel"}
        assert scrap["known_at"] > 0
        assert "as the running gateway had it last" in shown.problems[-1]
        elsewhere = ("--from", "plant-a/+/order")
        matching = ("browse", "-c", "gateway.yaml", "floor", "--seconds", "1", "--match", "scrap")
        for_people = await site.until(lambda answer: answer.output, *matching)
        assert "    why.code = " in for_people.output
        one = ("browse", "-c", "gateway.yaml", "floor", "--seconds", "1", "--json", *elsewhere)
        shown = await site.until(lambda answer: answer.output, *one)
        assert [found["topic"] for found in objects(shown.output)] == ["plant-a/L01/order"]
        other = site.config.parent / "other.yaml"
        other.write_text(
            f'outbox: {{directory: outbox}}\nsources: {{plc: {{type: mqtt, url: "{broker.url}", client_id: a}}}}\n'
        )
        other_words = ("browse", "-c", "other.yaml", "plc", "--seconds", "2", "--json")
        shown = await site.until(lambda answer: answer.output, *other_words)
        assert [found["topic"] for found in objects(shown.output)] == ["plant-a/L01/order"]  # not the gateway's `plc`
        log = (tmp_path / "broker" / "mosquitto.log").read_text()
        assert "edge-test-check" in log
        assert "already connected" not in log
    assert server.asked_to_act == []
