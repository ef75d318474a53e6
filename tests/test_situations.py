"""What a person, a supervisor and a monitoring system are told in each situation: the same everywhere.

A real gateway with a real broker, and an Oden that answers as the situation has it. The table was written before the
answers were looked at: what each place has to say follows from what is wrong, not from how the gateway notices it.
"""

import asyncio
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.peers import PATIENCE, wait_for, wait_until
from tests.situations_rig import Rig, Told, priorities, says_the_same, situation

SITUATIONS: dict[str, tuple[int, str, str, Told]] = {
    "401": (
        401,
        '{"error": "bad token", "retryable": false}',
        "application/json",
        Told("yes", "waiting", "oden_held", "401", "request_failed"),
    ),
    "403 for the only line": (
        403,
        '{"error": "not yours", "retryable": false}',
        "application/json",
        Told("yes", "waiting", "oden_held", "403", "request_failed"),
    ),
    "HTML": (
        200,
        "<html><body>Please log in</body></html>",
        "text/html",
        Told("yes", "waiting", "oden_held", "something between", "request_failed"),
    ),
    "Oden hangs": (0, "", "", Told("yes", "waiting", "oden_silent", "has not answered", "request_failed")),
    "Oden refuses the record": (
        400,
        '{"error": "no such product", "retryable": false, "name": "product"}',
        "application/json",
        Told("yes", "yes", "dead_letters", "refused 1 record", "record_refused", "<3>"),
    ),
    "Oden refuses all": (
        400,
        '{"error": "products are not set up", "retryable": false, "name": "product"}',
        "application/json",
        Told("yes", "no", "oden_refuses", "refuses one record after another", "refused_in_a_row", "<3>", orders=12),
    ),
}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with situation(tmp_path) as rig:
        yield rig


@pytest.mark.parametrize("situation", SITUATIONS)
async def test_p9_every_place_says_the_same(rig: Rig, situation: str) -> None:
    """P9: page, JSON, readiness, metrics and the log tell one truth, the log with the priority that the journal
    chooses by."""
    code, body, kind, told = SITUATIONS[situation]
    rig.oden.answers(code, body, kind)
    rig.start()
    await wait_until(rig.is_connected)
    says_the_same(rig, Told("yes", "yes", None, "All is well"))
    for number in range(told.orders):
        await rig.broker.publish("plant/order", json.dumps({"number": str(4711 + number)}))
    await wait_until(lambda: told.kind in rig.kinds())
    says_the_same(rig, told)
    assert await priorities(rig, f'"{told.event}"') == {told.priority}


async def test_p9_without_any_source_nothing_is_taken_in(rig: Rig) -> None:
    """P9: with its only source away the gateway is not ready, says why, and is ready again when that is back."""
    rig.start()
    await wait_until(rig.is_connected)
    rig.broker.stop()
    await wait_until(lambda: "sources_away" in rig.kinds())
    says_the_same(rig, Told("waiting", "yes", "sources_away", "Source floor is not connected"))
    assert await priorities(rig, '"task_ended"') == {"<4>"}
    rig.broker.start()
    await wait_until(lambda: rig.status()["healthy"])
    says_the_same(rig, Told("yes", "yes", None, "All is well"))


async def test_p9_p11_a_clock_that_cannot_be_right_is_waited_for(rig: Rig, tmp_path: Path) -> None:
    """P9, P11: nothing is taken in, which is said with what helps; all is well as soon as the clock is set."""
    ahead = tmp_path / "ahead"
    ahead.write_text(str(-20 * 366 * 86_400))
    rig.start("tests.set_clock", str(ahead))
    await wait_until(lambda: "clock_wrong" in rig.kinds())
    status = rig.status()
    assert (status["taking_in"]["state"], status["delivering"]["state"]) == ("waiting", "waiting")
    assert "Waiting for the clock" in status["headline"]
    assert rig.metric("oden_gateway_problem", kind="clock_wrong") == 1
    assert (rig.get("/healthz")[0], rig.get("/readyz")[0]) == (200, 503)
    assert "Waiting for the clock" in rig.get("/readyz")[1]
    assert await priorities(rig, '"waiting_for_clock"') == {"<4>"}
    ahead.write_text("0")
    await wait_until(lambda: rig.status()["healthy"])
    says_the_same(rig, Told("yes", "yes", None, "All is well"))


async def test_p9_a_person_has_paused_delivery(rig: Rig) -> None:
    """P9: that is waiting by design, also after a kill, and data are taken in; once it is resumed all is well."""
    paused = Told("yes", "waiting", "delivery_paused", "Delivery to Oden was paused")

    rig.start()
    await wait_until(rig.is_connected)
    await asyncio.to_thread(rig.command, "outbox", "pause")
    await wait_until(lambda: "delivery_paused" in rig.kinds())
    await rig.broker.publish("plant/order", json.dumps({"number": "4711"}))
    await wait_until(lambda: rig.status()["outbox"]["records"]["waiting"] == 1)
    says_the_same(rig, paused)
    assert rig.process is not None
    rig.process.kill()
    rig.process.wait()
    rig.start()
    await wait_until(rig.is_connected)
    await wait_until(lambda: rig.kinds() == ["delivery_paused"])
    says_the_same(rig, paused)
    assert rig.oden.requests == 0
    await asyncio.to_thread(rig.command, "outbox", "resume")
    await wait_until(lambda: rig.oden.requests)


def test_p9_a_port_that_is_taken_is_said_in_the_log_with_its_priority(rig: Rig) -> None:
    """P9: where the page cannot be served the journal has it as a warning, and systemd its sentence; once the port is
    free the page is served, and the gateway was ready all the time."""
    rig.oden.answers(200, "[]")
    other = ThreadingHTTPServer(("127.0.0.1", rig.status_port), BaseHTTPRequestHandler)
    try:
        rig.start()
        wait_for(lambda: rig.logged("cannot listen"))
        wait_for(lambda: "cannot listen" in rig.systemd.status)
    finally:
        other.server_close()
    assert rig.logged("cannot listen")[0].startswith("<4>{")
    wait_for(lambda: rig.kinds() == ["task_failed"])
    assert (rig.get("/healthz"), rig.get("/readyz")) == ((200, "ok"), (200, "ok"))
    assert rig.metric("oden_gateway_taking_in") == rig.metric("oden_gateway_delivering") == 1
    assert all(line.startswith(("<6>{", "<4>{", "<3>{")) for line in rig.logged(""))


NOISE = (
    b"n0nsense",
    b"GET / HTTP/9.9",
    b"GET /\x00n0nsense HTTP/1.1",
    b"POST /api/actions/retry HTTP/1.1\r\nHost: localhost\r\nContent-Length: n0nsense",
    b"GET /" + b"n0nsense" * 10_000 + b" HTTP/1.1\r\nHost: localhost",
    b"GET / HTTP/1.1\r\nHost: n0nsense\r\nn0nsense",
    b"\x16\x03\x01\x02\x00\x01n0nsense",
)
"""What scanners of a network, wrong ports and broken programs send to the page."""


def test_p9_noise_at_the_page_is_no_error_and_is_not_repeated(rig: Rig) -> None:
    """P9: whoever looks for what is wrong finds nothing of it in the log, nor a byte of a client's; the page serves
    on."""
    rig.oden.answers(200, "[]")
    rig.start()
    wait_for(rig.is_connected)
    for noise in NOISE:
        with socket.create_connection(("127.0.0.1", rig.status_port), timeout=PATIENCE) as peer:
            peer.sendall(noise + b"\r\n\r\n")
            with suppress(ConnectionError):
                assert b"n0nsense" not in peer.recv(65_536)
    assert rig.get("/healthz") == (200, "ok")
    assert rig.process is not None
    rig.process.terminate()
    assert rig.process.wait(PATIENCE) == 0
    assert rig.logged("gateway_stopped")
    assert "n0nsense" not in rig.log.read_text()
    assert [line for line in rig.logged("") if not line.startswith("<6>")] == []


async def test_p6_p9_a_full_disk(rig: Rig, tmp_path: Path) -> None:
    """P6, P9: nothing is taken in, which is waiting by design; what is kept is still delivered, and all is well as soon
    as there is room."""
    free = tmp_path / "free"
    free.write_text("0.01")
    rig.start("tests.full_disk", str(free))
    await wait_until(lambda: "outbox_full" in rig.kinds())
    await wait_until(lambda: rig.status()["delivering"]["state"] == "yes")
    says_the_same(rig, Told("waiting", "yes", "outbox_full", "Nothing is taken in"))
    assert await priorities(rig, '"outbox_failed"') == {"<3>"}
    free.write_text("0.9")
    await wait_until(lambda: rig.status()["healthy"])
    says_the_same(rig, Told("yes", "yes", None, "All is well"))


async def test_p9_a_broker_that_is_full(rig: Rig) -> None:
    """P9: one that takes no more clients refuses us, with its reason; nothing is taken in until it has room again."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(bytes((0x20, 3, 0, 0x97, 0)))  # CONNACK: quota exceeded
        await writer.drain()
        writer.close()

    port = int(rig.broker.url.rsplit(":")[-1])
    rig.broker.stop()
    async with await asyncio.start_server(refuse, "127.0.0.1", port):
        rig.start()
        await wait_until(lambda: "quota" in json.dumps(rig.status()["sources"]))  # away it is before it was refused
        says_the_same(rig, Told("waiting", "yes", "sources_away", "Source floor is not connected"))
        assert await priorities(rig, "quota") == {"<4>"}
    rig.broker.start()
    await wait_until(lambda: rig.status()["healthy"])


async def test_p9_a_log_that_is_gone(rig: Rig) -> None:
    """P9: where the disk of the log is full all goes on; every other place says that lines are missing."""
    rig.start(log="/dev/full")
    await wait_until(lambda: "log_unwritable" in rig.kinds())
    says_the_same(rig, Told("yes", "yes", "log_unwritable", "The log cannot be written"))


async def test_p9_a_part_that_hangs(rig: Rig) -> None:
    """P9: intake that never comes back cannot be mended from within: the log says so as critical, systemd's status
    line too, and the process ends, to be started again."""
    rig.start("tests.hang_loop")
    await wait_until(rig.is_connected)
    assert rig.process is not None
    rig.process.send_signal(signal.SIGUSR2)
    assert await asyncio.to_thread(rig.process.wait, PATIENCE) == 1
    (said,) = rig.logged('"loop_hung"')
    assert said.startswith("<2>{")
    assert "intake has not turned" in said
    await wait_until(lambda: "intake has not turned" in rig.systemd.status)
