"""How lanes are called, and their bounds after an outage. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from gateway.model import Record, SettingType
from gateway.outbox.entries import Lane

DEAD = "dead"
"""The lane of dead letters."""


MADE_IN: Mapping[SettingType, str] = MappingProxyType(
    {"product": "products", "maintenance_work_order": "work orders", "interval_type": "interval types"}
)
"""The lanes of settings that can be in doubt: one that is stops no others."""


def lane_of(record: Record) -> str:
    """The queue that keeps `record` in order: one per line and family."""
    if record.kind == "output":
        return f"{record.line}/output" if record.quality_schema is None else f"{record.line}/tests"
    if record.kind == "setting":
        return f"{record.line}/{MADE_IN.get(record.type, 'settings')}"
    if record.kind == "update":
        return updates_lane(record.line, record.type)
    return starts_lane(record.line, record.type)


def starts_lane(line: str, interval_type: str) -> str:
    """The queue of the starts of one family of intervals."""
    if interval_type == "STATE":
        return f"{line}/states"
    return f"{line}/runs" if interval_type in ("RUN", "BATCH") else f"{line}/custom {interval_type}"


def updates_lane(line: str, interval_type: str) -> str:
    """The queue of what is known of intervals of one type since their starts."""
    return f"{line}/updates {interval_type}"


def parked_lane(line: str) -> str:
    """Where the records of `line` are whose interval is stalled."""
    return f"{line}/parked"


def takes_turns(name: str) -> bool:
    """Whether records of the lane wait to be sent: they are neither parked nor dead letters."""
    return name != DEAD and not name.endswith("/parked")


def keeps_order(name: str) -> bool:
    """Whether each record of the lane is sent only when those before it are at Oden: they may speak of the same thing."""
    return name.endswith(("/settings", *(f"/{lane}" for lane in MADE_IN.values())))


def goes_after(name: str) -> str | None:
    """The lane of which nothing may wait when something new of this one is begun: intervals of the factory's own types need their type."""
    line, custom, _ = name.rpartition("/custom ")
    return f"{line}/{MADE_IN['interval_type']}" if custom else None


def resumed(lane: Lane, head: int, most: int) -> Lane:
    """The lane after delivery went wrong for a while: what waits before `head` is backlog from now on.

    At most `most` parts are told apart.
    """
    backlog = [*lane.backlog, (lane.head, head)] if lane.head < head else [*lane.backlog]
    while len(backlog) > most:
        backlog[:2] = [(backlog[0][0], backlog[1][1])]
    return replace(lane, head=head, backlog=backlog)
