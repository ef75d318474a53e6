"""Numbers that were most likely written with a point between the thousands, which is for decimals here."""

import re
from collections.abc import Iterator, Mapping

from gateway.config.schema_walk import number_keys
from gateway.config.tree import Finding, Key, Node

_THOUSANDS = re.compile(r"[1-9]\d{0,2}\.\d{3}")
_EMPTY_DECIMALS = re.compile(r"[1-9]\d{0,2}\.000")
"""Scales with three decimals show 2.500; nobody writes decimals that are all noughts."""


_QUANTITY = re.compile(r"(?P<number>[1-9]\d{0,2}\.(?P<decimals>\d{3}))\s*(?P<unit>/?\s*[A-Za-z]+)")


def find_thousands(root: Node) -> Iterator[Finding]:
    """What the configuration `root` has as decimals that were most likely thousands."""
    yield from _quantities(root)
    lines = _entries(root).get("lines")
    for line in _items(lines):
        for given in _entries(_entries(line).get("inputs")).values():
            counter = _entries(_entries(given).get("counter"))
            yield from _doubtful(counter.get("rollover"), _THOUSANDS)
            yield from _doubtful(counter.get("scale"), _EMPTY_DECIMALS)
        for entry in _items(_entries(_entries(line).get("scrap_yield")).get("entries")):
            yield from _doubtful(_entries(entry).get("max"), _EMPTY_DECIMALS)
            yield from _doubtful(_entries(entry).get("min"), _EMPTY_DECIMALS)
            yield from _doubtful(_entries(entry).get("factor"), _EMPTY_DECIMALS)


def _doubtful(node: Node | None, pattern: re.Pattern[str]) -> Iterator[Finding]:
    if node is not None and isinstance(node.value, float) and pattern.fullmatch(node.written):
        text = f"this is {node.value:g}, because a point is for decimals: is {node.written.replace('.', '')} meant?"
        yield Finding(node.position, text, warning=True)


def _entries(node: Node | None) -> Mapping[Key, Node]:
    return node.value if node is not None and isinstance(node.value, dict) else {}


def _items(node: Node | None) -> list[Node]:
    return node.value if node is not None and isinstance(node.value, list) else []


def _quantities(node: Node) -> Iterator[Finding]:
    """Sizes with three decimals, which nobody needs, and durations and rates of which these are noughts."""
    for key, item in node.value.items() if isinstance(node.value, dict) else ():
        if key in number_keys() and isinstance(item.value, str) and "." in item.value:
            match = _QUANTITY.fullmatch(item.value)
            if match is not None and (match["decimals"] == "000" or match["unit"].endswith("B")):
                number, unit = match["number"], item.value[match.end("number") :]
                text = f"this is {float(number):g}{unit}, because a point is for decimals"
                yield Finding(item.position, f"{text}: is {number.replace('.', '')}{unit} meant?", warning=True)
    for item in node.children():
        if item.children():
            yield from _quantities(item)
