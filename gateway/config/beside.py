"""YAML files beside the configuration, such as cases and plants of the stand-in: read into a model, or named with the place of every mistake."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from gateway.config.document import BrokenFileError, Key, Node, Place, compose, one_line
from gateway.errors import ConfigError, Problem

Read = TypeVar("Read")


def read_beside(path: Path, adapter: TypeAdapter[Read]) -> tuple[Read, Node]:
    """What the file at `path` holds, and its tree. Raises ConfigError, with positions, where it does not fit."""
    try:
        root, problems = compose(path.read_text(encoding="utf-8-sig"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(path), f"cannot be read: {one_line(str(error))}")]) from None
    except BrokenFileError as error:
        raise ConfigError([_at(path, error.place, error.text)]) from None
    if problems:
        raise ConfigError([_at(path, place, text) for place, text in problems])
    try:
        return adapter.validate_python(root.tree()), root
    except ValidationError as error:
        raise ConfigError([problem(path, root, one["loc"], one["msg"]) for one in error.errors()]) from None


def problem(path: Path, root: Node, loc: Sequence[Key], text: str) -> Problem:
    """A problem at `loc`, counted from `root`, or as near to it as anything is written."""
    node, said = root, list[Key]()
    for part in loc:
        inside: dict[Key, Node] = dict(
            enumerate(node.value)
            if isinstance(node.value, list)
            else node.value
            if isinstance(node.value, dict)
            else ()
        )
        node = inside.get(part, node)
        if part in inside or isinstance(part, str):  # a number that is no place is one of what pydantic has tried
            said.append(part)
    where = ".".join(map(str, said))
    return _at(path, node.place, f"{where}: {text.removeprefix('Value error, ')}".removeprefix(": "))


def _at(path: Path, place: Place, text: str) -> Problem:
    return Problem(f"{path}:{place.line}:{place.column}", one_line(text))
