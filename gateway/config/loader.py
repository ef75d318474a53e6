"""From the files, the environment and the secrets to one frozen `Config`, or to every problem with its position.

pydantic-settings merges the sources, the environment above the files, and validates what comes out. A relative path is
taken from the folder of the file in which it stands, in the environment from that of the main file.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from gateway.config.document import BrokenFileError, Node, Place, Tree, one_line
from gateway.config.environment import Override, called, layer, overlaid, overrides
from gateway.config.files import Files, NoFileError
from gateway.config.filling import escaped
from gateway.config.lookups import read_lookups
from gateway.config.schema import Config
from gateway.config.secrets import SecretError, is_reference, read_secret, secret_name
from gateway.config.sentences import misfits
from gateway.config.shape import Loc, alternatives, below, tag_of
from gateway.config.templates import written_out
from gateway.errors import ConfigError, Fault, Problem
from gateway.model import Lookups, Scalar

_TOKEN: Loc = ("oden", "token")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that fits the schema, and where each part of it was written.

    `token_source` reads Oden's token anew at each call, from where the configuration says; it raises SecretError
    where the token cannot be had any more.
    """

    config: Config
    lookups: Lookups = field(repr=False)
    """The tables as they were on the disk then."""
    token_source: Callable[[], str] = field(repr=False)
    _origin: "_Origin" = field(repr=False)
    _whole: Any = field(repr=False)
    _secrets: Mapping[Loc, str] = field(repr=False)

    def written_out(self) -> Tree:
        """The configuration as if all of it stood in one file, without templates and included files; secrets are not shown."""
        return self._shown(self._whole, ())

    def _shown(self, value: Any, loc: Loc) -> Tree:
        if isinstance(value, dict):
            return {key: self._shown(item, (*loc, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self._shown(item, (*loc, index)) for index, item in enumerate(value)]
        if isinstance(value, SecretStr):
            return f"${{secret:{self._secrets[loc]}}}" if loc in self._secrets else str(value)
        if isinstance(value, Path):
            return str(value)
        return cast("Scalar", escaped(value) if isinstance(value, str) else value)

    def lines(self) -> Iterator[tuple[Tree, Tree]]:
        """Each line as it is written out, and the same with texts as its template has them: `ns=2;s=${plc}.State`."""
        filled, unfilled = cast("Any", self.written_out())["lines"], self._origin.unfilled()["lines"]
        return zip(filled, unfilled, strict=True)

    def where(self, loc: Loc) -> str:
        """`file:line:column` of the value at `loc`, or the environment variable that set it.

        Where nothing is written at `loc`: of the key of the section in which it is missing.
        """
        return self._origin.where(loc)

    def error(self, faults: Iterable[Fault]) -> ConfigError:
        """`faults` with their positions, in file order."""
        return _error([self._origin.problem(fault.loc, fault.text) for fault in faults])


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """Read the configuration at `path`; ConfigError holds everything that is wrong with it, in file order."""
    files = Files()
    try:
        root = files.whole(path)
        if files.missing:  # what else seems wrong may be a consequence
            raise _error([_written(place, text) for place, text in files.complaints])
        root = written_out(root, files)
    except NoFileError as error:
        raise ConfigError([Problem(str(path), f"{error}; {_HOW}")]) from None
    except BrokenFileError as error:
        raise _error([_written(error.place, error.text)]) from None
    tree = root.tree()
    variables, others = overrides(tree, environ)
    origin = _Origin(root, variables)
    found = [_written(place, text) for place, text in files.complaints]
    found += [_Found(None, problem) for problem in others]
    prepared = _Prepared(path.parent.absolute(), environ, variables)
    from_files = prepared.value(root, Config, ())
    set_outside = {loc: prepared.single(item.value, item.annotation, loc, path) for loc, item in variables.items()}
    from_environment = layer(from_files, set_outside)
    found += [origin.problem(fault.loc, fault.text) for fault in prepared.faults]
    try:
        settings = Settings(_build_sources=((_Source(from_environment), _Source(from_files)), {}))
    except ValidationError as error:
        found += [
            origin.problem(misfit.loc, misfit.text, at_key=misfit.at_key)
            for misfit in misfits(error)
            if not origin.lacks(misfit.loc)
        ]
    if found:
        raise _error(found)
    token = settings.config.oden.token.get_secret_value()
    name = prepared.secrets.get(_TOKEN)
    source = (lambda: token) if name is None else partial(read_secret, name, prepared.folder, environ)
    lookups = read_lookups(settings.config.tables, origin.where)
    return Loaded(settings.config, lookups, source, origin, overlaid(from_files, set_outside), prepared.secrets)


class Settings(BaseSettings):
    """The whole file as one field, so that everything in it, also what is no table, is validated alike."""

    config: Config


class _Source(PydanticBaseSettingsSource):
    """One layer of the configuration, for pydantic-settings to merge: what is set in it, as a tree."""

    def __init__(self, tree: Any) -> None:
        super().__init__(Settings)
        self._tree = tree

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._tree, field_name, False

    def __call__(self) -> dict[str, Any]:
        return {"config": self._tree}


@dataclass(frozen=True, slots=True)
class _Found:
    """A problem and its place in the files; None outside of them."""

    place: Place | None
    problem: Problem


def _error(found: Collection[_Found]) -> ConfigError:
    """All that was found, in file order, the environment's last; what is wrong for many lines alike is said once."""
    alike: dict[tuple[str, str], list[_Found]] = {}
    for one in found:
        alike.setdefault((one.problem.where, one.problem.text), []).append(one)
    inside = [group for group in alike.values() if group[0].place]
    files = {one.place.file: None for one in found if one.place}
    order = {file: number for number, file in enumerate(files)}

    def position(group: list[_Found]) -> tuple[int, int, int]:
        place = group[0].place
        return (order[place.file], place.line, place.column) if place else (0, 0, 0)

    outside = [group[0].problem for group in alike.values() if not group[0].place]
    return ConfigError([*(_said(group) for group in sorted(inside, key=position)), *outside])


def _said(alike: Sequence[_Found]) -> Problem:
    """One problem for all that are `alike`, with what it is wrong for."""
    users = list(dict.fromkeys(str(one.place.used) for one in alike if one.place and one.place.used))
    problem = alike[0].problem
    if not users:
        return problem
    more = f" and {len(users) - 1} more" if len(users) > 1 else ""
    return Problem(problem.where, f"{problem.text} (used at {users[0]}{more})")


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where each value came from: the files, as a tree with places, or a variable of the environment."""

    root: Node
    variables: Mapping[Loc, Override]

    def problem(self, loc: Loc, text: str, *, at_key: bool = False) -> _Found:
        """A problem with the value at `loc` or, where `at_key`, with its key."""
        if loc in self.variables:
            return _Found(None, Problem(called(self.variables[loc].variable), one_line(text)))
        return _written(self._place(loc, at_key=at_key), text)

    def where(self, loc: Loc) -> str:
        return self.problem(loc, "").problem.where

    def unfilled(self) -> Any:
        """The values alone, with texts as they were before their parameters were filled in."""
        return overlaid(self.root.tree(filled=False), {loc: item.value for loc, item in self.variables.items()})

    def lacks(self, loc: Loc) -> bool:
        """Whether something on the way to `loc` could not be had, so that what seems wrong there may come from that."""
        return any(node.hole for node, _ in self._way(loc))

    def _place(self, loc: Loc, *, at_key: bool) -> Place:
        way = self._way(loc)
        node, key = way[-1]
        return node.place if len(way) > len(loc) and not at_key else key

    def _way(self, loc: Loc) -> list[tuple[Node, Place]]:
        """The values on the way to `loc`, as far as there are any, each with the place of its key."""
        node = self.root
        way = [(node, node.place)]
        for part in loc:
            if isinstance(node.value, dict) and part in node.value:
                node, key = node.value[part], node.keys[part]
            elif isinstance(node.value, list) and isinstance(part, int):
                node = node.value[part]
                key = node.place
            else:
                break
            way.append((node, key))
        return way


@dataclass(slots=True)
class _Prepared:
    """What only the loader knows, put into the tree: secrets for their names, paths from their file's folder.
    `folder` is that of the main file.

    Places in `skip` are left alone: something else stands there in the end.
    """

    folder: Path
    environ: Mapping[str, str]
    skip: Collection[Loc]
    faults: list[Fault] = field(default_factory=list)
    secrets: dict[Loc, str] = field(default_factory=dict)
    """Place -> name of the secret there."""

    def value(self, node: Node, annotation: Any, loc: Loc) -> Any:
        """The tree of `node`, which stands at `loc`, prepared."""
        value = node.value
        if isinstance(value, dict):
            tagged = tag_of(annotation, value)
            tag = tagged.value if tagged is not None else None
            return {key: self.value(item, below(annotation, key, tag), (*loc, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, below(annotation, i, None), (*loc, i)) for i, item in enumerate(value)]
        return value if loc in self.skip else self.single(value, annotation, loc, node.place.file)

    def single(self, value: Scalar, annotation: Any, loc: Loc, file: Path) -> Any:
        """The single `value`, which stands in `file`, prepared; it stays as it is where that cannot be done, which is a fault."""
        possible = alternatives(annotation)
        if not isinstance(value, str) or annotation is None:
            return value
        if Path in possible:
            return file.parent.absolute() / value
        if SecretStr in possible:
            return SecretStr(self._secret(value, loc))
        if is_reference(value):
            self.faults.append(Fault(loc, "a secret can stand only where a token or a password is asked for"))
        return value

    def _secret(self, text: str, loc: Loc) -> str:
        if is_reference(text):
            try:
                name = self.secrets[loc] = secret_name(text)
                return read_secret(name, self.folder, self.environ)
            except SecretError as error:
                self.faults.append(Fault(loc, str(error)))
        return text


def _written(place: Place, text: str) -> _Found:
    """A problem at a place of a file."""
    return _Found(place, Problem(str(place), one_line(text)))


_HOW = "name the right one, and test it, with: oden-gateway check -c FILE"
