"""What is right by itself and never comes to be: rungs below one with the same condition, ends that are what begins the
same, and zones on the other side of UTC than people think."""

import re
from collections.abc import Iterator

from gateway.config.lint_texts import sections_of
from gateway.config.schema import Line
from gateway.config.schema_intervals import Begin, End
from gateway.config.schema_messages import OwnTime
from gateway.config.schema_walk import Loc
from gateway.errors import ConfigFault


def find_never(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """What of `line`, which stands at `loc`, never is, or is at other times than it seems."""
    yield from _turned_zones(line, loc)
    yield from _never(line, loc)


def _turned_zones(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """Zones of which the sign is the other way round than people think."""
    zones: list[tuple[Loc, str]] = [
        ((*loc, "intervals", index, "calendar", "zone"), interval.calendar.zone)
        for index, interval in enumerate(line.intervals)
        if interval.calendar is not None
    ]
    for name, given in line.inputs.items():
        if isinstance(given.time, OwnTime):
            zones.append(((*loc, "inputs", name, "time", "zone"), given.time.zone))
    for at, zone in zones:
        match = re.fullmatch(r"Etc/GMT([+-])([1-9]\d?)", zone)
        if match is not None:
            side = "behind" if match[1] == "+" else "ahead of"
            text = f"this zone is {match[2]} h {side} UTC, since its sign is turned round: write a place, such as"
            yield ConfigFault(at, f"{text} Europe/Berlin", warning=True, rests_on=())


def _never(line: Line, loc: Loc) -> Iterator[ConfigFault]:
    """Rungs that are never come to, and ends that are what begins the same."""
    rungs = line.states.ladder if line.states is not None else []
    seen: dict[str, int] = {}
    for index, rung in enumerate(rungs):
        first = seen.setdefault("".join(rung.when.split()), index)
        if first != index:
            text = "a rung above has this condition: the first that holds decides, and this one never does"
            yield ConfigFault((*loc, "states", "ladder", index, "when"), text, warning=True, rests_on=())
    for section, at in sections_of(line, loc):
        begin, end = getattr(section, "start", None), getattr(section, "end", None)
        if not isinstance(begin, Begin) or not isinstance(end, End) or begin.event is None:
            continue
        if (begin.event, begin.when) == (end.event, end.when):
            text = "what begins it ends it as well: each event of this input is both; name another, or write 'when'"
            yield ConfigFault((*at, "end", "event"), text, warning=True, rests_on=())
