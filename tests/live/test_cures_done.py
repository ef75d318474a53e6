"""Each thing that `check --live` finds is mended by doing what it says, to the letter, and is found no more.

Only what no message can know is added: what a service is, what a field is called that a command shows, a password.
"""

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from asyncua import ua
from asyncua.common.structures104 import new_struct, new_struct_field
from asyncua.ua.status_codes import StatusCodes

from tests.config.command import TOKEN
from tests.edge_node import INT64, EdgeNode
from tests.live.person import (
    MEANT,
    Do,
    Person,
    all_done,
    all_done_in_stages,
    field_of_messages,
    meant,
    outside,
    said_of,
    setting,
    shown,
    topic_like_it,
    written,
)
from tests.live.site import Site
from tests.live.test_check_live_peers import ACCEPTS, _Refusing, _speak, _web, answering, broker, tls
from tests.peers import LINE, Mosquitto, OpcuaServer, free_port
from tests.sources.opcua.authority import Issued, key
from tests.sources.scripted_broker import packet_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC)


A = "Factory A/Line 01"
DEVICE = "Plant A/Edge 1/Press"


async def as_messages_say(person: Person, finding: Mapping[str, str]) -> None:
    assert f"correct `only` of {finding['about']}: see what its messages say" in finding["cure"]
    person.at(finding["about"])["only"] = {"number": "4711"}


AT_TAGS: Mapping[tuple[str, str], Do] = {
    ("unreachable", "nobody"): outside("nobody", "see that it is on and that 127.0.0.1:"),
    ("source_unprotected", "undecided"): written("security", "none"),
    ("clock", "late"): setting,
    ("node_missing", f"{A} goood"): shown("node", f"nsu={LINE};s=L01.Good"),
    ("namespace_missing", f"{A} elsewhere"): shown("node", f"nsu={LINE};s=L01.Good"),
    ("path_missing", f"{A} path"): shown("node", f"/Objects/nsu={LINE};Press&: left"),
    ("array", f"{A} list"): setting,
    ("structure", f"{A} range"): written("field", "High"),
    ("uncertain", f"{A} counted"): setting,
    ("uncertain_used", f"{A} vague"): setting,
    ("bad_quality", f"{A} broken"): outside("broken", "see at the device why it has no value"),
    ("no_value_yet", f"{A} empty"): outside("empty", "see again once the machine has run"),
    ("not_readable", f"{A} secret"): outside("secret", "let the server's user of plc read it"),
    ("number_as_text", f"{A} text"): setting,
    ("field_missing", f"{A} order"): field_of_messages,
    ("field_missing", f"{A} other"): as_messages_say,
    ("no_value", f"{A} word"): outside("word", f"correct {A} word: see what plant/L01/word says"),
    ("silent", f"{A} silent"): topic_like_it,
    ("metric_missing", f"{A} metric"): shown("metric", "Counts/Good"),
    ("device_away", f"{A} device"): shown("device", DEVICE),
}
"""What is done about what is found at servers and brokers that are reached."""
LEFT_AT_TAGS = {("clock", "late"), ("uncertain", f"{A} vague"), ("uncertain_used", f"{A} counted")}
"""Of what was chosen to be so, a note says that it is so."""


async def test_p14_what_is_found_of_tags_and_topics_is_gone_once_it_is_done(tmp_path: Path) -> None:
    person = Person(tmp_path)
    sources = person.config["sources"]
    async with AsyncExitStack() as stack:
        plc, late, nobody = OpcuaServer(ticks=True), OpcuaServer(), OpcuaServer()
        for each in (plc, late, nobody):
            stack.push_async_callback(each.stop)
        none = ua.Variant(None)
        await plc.start(L01__Good=1, L01__List=[1], L01__Text="7", L01__Vague=5, L01__Broken=1, L01__Empty=none)
        fields = [new_struct_field("High", ua.VariantType.Double)]
        await new_struct(plc.server, 2, "Limits", fields)
        types = await plc.server.load_data_type_definitions()
        await plc.add("L01.Range", ua.Variant(types["Limits"](High=1.0)))
        await plc.add("L01.Secret", 1)
        name = ua.QualifiedName("Press: left", ua.UInt16(2))
        place = ua.NodeId(ua.String("Press"), ua.Int16(2))
        await plc.server.nodes.objects.add_variable(place, name, 5)
        await plc.write("L01.Vague", 5, status=StatusCodes.UncertainLastUsableValue)
        await plc.write("L01.Broken", 1, status=StatusCodes.BadDeviceFailure)
        refused: dict[str, int] = {"L01.Secret": StatusCodes.BadUserAccessDenied}
        _Refusing(plc.server, refused).begin()
        await late.start(L01__Good=1)
        ahead = ua.DataValue(ua.Variant(datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)))
        await late.server.write_attribute_value(ua.NodeId(ua.Int32(2258)), ahead)
        floor = stack.enter_context(Mosquitto(tmp_path / "broker"))
        edge = EdgeNode(floor.port)
        edge.add("Press", Counts__Good=(INT64, 5))
        await asyncio.to_thread(edge.start)
        stack.push_async_callback(asyncio.to_thread, edge.stop)
        speaking = asyncio.create_task(_speak(edge))  # of one that says nothing nobody knows whom to ask for births
        stack.callback(speaking.cancel)
        for topic, message in (("L01/order", '{"number": "4711"}'), ("L01/word", "seven"), ("L01/speed", "1.5")):
            await floor.publish(f"plant/{topic}", message, retain=True)
        for name_, server in (("plc", plc), ("late", late), ("nobody", nobody), ("undecided", plc)):
            security = {} if name_ == "undecided" else {"security": "none"}
            sources[name_] = {"type": "opcua", "url": server.url, **security}
        sources["floor"] = {"type": "mqtt", "url": floor.url, "client_id": "edge-1"}
        for tag in ("Goood", "List", "Range", "Vague", "Broken", "Empty", "Secret", "Text"):
            person.input(tag.lower(), source="plc", node=f"nsu={LINE};s=L01.{tag}")
        person.at(f"{A} text")["counter"] = {}
        person.input("counted", source="plc", node=f"nsu={LINE};s=L01.Vague", counter={})
        person.input("elsewhere", source="plc", node="nsu=urn:other;s=L01.Good")
        person.input("path", source="plc", node="/Objects/2:Press&: left")
        person.at(f"{A} path")["node"] = "/Objects/2:Press&: Left"
        for name_ in ("late", "nobody", "undecided"):
            person.input(name_, source=name_, node=f"nsu={LINE};s=L01.Good")
        person.input("order", source="floor", topic="plant/L01/order", field="nummer")
        person.input("other", source="floor", topic="plant/L01/order", field="number", only={"number": "4712"})
        person.input("word", source="floor", topic="plant/L01/word", counter={})
        person.input("silent", source="floor", topic="plant/L1/Speed")
        person.input("metric", source="floor", device=DEVICE, metric="Counts/Goood")
        person.input("device", source="floor", device="Plant A/Edge 7/Press", metric="Counts/Good")
        person.config["lines"][0] |= {"run": {"key": "order", "product": "Film"}}

        async def run_for_the_first_time() -> None:
            await plc.delete("L01.Empty")  # the library gives a value without a type no other
            await plc.add("L01.Empty", 1)

        async def take_back() -> None:
            refused.clear()

        person.outside = {
            "nobody": lambda: nobody.start(L01__Good=1),
            "broken": lambda: plc.write("L01.Broken", 1),
            "empty": run_for_the_first_time,
            "secret": take_back,
            "word": lambda: floor.publish("plant/L01/word", "7", retain=True),
        }
        await all_done(person, AT_TAGS, LEFT_AT_TAGS)


async def user(person: Person, finding: Mapping[str, str]) -> None:
    assert f"set `username` and `password` of {finding['about']}" in finding["cure"]
    person.at(finding["about"]).update(username="operator", password="hunter2")


AT_BROKERS: Mapping[tuple[str, str], Do] = {
    ("login_refused", "stranger"): user,
    ("client_refused", "unlisted"): outside(
        "list", "let the broker take the client_id edge-unlisted, and edge-unlisted"
    ),
    ("topic_refused", f"{A} closed"): outside("open", "let the broker's user of closed read a/b"),
    ("tls", "unknown"): said_of("ca", "CA"),
    ("certificate_other_host", "renamed"): said_of("url", "localhost", "127.0.0.1"),
    ("certificate", "old"): outside("renew", "let the broker have another"),
    ("not_opcua", "plc"): said_of("url", "PLC"),
}


async def test_p8_what_is_found_of_brokers_is_gone_once_it_is_done(tmp_path: Path) -> None:
    """They refuse a user, a client, a topic, or are not those that are trusted; and one is no OPC UA server."""
    person, listed, open_ = Person(tmp_path), {"edge-renamed"}, [0x87]
    sources = person.config["sources"]
    issued = {
        name: Issued.made("broker", ca=True, hosts=[host], ends=NOW + timedelta(days=days), private=key(7))
        for name, host, days in (("named", "127.0.0.1", 90), ("local", "localhost", 90), ("past", "127.0.0.1", -1))
    }
    for name, each in issued.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "ca.pem").write_text(ssl.DER_cert_to_PEM_cert(each.der))
    contexts = {name: tls(tmp_path / name, each) for name, each in issued.items()}

    def takes(who: Callable[[bytes], bool], refusal: int) -> Any:
        """A broker that takes only those of whose CONNECT `who` says so."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            _, body = await packet_of(reader)
            if not who(body):
                writer.write(bytes([0x20, 3, 0, refusal, 0]))
                return
            writer.write(bytes([0x20, 3]) + ACCEPTS)
            await broker(ACCEPTS)(reader, writer)

        return serve

    async def serve_topics(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await broker(ACCEPTS, open_[0])(reader, writer)

    async with AsyncExitStack() as stack:
        places = {
            "stranger": await stack.enter_async_context(answering(takes(lambda body: b"hunter2" in body, 0x86))),
            "unlisted": await stack.enter_async_context(
                answering(takes(lambda body: any(each.encode() in body for each in listed), 0x85))
            ),
            "closed": await stack.enter_async_context(answering(serve_topics)),
            "unknown": await stack.enter_async_context(answering(broker(ACCEPTS), contexts["named"])),
            "renamed": await stack.enter_async_context(answering(broker(ACCEPTS), contexts["local"])),
            "old": await stack.enter_async_context(answering(broker(ACCEPTS), contexts["past"])),
        }
        web = await stack.enter_async_context(answering(_web))
        plc = OpcuaServer()
        stack.push_async_callback(plc.stop)
        await plc.start(L01__Good=1)
        for name, place in places.items():
            scheme = "mqtt" if name in {"stranger", "unlisted", "closed"} else "mqtts"
            sources[name] = {"type": "mqtt", "version": "5", "url": f"{scheme}://{place}", "client_id": f"edge-{name}"}
            person.input(name, source=name, topic="a/b")
        sources["renamed"]["ca"] = str(tmp_path / "local" / "ca.pem")
        sources["old"]["ca"] = str(tmp_path / "past" / "ca.pem")
        sources["plc"] = {"type": "opcua", "url": f"opc.tcp://{web}", "security": "none"}
        person.input("plc", source="plc", node=f"nsu={LINE};s=L01.Good")
        person.config["lines"][0]["states"] = {"input": "plc", "codes": {1: {"category": "Uptime"}}}

        async def enlist() -> None:
            listed.update({"edge-unlisted"})

        async def grant() -> None:
            open_[0] = 1

        async def renew() -> None:
            contexts["past"].load_cert_chain(tmp_path / "named" / "broker.pem")
            (tmp_path / "past" / "ca.pem").write_text((tmp_path / "named" / "ca.pem").read_text())

        person.outside = {"list": enlist, "open": grant, "renew": renew}
        known = {"CA": str(tmp_path / "named" / "ca.pem"), "PLC": plc.url}
        silent = {("silent", f"{A} {name}") for name in places}
        await all_done(person, AT_BROKERS, silent, known)


async def lookalike(person: Person, finding: Mapping[str, str]) -> None:
    """The name that past states have."""
    found = MEANT.search(finding["text"])
    assert found is not None, finding
    key_ = finding["kind"].partition("_")[0]
    assert f"write the {key_} as it is at Oden" in finding["cure"]
    person.at(finding["about"])["states"]["codes"]["1"][key_] = found[1]


async def less_often(person: Person, finding: Mapping[str, str]) -> None:
    assert "report output less often (`every`)" in finding["cure"]
    for line in person.config["lines"][:2]:
        line["scrap_yield"]["every"] = "60s"


async def schema_at_oden(person: Person, finding: Mapping[str, str]) -> None:
    """The only one that there is."""
    assert "write `quality_schema` as it is at Oden" in finding["cure"]
    right = finding["text"].partition("it knows ")[2]
    assert right == "66 (leak test)"
    person.at(finding["about"])["rules"][0]["quality_schema"] = right.partition(" ")[0]


async def made(person: Person, finding: Mapping[str, str]) -> None:
    """The command of the finding."""
    assert "OPERATOR" in await person.command(finding)


PLANT = "factories: [{name: Factory A, timezone: Europe/Berlin, lines: [Line 01, Line 02, Line 03]}]\n"
SCHEMAS = 'quality_schemas: [{id: "66", factory: Factory A, description: leak test}]\n'
STAGES: tuple[Mapping[tuple[str, str], Do], ...] = (
    {("oden_unreachable", "Oden"): outside("start", "see that `oden.url` can be reached")},
    {("token_refused", "Oden"): outside("token", "put a token that is valid in the place of `oden.token`")},
    {("oden_failed", "Oden"): outside("mend", "ask again later")},
    {("forbidden", "Factory A/Line 02"): outside("mend", "let the token have this line at Oden")},
    {("quality_schema_unverified", "Factory A/Line 02"): outside("schemas", "compare the id with the one at Oden")},
    {
        ("factory_unknown", "Factory Z/Line 01"): meant("factory"),
        ("line_unknown", "Factory A/Line 3"): meant("line"),
        ("interval_type_unknown", "Factory A/Line 02"): made,
        ("quality_schema_unknown", "Factory A/Line 02"): schema_at_oden,
        ("states_unverified", "Factory A/Line 02"): outside("states", "compare with the names at Oden: Uptme, Jamm"),
        ("budget", "Oden"): less_often,
    },
    {
        ("category_unverified", "Factory A/Line 02"): lookalike,
        ("reason_unverified", "Factory A/Line 02"): lookalike,
    },
)
"""What is found at Oden one after another, each stage once that before is done: one hides the next."""


async def test_what_is_found_at_oden_is_gone_once_it_is_done(tmp_path: Path) -> None:
    person, site = Person(tmp_path), Site(tmp_path / "oden")
    (tmp_path / "oden" / "site").mkdir(parents=True)
    oden, admin = free_port(), free_port()
    person.token("another-token")
    place = {"type": "mqtt", "client_id": "edge-1"}
    states = {"input": "state", "codes": {"1": {"category": "Uptme", "reason": "Jamm"}}}
    inputs = {name: {"source": "floor", "topic": f"plant/{name}"} for name in ("state", "order", "good")}
    inputs["good"]["counter"] = {}  # type: ignore[assignment]
    output = {"every": "1s", "entries": [{"count": "good", "raw_data": {"yield": "{n}"}}]}
    run = {"key": "order", "product": "Film"}
    person.config["oden"] = {
        "url": f"http://127.0.0.1:{oden}/v2",
        "token": "${secret:oden_token}",
        "allow_faster_for_tests": True,
        "rate": "2/s",
    }
    person.config["lines"] = [
        {"factory": "Factory Z", "line": "Line 01", "inputs": inputs, "run": run, "scrap_yield": dict(output)},
        {"factory": "Factory A", "line": "Line 3", "inputs": inputs, "run": run, "scrap_yield": dict(output)},
        {
            "factory": "Factory A",
            "line": "Line 02",
            "inputs": inputs,
            "states": states,
            "intervals": [{"type": "OPERATOR", "key": "order"}],
            "run": run,
            "rules": [{"set": "quality_test", "event": "state", "quality_schema": "67", "raw_data": {"x": "{state}"}}],
        },
    ]

    async def faults(**fault: Any) -> None:
        async with aiohttp.ClientSession() as session:
            await session.delete(f"http://127.0.0.1:{admin}/faults")
            if fault:
                answer = await session.post(f"http://127.0.0.1:{admin}/faults", json=fault)
                assert answer.status < 300, await answer.text()

    async def start(plant: str = PLANT) -> None:
        (tmp_path / "oden" / "site" / "plant.yaml").write_text(plant)
        ports = ("--port", str(oden), "--admin-port", str(admin), "--plant", "plant.yaml")
        process = await site.start("simulate", "oden", *ports, "--token", TOKEN)
        assert process.stdout is not None
        assert await process.stdout.readline()

    async def with_schemas() -> None:
        await site.end()
        await start(PLANT + SCHEMAS)

    async def right_token() -> None:
        person.token(TOKEN)
        await faults(kind="error", status=503)

    async def mend() -> None:
        await faults(**({"kind": "error", "status": 403, "line": "Line 02"} if not mended else {}))
        mended.append(1)

    async def had_states() -> None:
        begin, end = ((NOW - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ") for hours in (3, 2))
        body = {"type": {"name": "STATE"}, "line": {"name": "Line 02", "factory": {"name": "Factory A"}}}
        said = {"category": {"name": "Uptime"}, "reason": {"name": "Jam"}}
        interval = json.dumps({**body, "start_time": begin, "end_time": end, "metadata": said})
        code, words = await person.types("call", "-c", str(person.file), "interval", "set", "--body", interval)
        assert code == 0, words

    mended: list[int] = []
    person.outside = {"start": start, "token": right_token, "mend": mend, "schemas": with_schemas, "states": had_states}
    with Mosquitto(tmp_path / "broker") as floor:
        for name in inputs:
            await floor.publish(f"plant/{name}", "1", retain=True)
        person.config["sources"]["floor"] = {**place, "url": floor.url}
        try:
            await all_done_in_stages(person, STAGES)
        finally:
            await site.end()
