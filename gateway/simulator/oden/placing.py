"""Whether this Oden takes an interval beside those that are there, and under which name: by its manners `overlap`,
`over` and `names`."""

from collections.abc import Sequence

from gateway.simulator.oden.bodies import ErrorAnswer
from gateway.simulator.oden.store import BUILT_IN, Interval, Line, Store

LONGEST_NAME = 20
"""Characters of a name, where names are cut off."""


def check_overlap(store: Store, interval_type: str, line: Line, start: int) -> None:
    """By manner, a run, batch or state is refused where one of its type goes on that began before it."""
    status = store.manners.overlap
    before = store.intervals_of(interval_type, line) if status >= 400 and interval_type in BUILT_IN else []
    if any(old.start < start and (old.end is None or old.end > start) for old in before):
        raise ErrorAnswer(status, "another interval is still open then")


def allowed_name(store: Store, interval_type: str, line: Line, name: str | None) -> str | None:
    """The name as this Oden keeps it; by manner, one that another run of the line has is refused."""
    if name is not None and store.manners.names == "short":
        return name[:LONGEST_NAME]
    taken = name and store.manners.names == "unique" and interval_type == "RUN"
    if taken and any(old.name == name for old in store.intervals_of(interval_type, line)):
        raise ErrorAnswer(409, "a run of this name is there already", entity_name="interval", num_matches=1)
    return name


def check_over(store: Store, interval_type: str, line: Line, new: Sequence[Interval]) -> None:
    """By manner, custom intervals are refused together where one of them lies over another that is there."""
    status = store.manners.over
    there = store.intervals_of(interval_type, line) if status >= 400 else []
    if any(_lies_over(one, old) for one in new for old in there):
        raise ErrorAnswer(status, "another interval is there already")


def _lies_over(new: Interval, old: Interval) -> bool:
    return (new.end is None or new.end > old.start) and (old.end is None or old.end > new.start)
