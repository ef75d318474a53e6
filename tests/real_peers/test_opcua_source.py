"""The OPC UA source with servers of other makers: sessions are taken up again, and none is left behind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.__main__ import main
from gateway.clock import AnchoredClock
from gateway.errors import SourceError
from gateway.sources.opcua.certificates import PkiFolder, thumbprint
from gateway.sources.opcua.channel import SHORT_SESSION, Channel
from gateway.sources.opcua.session_key import KeyFile, key_file
from gateway.sources.opcua.source import OpcuaSource
from tests.links import Link
from tests.peers import wait_until
from tests.real_peers.opcua_servers import SERVERS, NodeOpcua, OpcuaPeer
from tests.sources.harness import Intake, opcua_config, opcua_tag, opcua_tags, running
from tests.sources.opcua.authority import Issued

NODE = "nsu=urn:acme:line;s=L01.State"


@pytest.fixture(params=SERVERS)
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpcuaPeer]:
    """Each server, not running yet."""
    server = SERVERS[request.param](tmp_path / "server")
    try:
        yield server
    finally:
        await server.kill()


@pytest.fixture
async def link(server: OpcuaPeer) -> AsyncIterator[Link]:
    """The way to the server, which can be cut."""
    link = Link(server.port)
    await link.start()
    yield link
    await link.stop()


async def toggled(server: OpcuaPeer, since: int, times: int) -> None:
    for count in range(since, since + times):
        await server.write("L01.State", count)
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("cut", [5.0, 20.0])
async def test_p2_every_change_of_a_cut_comes_afterwards(server: OpcuaPeer, link: Link, cut: float) -> None:
    """Ten changes a second, as far as the queue of 1,000 reaches: each comes once and in its order, and no gap is
    listed but where the server itself says that it has dropped some."""
    await server.start(L01__State=0)
    config = opcua_config(f"opc.tcp://127.0.0.1:{link.port}", queue=1000)
    source, intake = OpcuaSource("plc", config, opcua_tags([NODE], config), AnchoredClock()), Intake()
    times = round(cut * 10)
    async with running(source, intake):
        await wait_until(lambda: intake.values(NODE) == [0], 30)
        await toggled(server, 1, 20)
        await link.stop()
        await toggled(server, 21, times)
        await link.start()
        await wait_until(lambda: source.health.connected, 60)
        await toggled(server, 21 + times, 20)
        await wait_until(lambda: intake.values(NODE)[-1] == 40 + times, 60)
    values = list(dict.fromkeys(intake.values(NODE)))
    overflowed = [notice for notice in intake.notices if "dropped" in notice.text]
    assert len(intake.notices) == len(overflowed)
    if server.name != "o6":  # it keeps 100 values of a tag, whatever is asked
        assert overflowed == []
    if not overflowed:
        assert values == list(range(41 + times))


async def test_p2_each_writing_of_a_value_counts_once_over_cuts(server: OpcuaPeer, link: Link) -> None:
    """Also of the same value. There are servers that tell of all tags once more when a session is taken up again."""
    await server.start(L01__State=0)
    await server.write("L01.State", 0)  # o6 makes up a new time at each look at a tag that has never been given one
    config = opcua_config(f"opc.tcp://127.0.0.1:{link.port}")
    tag = opcua_tag(NODE, config, trigger="timestamp")
    source, intake = OpcuaSource("plc", config, [tag], AnchoredClock()), Intake()

    def writings() -> int:
        return sum(not sample.initial and sample.quality == "good" for sample in intake.samples)

    async with running(source, intake):
        await wait_until(lambda: intake.values(NODE) == [0])
        for number in range(1, 7):
            await server.write("L01.State", 1)
            await wait_until(lambda: writings() >= number)  # noqa: B023 - awaited at once
            if number % 2:
                link.cut()
                await asyncio.sleep(1)  # that it comes back before the next, so that what is told again stands alone
    assert writings() == 6
    assert intake.notices == []


async def test_p2_null_without_a_type_is_empty_where_the_tag_is_text(tmp_path: Path) -> None:
    """The server is asked for the type of the tag: null of text is empty, of a number it says nothing."""
    server = NodeOpcua(tmp_path / "server")
    config = opcua_config(server.url)
    fault, speed = "nsu=urn:acme:line;s=Fault", "nsu=urn:acme:line;s=Speed"
    source, intake = OpcuaSource("plc", config, opcua_tags([fault, speed], config), AnchoredClock()), Intake()
    try:
        await server.start(Fault="Jam", Speed=5)
        async with running(source, intake):
            await wait_until(lambda: intake.values(fault) == ["Jam"] and intake.values(speed) == [5], 60)
            await server.write("Fault", None, type="Null")
            await server.write("Speed", None, type="Null")
            await wait_until(lambda: intake.values(speed) == [5, None], 60)
            await wait_until(lambda: intake.values(fault) == ["Jam", ""], 60)
            await server.write("Fault", None)  # null of its own type
            await server.write("Fault", "E1")
            await wait_until(lambda: intake.values(fault)[-1] == "E1", 60)
            assert intake.notices == []
    finally:
        await server.kill()


async def test_a_crash_leaves_no_session(server: OpcuaPeer, tmp_path: Path) -> None:
    """A gateway that dies ten times is connected at once each time."""
    await server.start(L01__State=0)
    config = opcua_config(server.url)
    for _ in range(10):
        channel = Channel(config, key_file(tmp_path, "plc"))
        await channel.open(AnchoredClock().now())
        channel.drop()
    channel = Channel(config, key_file(tmp_path, "plc"))
    await channel.open(AnchoredClock().now())
    await channel.close()


async def test_a_server_with_two_sessions_never_refuses_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over crashes, and over cuts that we notice and the server does not."""
    server = NodeOpcua(tmp_path / "server", capabilities={"maxSessions": 2})
    link = Link(server.port)
    await link.start()
    try:
        await server.start(L01__State=0)
        config = opcua_config(f"opc.tcp://127.0.0.1:{link.port}")
        for round_ in range(5):
            channel = Channel(config, key_file(tmp_path, "plc"))
            source = OpcuaSource("plc", config, opcua_tags([NODE], config), AnchoredClock(), channel)
            intake = Intake()
            task = asyncio.create_task(source.run(intake.take))
            await wait_until(lambda: intake.values(NODE), 30)  # noqa: B023 - awaited at once
            link.cut()
            await server.write("L01.State", round_ + 1)
            await wait_until(lambda: intake.values(NODE)[-1] == round_ + 1, 30)  # noqa: B023 - as above
            monkeypatch.setattr(channel, "close", _dies(channel))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    finally:
        await link.stop()
        await server.kill()


def _dies(channel: Channel) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        channel.drop()

    return close


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"])
@pytest.mark.parametrize("user", ["nobody", "name"])
async def test_p2_a_protected_session_is_taken_up_again(policy: str, user: str, tmp_path: Path) -> None:
    """With each policy and each kind of user: over a cut nothing is lost, and after a crash no session is left. The
    server samples each change: of two within an interval it would take one."""
    server = NodeOpcua(
        tmp_path / "server",
        policies=[policy],
        modes=["SignAndEncrypt"],
        users={"operator": "right"},
        capabilities={"maxSessions": 2},
    )
    link, pki = Link(server.port), tmp_path / "pki"
    await link.start()
    assert main(["pki", "create", "--pki", str(pki)]) == 0
    settings: dict[str, object] = {"sampling": 0, "security": f"{policy.replace('_', '')}/SignAndEncrypt", "pki": pki}
    if user == "name":
        settings |= {"username": "operator", "password": "right"}
    config = opcua_config(f"opc.tcp://127.0.0.1:{link.port}", **settings)
    tags = opcua_tags([NODE], config)
    try:
        await server.start(L01__State=0)
        for _ in range(3):  # the first is refused until the server is trusted
            channel = Channel(config, key_file(tmp_path, "plc"))
            try:
                await channel.open(AnchoredClock().now())
            except SourceError:
                for each in PkiFolder(pki).certificates("rejected"):
                    PkiFolder(pki).move(thumbprint(each), "rejected", "trusted")
            channel.drop()
        source = OpcuaSource("plc", config, tags, AnchoredClock(), Channel(config, key_file(tmp_path, "plc")))
        intake = Intake()
        async with running(source, intake):
            await wait_until(lambda: intake.values(NODE) == [0], 30)
            link.cut()
            await toggled(server, 1, 5)
            await wait_until(lambda: intake.values(NODE)[-1] == 5, 30)
        assert list(dict.fromkeys(intake.values(NODE))) == list(range(6))
        assert intake.notices == []
    finally:
        await link.stop()
        await server.kill()


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"])
async def test_p2_a_user_with_a_certificate_loses_nothing_over_a_cut(policy: str, tmp_path: Path) -> None:
    """node-opcua does not let the session of such a user be taken up over another connection (it answers
    BadInternalError): its subscriptions are moved to a new one."""
    server = NodeOpcua(tmp_path / "server", policies=[policy], modes=["SignAndEncrypt"], anonymous=False)
    link, pki = Link(server.port), tmp_path / "pki"
    await link.start()
    assert main(["pki", "create", "--pki", str(pki)]) == 0
    settings: dict[str, object] = {"security": f"{policy.replace('_', '')}/SignAndEncrypt", "pki": pki}
    config = opcua_config(f"opc.tcp://127.0.0.1:{link.port}", **settings, **user_files(tmp_path))
    source, intake = OpcuaSource("plc", config, opcua_tags([NODE], config), AnchoredClock()), Intake()
    try:
        await server.start(L01__State=0)
        async with running(source, intake):
            await wait_until(lambda: PkiFolder(pki).certificates("rejected"), 30)
            for each in PkiFolder(pki).certificates("rejected"):
                PkiFolder(pki).move(thumbprint(each), "rejected", "trusted")
            await wait_until(lambda: intake.values(NODE) == [0], 60)
            link.cut()
            for count in range(1, 6):
                await server.write("L01.State", count)
                await asyncio.sleep(0.5)  # the server takes no two of one sampling interval
            await wait_until(lambda: intake.values(NODE)[-1] == 5, 60)
        assert list(dict.fromkeys(intake.values(NODE))) == list(range(6))
        assert intake.notices == []
    finally:
        await link.stop()
        await server.kill()


async def test_p9_a_server_with_two_sessions_has_one_for_a_user_with_a_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lets no such session be taken up, and each cut and each crash leaves one behind, one right after the other:
    that is gone before anybody is told that nothing is known, and no change is missed."""
    server = NodeOpcua(
        tmp_path / "server",
        policies=["Basic256Sha256"],
        modes=["SignAndEncrypt"],
        anonymous=False,
        capabilities={"maxSessions": 2},
    )
    link, pki = Link(server.port), tmp_path / "pki"
    await link.start()
    assert main(["pki", "create", "--pki", str(pki)]) == 0
    settings: dict[str, object] = {"security": "Basic256Sha256/SignAndEncrypt", "pki": pki}
    config = opcua_config(f"opc.tcp://127.0.0.1:{link.port}", **settings, **user_files(tmp_path))
    granted = []
    try:
        await server.start(L01__State=0)
        with pytest.raises(SourceError, match="is not trusted"):
            await Channel(config, KeyFile(None)).open(AnchoredClock().now())
        for each in PkiFolder(pki).certificates("rejected"):
            PkiFolder(pki).move(thumbprint(each), "rejected", "trusted")
        for life in range(2):
            channel = Channel(config, key_file(tmp_path, "plc"), lasts=True)
            source, intake = OpcuaSource("plc", config, opcua_tags([NODE], config), AnchoredClock(), channel), Intake()
            async with running(source, intake):
                await wait_until(lambda: intake.values(NODE) and source.granted)  # noqa: B023 - awaited at once
                refused = sum(one.quality == "bad" for one in intake.samples)
                for number in range(1, 4):
                    await wait_until(lambda: bool(source.granted))  # noqa: B023
                    granted.append(source.granted["session"][0])
                    link.cut()
                    value = 10 * life + number
                    await server.write("L01.State", value)
                    await wait_until(lambda: intake.values(NODE)[-1] == value and source.granted)  # noqa: B023
                assert sum(one.quality == "bad" for one in intake.samples) == refused, "nobody was told of a loss"
                assert intake.notices == []
                monkeypatch.setattr(channel, "close", _dies(channel))
    finally:
        await link.stop()
        await server.kill()
    assert granted == [SHORT_SESSION] * 6


async def test_a_server_with_one_session_has_it_for_a_user_with_a_certificate(tmp_path: Path) -> None:
    """Whether a session can be taken up is tried beside it: the one that is tried is the one that is used, and leaves
    none behind."""
    server = NodeOpcua(
        tmp_path / "server",
        policies=["Basic256Sha256"],
        modes=["SignAndEncrypt"],
        anonymous=False,
        capabilities={"maxSessions": 1},
    )
    pki = tmp_path / "pki"
    assert main(["pki", "create", "--pki", str(pki)]) == 0
    settings: dict[str, object] = {"security": "Basic256Sha256/SignAndEncrypt", "pki": pki}
    config = opcua_config(server.url, **settings, **user_files(tmp_path))
    try:
        await server.start(L01__State=0)
        with pytest.raises(SourceError, match="is not trusted"):
            await Channel(config, KeyFile(None)).open(AnchoredClock().now())
        for each in PkiFolder(pki).certificates("rejected"):
            PkiFolder(pki).move(thumbprint(each), "rejected", "trusted")
        for _ in range(3):
            channel = Channel(config, key_file(tmp_path, "plc"), lasts=True)
            await channel.open(AnchoredClock().now())
            assert channel.session_timeout == SHORT_SESSION
            assert (await server.ask(do="sessions"))["sessions"] == 1
            await channel.close()
            assert (await server.ask(do="sessions"))["sessions"] == 0
    finally:
        await server.kill()


def user_files(folder: Path) -> dict[str, object]:
    """The settings of a user that is a certificate."""
    now = datetime.now(UTC)
    issued = Issued.made("operator", begins=now - timedelta(days=1), ends=now + timedelta(days=1))
    certificate, key = folder / "operator.pem", folder / "operator.key"
    certificate.write_bytes(issued.certificate.public_bytes(Encoding.PEM))
    key.write_bytes(issued.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return {"user_certificate": certificate, "user_key": key}
