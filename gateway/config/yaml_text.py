"""A tree as YAML text that reads back as the same tree."""

import json
import re
from collections.abc import Iterator

from gateway.config.document import Tree, scalar
from gateway.model import Scalar

_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_./ -]*[A-Za-z0-9_./-])?")


def yaml_text(tree: Tree) -> str:
    """`tree` in block style: a line for each key and list item."""
    return "".join(f"{line}\n" for line in _lines(tree))


def _lines(tree: Tree) -> Iterator[str]:
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            if isinstance(value, dict | list) and value:
                yield f"{_single(key)}:"
                yield from (f"  {line}" for line in _lines(value))
            else:
                yield f"{_single(key)}: {next(_lines(value))}"
    elif isinstance(tree, list) and tree:
        for item in tree:
            first, *others = _lines(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in others)
    elif isinstance(tree, dict | list):
        yield "{}" if isinstance(tree, dict) else "[]"
    else:
        yield _single(tree)


def _single(value: Scalar) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and isinstance(scalar(value), str):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in text)
