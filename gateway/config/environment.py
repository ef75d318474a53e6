"""Environment variables that override single values of the file: `ODEN_GATEWAY_SOURCES__PRESS_PLC__URL`.

After the prefix come the keys on the way to the value, and indices in lists, joined by `__`; case does not matter.
Values are read like plain YAML scalars, and as text where the schema allows only text.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.config.error_messages import suggestion
from gateway.config.schema import Config
from gateway.config.schema_walk import (
    Loc,
    child_annotation,
    section_keys,
    section_models,
    tag_of,
    takes_only_text,
    takes_section,
)
from gateway.config.secrets import VARIABLE_PREFIX as SECRET_PREFIX
from gateway.config.yaml_tree import Key, Tree, quoted, scalar
from gateway.errors import Diagnostic
from gateway.model import Scalar

PREFIX = "ODEN_GATEWAY_"
SEPARATOR = "__"


@dataclass(frozen=True, slots=True)
class Override:
    """The value that `variable` sets; `annotation` is the schema's type of that value."""

    variable: str
    value: Scalar
    annotation: Any


class _UnknownNameError(Exception):
    """The variable names nothing; the message says what it could have named."""


def overrides(tree: Tree, environ: Mapping[str, str]) -> tuple[dict[Loc, Override], list[Diagnostic]]:
    """The values that the environment sets, by key path, and what is wrong with its variables.

    A variable can set an item of a list or mapping only where `tree`, the configuration from the files, has that item.
    """
    values: dict[Loc, Override] = {}
    diagnostics: list[Diagnostic] = []
    for variable, text in sorted(environ.items()):
        name = variable.upper()
        if not name.startswith(PREFIX) or name.startswith(SECRET_PREFIX):
            continue
        if SEPARATOR not in name:
            diagnostics += _near_miss(variable, name.removeprefix(PREFIX))
            continue
        try:
            loc, annotation = _resolve(name.removeprefix(PREFIX), tree)
        except _UnknownNameError as error:
            diagnostics.append(Diagnostic(variable_label(variable), str(error)))
        else:
            values[loc] = Override(variable, text if takes_only_text(annotation) else scalar(text), annotation)
    return values, diagnostics


def _near_miss(variable: str, name: str) -> list[Diagnostic]:
    """The diagnostic for a name that begins like a section but has no `__`.

    Other names are none of ours: a container platform sets names such as ODEN_GATEWAY_PORT by itself.
    """
    section, _, rest = name.partition("_")
    if section.lower() not in Config.model_fields:
        return []
    meant = f"; did you mean {PREFIX}{section}{SEPARATOR}{rest}?" if rest else ""
    return [Diagnostic(variable_label(variable), f"the parts of a name are joined by two underscores{meant}")]


def variable_label(variable: str) -> str:
    """How a diagnostic says that a fault is in the environment, not in a file."""
    return f"environment variable {variable}"


def with_values(tree: Tree, values: Mapping[Loc, object]) -> Any:
    """A copy of `tree` with `values` set at their key paths."""
    copy: Any = tree
    for loc, value in values.items():
        copy = _with_value(copy, loc, value)
    return copy


def _with_value(tree: Any, loc: Loc, value: object) -> Any:
    """A copy of `tree` with `value` at `loc`. Where `tree` has another shape it stays, and the schema reports that."""
    if not loc:
        return value
    head, rest = loc[0], loc[1:]
    if isinstance(tree, list):
        return [_with_value(item, rest, value) if index == head else item for index, item in enumerate(tree)]
    if isinstance(tree, dict) or tree is None:
        return {**(tree or {}), head: _with_value((tree or {}).get(head), rest, value)}
    return tree


def _resolve(name: str, tree: Tree) -> tuple[Loc, Any]:
    """The key path that `name` means, and the annotation there."""
    loc: Loc = ()
    annotation: Any = Config
    while name:
        known = list(_keys(annotation, tree))
        matches = [key for key in known if name == str(key).upper() or name.startswith(str(key).upper() + SEPARATOR)]
        if not matches:
            unknown, names = name.split(SEPARATOR, maxsplit=1)[0], [str(key).upper() for key in known]
            path = SEPARATOR.join(str(part).upper() for part in loc)
            under = f"under {path}" if loc else "at the top"
            raise _UnknownNameError(f"there is no {quoted(unknown)} {under}{suggestion(unknown, names)}")
        key = max(matches, key=lambda key: len(str(key)))
        annotation, tree = child_annotation(annotation, key, tag_of(annotation, tree)), _child(tree, key)
        loc = (*loc, key)
        name = name[len(str(key)) :].removeprefix(SEPARATOR)
    if takes_section(annotation):
        raise _UnknownNameError("this names a whole section; name one value in it")
    return loc, annotation


def _keys(annotation: Any, tree: Tree) -> Iterable[Key]:
    """The keys that may follow: those of the section, or those that the files have in their mapping or list."""
    for section in section_models(annotation):
        yield from section_keys(section)
    if not section_models(annotation) and takes_section(annotation):
        if isinstance(tree, dict):
            yield from tree
        elif isinstance(tree, list):
            yield from range(len(tree))


def _child(tree: Tree, key: Key) -> Tree:
    if isinstance(tree, dict):
        return tree.get(key)
    return tree[key] if isinstance(tree, list) and isinstance(key, int) else None
