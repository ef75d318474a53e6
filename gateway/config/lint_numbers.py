"""Numbers that were most likely written with a point between the thousands, which is for decimals here."""

import re
from collections.abc import Iterator, Mapping

from gateway.config.yaml_tree import Finding, Key, Node

_THOUSANDS = re.compile(r"[1-9]\d{0,2}\.\d{3}")
_EMPTY_DECIMALS = re.compile(r"[1-9]\d{0,2}\.000")
"""Scales with three decimals show 2.500; nobody writes decimals that are all noughts."""


def find_thousands(root: Node) -> Iterator[Finding]:
    """What the lines of the configuration `root` have as decimals that were most likely thousands."""
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
