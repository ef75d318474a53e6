"""What a source is to the rest of the gateway, and the supervision that all sources share."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import structlog

from gateway.clock import Clock
from gateway.errors import SourceError
from gateway.model import Notice, Sample

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What identifies one MQTT delivery, so that a redelivery is known for what it is after a crash.

    `packet_id` and `digest` (of topic and payload) are those of the PUBLISH; `redelivered` is its DUP flag
    within a session that the broker resumed.
    """

    packet_id: int
    digest: str
    redelivered: bool


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a source hands over at once: it is committed as a whole, then `done` is called.

    `done` runs on the event loop, only after samples, notices and what they caused are on disk. `new_session`
    says that the broker has forgotten our session: receipts from before mean nothing any more.
    """

    source: str
    samples: tuple[Sample, ...] = ()
    notices: tuple[Notice, ...] = ()
    receipt: Receipt | None = None
    done: Callable[[], None] | None = None
    new_session: bool = False


Take = Callable[[Arrival], Awaitable[None]]
"""Hands an arrival to intake; waits while intake is full, which is how a source is slowed down."""


@dataclass(slots=True)
class SourceHealth:
    """What a source says of itself; only the source writes it."""

    connected: bool = False
    since: float = 0.0
    detail: str = "not connected yet"
    failed: dict[str, str] = field(default_factory=dict)
    """Address -> why this one tag or topic is not being received."""
    last_sample_at: float | None = None

    def up(self, now: float) -> None:
        self.connected, self.since, self.detail = True, now, "connected"

    def down(self, now: float, why: str) -> None:
        if self.connected or self.since == 0.0:
            self.since = now
        self.connected, self.detail = False, why


class Source(Protocol):
    """A connection to one peer, for as long as the gateway runs."""

    name: str
    health: SourceHealth

    async def run(self, take: Take) -> None:
        """Deliver arrivals until cancelled, reconnecting as often as it takes. Never returns by itself."""


def not_connected(since: float, now: float) -> str:
    """What is said once a source is connected again whose values are not kept for it meanwhile."""
    began = datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return f"not connected since {began}, for {now - since:.0f} s; what changed and changed back is not known"


async def supervise(
    name: str, health: SourceHealth, clock: Clock, connect: Callable[[], Awaitable[None]], longest: float = 30.0
) -> None:
    """Call `connect` again and again; it serves one connection and raises SourceError when that is lost.

    Between attempts waits 0.5 s, doubling to `longest`, with jitter; a connection that held for a minute
    starts the series anew. Anything but SourceError is a fault of ours: it is logged as such and also retried,
    because a gateway that stops taking data helps nobody.
    """
    delay = 0.5
    while True:
        begun = clock.monotonic()
        try:
            await connect()
            why = "the connection was closed"
        except SourceError as error:
            why = str(error)
        except Exception as error:  # the one supervisor of sources: logged, shown, retried
            why = f"internal error: {error!r}"
            log.exception("source_failed", source=name)
        health.down(clock.now(), why)
        if clock.monotonic() - begun > 60:
            delay = 0.5
        pause = delay * random.uniform(0.5, 1.0)
        log.warning("source_disconnected", source=name, reason=why, retry_in=round(pause, 1))
        await asyncio.sleep(pause)
        delay = min(delay * 2, longest)
