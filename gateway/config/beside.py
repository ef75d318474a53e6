"""YAML files beside the configuration, such as cases and plants of the stand-in: read into a model, or named with the place of every mistake."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from gateway.config.document import BrokenFileError, Key, Node, Place, compose, one_line
from gateway.errors import ConfigError, Fault, Problem

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
        raise wrong(path, root, [Fault(one["loc"], one["msg"]) for one in error.errors()]) from None


def wrong(path: Path, root: Node, faults: Sequence[Fault]) -> ConfigError:
    """`faults`, whose places count from `root`, in file order; each as near to its place as anything is written."""
    found = sorted((_placed(root, fault) for fault in faults), key=lambda one: (one[0].line, one[0].column, one[1]))
    return ConfigError([_at(path, place, text) for place, text in found])


def _placed(root: Node, fault: Fault) -> tuple[Place, str]:
    node, said = root, list[Key]()
    for part in fault.loc:
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
    return node.place, f"{where}: {fault.text.removeprefix('Value error, ')}".removeprefix(": ")


def _at(path: Path, place: Place, text: str) -> Problem:
    return Problem(f"{path}:{place.line}:{place.column}", one_line(text))
