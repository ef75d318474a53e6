"""Tables of states that standards define. Categories are the factory's own, so a preset only says which of three kinds a state is."""

from collections.abc import Iterator
from typing import Literal

from gateway.config.schema_states import Categories, StateCode

Kind = Literal["uptime", "planned", "unplanned"]

PACKML: tuple[tuple[int, str, Kind], ...] = (
    (1, "Clearing", "unplanned"),
    (2, "Stopped", "unplanned"),
    (3, "Starting", "planned"),
    (4, "Idle", "planned"),
    (5, "Suspended", "unplanned"),
    (6, "Execute", "uptime"),
    (7, "Stopping", "unplanned"),
    (8, "Aborting", "unplanned"),
    (9, "Aborted", "unplanned"),
    (10, "Holding", "unplanned"),
    (11, "Held", "unplanned"),
    (12, "Unholding", "unplanned"),
    (13, "Suspending", "unplanned"),
    (14, "Unsuspending", "unplanned"),
    (15, "Resetting", "planned"),
    (16, "Completing", "planned"),
    (17, "Complete", "planned"),
)
"""Number and name of the states (ISA-TR88.00.02, StateCurrent; by name also in OPC 30050), and what they are here: starting, resetting
and waiting for the next order is planned, everything else but Execute is not."""

PACKML_MODES: tuple[tuple[int, str, Kind], ...] = ((2, "Maintenance", "planned"), (3, "Manual", "planned"))
"""The unit modes (UnitModeCurrent) in which the mode says more than the state. In production (1) and in a maker's own modes (from 4)
the state decides."""


def codes(table: tuple[tuple[int, str, Kind], ...], categories: Categories) -> Iterator[tuple[str, StateCode]]:
    """The states by number and by name, as the names are usually written."""
    for number, name, kind in table:
        reason = None if kind == "uptime" else name
        code = StateCode(category=getattr(categories, kind), reason=reason)
        yield from ((written, code) for written in (str(number), name, name.upper(), name.lower()))
