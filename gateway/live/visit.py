"""Sources looked at in a session of one's own, beside the gateway's: by another name, for a while.

A broker sees another client, whose session is new and ends with its connection; what it keeps for the gateway is not
touched. A server gets a session that is closed when the visit ends.
"""

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import TypeVar

from gateway.clock import Clock
from gateway.config.schema import Config, OpcuaConfig
from gateway.config.schema_mqtt import MqttConfig
from gateway.sources.base import Arrival, Source, Take
from gateway.supervisor import Child, Supervisor

Section = TypeVar("Section")


def visitor(section: Section, suffix: str = "check") -> Section:
    """The section of a client that looks in beside the gateway's own.

    It does not say whether the gateway is there (`presence`, `primary_host`): its farewell would tell others that the
    gateway is gone.
    It takes what comes as it comes, and reads no history.
    """
    if isinstance(section, OpcuaConfig):
        return section.model_copy(update={"history": "off"})
    if isinstance(section, MqttConfig):
        changed = {"client_id": f"{section.client_id}-{suffix}", "session_expiry": 1.0, "history": "off"}
        return section.model_copy(update={**changed, "presence": None, "primary_host": False})
    return section


def visiting(config: Config, suffix: str = "check") -> Config:
    """`config` with its sources as a visitor has them."""
    return config.model_copy(update={"sources": {name: visitor(each, suffix) for name, each in config.sources.items()}})


async def acknowledge(arrival: Arrival) -> None:
    """Take what a visitor is told: nothing is made of it, and nothing waits for that."""
    if arrival.done is not None:
        arrival.done()


async def visit(
    sources: Iterable[Source], take: Take, clock: Clock, stop: asyncio.Event, seconds: float | None
) -> None:
    """Run `sources` into `take` until `stop` is set or `seconds` are over, and end their sessions."""
    supervisor = Supervisor(clock)
    for source in sources:
        supervisor.start(_child(source, take))
    try:
        async with asyncio.timeout(seconds):
            await supervisor.run(stop)
    except TimeoutError:
        pass
    finally:
        await supervisor.shutdown()


def _child(source: Source, take: Take) -> Child:
    return Child(name=f"source {source.name}", run=partial(source.run, take), turned_at=lambda: source.turned_at)
