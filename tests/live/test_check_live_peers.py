"""What `check --live` finds at peers that refuse, or do not do what is asked: each provoked, and told with its cure."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError

from gateway.__main__ import main
from gateway.listening import stop_listening
from gateway.sources.opcua.certificates import PkiFolder, thumbprint
from tests.config.command import TOKEN, Answer
from tests.edge_node import BOOLEAN, INT64, EdgeNode
from tests.live.site import Site
from tests.peers import Mosquitto, OpcuaServer, free_port
from tests.sources.opcua.authority import Issued, key
from tests.sources.scripted_broker import packet_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC)
HEAD = """
oden: {{url: "http://127.0.0.1:{nobody}/v2", token: "${{secret:oden_token}}"}}
outbox: {{directory: outbox, size_limit: 100 MB, min_free: 0%}}
status: {{listen: "127.0.0.1:{status}"}}
"""
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest_asyncio.fixture(loop_scope="module")
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path)
    site.config.parent.mkdir()
    (site.config.parent / "secrets").mkdir()
    (site.config.parent / "secrets" / "oden_token").write_text(f"{TOKEN}\n")
    yield site
    await site.end()


Findings = dict[tuple[str, str], dict[str, Any]]
LOOK = ("check", "-c", "gateway.yaml", "--live", "--seconds", "8", "--json")


def findings_of(answer: Answer) -> Findings:
    """By kind and what they are about. What is found at Oden, which nobody is here, is left out."""
    assert '"findings"' in answer.output, answer
    told = {(each["kind"], each["about"]): each for each in json.loads(answer.output)["findings"]}
    return {place: each for place, each in told.items() if not place[0].startswith(("oden", "budget"))}


async def found(
    site: Site,
    sources: Mapping[str, Mapping[str, Any]],
    cures: Mapping[tuple[str, str], str],
    inputs: Mapping[str, Mapping[str, Any]] | None = None,
) -> Findings:
    """The findings at `sources`, each with words of its cure; each source has an input where `inputs` names none."""
    configure(site, sources, inputs)
    findings = findings_of(await site.until(lambda answer: set(findings_of(answer)) == set(cures), *LOOK))
    assert set(cures) == set(findings), findings
    for place, words in cures.items():
        assert words in findings[place]["cure"], findings[place]
    return findings


def configure(
    site: Site, sources: Mapping[str, Mapping[str, Any]], inputs: Mapping[str, Mapping[str, Any]] | None = None
) -> None:
    """A line with `inputs`, or one of each source."""
    of_opcua = {name: section["type"] == "opcua" for name, section in sources.items()}
    given = inputs or {
        name: {"source": name, **({"node": "ns=2;s=L01.State"} if is_opcua else {"topic": "a/b"})}
        for name, is_opcua in of_opcua.items()
    }
    states = {"input": next(iter(given)), "codes": {1: {"category": "Uptime"}}}
    lines = [{"factory": "A", "line": "L", "inputs": given, "states": states}]
    text = HEAD.format(nobody=free_port(), status=free_port())
    site.config.write_text(f"{text}sources: {json.dumps(sources)}\nlines: {json.dumps(lines)}\n")


class _Operator(UserManager):
    def get_user(self, _server: Any, username: Any = None, password: Any = None, certificate: Any = None) -> Any:
        del certificate
        return User(role=UserRole.User) if (username, password) == ("operator", "hunter2") else None


async def secure(certificate: Issued, *, takes: bool = True) -> tuple[Server, str]:
    """A server that talks to nobody without security, and to nobody but the operator; its address. `takes`: whether it
    trusts those who come."""
    server = Server(user_manager=_Operator())
    await server.init()
    server.disable_clock()
    url = f"opc.tcp://127.0.0.1:{free_port()}"
    server.set_endpoint(url)
    await server.set_application_uri("urn:acme:secure")
    server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    await server.load_certificate(certificate.der)
    await server.load_private_key(certificate.key_pem, format="pem")
    await server.register_namespace("urn:acme:line")
    await server.nodes.objects.add_variable(ua.NodeId(ua.String("L01.State"), ua.Int16(2)), "L01.State", 5)

    async def distrust(*_: Any) -> None:
        raise UaStatusCodeError(StatusCodes.BadSecurityChecksFailed)  # type: ignore[no-untyped-call, unused-ignore]

    if not takes:
        server.set_certificate_validator(distrust)
    await server.start()
    return server, url


async def test_p8_why_a_secured_server_is_not_reached(site: Site, tmp_path: Path) -> None:
    """Each thing that can be missing between it and us, and what is to be done about it."""
    certificate = Issued.made(
        "plc", uri="urn:acme:secure", hosts=["127.0.0.1"], ends=NOW + timedelta(days=30), private=key(8)
    )
    past = Issued.made("old", uri="urn:acme:secure", hosts=["127.0.0.1"], ends=NOW - timedelta(days=1), private=key(8))
    ours, theirs, bare = tmp_path / "ours", tmp_path / "theirs", tmp_path / "bare"
    for folder in (ours, theirs):
        assert main(["pki", "create", "--pki", str(folder)]) == 0
    bare.mkdir()
    for each in (certificate, past):
        PkiFolder(ours).reject(each.certificate)
        PkiFolder(ours).move(thumbprint(each.certificate), "rejected", "trusted")
    server, url = await secure(certificate)
    doubtful, doubting_url = await secure(certificate, takes=False)
    old, old_url = await secure(past)
    open_server = OpcuaServer()
    await open_server.start(L01__State=1)
    user = {"username": "operator", "password": "hunter2"}
    wanted = {"type": "opcua", "url": url, "security": "Basic256Sha256/SignAndEncrypt", "pki": str(ours)}
    cures = {
        ("certificate_expires", "works"): "let the server have another",
        ("security_wanted", "plain"): "set `security` of plain",
        ("security_not_offered", "other"): "set `security` of other",
        ("no_certificate", "bare"): f"sudo oden-gateway pki create --pki {bare}",
        ("server_not_trusted", "stranger"): "compare the thumbprint",
        ("login_refused", "anonymous"): "`username` and `password` of anonymous",
        ("login_refused", "forgetful"): "`username` and `password` of forgetful",
        ("gateway_not_trusted", "doubting"): "pki export",
        ("certificate", "outdated"): "let the server have another",
        ("clear_password", "clear"): "set `security` of clear",
    }
    try:
        findings = await found(
            site,
            {
                "works": {**wanted, **user},
                "plain": {**wanted, "security": "none", "pki": str(bare)},
                "other": {**wanted, "security": "Aes128Sha256RsaOaep/Sign"},
                "bare": {**wanted, "pki": str(bare)},
                "stranger": {**wanted, **user, "pki": str(theirs)},
                "anonymous": wanted,
                "forgetful": {**wanted, **user, "password": "hunter3"},
                "doubting": {**wanted, **user, "url": doubting_url},
                "outdated": {**wanted, **user, "url": old_url},
                "clear": {"type": "opcua", "url": open_server.url, "security": "none", **user},
            },
            cures,
        )
    finally:
        for one in (server, doubtful, old):
            await one.stop()
        await open_server.stop()
    assert f"pki trust {thumbprint(certificate.certificate)}" in findings["server_not_trusted", "stranger"]["text"]


async def test_what_tags_cannot_be_used_for(site: Site) -> None:
    """Of a server that is reached: what it refuses, what it holds, and its clock."""
    plc = OpcuaServer()
    await plc.start(
        L01__Range=ua.Variant(ua.Range(0.0, 1.0)), L01__Vague=5, L01__Empty=ua.Variant(None), L01__Secret=1, L01__Shut=1
    )
    await plc.write("L01.Vague", 5, status=StatusCodes.UncertainLastUsableValue)
    ahead = ua.DataValue(ua.Variant(datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=90)))
    await plc.server.write_attribute_value(ua.NodeId(ua.Int32(2258)), ahead)
    refusing = _Refusing(
        plc.server,
        {"L01.Secret": StatusCodes.BadUserAccessDenied, "L01.Shut": StatusCodes.BadNotReadable},
    )
    refusing.begin()
    inputs: dict[str, dict[str, Any]] = {
        name.lower(): {"source": "plc", "node": f"nsu=urn:acme:line;s=L01.{name}"}
        for name in ("Range", "Vague", "Empty", "Secret", "Shut")
    }
    inputs["vague"] |= {"uncertain": "ignore", "queue": 20_000}
    cures = {
        ("clock", "plc"): "`timestamps: arrival`",
        ("watched_otherwise", "plc"): "`sampling`, `queue` or `deadband`",
        ("structure", "A/L range"): "`field: NAME`",
        ("uncertain", "A/L vague"): "`uncertain: use`",
        ("no_value_yet", "A/L empty"): "once the machine has run",
        ("not_readable", "A/L secret"): "let the server's user of plc read it",
        ("not_readable", "A/L shut"): "let the server's user of plc read it",
    }
    try:
        findings = await found(site, {"plc": {"type": "opcua", "url": plc.url, "security": "none"}}, cures, inputs)
    finally:
        await plc.stop()
    assert "s ahead of this machine's" in findings["clock", "plc"]["text"]


class _Refusing:
    """A server that refuses to watch some nodes."""

    def __init__(self, server: Server, refused: Mapping[str, int]) -> None:
        self._service: Any = server.iserver.subscription_service
        self._watch = self._service.create_monitored_items
        self._refused = refused

    def begin(self) -> None:
        self._service.create_monitored_items = self._create

    async def _create(self, parameters: Any, *more: Any, **options: Any) -> Any:
        names = [str(each.ItemToMonitor.NodeId.Identifier) for each in parameters.ItemsToCreate]
        for each, name in zip(parameters.ItemsToCreate, names, strict=True):
            if name in self._refused:
                each.ItemToMonitor.NodeId = ua.NodeId(ua.String("nothing"), ua.Int16(2))
        results = await self._watch(parameters, *more, **options)
        for name, result in zip(names, results, strict=True):
            if name in self._refused:
                result.StatusCode = ua.StatusCode(ua.UInt32(self._refused[name]))
        return results


@asynccontextmanager
async def answering(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Host and port of something that serves whoever comes by `serve`, who may hang up. In the end all has ended that
    has come of it: what is left open would be complained of in the midst of another test."""
    writers: set[asyncio.StreamWriter] = set()
    tasks: set[asyncio.Task[object]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        tasks.add(asyncio.tasks.current_task())  # type: ignore[arg-type]
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        await stop_listening(server)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


def broker(connack: bytes, granted: int = 0) -> Serve:
    """A broker that answers CONNECT so, and grants all topics so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            first, body = await packet_of(reader)
            if first >> 4 == 1:
                writer.write(bytes([0x20, len(connack)]) + connack)
            elif first >> 4 == 8:
                writer.write(bytes([0x90, 4]) + body[:2] + bytes([0, granted]))
            elif first >> 4 == 12:
                writer.write(b"\xd0\x00")

    return serve


async def _web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()


def tls(folder: Path, certificate: Issued) -> ssl.SSLContext:
    pem = ssl.DER_cert_to_PEM_cert(certificate.der)
    (folder / "broker.pem").write_bytes(pem.encode() + certificate.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "broker.pem")
    return context


ACCEPTS = bytes([0, 0, 0])


async def test_p8_why_a_broker_is_not_reached(site: Site, tmp_path: Path) -> None:
    """It does not take us, is none, or is not the one that is trusted."""
    past = Issued.made("broker", ca=True, hosts=["127.0.0.1"], ends=NOW - timedelta(days=1))
    elsewhere = Issued.made("broker", ca=True, hosts=["10.1.4.30"])
    for name, each in (("past", past), ("elsewhere", elsewhere)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ca.pem").write_text(ssl.DER_cert_to_PEM_cert(each.der))
    taken = {"type": "mqtt", "version": "5"}
    async with (
        answering(broker(bytes([0, 0x85, 0]))) as no_client,
        answering(broker(bytes([0, 0x86, 0]))) as no_user,
        answering(_web) as web,
        answering(broker(ACCEPTS), tls(tmp_path / "past", past)) as old,
        answering(broker(ACCEPTS), tls(tmp_path / "elsewhere", elsewhere)) as other,
        answering(broker(ACCEPTS, 0x87)) as secret,
    ):
        with (
            Mosquitto(tmp_path / "broker", ["allow_anonymous false"]) as mosquitto,
            Mosquitto(tmp_path / "lossy", ["max_qos 0"]) as lossy,
        ):
            sources: dict[str, dict[str, Any]] = {
                "stranger": {**taken, "url": mosquitto.url},
                "lossy": {**taken, "url": lossy.url},
                "no_client": {**taken, "url": f"mqtt://{no_client}"},
                "no_user": {**taken, "url": f"mqtt://{no_user}"},
                "web": {**taken, "url": f"mqtt://{web}"},
                "unknown": {**taken, "url": f"mqtts://{old}"},
                "old": {**taken, "url": f"mqtts://{old}", "ca": str(tmp_path / "past" / "ca.pem")},
                "other": {**taken, "url": f"mqtts://{other}", "ca": str(tmp_path / "elsewhere" / "ca.pem")},
                "secret": {**taken, "url": f"mqtt://{secret}"},
            }
            cures = {
                ("login_refused", "stranger"): "the user of stranger",
                ("topic_qos", "A/L lossy"): "QoS 1 for a/b",
                ("client_refused", "no_client"): "client_id edge-no_client",
                ("login_refused", "no_user"): "`username` and `password` of no_user",
                ("not_mqtt", "web"): f"correct `url` of web: another service answers at {web}",
                ("tls", "unknown"): "set `ca` of unknown",
                ("certificate", "old"): "let the broker have another",
                ("certificate_other_host", "other"): "in `url` of other",
                ("topic_refused", "A/L secret"): "let the broker's user of secret read a/b",
            }
            await found(site, {name: {**each, "client_id": f"edge-{name}"} for name, each in sources.items()}, cures)


async def test_what_a_broker_does_not_do_for_the_gateway(site: Site) -> None:
    """It grants less than was asked for, and keeps sessions for less long: the running gateway knows it."""
    connack = bytes([0, 0, 5, 0x11]) + (60).to_bytes(4, "big")
    async with answering(broker(connack)) as place:
        floor = {"type": "mqtt", "url": f"mqtt://{place}", "client_id": "e", "version": "5"}
        configure(site, {"floor": floor})
        await site.gateway()
        wanted = ('"topic_qos"', '"session_short"')
        answer = await site.until(lambda answer: all(word in answer.output for word in wanted), *LOOK)
    told = {each["kind"]: each for each in json.loads(answer.output)["findings"]}
    assert "QoS 1 for a/b" in told["topic_qos"]["cure"]
    assert "keep sessions for longer" in told["session_short"]["cure"]


async def test_what_edge_nodes_do_not_say(site: Site, tmp_path: Path) -> None:
    """One has other metrics, one does not answer when it is asked for its births, one is not there."""
    with Mosquitto(tmp_path / "broker") as mosquitto:
        nodes = [EdgeNode(mosquitto.port, node=name) for name in ("Edge 1", "Edge 2")]
        for node in nodes:
            node.add("Press", Counts__Good=(INT64, 5), Running=(BOOLEAN, True))
            await asyncio.to_thread(node.start)
        nodes[1].deaf = True
        inputs = {
            name: {"source": "floor", "device": f"Plant A/{edge}/Press", "metric": metric}
            for name, edge, metric in (
                ("goood", "Edge 1", "Counts/Goood"),
                ("deaf", "Edge 2", "Counts/Good"),
                ("away", "Edge 9", "Counts/Good"),
            )
        }
        cures = {
            ("metric_missing", "A/L goood"): "browse -c gateway.yaml floor --births --match Press",
            ("no_birth", "A/L deaf"): "NCMD",
            ("device_away", "A/L away"): "browse -c gateway.yaml floor --births --seconds 60",
        }
        speaking = asyncio.create_task(_speak(nodes[1]))
        try:
            await found(site, {"floor": {"type": "mqtt", "url": mosquitto.url, "client_id": "edge-1"}}, cures, inputs)
        finally:
            speaking.cancel()
            for node in nodes:
                await asyncio.to_thread(node.stop)


async def _speak(node: EdgeNode) -> None:
    """It says something all the time."""
    value = 5
    while True:
        value += 1
        await asyncio.to_thread(node.change, "Press", Counts__Good=value)
        await asyncio.sleep(0.2)
