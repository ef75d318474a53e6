"""The control socket, with real sockets: who answers whom, where, and what is left behind."""

import asyncio
import json
import logging
import os
import socket
import stat
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from gateway.control import MOST_BODY, OPEN_TO_GROUP, Control, NoGateway, ask
from gateway.control_places import places, runtime_directory
from gateway.errors import GatewayError, OutboxError
from tests.peers import PATIENCE

Item = dict[str, object]


async def echo(command: str, question: object) -> AsyncGenerator[Item, None]:
    """Answers with what it was asked, and breaks off where it is told to."""
    yield {"command": command, "question": question}
    if command == "fail":
        raise OutboxError("this cannot be done")


async def answer(directory: Path, where: list[Path], command: str = "list", question: object = 7) -> list[Item]:
    return [item async for item in ask(directory, where, command, question)]


async def test_a_question_is_answered(tmp_path: Path) -> None:
    """Command and question arrive as they are, also where they are long; the socket is for the owner and the group."""
    where = places(tmp_path, tmp_path / "none")
    async with Control(tmp_path, where, echo) as control:
        assert control.path == tmp_path / "control.sock"
        assert stat.S_IMODE(control.path.stat().st_mode) == 0o660
        question = {"text": "é\n" * 500_000}
        assert await answer(tmp_path, where, "show", question) == [{"command": "show", "question": question}]
    assert not (tmp_path / "control.sock").exists()
    with pytest.raises(NoGateway):
        await answer(tmp_path, where)


async def test_the_socket_is_never_anybody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the umask: also between the moment in which it appears and that in which it gets its mode."""
    made: list[int] = []
    chmod = Path.chmod

    def seen(path: Path, mode: int) -> None:
        made.append(stat.S_IMODE(path.lstat().st_mode))
        chmod(path, mode)

    monkeypatch.setattr(Path, "chmod", seen)
    for mask in (0o000, 0o022, 0o077):
        before = os.umask(mask)
        try:
            async with Control(tmp_path, places(tmp_path, tmp_path / "none"), echo) as control:
                assert control.path is not None
                assert stat.S_IMODE(control.path.stat().st_mode) == 0o660
        finally:
            os.umask(before)
    assert made == [0o600] * 3


async def test_the_group_may_only_look(tmp_path: Path) -> None:
    """Who is neither root nor the gateway's user is answered what changes nothing, and nothing is done of the rest."""
    done: list[str] = []

    async def note(command: str, _: object) -> AsyncGenerator[Item, None]:
        done.append(command)
        yield {}

    where = places(tmp_path, tmp_path / "none")
    async with Control(tmp_path, where, note, owners=()):
        for command in sorted(OPEN_TO_GROUP):
            assert await answer(tmp_path, where, command) == [{}]
        for command in ("retry", "drop", "pause", "resume", "import", "call", "clock", "browse", "rejects-drop", "new"):
            with pytest.raises(GatewayError, match="run it with sudo"):
                await answer(tmp_path, where, command)
    assert done == sorted(OPEN_TO_GROUP)


async def test_the_runtime_folder_goes_first(tmp_path: Path) -> None:
    """Where the folder that systemd makes is there, the socket is in it, and the command finds it."""
    runtime, directory = tmp_path / "run", tmp_path / "outbox"
    runtime.mkdir()
    directory.mkdir()
    where = places(directory, runtime)
    async with Control(directory, where, echo) as control:
        assert control.path == runtime / "control.sock"
        assert await answer(directory, where)
    assert not (runtime / "control.sock").exists()


async def test_a_question_for_another_gateway_is_not_answered(tmp_path: Path) -> None:
    """Two gateways with one runtime folder: the second leaves the first's socket alone; each has its own outbox."""
    runtime, one, two = tmp_path / "run", tmp_path / "one", tmp_path / "two"
    for folder in (runtime, one, two):
        folder.mkdir()
    asked: list[str] = []

    async def note(command: str, question: object) -> AsyncGenerator[Item, None]:
        asked.append(command)
        yield {"who": "two"}

    async with Control(one, places(one, runtime), echo), Control(two, places(two, runtime), note) as second:
        assert second.path == two / "control.sock"
        assert await answer(two, places(two, runtime), "drop") == [{"who": "two"}]
        assert await answer(one, places(one, runtime)) == [{"command": "list", "question": 7}]
        with pytest.raises(NoGateway):
            await answer(tmp_path, places(tmp_path, runtime), "drop")
    assert asked == ["drop"]


async def test_a_socket_that_nobody_listens_at_is_replaced(tmp_path: Path) -> None:
    """What a killed process has left over in either place stops nobody."""
    runtime, directory = tmp_path / "run", tmp_path / "outbox"
    for folder in (runtime, directory):
        folder.mkdir()
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(folder / "control.sock"))
    where = places(directory, runtime)
    with pytest.raises(NoGateway):
        await answer(directory, where)
    async with Control(directory, where, echo) as control:
        assert control.path == runtime / "control.sock"
        assert await answer(directory, where)


async def test_an_error_is_the_callers(tmp_path: Path) -> None:
    """A question that cannot be answered raises the gateway's own sentence, after what was answered before it."""
    where = places(tmp_path, tmp_path / "none")
    async with Control(tmp_path, where, echo):
        answered = ask(tmp_path, where, "fail", None)
        assert await anext(answered) == {"command": "fail", "question": None}
        with pytest.raises(GatewayError, match="this cannot be done"):
            await anext(answered)


async def test_an_answer_that_ends_too_soon_is_no_answer(tmp_path: Path) -> None:
    """A gateway that dies in the middle is told from one that had no more to say."""
    where = places(tmp_path, tmp_path / "none")

    async def die(command: str, question: object) -> AsyncGenerator[Item, None]:
        yield {"first": 1}
        raise KeyError("a bug")

    async with Control(tmp_path, where, die):
        with pytest.raises(GatewayError, match="stopped in the middle of its answer"):
            await answer(tmp_path, where)


@pytest.mark.parametrize("body", ["[]", "{", json.dumps({"outbox": "somewhere"})])
async def test_nonsense_is_refused(tmp_path: Path, body: str) -> None:
    """What is not a question is answered with 400 and does nothing."""
    where = places(tmp_path, tmp_path / "none")
    async with Control(tmp_path, where, echo) as control:
        connector = aiohttp.UnixConnector(str(control.path))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post("http://gateway/outbox/list", data=body) as response,
        ):
            assert response.status == 400


async def test_a_question_that_is_too_large_or_too_deep_is_refused_early(tmp_path: Path) -> None:
    """The gateway goes on, and the command says that it has to be split."""
    where = places(tmp_path, tmp_path / "none")
    async with Control(tmp_path, where, echo) as control:
        with pytest.raises(GatewayError, match="more than the gateway takes at once"):
            await answer(tmp_path, where, "import", "x" * (MOST_BODY + 1))
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(control.path))) as session,
            session.post("http://gateway/outbox/list", data="[" * 1_000_000) as response,
        ):
            assert response.status == 400
        assert await answer(tmp_path, where)


async def test_where_it_cannot_listen_it_says_why(tmp_path: Path) -> None:
    """A path that is too long for a socket is an error for the log, in words."""
    directory = tmp_path / ("long" * 30)
    directory.mkdir()
    control = Control(directory, places(directory, tmp_path / "none"), echo)
    with pytest.raises(GatewayError, match="its control socket cannot be made"):
        async with control:
            pass


async def test_another_way_to_the_same_folder_is_the_same_outbox(tmp_path: Path) -> None:
    """As of `-c ../plant/gateway.yaml`, or where the folder is a link."""
    directory, elsewhere, link = tmp_path / "outbox", tmp_path / "elsewhere", tmp_path / "link"
    directory.mkdir()
    elsewhere.mkdir()
    link.symlink_to(directory)
    for one, other in ((directory, elsewhere / ".." / "outbox"), (link, directory), (directory, link)):
        where = places(directory, tmp_path / "none")
        async with Control(one, where, echo):
            assert await answer(other, where)


async def test_who_hangs_up_leaves_no_error_behind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As everybody does who has seen enough of `tail`: what goes on for ever ends, and nothing is said of it."""
    ended = asyncio.Event()

    async def forever(_: str, __: object) -> AsyncGenerator[Item, None]:
        try:
            while True:
                yield {"more": "x" * 10_000}
                await asyncio.sleep(0)
        finally:
            ended.set()

    where = places(tmp_path, tmp_path / "none")
    async with Control(tmp_path, where, forever):
        items = ask(tmp_path, where, "tail", None)
        await anext(items)
        await items.aclose()
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def raw(control: Control, said: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which `said` was said."""
    reader, writer = await asyncio.open_unix_connection(control.path)
    writer.write(said)
    return reader, writer


HEAD = b"POST /outbox/list HTTP/1.1\r\nHost: gateway\r\nContent-Length: 100\r\n\r\n"


@pytest.mark.parametrize("said", [b"", b"POST /outbox/li", HEAD + b'{"outbox": '])
async def test_half_a_question_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    """Its connection ends, wherever the question broke off."""
    monkeypatch.setattr("gateway.control.ASKED_WITHIN", 0.2)
    async with Control(tmp_path, places(tmp_path, tmp_path / "none"), echo) as control:
        reader, writer = await raw(control, said)
        async with asyncio.timeout(PATIENCE):
            answered = await reader.readline()
        writer.close()
        assert answered == (b"HTTP/1.1 408 Request Timeout\r\n" if said.startswith(HEAD) else b"")


async def test_no_more_than_a_number_are_served_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is told to try again; and the group, which may only look, keeps nobody out who may more."""
    monkeypatch.setattr("gateway.control.MOST_CONNECTIONS", 2)
    users: dict[asyncio.BaseTransport | None, int] = {}
    ahead = iter([4711, 4711, 4711, 0])  # three of the group come, and then root

    def user(end: asyncio.BaseTransport | None) -> int:
        if end not in users:
            users[end] = next(ahead, 0)
        return users[end]

    monkeypatch.setattr("gateway.control._user", user)
    where = places(tmp_path, tmp_path / "none")
    async with Control(tmp_path, where, echo) as control:
        held = [await raw(control, HEAD) for _ in range(2)]
        with pytest.raises(GatewayError, match="Try again"):
            await answer(tmp_path, where)
        assert await answer(tmp_path, where, "drop")
        for _, writer in held:
            writer.close()


async def test_one_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that takes the connection and does not turn: the command ends, and says what to do."""
    monkeypatch.setattr("gateway.control.ANSWERS_WITHIN", 0.2)
    where = places(tmp_path, tmp_path / "none")
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(tmp_path / "control.sock"))
        hanging.listen(1)
        for _ in range(3):  # from the second on, its queue is full
            with pytest.raises(GatewayError, match=r"it hangs, or its machine does.*systemctl restart"):
                await answer(tmp_path, where)
        runtime = tmp_path / "own"
        runtime.mkdir()
        second = [tmp_path / "control.sock", runtime / "control.sock"]
        async with Control(runtime, second, echo) as control:
            assert control.path == runtime / "control.sock", "it has taken the place of one that only stands still"


@pytest.mark.parametrize("said", [b"\xff\x00\xfe\r\n\r\n", b"GET / HTTP/1.1\r\nA: " + b"secret" * 5_000])
async def test_what_is_no_request_is_not_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture, said: bytes) -> None:
    """Nor repeated; and who asks and is gone at once is no fault of the gateway's."""
    where = places(tmp_path, tmp_path / "none")
    async with Control(tmp_path, where, echo) as control:
        reader, writer = await raw(control, said)
        answered = await reader.read()
        assert b"400" in answered
        assert len(answered) < 300
        writer.close()
        body = json.dumps({"outbox": str(tmp_path), "question": 1}).encode()
        head = HEAD.replace(b"100", str(len(body)).encode())
        for _ in range(20):
            _, writer = await raw(control, head + body)
            await writer.drain()
            writer.transport.abort()
        assert await answer(tmp_path, where)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_where_what_a_reboot_ends_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In systemd's folder; else in the machine's, where it may be written to; else in the user's own, which is made."""
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    runtime, users = tmp_path / "oden-gateway", tmp_path / "user"
    where = partial(runtime_directory, runtime, users)
    assert where() == runtime, "there is none"
    (users / str(os.geteuid())).mkdir(parents=True)
    own = where()
    assert (own.parent.parent, own.name, stat.S_IMODE(own.stat().st_mode)) == (users, "oden-gateway", 0o700)
    assert where() == own
    runtime.mkdir()
    assert where() == runtime
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"/run/by-systemd:{runtime}")
    assert where() == Path("/run/by-systemd")
