"""What `check --live` finds of brokers that want a certificate, and of edge nodes and hosts behind one, is mended by
doing what it says."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.edge_node import INT64, EdgeNode
from tests.live.person import Do, Person, all_done, outside, said_of, setting
from tests.live.test_check_live_peers import ACCEPTS, _speak, _web, answering, broker, tls
from tests.peers import Mosquitto
from tests.sources.opcua.authority import Issued, key
from tests.sources.scripted_broker import packet_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC)
A = "Factory A/Line 01"
ACCEPTS_QOS_0 = bytes([0, 0, 2, 0x24, 0])


def issued(name: str, authority: Issued | None = None, *, number: int = 7, **about: Any) -> Issued:
    begins = about.pop("begins", NOW - timedelta(days=10))
    given = {"hosts": ["127.0.0.1"], "ends": NOW + timedelta(days=90), "private": key(number), **about}
    return Issued.made(name, authority, begins=begins, **given)


def pem(folder: Path, each: Issued, name: str) -> tuple[Path, Path]:
    """Files with the certificate and its key."""
    certificate, secret = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_text(ssl.DER_cert_to_PEM_cert(each.der))
    secret.write_bytes(each.key_pem)
    return certificate, secret


def certificate_of_ours(certificate: Path, secret: Path) -> Do:
    async def do(person: Person, finding: Mapping[str, str]) -> None:
        about = finding["about"]
        assert finding["cure"] == f"set `certificate` and `key` of {about} to those that it trusts"
        person.at(about).update(certificate=str(certificate), key=str(secret))

    return do


async def one_of_its_own(person: Person, finding: Mapping[str, str]) -> None:
    about = finding["about"]
    assert finding["cure"] == f"set `client_id` of {about} to one that nobody else has, not edge-twin"
    person.at(about)["client_id"] = "edge-only"


def with_topics(person: Person, sources: Mapping[str, Mapping[str, Any]]) -> None:
    for name, section in sources.items():
        person.config["sources"][name] = {"type": "mqtt", "client_id": f"edge-{name}", **section}
        person.input(name, source=name, topic="a/b")
    person.config["lines"][0].setdefault("states", {"input": next(iter(sources)), "codes": {1: {"category": "Uptime"}}})


async def test_p8_what_is_found_of_certificates_at_brokers_is_gone_once_it_is_done(tmp_path: Path) -> None:
    """A broker wants one of ours; or has one of its own that counts from tomorrow on, or none at all."""
    person = Person(tmp_path)
    plant, other = issued("Plant CA", ca=True, number=1), issued("Other CA", ca=True, number=2)
    server, known, unknown = issued("broker", plant), issued("edge", plant, number=5), issued("edge", other)
    young = issued("broker", ca=True, begins=NOW + timedelta(days=1))
    ca, _ = pem(tmp_path, plant, "ca")
    certificate, secret = pem(tmp_path, server, "server")
    ours = pem(tmp_path, known, "ours")
    strange = pem(tmp_path, unknown, "strange")
    early, _ = pem(tmp_path, young, "early")
    context = tls(tmp_path, young)
    settings = [f"cafile {ca}", f"certfile {certificate}", f"keyfile {secret}", "require_certificate true"]
    cures: Mapping[tuple[str, str], Do] = {
        ("client_certificate", "without"): certificate_of_ours(*ours),
        ("client_certificate", "stranger"): certificate_of_ours(*ours),
        ("client_certificate", "mixed"): certificate_of_ours(*ours),
        ("tls", "bare"): said_of("url", "mqtt://", "mqtts://"),
        ("certificate", "early"): outside("renew", "let the broker have another"),
        ("tls", "nowhere"): said_of("ca", str(ca)),
    }
    async with AsyncExitStack() as stack:
        strict = stack.enter_context(Mosquitto(tmp_path / "strict", settings))
        plain = stack.enter_context(Mosquitto(tmp_path / "plain"))
        later = await stack.enter_async_context(answering(broker(ACCEPTS), context))
        await plain.publish("a/b", "1", retain=True)
        url = f"mqtts://127.0.0.1:{strict.port}"
        with_topics(
            person,
            {
                "without": {"url": url, "ca": str(ca)},
                "stranger": {"url": url, "ca": str(ca), "certificate": str(strange[0]), "key": str(strange[1])},
                "mixed": {"url": url, "ca": str(ca), "certificate": str(ours[0]), "key": str(strange[1])},
                "bare": {"url": f"mqtts://127.0.0.1:{plain.port}"},
                "early": {"url": f"mqtts://{later}", "version": "5", "ca": str(early)},
                "nowhere": {"url": url, "ca": str(tmp_path / "absent.pem"), "certificate": str(ours[0])},
            },
        )
        person.at("nowhere")["key"] = str(ours[1])

        async def renew() -> None:
            present = issued("broker", ca=True)
            context.load_cert_chain(*pem(tmp_path, present, "present"))
            pem(tmp_path, present, "early")

        person.outside = {"renew": renew}
        silent = {("silent", f"{A} {name}") for name in ("without", "stranger", "mixed", "early", "nowhere")}
        await all_done(person, cures, silent)


async def test_what_is_found_of_sessions_and_hosts_is_gone_once_it_is_done(tmp_path: Path) -> None:
    """A broker that lets nobody read what edge nodes say, knows no QoS but 0, or knows our name already; one that is
    none; and a host that is off, for which edge nodes wait."""
    person, open_, lossy = Person(tmp_path), [0x87], [ACCEPTS_QOS_0]

    async def shut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await broker(ACCEPTS, open_[0])(reader, writer)

    async def poor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await broker(lossy[0])(reader, writer)

    async def twin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await packet_of(reader)
        writer.write(bytes([0x20, 3]) + ACCEPTS)
        if b"edge-twin" in body:
            writer.write(bytes([0xE0, 1, 0x8E]))
            return
        await broker(ACCEPTS)(reader, writer)

    cures: Mapping[tuple[str, str], Do] = {
        ("topic_refused", "shut"): outside("open", "let the broker's user of shut read spBv1.0/Plant A/+/Edge 1/#"),
        ("topic_qos", f"{A} poor"): outside("rich", "let the broker grant QoS 1 for a/b"),
        ("client_twin", "twin"): one_of_its_own,
        ("not_mqtt", "web"): said_of("url", "FLOOR"),
        ("host_away", "hall"): outside("host", "see that it is on"),
    }
    async with AsyncExitStack() as stack:
        floor = stack.enter_context(Mosquitto(tmp_path / "broker"))
        places = {
            name: await stack.enter_async_context(answering(serve))
            for name, serve in (("shut", shut), ("poor", poor), ("twin", twin), ("web", _web))
        }

        async def state(*, online: bool) -> None:
            said = json.dumps({"online": online, "timestamp": int(datetime.now(UTC).timestamp() * 1000)})
            await floor.publish("spBv1.0/STATE/scada", said, retain=True)

        async def grant() -> None:
            open_[0] = 1

        async def enrich() -> None:
            lossy[0] = ACCEPTS

        person.outside = {"open": grant, "rich": enrich, "host": lambda: state(online=True)}
        await state(online=False)
        await floor.publish("a/b", "1", retain=True)
        with_topics(person, {name: {"url": f"mqtt://{place}", "version": "5"} for name, place in places.items()})
        with_topics(person, {"hall": {"url": floor.url, "host_id": "scada"}})
        person.input("shut", source="shut", device="Plant A/Edge 1/Press", metric="Counts/Good")
        left = {("silent", f"{A} {name}") for name in ("poor", "twin")} | {("device_away", f"{A} shut")}
        await all_done(person, cures, left, {"FLOOR": floor.url}, wrong={("device_away", f"{A} shut")})


async def test_births_come_once_it_is_done(tmp_path: Path) -> None:
    """A broker that takes no requests for them, a device whose node has none, a gateway that asks for none."""
    person = Person(tmp_path)
    rules = tmp_path / "acl"
    kinds = ("NBIRTH/+", "NDATA/+", "NDEATH/+", "DBIRTH/#", "DDATA/#")
    rules.write_text(
        "\n".join(["topic read #", "topic write edge/#", *(f"topic write spBv1.0/+/{each}" for each in kinds)])
    )
    cures: Mapping[tuple[str, str], Do] = {
        ("no_birth", "floor"): outside("rule", "let the broker take what the gateway publishes to NCMD topics"),
        ("no_birth", f"{A} lone"): setting,
        ("no_birth", f"{A} quiet"): setting,
    }
    async with AsyncExitStack() as stack:
        floor = stack.enter_context(Mosquitto(tmp_path / "broker", [f"acl_file {rules}"]))
        open_ = stack.enter_context(Mosquitto(tmp_path / "open"))
        nodes = {
            name: EdgeNode(port, node=f"Edge {name}", aliases=name != "lone")
            for name, port in (("floor", floor.port), ("lone", open_.port), ("quiet", open_.port))
        }
        for name, node in nodes.items():
            node.deaf = name == "lone"
            node.add("Press", Counts__Good=(INT64, 5))
            await asyncio.to_thread(node.start)
            stack.push_async_callback(asyncio.to_thread, node.stop)
            speaking = asyncio.create_task(_speak(node))
            stack.callback(speaking.cancel)
            url = floor.url if name == "floor" else open_.url
            person.config["sources"][name] = {"type": "mqtt", "client_id": f"edge-{name}", "url": url}
            person.input(name, source=name, device=f"Plant A/Edge {name}/Press", metric="Counts/Good")
        person.at("quiet")["rebirth"] = "never"
        person.config["lines"][0]["states"] = {"input": "floor", "codes": {5: {"category": "Uptime"}}}

        async def rule() -> None:
            rules.write_text("topic readwrite #\n")
            floor.reload()

        person.outside = {"rule": rule}
        await all_done(person, cures, set())
