"""The outbox's thread: for how long somebody has waited for it."""

import asyncio
from itertools import pairwise
from threading import Event

from gateway.outbox.key_value import MemoryStore
from gateway.outbox.store import Outbox
from gateway.outbox.thread import OutboxThread


def until(_: Outbox, done: Event) -> None:
    done.wait(60.0)


async def test_p9_that_there_is_always_some_caller_is_nobodys_long_wait() -> None:
    """Calls that overlap without a break, none of which takes long, hold nobody up: what hangs beside them is found.
    One call that takes long does, and so does each that waits behind it."""
    now = 0.0
    thread = OutboxThread(lambda: now)
    await thread.open(lambda: Outbox(MemoryStore()))
    calls = [Event() for _ in range(5)]
    waiting = asyncio.create_task(thread(until, calls[0]))
    await asyncio.sleep(0)
    for done, later in pairwise(calls):
        now += 2.0
        behind = asyncio.create_task(thread(until, later))
        await asyncio.sleep(0)
        assert thread.waited_since == now - 2.0
        done.set()
        await waiting
        waiting = behind
        assert thread.waited_since == now
    begun, now = now, now + 9.0
    behind = asyncio.create_task(thread(until, calls[-1]))
    await asyncio.sleep(0)
    assert thread.waited_since == begun
    calls[-1].set()
    await asyncio.gather(waiting, behind)
    assert thread.waited_since == now
    await thread.close()
