"""The parts of the gateway as children of the supervisor, with the stage of the shutdown in which each ends."""

from functools import partial

from gateway import control
from gateway.delivery.drain import Drain
from gateway.intake import Intake
from gateway.sources.base import Source
from gateway.status.loop import StatusLoop
from gateway.status.web import StatusServer
from gateway.supervisor import Child

GRACE = 10.0
"""Seconds that intake gets to commit, and requests under way to be answered, when the gateway is stopped."""

SOURCES, CORE, EDGES = range(3)
"""The stages of the shutdown, in their order."""


def source_child(source: Source, intake: Intake) -> Child:
    """A source, which hands over to intake."""
    run = partial(source.run, intake.take)
    return Child(name=f"source {source.name}", run=run, turned_at=lambda: source.turned_at, stage=SOURCES)


def core_child(name: str, part: Intake | Drain) -> Child:
    """Intake or delivery: what must turn, and may finish what it has begun."""
    return Child(
        name=name,
        run=part.run,
        turned_at=lambda: part.turned_at,
        vital=True,
        stage=CORE,
        request_stop=part.stop,
        grace=GRACE,
    )


def edge_child(name: str, part: StatusLoop | StatusServer | control.Control) -> Child:
    """What only shows or answers."""
    return Child(name=name, run=part.run, turned_at=lambda: part.turned_at, stage=EDGES)
