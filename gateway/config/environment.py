"""Environment variables that override single values of the file: `ODEN_GATEWAY_SOURCES__PRESS_PLC__URL`.

After the prefix come the keys on the way to the value, and indices in lists, joined by `__`; case does not matter.
Values are read like plain YAML scalars, and where only text may stand, as text.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.config.document import Key, Tree, scalar, shown
from gateway.config.schema import Config
from gateway.config.secrets import VARIABLE_PREFIX as SECRET_PREFIX
from gateway.config.sentences import suggestion
from gateway.config.shape import Loc, below, fields, is_section, is_text, models, tag_of
from gateway.errors import Problem
from gateway.model import Scalar

PREFIX = "ODEN_GATEWAY_"
BETWEEN = "__"


@dataclass(frozen=True, slots=True)
class Override:
    """The value that `variable` sets; `annotation` is the schema's for that place."""

    variable: str
    value: Scalar
    annotation: Any


class _UnknownNameError(Exception):
    """The variable names nothing; the message says what it could have named."""


def overrides(tree: Tree, environ: Mapping[str, str]) -> tuple[dict[Loc, Override], list[Problem]]:
    """What the environment sets, by place, and what is wrong with it. Lists and tables are those that `tree` has."""
    found: dict[Loc, Override] = {}
    problems = []
    for variable, text in sorted(environ.items()):
        name = variable.upper()
        if not name.startswith(PREFIX) or name.startswith(SECRET_PREFIX):
            continue
        if BETWEEN not in name:
            problems += _near_miss(variable, name.removeprefix(PREFIX))
            continue
        try:
            loc, annotation = _resolve(name.removeprefix(PREFIX), tree)
        except _UnknownNameError as error:
            problems.append(Problem(called(variable), str(error)))
        else:
            found[loc] = Override(variable, text if is_text(annotation) else scalar(text), annotation)
    return found, problems


def _near_miss(variable: str, name: str) -> list[Problem]:
    """The problem of a name that begins like a section but has no `__`. Others are none of ours: a container platform makes
    names such as ODEN_GATEWAY_PORT."""
    section, _, rest = name.partition("_")
    if section.lower() not in Config.model_fields:
        return []
    wanted = f"; did you mean {PREFIX}{section}{BETWEEN}{rest}?" if rest else ""
    return [Problem(called(variable), f"the parts of a name are joined by two underscores{wanted}")]


def called(variable: str) -> str:
    """How a problem says that it is in the environment, not in the file."""
    return f"environment variable {variable}"


def layer(tree: Tree, values: Mapping[Loc, object]) -> Any:
    """What must be laid over `tree` so that `values` count: the tables on the way to them, and their lists whole."""
    return _towards(overlaid(tree, values), list(values))


def overlaid(tree: Tree, values: Mapping[Loc, object]) -> Any:
    """A copy of `tree` with `values` in it."""
    laid: Any = tree
    for loc, value in values.items():
        laid = _with(laid, loc, value)
    return laid


def _with(tree: Any, loc: Loc, value: object) -> Any:
    """A copy of `tree` with `value` at `loc`; where `tree` has another shape, it stays: the schema says so."""
    if not loc:
        return value
    head, rest = loc[0], loc[1:]
    if isinstance(tree, list):
        return [_with(item, rest, value) if index == head else item for index, item in enumerate(tree)]
    if isinstance(tree, dict) or tree is None:
        return {**(tree or {}), head: _with((tree or {}).get(head), rest, value)}
    return tree


def _towards(tree: Any, locs: list[Loc]) -> Any:
    if not isinstance(tree, dict) or () in locs:
        return tree
    heads = dict.fromkeys(loc[0] for loc in locs)
    return {head: _towards(tree[head], [loc[1:] for loc in locs if loc[0] == head]) for head in heads}


def _resolve(name: str, tree: Tree) -> tuple[Loc, Any]:
    """The place that `name` means and the annotation there."""
    loc: Loc = ()
    annotation: Any = Config
    while name:
        known = list(_keys(annotation, tree))
        fitting = [key for key in known if name == str(key).upper() or name.startswith(str(key).upper() + BETWEEN)]
        if not fitting:
            unknown, names = name.split(BETWEEN, maxsplit=1)[0], [str(key).upper() for key in known]
            on_the_way = BETWEEN.join(str(part).upper() for part in loc)
            under = f"under {on_the_way}" if loc else "at the top"
            raise _UnknownNameError(f"there is no {shown(unknown)} {under}{suggestion(unknown, names)}")
        key = max(fitting, key=lambda key: len(str(key)))
        annotation, tree = below(annotation, key, tag_of(annotation, tree)), _item(tree, key)
        loc = (*loc, key)
        name = name[len(str(key)) :].removeprefix(BETWEEN)
    if is_section(annotation):
        raise _UnknownNameError("this names a whole section; name one value in it")
    return loc, annotation


def _keys(annotation: Any, tree: Tree) -> Iterable[Key]:
    """The keys that may follow: those of the section, or those that the file has in its table or list."""
    for section in models(annotation):
        yield from fields(section)
    if not models(annotation) and is_section(annotation):
        if isinstance(tree, dict):
            yield from tree
        elif isinstance(tree, list):
            yield from range(len(tree))


def _item(tree: Tree, key: Key) -> Tree:
    if isinstance(tree, dict):
        return tree.get(key)
    return tree[key] if isinstance(tree, list) and isinstance(key, int) else None
