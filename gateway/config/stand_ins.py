"""Puts something that fits in the place of what does not fit the schema, so that the rest can be checked as well.

Nothing runs on what results: it is there for what else is wrong to be found in the same run. What would seem wrong only
because of a stand-in is not told (`Mended.follows`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, SecretStr, TypeAdapter, ValidationError

from gateway.config.csv_tables import typed
from gateway.config.error_messages import SchemaFault, one_level_out, schema_faults, value_at
from gateway.config.schema import Config
from gateway.config.schema_walk import Loc, SchemaLocation, alternatives, section_keys, section_models, tag_key
from gateway.config.tree import Node
from gateway.errors import ConfigFault

_MOST_ROUNDS = 30
_VALUES: tuple[Any, ...] = (
    *("{x}", "x", "10s", "1/s", "1 GB", "1%", "mon-sun", "06:00", "http://x:1", "opc.tcp://x:1", "mqtt://x:1", "x:1"),
    *(1, True, SecretStr("x"), SecretStr("http://x:1"), Path("x"), None),
)


class _Whole(BaseModel):
    model_config = ConfigDict(extra="forbid")

    config: Config


@dataclass(slots=True)
class Mended:
    """A configuration in which all that does not fit is replaced; None where nothing helped.

    `faults` are what did not fit, `replaced` where a stand-in is, `left_out` the unknown keys that are gone.
    """

    config: Config | None = None
    faults: list[SchemaFault] = field(default_factory=list)
    replaced: set[Loc] = field(default_factory=set)
    left_out: set[Loc] = field(default_factory=set)
    renamed: set[Loc] = field(default_factory=set)
    """Keys that stand in the place of misspelt ones; what is below them was read without its schema."""

    @property
    def sources(self) -> frozenset[str]:
        """The names of the sources that are nothing but stand-ins."""
        return frozenset(str(loc[1]) for loc in self.replaced if len(loc) == 2 and loc[0] == "sources")

    @property
    def sources_left_out(self) -> frozenset[str]:
        """What stands as the name of a source and is none."""
        return frozenset(str(loc[1]) for loc in self.left_out if len(loc) == 2 and loc[0] == "sources")

    def follows(self, fault: ConfigFault) -> bool:
        """Whether `fault`, of what was found in the mended configuration, may only follow from what was replaced."""
        for loc in self.replaced:
            if fault.loc[: len(loc)] == loc:
                return True
            in_section = loc[:-1] == fault.loc
            if in_section and (f"'{loc[-1]}'" in fault.text or fault.loc[-1:] in {("raw_data",), ("codes",)}):
                return True
        return "is missing" in fault.text and any(
            fault.loc in {loc[:-1], (*loc[:-1], fault.loc[-1])} for loc in self.left_out
        )


def mended(error: ValidationError, tree: Any, root: Node) -> Mended:
    """The configuration `tree`, of which `error` tells what does not fit, with stand-ins for that.

    `tree` is changed. A misspelt key becomes the right one, in `root` as well, which has the positions.
    """
    result = Mended()
    tries: dict[Loc, int] = {}
    known: set[Loc] = set()
    for _ in range(_MOST_ROUNDS):
        now: set[Loc] = set()
        for found in schema_faults(error, tree):
            loc = found.fault.loc
            follows = found.kind == "is_instance_of" and any(loc[: len(place)] == place for place in result.renamed)
            follows = (
                follows
                or found.follows
                or (found.kind == "too_short" and any(one[: len(loc)] == loc != one for one in known))
            )
            if loc not in known and not follows and not any(loc[: len(place)] == place for place in result.replaced):
                result.faults.append(found)
            known.add(loc)
            tries[loc] = tries.get(loc, -1) + 1
            if not found.at.loc:
                return result
            if not any(loc[: len(place)] == place for place in now):
                now.add(found.at.loc)
                _mend(result, found, tree, root, tries[loc])
        try:
            result.config = _Whole.model_validate({"config": tree}).config
        except ValidationError as again:
            error = again
        else:
            break
    result.faults = one_level_out(result.faults)
    return result


def _mend(result: Mended, found: SchemaFault, tree: Any, root: Node, tried: int) -> None:
    loc = found.at.loc
    parent = value_at(tree, loc[:-1])
    if found.kind in {"extra_forbidden", "invalid_key"} or found.at.at_key:
        value = parent.pop(next((key for key in parent if str(key) == str(loc[-1])), None), None)
        if found.meant is not None and found.meant not in parent:
            node = _rename(root, loc, found.meant)
            if node is not None and node.separator and found.at.section is not None:
                value = typed(node, section_keys(found.at.section)[found.meant].annotation)
            parent[found.meant] = value
            result.renamed.add((*loc[:-1], found.meant))
        if found.at.at_key or (*loc[:-1], found.meant) not in result.renamed:
            result.left_out.add(loc)
    elif found.kind == "union_tag_not_found" and found.meant is not None and tag_key(found.at.annotation):
        tag = tag_key(found.at.annotation)
        section = parent[loc[-1]]
        section[tag] = section.pop(found.meant)
        _rename(root, (*loc, found.meant), str(tag))
        result.renamed.add(loc)
    elif found.kind == "union_tag_invalid" and found.meant is not None and not tried:
        parent[loc[-1]][found.fault.loc[-1]] = found.meant
        result.replaced.add(found.fault.loc)
    else:
        parent[loc[-1]] = next((value for number, value in enumerate(_stand_ins(found.at)) if number == tried), None)
        result.replaced.add(loc)


def _rename(root: Node, loc: Loc, key: str) -> Node | None:
    """Let the value at `loc` be found by another key as well, where it is in the files: then it is given."""
    node = root
    for part in loc[:-1]:
        children = node.value
        known: Mapping[Any, Node] = children if isinstance(children, dict) else dict(enumerate(node.children()))
        if part not in known:  # the environment has set it
            return None
        node = known[part]
    if isinstance(node.value, dict) and loc[-1] in node.value:
        node.value[key], node.keys[key] = node.value[loc[-1]], node.keys[loc[-1]]
        return node.value[key]
    return None


def _stand_ins(at: SchemaLocation) -> Iterator[Any]:
    """Values that may fit at `at`, the best first."""
    if at.field is not None:
        yield from _fitting(at.field.annotation, tuple(at.field.metadata))
    elif at.annotation is not None:
        yield from _fitting(at.annotation, ())
    else:
        yield from _VALUES


def _fitting(annotation: Any, metadata: tuple[Any, ...]) -> Iterator[Any]:
    models = section_models(annotation)
    if models:
        yield _section(models[0])
        return
    for part in alternatives(annotation):
        if get_origin(part) is Literal:
            yield from get_args(part)
        elif get_origin(part) is list:
            item = next(_fitting(get_args(part)[0], ()), None)
            yield from ([item], [item, item])  # a list can need two
        elif get_origin(part) is dict:
            key, value = get_args(part)
            yield {next(_fitting(key, ()), "x"): next(_fitting(value, ()), None)}
    whole: Any = Annotated[(annotation, *metadata)] if metadata else annotation
    adapter: TypeAdapter[Any] = TypeAdapter(whole)
    for value in _VALUES:
        try:
            adapter.validate_python(value, strict=True)
        except (ValidationError, TypeError):  # TypeError: a limit of numbers cannot be tried on what is none
            continue
        yield value


def _section(model: type[BaseModel]) -> dict[str, Any]:
    needed = {key: info for key, info in section_keys(model).items() if info.is_required()}
    return {key: next(_fitting(info.annotation, tuple(info.metadata)), None) for key, info in needed.items()}
