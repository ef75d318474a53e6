"""`oden-gateway check --live` as a process: each finding is provoked, at real peers where they can be made to do it."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from asyncua.ua.status_codes import StatusCodes

from gateway.control import Control
from tests.config.command import TOKEN, Answer
from tests.live.site import Site
from tests.peers import PATIENCE, Mosquitto, OpcuaServer, free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDER = "plant-a/L01/order"
BASE = """
oden: {{url: "http://127.0.0.1:{oden}/v2", token: "${{secret:oden_token}}", allow_faster_for_tests: true, rate: 20/s}}
outbox: {{directory: outbox, size_limit: 100 MB, min_free: 0%}}
status: {{listen: "127.0.0.1:{status}"}}
sources:
  plc: {{type: opcua, url: "{opcua}", security: none}}
  floor: {{type: mqtt, url: "{mqtt}", client_id: edge-test}}
"""
RIGHT = """
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      state: {source: plc, node: "nsu=urn:acme:line;s=L01.State"}
      order: {source: floor, topic: plant-a/L01/order, field: number}
    run: {key: order, product: Film}
    states: {input: state, codes: {1: {category: Uptime}}}
"""
WRONG = """
  nobody: {type: opcua, url: "opc.tcp://127.0.0.1:1", security: none}
  broker_as_plc: {type: opcua, url: "opc.tcp://MQTT", security: none}
  plc_as_broker: {type: mqtt, url: "mqtt://OPCUA", client_id: "a b"}
  undecided: {type: opcua, url: "opc.tcp://OPCUA"}
lines:
  - factory: Factory A
    line: Line 01
    inputs:
      state: {source: plc, node: "nsu=urn:acme:line;s=L01.State"}
      unknown: {source: plc, node: "nsu=urn:acme:line;s=L01.Nothing"}
      elsewhere: {source: plc, node: "nsu=urn:other;s=L01.State"}
      path: {source: plc, node: "/Objects/2:Nothing"}
      list: {source: plc, node: "nsu=urn:acme:line;s=L01.List"}
      broken: {source: plc, node: "nsu=urn:acme:line;s=L01.Broken"}
      text: {source: plc, node: "nsu=urn:acme:line;s=L01.Text", counter: {}}
      vague: {source: plc, node: "nsu=urn:acme:line;s=L01.Vague"}
      order: {source: floor, topic: plant-a/L01/order, field: nummer}
      silent: {source: floor, topic: plant-a/L01/ordre}
      away: {source: nobody, node: "ns=2;s=x"}
      other: {source: broker_as_plc, node: "ns=2;s=x"}
      another: {source: plc_as_broker, topic: x}
      open: {source: undecided, node: "nsu=urn:acme:line;s=L01.State"}
    states: {input: state, codes: {1: {category: Uptime, reason: Nothing}}}
    intervals: [{type: OPERATOR, key: order}]
  - factory: Factory Z
    line: Line 01
    inputs: {state: {source: plc, node: "nsu=urn:acme:line;s=L01.State"}}
    states: {input: state, codes: {1: {category: Uptime}}}
  - factory: Factory A
    line: Line 1
    inputs: {state: {source: plc, node: "nsu=urn:acme:line;s=L01.State"}}
    states: {input: state, codes: {1: {category: Uptime}}}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[OpcuaServer]:
    server = OpcuaServer(ticks=True)
    await server.start(L01__State=1, L01__List=[1, 2], L01__Broken=1, L01__Text="105", L01__Vague=5)
    await server.write("L01.Broken", 1, status=StatusCodes.BadDeviceFailure)
    await server.write("L01.Vague", 5, status=StatusCodes.UncertainLastUsableValue)
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path)
    yield site
    await site.end()


async def stand_in(site: Site, *faults: str) -> int:
    """The stand-in for Oden, with `faults`; its port."""
    site.config.parent.mkdir(exist_ok=True)
    given = [word for fault in faults for word in ("--fault", fault)]
    process = await site.start("simulate", "oden", "--port", "0", "--token", TOKEN, *given)
    assert process.stdout is not None
    return urlsplit((await process.stdout.readline()).decode().split()[-1]).port or 0


def configure(site: Site, server: OpcuaServer, broker: Mosquitto, oden: int, lines: str) -> None:
    text = BASE.format(oden=oden, status=free_port(), opcua=server.url, mqtt=broker.url)
    text += lines.replace("OPCUA", f"127.0.0.1:{server.port}").replace("MQTT", f"127.0.0.1:{broker.port}")
    folder = site.config.parent
    (folder / "secrets").mkdir(parents=True, exist_ok=True)
    (folder / "secrets" / "oden_token").write_text(f"{TOKEN}\n")
    site.config.write_text(text)


def found(answer: Answer) -> dict[tuple[str, str], dict[str, Any]]:
    """The findings by kind and what they are about."""
    assert answer.output, answer.problems
    return {(each["kind"], each["about"]): each for each in json.loads(answer.output)["findings"]}


async def test_p14_what_is_wrong_is_found_with_its_cure(server: OpcuaServer, site: Site, tmp_path: Path) -> None:
    """At a server, a broker and Oden; each finding names what to do, and nothing is written anywhere."""
    with Mosquitto(tmp_path / "broker") as broker:
        await broker.publish(ORDER, '{"number": "4711"}', retain=True)
        configure(site, server, broker, await stand_in(site), WRONG)
        checked = await site.run("check", "-c", "gateway.yaml", "--live", "--seconds", "5", "--json")
        unconnected = await site.run("check", "-c", "gateway.yaml", "--json")
    assert checked.code == 1
    warnings = json.loads(checked.output)["warnings"]
    assert warnings
    assert warnings == json.loads(unconnected.output)["warnings"]
    findings = found(checked)
    line = "Factory A/Line 01"
    cures = {
        ("unreachable", "nobody"): "127.0.0.1:1 can be reached",
        ("not_opcua", "broker_as_plc"): "correct `url` of broker_as_plc",
        ("unreachable", "plc_as_broker"): "can be reached",
        ("source_unprotected", "undecided"): "`security: none` says that it is meant so",
        ("node_missing", f"{line} unknown"): "oden-gateway browse -c gateway.yaml plc --match L01",
        ("namespace_missing", f"{line} elsewhere"): "oden-gateway browse -c gateway.yaml plc --depth 2",
        ("path_missing", f"{line} path"): "leads: oden-gateway browse -c gateway.yaml plc --from /Objects/2:Nothing",
        ("array", f"{line} list"): "`index: 0`",
        ("bad_quality", f"{line} broken"): "see at the device",
        ("number_as_text", f"{line} text"): "`number: text`",
        ("uncertain_used", f"{line} vague"): "`uncertain: ignore`",
        ("field_missing", f"{line} order"): "correct `field`",
        (
            "silent",
            f"{line} silent",
        ): "else oden-gateway browse -c gateway.yaml floor --from plant-a/L01/ordre --seconds 60; if it speaks",
        ("factory_unknown", "Factory Z/Line 01"): "write `factory`",
        ("line_unknown", "Factory A/Line 1"): "write `line`",
        ("interval_type_unknown", line): "call -c gateway.yaml interval_type set",
        ("states_unverified", line): "Uptime, Nothing",
    }
    assert cures.keys() <= findings.keys(), (cures.keys() - findings.keys(), findings)
    for place, words in cures.items():
        assert words in findings[place]["cure"], findings[place]
    assert "did you mean Line 01?" in findings["line_unknown", "Factory A/Line 1"]["text"]
    assert findings["uncertain_used", f"{line} vague"]["level"] == "note"
    silent = findings["silent", f"{line} silent"]
    assert (silent["level"], silent["text"]) == (
        "unheard",
        f"plant-a/L01/ordre: nothing heard in 5 s; the broker has what is like it: {ORDER}",
    )
    assert server.asked_to_act == []


async def test_all_is_well_with_and_without_a_gateway(server: OpcuaServer, site: Site, tmp_path: Path) -> None:
    """Exit code 0; values with type, quality and age, clocks; a gateway that runs is asked, also for Oden."""
    with Mosquitto(tmp_path / "broker") as broker:
        await broker.publish(ORDER, '{"number": "4711"}', retain=True)
        configure(site, server, broker, await stand_in(site), RIGHT)
        checked = await site.run("check", "-c", "gateway.yaml", "--live")
        assert checked.code == 0, checked
        assert "Factory A/Line 01 state = 1 (Int32, good" in checked.output
        assert 'Factory A/Line 01 order = "4711" (good' in checked.output
        assert f"plc: {server.url} (none): connected, its clock" in checked.output
        assert re.search(r"  granted: told every 0.25 s, looked at every [0-9.]+ s, 100 values of", checked.output)
        assert "Requests: about " in checked.output
        await site.gateway()
        checked = await site.run("check", "-c", "gateway.yaml", "--live", "--seconds", "3", "--json")
        assert checked.code == 0, checked
        [plc, floor] = json.loads(checked.output)["sources"]
        assert (plc["connected"], floor["connected"]) == (True, True)
        assert plc["granted"].keys() == {"publishing_interval", "sampling", "queue", "session", "keepalive"}
        assert floor["granted"] == {}
        assert json.loads(checked.output)["requests"].startswith("Requests: about ")
        assert json.loads(checked.output)["warnings"] == []
        log = (tmp_path / "broker" / "mosquitto.log").read_text()
        assert log.count("as edge-test-check") == 1  # only while no gateway ran


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("error status=503", "oden_failed"),
        ("error status=401", "token_refused"),
        ("error status=403 line='Line 01'", "forbidden"),
    ],
)
async def test_a_question_that_fails_is_no_answer(
    fault: str, kind: str, server: OpcuaServer, site: Site, tmp_path: Path
) -> None:
    """Oden's failure is said as that, not as a line that it does not know."""
    with Mosquitto(tmp_path / "broker") as broker:
        await broker.publish(ORDER, '{"number": "4711"}', retain=True)
        configure(site, server, broker, await stand_in(site, fault), RIGHT)
        findings = found(await site.run("check", "-c", "gateway.yaml", "--live", "--seconds", "3", "--json"))
    assert {each for each, _ in findings} == {kind}


async def test_beside_a_running_gateway_it_is_the_file_that_is_judged(
    server: OpcuaServer, site: Site, tmp_path: Path
) -> None:
    """What has changed in it is looked at by another client, and the gateway's own session stays; what has not, the
    gateway is asked for; what does not run yet is said, until a reload, or a restart where it takes one."""
    check = ("check", "-c", "gateway.yaml", "--live", "--seconds", "5", "--json")
    heard = tmp_path / "broker" / "mosquitto.log"
    with Mosquitto(tmp_path / "broker") as broker:
        await broker.publish(ORDER, '{"number": "4711"}', retain=True)
        configure(site, server, broker, await stand_in(site), RIGHT)
        gateway = await site.gateway()
        checked = await site.run(*check)
        assert "not_running" not in {kind for kind, _ in found(checked)}
        assert all(each["by_gateway"] for each in json.loads(checked.output)["sources"])
        table = site.config.parent / "products.csv"
        table.write_text("sku,name\nA,Film\n")
        right = site.config.read_text()
        more = '  nobody: {type: opcua, url: "opc.tcp://127.0.0.1:1", security: none}\nlines:'
        wrong = right.replace("field: number", "field: nummer").replace("\nlines:", f"\n{more}", 1)
        tables = "tables: {products: {file: products.csv}}\n"
        site.config.write_text(
            tables + wrong.replace("rate: 20/s", "rate: 19/s").replace("status: {", "status: {hosts: [page], ")
        )
        checked = await site.run(*check)
        findings, sources = found(checked), json.loads(checked.output)["sources"]
        assert {each["name"]: each["by_gateway"] for each in sources} == {"plc": True, "floor": False, "nobody": False}
        assert {("unreachable", "nobody"), ("field_missing", "Factory A/Line 01 order")} <= findings.keys()
        note = findings["not_running", "the running gateway"]
        assert (
            "sources +nobody ~floor; lines ~Factory A/Line 01; tables +products; ~oden; ~status.hosts" in note["text"]
        )
        assert (note["level"], note["cure"]) == ("note", f"kill -HUP {gateway.pid}")  # a person has started it
        words = heard.read_text()
        assert "as edge-test-check" in words
        assert words.count("as edge-test (") == 1
        gateway.send_signal(signal.SIGHUP)
        async with asyncio.timeout(PATIENCE):
            while ("not_running", "the running gateway") in found(checked := await site.run(*check)):
                pass
        assert all(each["by_gateway"] for each in json.loads(checked.output)["sources"])
        site.config.write_text(right)
        text = found(await site.run(*check))["not_running", "the running gateway"]["text"]
        assert "sources ~floor -nobody;" in text
        site.config.write_text(right.replace("100 MB", "200 MB") + "log: {level: debug}\n")
        gateway.send_signal(signal.SIGHUP)
        async with asyncio.timeout(PATIENCE):
            while "sources" in (note := found(await site.run(*check))["not_running", "the running gateway"])["text"]:
                pass
        assert (
            "yet: ~outbox.size_limit; ~log.level. A reload does not change outbox.size_limit, log.level" in note["text"]
        )
        assert note["cure"].startswith(f"kill {gateway.pid}; ")


@pytest.mark.parametrize("said", [[{"look": {"name": "plc"}}], []])
async def test_a_running_gateway_of_a_version_before_is_told_as_that(said: list[dict[str, object]], site: Site) -> None:
    """It answers with what it sees, without a word of by which configuration: nothing can be judged by that."""

    async def before(_command: str, _question: object) -> AsyncGenerator[dict[str, object], None]:
        for each in said:
            yield each

    text = BASE.format(oden=free_port(), status=free_port(), opcua="opc.tcp://127.0.0.1:1", mqtt="mqtt://127.0.0.1:1")
    site.configure(f"{text}{RIGHT}")
    box = site.config.parent / "outbox"
    box.mkdir()
    async with Control(box, [box / "control.sock"], before):
        checked = await site.run("check", "-c", "gateway.yaml", "--live", "--seconds", "1")
    (problem,) = checked.problems
    assert "it is of another version" in problem


async def test_a_wrong_file_is_told_first(server: OpcuaServer, site: Site, tmp_path: Path) -> None:
    """Exit code 2, and nothing is connected to."""
    with Mosquitto(tmp_path / "broker") as broker:
        configure(site, server, broker, free_port(), RIGHT.replace("field: number", "felt: number"))
        checked = await site.run("check", "-c", "gateway.yaml", "--live")
        assert (checked.code, checked.output) == (2, "")
        assert "unknown key 'felt'" in checked.problems[0]
        assert "edge-test" not in (tmp_path / "broker" / "mosquitto.log").read_text()
