"""Values that look right in the files of a configuration and are most likely meant otherwise, found before the schema
is asked: numbers with a point between the thousands, words that were true and false in YAML 1.1, and what is a
parameter of one line in a template of several.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gateway.config.schema_base import is_measure
from gateway.config.schema_walk import number_keys
from gateway.config.tree import Finding, Key, LineIndex, Node, quoted

_THOUSANDS = re.compile(r"[1-9]\d{0,2}\.\d{3}")
_EMPTY_DECIMALS = re.compile(r"[1-9]\d{0,2}\.000")
"""Scales with three decimals show 2.500; nobody writes decimals that are all noughts."""


_QUANTITY = re.compile(r"(?P<number>[1-9]\d{0,2}\.(?P<decimals>\d{3}))\s*(?P<unit>/?\s*[A-Za-z]+)")

_TRUTHS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_TOLD = ("metadata", "raw_data")
"""Keys under which values are told as they are."""

_WORD = re.compile(r"[^\W_]+(?:[_-][^\W_]+)*")
_OF_A_MACHINE = re.compile(r"(?=.*[^\W\d_])(?=.*\d)..+")
"""Letters and digits, as machines are numbered: what has letters alone may be a word."""
_NOT_OF_LINES = frozenset({"defaults", "use", "with"})


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


def find_truths(root: Node, texts: Mapping[Path, str]) -> Iterator[Finding]:
    """Such words of the configuration `root`, whose files hold `texts`, that stand without quotes as a value that is
    told, or as a default."""
    lines = root.value.get("lines") if isinstance(root.value, dict) else None
    indices: dict[Path, LineIndex] = {}
    seen: set[tuple[Path, int, int]] = set()
    for node in (one for line in (lines.children() if lines is not None else ()) for one in _told(line)):
        word = node.value if isinstance(node.value, str) else ""
        at = node.position
        place = at.file, at.line, at.column
        truth = _TRUTHS.get(word.casefold()) if word in {word.lower(), word.upper(), word.capitalize()} else None
        if truth is None or node.separator or node.filled is not None or at.file not in texts or place in seen:
            continue
        seen.add(place)
        index = indices.setdefault(at.file, LineIndex(texts[at.file], at.file))
        if index.text(at.line)[at.column - 1 :].startswith(word):
            text = (
                f"this is the text {word!r}, no truth: write {truth}, or put quotes around it where the text is meant"
            )
            yield Finding(at, text, warning=True)


def _told(line: Node) -> Iterator[Node]:
    """The values of `line` that are told as they are written, and the defaults of its inputs."""
    for name, section in _entries(line).items():
        if name == "inputs":
            yield from (
                entries["default"] for given in _entries(section).values() if "default" in (entries := _entries(given))
            )
        else:
            yield from _below(section)


def _below(node: Node) -> Iterator[Node]:
    for key, item in _entries(node).items():
        if key in _TOLD:
            yield from _entries(item).values()
        elif item.children():
            yield from _below(item)
    if isinstance(node.value, list):
        for item in node.value:
            yield from _below(item)


def find_written_out(
    templates: Mapping[Key, Node], given: Mapping[Key, Sequence[Mapping[Key, Node]]]
) -> Iterator[Finding]:
    """Words in `templates` that are what one line gives as a parameter and others give otherwise. `given` are the
    parameters of each line that uses a template, by its name."""
    for name, uses in given.items():
        parameters = _that_differ(uses) if len(uses) > 1 else {}
        template = templates[name].value
        for key, node in template.items() if parameters and isinstance(template, dict) else ():
            if key not in _NOT_OF_LINES:
                yield from _in_texts(node, parameters)


def _that_differ(uses: Sequence[Mapping[Key, Node]]) -> Mapping[str, str]:
    """What is given for a machine in one of `uses` and not in all -> the name of the parameter."""
    values: dict[str, set[object]] = {}
    for arguments in uses:
        for key, node in arguments.items():
            values.setdefault(str(key), set()).add(node.value if isinstance(node.value, str) else None)
    return {
        value: key
        for key, given in values.items()
        for value in given
        if len(given) > 1 and isinstance(value, str) and _WORD.fullmatch(value) and _OF_A_MACHINE.fullmatch(value)
        if not is_measure(value)  # which is the same in several sections by chance
    }


def _in_texts(node: Node, parameters: Mapping[str, str]) -> Iterator[Finding]:
    for child in node.children():
        yield from _in_texts(child, parameters)
    text = node.value if isinstance(node.value, str) else ""
    for match in _WORD.finditer(text):
        key = parameters.get(match[0])
        if key is not None and f"${{{key}}}" not in text:
            said = f"{quoted(match[0])} is {quoted(key)} of one line, and all lines of this template have it here"
            yield Finding(node.position, f"{said}: is ${{{key}}} meant?", warning=True)
            return
