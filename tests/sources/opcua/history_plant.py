"""Scripted servers that keep what their tags and notifiers have said, for tests of history."""

import asyncio
from collections.abc import Mapping
from typing import Any

from gateway.model import Recovered
from tests.sources.harness import Intake, node
from tests.sources.opcua.scripted import Server


def keeping(*names: str, **values: object) -> Server:
    server = Server(**values)
    server.historized = {*(names or values)}
    return server


def forget(server: Server) -> None:
    """The way is lost, and the server ends the session and what it watched."""
    server.cut()
    server.end_session(subscriptions=True)


async def toggle(server: Server, name: str, since: int, times: int, every: float = 1.0) -> None:
    for count in range(since, since + times):
        server.write(name, count)
        await asyncio.sleep(every)


def kept(intake: Intake) -> list[Recovered]:
    return [arrival.recovered for arrival in intake.arrivals if arrival.recovered is not None]


def values(recovered: Recovered, name: str) -> list[object]:
    samples = (sample for moment in recovered.moments for sample in moment.samples)
    return [sample.value for sample in samples if sample.address == node(name)]


ALARM: Mapping[str, Any] = {"press": {"event": True, "type": "AlarmConditionType"}}


ALARMS = f"{node('press')} [AlarmConditionType]"
