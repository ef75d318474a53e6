"""The pace: by its law, and as a receiver sees it on real sockets."""

import asyncio
import itertools
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.oden.client import OdenClient
from gateway.oden.endpoints import INTERVAL_SET
from gateway.oden.pace import ACCEPTED, GUARD, INTERVAL, SLOWEST, Pace
from tests.links import received, stamped
from tests.oden.wire import SECRET, http
from tests.peers import PATIENCE

OK = http("200 OK", b"[]")

pauses = st.floats(0, 50)
answers = st.sampled_from(["accepted", "refused", "nothing"])


@given(st.floats(-1e6, 1e6), st.floats(INTERVAL, 60.0), st.lists(st.tuples(pauses, answers), max_size=200))
def test_p3_never_faster_than_configured_and_never_slower_than_the_floor(
    begin: float, interval: float, steps: list[tuple[float, str]]
) -> None:
    """Whatever Oden answers: the gap is the configured one at the least, `SLOWEST` times that at the most, and kept."""
    pace, now, last = Pace(begin, interval), begin, begin
    for pause, answer in steps:
        now += pause
        assert interval + GUARD <= pace.gap <= SLOWEST * (interval + GUARD)
        gap = pace.gap
        now += pace.wait(now)
        assert now - last >= gap - GUARD / 2  # the clock's own resolution
        pace.written(now)
        last = now
        if answer == "refused":
            pace.refused(now, now + 0.1)
        elif answer == "accepted":
            pace.accepted(now)


@given(st.lists(answers, max_size=100))
def test_the_configured_rate_comes_back_in_full(before: list[str]) -> None:
    """After any past, enough accepted requests without a 429 bring back exactly the configured gap."""
    pace = Pace(0.0, 2.0)
    for at, answer in enumerate(before):
        if answer == "refused":
            pace.refused(float(at), float(at))
        elif answer == "accepted":
            pace.accepted(float(at))
    for at in range(ACCEPTED * (SLOWEST.bit_length() - 1)):
        pace.accepted(len(before) + 1.0 + at)
    assert pace.gap == Pace(0.0, 2.0).gap


def test_a_429_halves_the_rate_and_accepted_requests_double_it() -> None:
    """Twice the gap at once; back after `ACCEPTED` requests, not one earlier; a 429 between begins the count again."""
    pace = Pace(0.0, 1.0)
    pace.refused(1.0, 1.1)
    assert pace.gap == 2 * (1.0 + GUARD)
    for at in range(ACCEPTED - 1):
        pace.accepted(2.0 + at)
    assert pace.gap == 2 * (1.0 + GUARD)
    pace.refused(30.0, 30.1)
    assert pace.gap == 4 * (1.0 + GUARD)
    for at in range(ACCEPTED):
        assert pace.gap == 4 * (1.0 + GUARD)
        pace.accepted(40.0 + at)
    assert pace.gap == 2 * (1.0 + GUARD)


def test_requests_that_were_under_way_together_halve_the_rate_once() -> None:
    """Answers to what was written before the rate was halved neither halve it again nor count as accepted."""
    pace = Pace(0.0, 1.0)
    pace.refused(3.0, 3.5)
    pace.refused(1.0, 3.6)
    pace.refused(2.0, 3.7)
    for _ in range(ACCEPTED):
        pace.accepted(3.4)
    assert pace.gap == 2 * (1.0 + GUARD)


class Receiver:
    """Answers requests over blocking sockets and keeps when each reached this machine's kernel, however late it is
    read."""

    def __init__(self, answer: Callable[[int], bytes], latency: float) -> None:
        self._answer, self._latency = answer, latency
        self._listener = socket.create_server(("127.0.0.1", 0))
        stamped(self._listener)
        self._threads: list[threading.Thread] = []
        self._received: list[float] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v2"

    @contextmanager
    def listening(self) -> Iterator[str]:
        accepting = threading.Thread(target=self._accept)
        accepting.start()
        try:
            yield self.url
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            self._listener.close()
            for thread in self._threads:
                thread.join()

    @property
    def gaps(self) -> Sequence[float]:
        return [after - before for before, after in itertools.pairwise(sorted(self._received))]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while True:
                data, at = received(connection)
                if not data:
                    return
                assert data.endswith(b"\r\n\r\n{}"), "one write, one request"
                self._received.append(at)
                answer = self._answer(len(self._received))
                time.sleep(self._latency)
                connection.sendall(answer)


async def stumble(until: asyncio.Event) -> None:
    """Blocks the event loop every now and then, for longer than the guard, as a slow machine would."""
    while not until.is_set():
        time.sleep(random.uniform(0.0, 3 * GUARD))  # noqa: ASYNC251 - that is the point
        await asyncio.sleep(random.uniform(0.0, GUARD))


@pytest.mark.parametrize(("interval", "requests", "latency"), [(0.05, 40, 0.2), (0.05, 30, 0.0), (INTERVAL, 4, 0.1)])
async def test_p3_the_gap_at_the_receiver(interval: float, requests: int, latency: float) -> None:
    """However many are under way and however the event loop stumbles, no two requests arrive within the interval."""
    receiver, done = Receiver(lambda _: OK, latency), asyncio.Event()
    with receiver.listening() as url:
        pace = Pace(asyncio.get_running_loop().time(), interval)
        async with OdenClient(url, lambda: SECRET, PATIENCE, pace) as client:
            stumbling = asyncio.create_task(stumble(done))
            got = await asyncio.gather(*(client.post(INTERVAL_SET, "{}") for _ in range(requests)))
            done.set()
            await stumbling
    assert [answer.status for answer in got] == [200] * requests
    assert len(receiver.gaps) == requests - 1
    assert min(receiver.gaps) >= interval


async def test_p3_a_fresh_client_waits_first() -> None:
    """The first request leaves a whole interval after the pace was made: a process before it may just have sent one."""
    receiver = Receiver(lambda _: OK, 0.0)
    with receiver.listening() as url:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with OdenClient(url, lambda: SECRET, PATIENCE, Pace(begun, 0.3)) as client:
            answer = await client.post(INTERVAL_SET, "{}")
    assert answer.status == 200
    assert loop.time() - begun >= 0.3 + GUARD


async def test_a_429_slows_the_requests_that_follow() -> None:
    """As the receiver sees it: twice the gap after one 429, and the configured one once enough were accepted."""
    refusal = http("429 Too Many Requests", b'{"error": "slow down", "retryable": true}')
    receiver = Receiver(lambda number: refusal if number == 1 else OK, 0.0)
    with receiver.listening() as url:
        pace = Pace(asyncio.get_running_loop().time(), 0.02)
        async with OdenClient(url, lambda: SECRET, PATIENCE, pace) as client:
            got = [await client.post(INTERVAL_SET, "{}") for _ in range(1 + ACCEPTED)]
    assert [answer.status for answer in got] == [429] + [200] * ACCEPTED
    assert min(receiver.gaps) >= 2 * 0.02
    assert pace.gap == Pace(0.0, 0.02).gap


async def test_only_answers_of_odens_own_count_as_accepted() -> None:
    """Neither a proxy's page nor a fault at Oden raises the rate again."""
    words = [
        http("429 Too Many Requests", b'{"error": "slow down"}'),
        *[http("200 OK", b"<html>", kind="text/html"), http("503 Service Unavailable", b'{"error": "x"}')] * ACCEPTED,
    ]
    receiver = Receiver(lambda number: words[number - 1], 0.0)
    with receiver.listening() as url:
        pace = Pace(asyncio.get_running_loop().time(), -GUARD + 0.002)
        async with OdenClient(url, lambda: SECRET, PATIENCE, pace) as client:
            for _ in words:
                await client.post(INTERVAL_SET, "{}")
    assert pace.gap == pytest.approx(2 * 0.002)
