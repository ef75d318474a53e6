"""YAML files besides the configuration, such as test cases: read into pydantic models, and written from trees."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from gateway.config.tree import BrokenFileError, Finding, Key, Node, Tree, printable
from gateway.config.yaml_tree import compose, scalar
from gateway.errors import ConfigError, ConfigFault, Diagnostic
from gateway.model import Scalar

Model = TypeVar("Model")

_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_./ -]*[A-Za-z0-9_./-])?")
"""Text that YAML reads as text without quotes, unless it looks like a number or the like."""


def read_model_file(path: Path, adapter: TypeAdapter[Model]) -> tuple[Model, Node]:
    """The model that the YAML file at `path` holds, and its tree with positions.

    Raises ConfigError, with the position of every mistake, where the file cannot be read or does not fit the model.
    """
    try:
        root, findings = compose(path.read_text(encoding="utf-8-sig"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Diagnostic(str(path), f"cannot be read: {printable(str(error))}")]) from None
    except BrokenFileError as error:
        raise ConfigError([_diagnostic(error.finding)]) from None
    if findings:
        raise ConfigError([_diagnostic(finding) for finding in findings])
    try:
        return adapter.validate_python(root.tree()), root
    except ValidationError as error:
        faults = [ConfigFault(details["loc"], details["msg"]) for details in error.errors()]
        raise config_error(root, faults) from None


def config_error(root: Node, faults: Sequence[ConfigFault]) -> ConfigError:
    """`faults`, whose paths begin at `root`, as an error with positions, in the order of the file.

    A fault whose path leads to nothing that is written stands at the last value on the way.
    """
    findings = sorted(
        (_finding(root, fault) for fault in faults),
        key=lambda finding: (finding.position.line, finding.position.column, finding.text),
    )
    return ConfigError([_diagnostic(finding) for finding in findings])


def _finding(root: Node, fault: ConfigFault) -> Finding:
    node, keys = root, list[Key]()
    for part in fault.loc:
        children: dict[Key, Node] = {}
        if isinstance(node.value, list):
            children = dict(enumerate(node.value))
        elif isinstance(node.value, dict):
            children = node.value
        node = children.get(part, node)
        if part in children or isinstance(part, str):  # any other number is the alternative that pydantic has tried
            keys.append(part)
    path = ".".join(map(str, keys))
    return Finding(node.position, f"{path}: {fault.text.removeprefix('Value error, ')}".removeprefix(": "))


def _diagnostic(finding: Finding) -> Diagnostic:
    return Diagnostic(str(finding.position), printable(finding.text))


def yaml_text(tree: Tree) -> str:
    """`tree` as YAML that reads back as the same tree, in block style: a line for each key and list item."""
    return "".join(f"{line}\n" for line in _lines(tree))


def _lines(tree: Tree) -> Iterator[str]:
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            if isinstance(value, dict | list) and value:
                yield f"{yaml_scalar(key)}:"
                yield from (f"  {line}" for line in _lines(value))
            else:
                yield f"{yaml_scalar(key)}: {next(_lines(value))}"
    elif isinstance(tree, list) and tree:
        for item in tree:
            first, *others = _lines(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in others)
    elif isinstance(tree, dict | list):
        yield "{}" if isinstance(tree, dict) else "[]"
    else:
        yield yaml_scalar(tree)


def yaml_scalar(value: Scalar, *, quoted: bool = False) -> str:
    """`value` as YAML on one line, texts in quotes where they need them, or always (`quoted`)."""
    if not quoted and isinstance(value, str) and _PLAIN.fullmatch(value) and isinstance(scalar(value), str):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return "".join(character if character.isprintable() else f"\\U{ord(character):08x}" for character in text)
