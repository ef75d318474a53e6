"""What each place tells of what lies beneath the gateway: a disk with little room or that is read-only, and
certificates on the way to Oden whose time is over or has not come. The rows were written before the answers were
looked at."""

import asyncio
import json
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.oden.test_transport import authority, issued
from tests.peers import PATIENCE, wait_until
from tests.situations_rig import Rig, Told, priorities, says_the_same, situation

WELL = Told("yes", "yes", None, "All is well")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with situation(tmp_path) as rig:
        yield rig


async def test_p6_p9_there_is_little_room_left(rig: Rig, tmp_path: Path) -> None:
    """P6, P9: all still works, and it is said, once in the log, before nothing more can be taken in."""
    free = tmp_path / "free"
    free.write_text("0.0501")  # 5 % shall stay free
    rig.start("tests.full_disk", str(free))
    await wait_until(lambda: "outbox_filling" in rig.kinds())
    await wait_until(rig.is_connected)
    said = Told("yes", "yes", "outbox_filling", "The outbox fills up", "outbox_filling")
    await wait_until(lambda: rig.kinds() == ["outbox_filling"])
    says_the_same(rig, said)
    assert await priorities(rig, '"outbox_filling"') == {said.priority}
    [sentence] = {one["text"] for one in rig.status()["problem_details"] if one["kind"] == "outbox_filling"}
    assert said.headline in await asyncio.to_thread(rig.command, "outbox", "stats")
    assert " and the disk of " in sentence
    free.write_text("0.01")
    await wait_until(lambda: "outbox_full" in rig.kinds())
    assert "outbox_filling" not in rig.kinds()
    stats = await asyncio.to_thread(rig.command, "outbox", "stats")
    assert "Nothing more is taken in" in stats
    assert said.headline not in stats
    free.write_text("0.0501")
    await wait_until(lambda: rig.kinds() == ["outbox_filling"])
    free.write_text("0.9")
    await wait_until(lambda: rig.status()["healthy"])
    says_the_same(rig, WELL)
    assert len(rig.logged('"outbox_filling"')) == 1


@asynccontextmanager
async def unwritable(process: int, folder: Path, error: str = "EROFS") -> AsyncIterator[None]:
    """The files of an outbox cannot be written by `process`, as on a disk that the kernel has made read-only after an
    error, or that is full (`ENOSPC`): what is open stays so, and every write of it fails."""
    files = [f for name in ("cache.db", "cache.db-wal", "trial", "ballast") for f in ("-P", str(folder / name))]
    inject = f"inject=openat,pwrite64,write,ftruncate,fallocate,fsync,fdatasync:error={error}"
    command = ("strace", "-f", "-p", str(process), "-o", "/dev/null", *files, "-e", inject)
    tracer = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
    assert tracer.stderr is not None
    try:
        assert b"attached" in await asyncio.wait_for(tracer.stderr.readline(), PATIENCE)
        yield
    finally:
        with suppress(ProcessLookupError):
            tracer.terminate()
        await asyncio.wait_for(tracer.communicate(), PATIENCE)


async def test_p6_p9_the_disk_under_the_outbox_has_become_read_only(rig: Rig, tmp_path: Path) -> None:
    """P6, P9: nothing is taken in, and nothing goes to Oden of which could not be remembered that it did; with the
    system's own reason. All goes on by itself once it can be written again, and nothing is lost."""
    rig.oden.answers(0, "")
    rig.start("tests.traced")
    await wait_until(rig.is_connected)
    await rig.broker.publish("plant/order", json.dumps({"number": "4711"}))
    await wait_until(lambda: rig.oden.requests)
    assert rig.process is not None
    async with unwritable(rig.process.pid, tmp_path / "outbox" / "outbox"):
        await rig.broker.publish("plant/order", json.dumps({"number": "4712"}))
        rig.oden.answers(200, "[]")
        rig.oden.let_go.set()
        await wait_until(lambda: {"outbox_unwritable", "delivery_failing"} <= {*rig.kinds()})
        says_the_same(rig, Told("no", "no", "outbox_unwritable", "Nothing is taken in"))
        assert "Read-only file system" in rig.status()["headline"]
        assert await priorities(rig, '"outbox_failed"') == {"<3>"}
        assert await priorities(rig, '"delivery_waits_for_outbox"') == {"<3>"}
    await wait_until(lambda: rig.status()["taking_in"]["state"] == "yes")
    await wait_until(lambda: rig.status()["delivering"]["state"] == "yes")
    assert await priorities(rig, '"outbox_works_again"') == {"<6>"}


@pytest.mark.parametrize(("error", "kind"), [("EROFS", "outbox_unwritable"), ("ENOSPC", "outbox_full")])
async def test_p9_stopped_while_nothing_can_be_written(rig: Rig, tmp_path: Path, error: str, kind: str) -> None:
    """P9: it ends, and says why in sentences, never with a traceback. What was not stored comes again at the next
    start."""
    rig.oden.answers(200, "[]")
    rig.start("tests.traced")
    await wait_until(rig.is_connected)
    assert rig.process is not None
    async with unwritable(rig.process.pid, tmp_path / "outbox" / "outbox", error):
        await rig.broker.publish("plant/order", json.dumps({"number": "4711"}))
        await wait_until(lambda: kind in rig.kinds())
        rig.process.terminate()
        code = await asyncio.to_thread(rig.process.wait, PATIENCE)
    assert code in (0, 1)
    assert "Traceback" not in rig.log.read_text()
    assert rig.logged('"gateway_stopped"')
    rig.start()
    await wait_until(rig.is_connected)
    await wait_until(lambda: rig.oden.requests)


NOW = datetime.now(UTC)
DAY = timedelta(days=1)
DATES = {
    "expired": (NOW - 2 * DAY, NOW - DAY, "its certificate has expired"),
    "not yet valid": (NOW + DAY, NOW + 2 * DAY, "its certificate is not valid yet: is the clock right?"),
}


@pytest.mark.parametrize("dates", DATES)
async def test_p9_p11_the_time_speaks_against_odens_certificate(rig: Rig, tmp_path: Path, dates: str) -> None:
    """P9, P11: of Oden, or of what opens its TLS before it. Data are taken in and kept, and it waits by design; what
    the time is for the gateway stands beside it, because that may be what is wrong. Once the certificate is another
    one, all goes on by itself."""
    begins, ends, words = DATES[dates]
    root, key = authority()
    ca, server = tmp_path / "ca.pem", tmp_path / "server.pem"
    ca.write_bytes(root.public_bytes(Encoding.PEM))
    server.write_bytes(issued(root, key, valid=(begins, ends)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server)
    rig.oden.by_tls(context)
    config = rig.log.parent / "gateway.yaml"
    text = config.read_text().replace("t0k3n", f"t0k3n, ca: {ca}")
    config.write_text(text.replace('url: "http:', 'url: "https:'))
    rig.start()
    await wait_until(rig.is_connected)
    await rig.broker.publish("plant/order", json.dumps({"number": "4711"}))
    told = Told("yes", "waiting", "certificate_dates", words, "request_failed")
    await wait_until(lambda: told.kind in rig.kinds())
    says_the_same(rig, told)
    today = f"{datetime.now(UTC):%Y-%m-%dT}"
    assert f"for the gateway it is {today[:8]}" in rig.status()["headline"]
    [remedy] = {one["remedy"] for one in rig.status()["problem_details"] if one["kind"] == told.kind}
    assert remedy == "timedatectl"
    assert await priorities(rig, '"request_failed"') == {told.priority}
    server.write_bytes(issued(root, key))
    context.load_cert_chain(server)
    await wait_until(lambda: rig.oden.requests)
    await wait_until(lambda: rig.status()["delivering"]["state"] == "yes")
