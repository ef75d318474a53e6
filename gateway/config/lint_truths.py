"""Words that were true and false in YAML 1.1, where Oden is told them: in YAML 1.2 they are text."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.config.tree import Finding, Key, LineIndex, Node

_TRUTHS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_TOLD = ("metadata", "raw_data")
"""Keys under which values are told as they are."""


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


def _entries(node: Node) -> Mapping[Key, Node]:
    return node.value if isinstance(node.value, dict) else {}
