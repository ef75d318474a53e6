"""Which lines of a plant do the same, so that it is said once. Pure."""

import json
from collections.abc import Collection
from itertools import groupby
from operator import attrgetter

from gateway.cli.phrases import listed
from gateway.config.document import Key, Tree
from gateway.config.schema import Line
from gateway.config.shape import Loc

OWN = {"factory", "line", "id"}
"""Keys of a line that say which one it is."""
ADDRESS = {"source", "node", "topic", "device", "metric"}
"""Keys of an input that say where it comes from."""
MEANING = {"expr", "when"}
"""Keys whose text is not told to anybody, but says what the line does."""


def likeness(filled: Tree, unfilled: Tree) -> str:
    """What a line has in common with those that do the same: all but its names, the addresses of its inputs, and texts that its template
    fills in. The line is given twice: written out, and with these texts as the template has them."""
    inputs = filled.get("inputs") if isinstance(filled, dict) else None
    return json.dumps(_shared(filled, unfilled, (), inputs if isinstance(inputs, dict) else ()))


def _shared(filled: Tree, unfilled: Tree, loc: Loc, inputs: Collection[Key]) -> Tree:
    if isinstance(filled, dict) and isinstance(unfilled, dict):
        return {key: _shared(item, unfilled[key], (*loc, key), inputs) for key, item in filled.items()}
    if isinstance(filled, list) and isinstance(unfilled, list):
        return [_shared(*both, (*loc, place), inputs) for place, both in enumerate(zip(filled, unfilled, strict=True))]
    match loc:
        case (key,) if key in OWN:
            return None
        case ("inputs", _, key) if key in ADDRESS:
            return None
    says = loc[-1] in MEANING or (isinstance(filled, str) and filled.split(".")[0] in inputs)
    return filled if says else unfilled


def named(lines: Collection[Line]) -> str:
    """`Line 01 and Line 02 of Factory A; Line 01 of Factory B`."""
    by_factory = groupby(lines, attrgetter("factory"))
    return "; ".join(f"{listed(line.line for line in those)} of {factory}" for factory, those in by_factory)
