"""The tables of states that standards define, by number and by name.

Categories are the factory's own, so a standard's table only says which of three kinds a state is: starting, resetting
and waiting for the next order is planned, everything else but producing is not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from gateway.config.schema_intervals import Categories, StateCode

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


@dataclass(frozen=True, slots=True)
class StatePreset:
    """A standard's states and unit modes. `title` is what people call it; `hints` say of codes that it does not have
    what they may mean."""

    title: str
    states: Table
    modes: Table
    hints: Mapping[str, str] = field(default_factory=dict)


_NO_PACKML = "; PackML has no state 0: TMC (OPC 30060) counts from 0, which `preset: tmc` knows"

PRESETS: Mapping[Literal["packml", "tmc"], StatePreset] = MappingProxyType(
    {
        "packml": StatePreset("PackML", PACKML, PACKML_MODES, {"0": _NO_PACKML}),
        "tmc": StatePreset("TMC", TMC, TMC_MODES),
    }
)

TMC_NAMESPACE = "/UA/TMC/"
"""Stands in the node ids of servers by OPC 30060."""


def preset_codes(table: Table, categories: Categories) -> Iterator[tuple[str, StateCode]]:
    """The states by number and by name, as the names are usually written."""
    for number, name, kind in table:
        code = StateCode(category=getattr(categories, kind), reason=None if kind == "uptime" else name)
        yield str(number), code
        for spelling in (name, *ALSO_CALLED.get(name, ())):
            yield from ((written, code) for written in (spelling, spelling.upper(), spelling.lower()))
