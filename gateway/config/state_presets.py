"""The states and modes of the standards, by their numbers and names. Data only."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

PresetCategory = Literal["uptime", "planned", "unplanned"]

Table = tuple[tuple[int, str, PresetCategory], ...]
"""Number, name and kind of each state."""

PACKML: Table = (
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
"""ISA-TR88.00.02, StateCurrent. Libraries by its edition of 2022 call the last one Completed."""

TMC: Table = (
    (0, "Stopped", "unplanned"),
    (1, "Resetting", "planned"),
    (2, "Idle", "planned"),
    (3, "Starting", "planned"),
    (4, "Execute", "uptime"),
    (5, "Completing", "planned"),
    (6, "Complete", "planned"),
    (7, "Aborting", "unplanned"),
    (8, "Aborted", "unplanned"),
    (9, "Stopping", "unplanned"),
    (10, "Clearing", "unplanned"),
    (11, "Suspending", "unplanned"),
    (12, "Suspended", "unplanned"),
    (13, "Unsuspending", "unplanned"),
    (14, "Holding", "unplanned"),
    (15, "Held", "unplanned"),
    (16, "Unholding", "unplanned"),
)
"""OPC 30060, State in LiveStatus: the states of PackML with numbers of its own."""

PACKML_MODES: Table = ((2, "Maintenance", "planned"), (3, "Manual", "planned"))
"""The unit modes (UnitModeCurrent) in which the mode says more than the state. In production (1) and in a maker's own
modes (from 4) the state decides."""

TMC_MODES: Table = (*PACKML_MODES, (5, "Clean", "planned"))
"""ControlMode of OPC 30060."""

ALSO_CALLED: Mapping[str, tuple[str, ...]] = MappingProxyType({"Complete": ("Completed",)})


def _names(table: Table) -> tuple[str, ...]:
    return tuple(spelling for _, name, _ in table for spelling in (name, *ALSO_CALLED.get(name, ())))


PRESET_NAMES: Mapping[Literal["packml", "tmc"], tuple[str, ...]] = MappingProxyType(
    {"packml": _names(PACKML), "tmc": _names(TMC)}
)
"""What the states of each preset are called."""
