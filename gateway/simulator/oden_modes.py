"""How this Oden does what its document leaves open, so that a client can be tried against each possibility."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

from gateway.errors import GatewayError


class ModeError(GatewayError):
    """A mode is not what it can be; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class Modes:
    """One choice for each open question.

    `nothing`: what a search answers that finds nothing. `by_match`: an empty list for `match: all`, else 404; `empty`: always an
    empty list; `404`: always that.
    `range`: which intervals a range finds. `overlap`: those of which a part lies in it; `start`: those that start in it.
    `ids`: whether the answer of `interval/set` has the interval's id.
    `bulk_update`: 200, or the status with which `intervals/update` answers as if it did not exist (404) or was not ready (501).
    `search_lag`: how many seconds after a write the searches see it.
    """

    nothing: str = "by_match"
    range: str = "overlap"
    ids: bool = True
    bulk_update: int = 200
    search_lag: float = 0.0


def read_modes(given: Mapping[str, object], modes: Modes = Modes()) -> Modes:
    """`modes` with what is `given`, as words or as plain values. ModeError where a name or value is not one."""
    known = [field.name for field in fields(Modes)]
    read: dict[str, object] = {}
    for name, value in given.items():
        if name not in known:
            raise ModeError(f"there is no mode {name!r}: the modes are {', '.join(known)}")
        try:
            read[name] = _VALUES[name][0](str(value).lower())
        except (ValueError, KeyError):
            raise ModeError(f"{value!r} is no value for the mode {name}: it can be {_VALUES[name][1]}") from None
    return replace(modes, **read)  # type: ignore[arg-type] # _VALUES reads each as the field's type


def _lag(text: str) -> float:
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError(text)
    return value


_VALUES: Mapping[str, tuple[Callable[[str], object], str]] = {
    "nothing": ({text: text for text in ("by_match", "empty", "404")}.__getitem__, "by_match, empty or 404"),
    "range": ({text: text for text in ("overlap", "start")}.__getitem__, "overlap or start"),
    "ids": ({"yes": True, "true": True, "no": False, "false": False}.__getitem__, "yes or no"),
    "bulk_update": ({"200": 200, "404": 404, "501": 501}.__getitem__, "200, 404 or 501"),
    "search_lag": (_lag, "seconds, 0 or more"),
}
