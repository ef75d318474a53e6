"""From the file, the environment and the secrets to one frozen `Config`, or to every problem with its position.

pydantic-settings merges the sources, the environment above the file, and validates what comes out. Relative paths
are taken from the folder of the file.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from gateway.config.document import Lines, Node, NotYamlError, Place, Tree, compose, one_line
from gateway.config.environment import Override, called, layer, overrides
from gateway.config.schema import Config
from gateway.config.secrets import SecretError, is_reference, read_secret, secret_name
from gateway.config.sentences import misfits
from gateway.config.shape import Loc, alternatives, below
from gateway.errors import ConfigError, Fault, Problem
from gateway.model import Scalar

LARGEST_FILE = 4 * 2**20
"""Bytes."""

_TOKEN: Loc = ("oden", "token")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that fits the schema, and where each part of it was written.

    `token_source` reads Oden's token anew at each call, from where the configuration says; it raises SecretError
    where the token cannot be had any more.
    """

    config: Config
    token_source: Callable[[], str] = field(repr=False)
    _origin: "_Origin" = field(repr=False)

    def where(self, loc: Loc) -> str:
        """`file:line:column` of the value at `loc`, or the environment variable that set it.

        Where nothing is written at `loc`: of the key of the section in which it is missing.
        """
        return self._origin.problem(loc, "").problem.where

    def error(self, faults: Iterable[Fault]) -> ConfigError:
        """`faults` with their positions, in file order."""
        return _error([self._origin.problem(fault.loc, fault.text) for fault in faults])


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """Read the configuration at `path`; ConfigError holds everything that is wrong with it, in file order."""
    root, found = _read(path)
    tree = root.tree()
    variables, others = overrides(tree, environ)
    origin = _Origin(path, root, variables)
    found += [_Found(None, problem) for problem in others]
    prepared = _Prepared(path.parent.absolute(), environ, variables)
    from_file = prepared.value(tree, Config, ())
    from_environment = layer(
        from_file, {loc: prepared.single(item.value, item.annotation, loc) for loc, item in variables.items()}
    )
    found += [origin.problem(fault.loc, fault.text) for fault in prepared.faults]
    try:
        settings = Settings(_build_sources=((_Source(from_environment), _Source(from_file)), {}))
    except ValidationError as error:
        found += [origin.problem(misfit.loc, misfit.text, at_key=misfit.at_key) for misfit in misfits(error)]
    if found:
        raise _error(found)
    token = settings.config.oden.token.get_secret_value()
    name = prepared.secrets.get(_TOKEN)
    source = (lambda: token) if name is None else partial(read_secret, name, prepared.folder, environ)
    return Loaded(settings.config, source, origin)


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
    """A problem and its place in the file; None outside of it."""

    place: Place | None
    problem: Problem


def _error(found: Collection[_Found]) -> ConfigError:
    """All that was found, in file order, the environment's last."""
    inside = sorted((one for one in found if one.place), key=lambda one: one.place or Place(0, 0))
    return ConfigError([one.problem for one in [*inside, *(one for one in found if not one.place)]])


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where each value came from: the file, as a tree with places, or a variable of the environment."""

    path: Path
    root: Node
    variables: Mapping[Loc, Override]

    def problem(self, loc: Loc, text: str, *, at_key: bool = False) -> _Found:
        """A problem with the value at `loc` or, where `at_key`, with its key."""
        if loc in self.variables:
            return _Found(None, Problem(called(self.variables[loc].variable), one_line(text)))
        return _written(self.path, self._place(loc, at_key=at_key), text)

    def _place(self, loc: Loc, *, at_key: bool) -> Place:
        node, key = self.root, self.root.place
        for part in loc:
            if isinstance(node.value, dict) and part in node.value:
                node, key = node.value[part], node.keys[part]
            elif isinstance(node.value, list) and isinstance(part, int):
                node = node.value[part]
                key = node.place
            else:
                return key
        return key if at_key else node.place


@dataclass(slots=True)
class _Prepared:
    """What only the loader knows, put into the tree: secrets for their names, paths from the file's folder.

    Places in `skip` are left alone: something else stands there in the end.
    """

    folder: Path
    environ: Mapping[str, str]
    skip: Collection[Loc]
    faults: list[Fault] = field(default_factory=list)
    secrets: dict[Loc, str] = field(default_factory=dict)
    """Place -> name of the secret there."""

    def value(self, value: Tree, annotation: Any, loc: Loc) -> Any:
        """The tree `value`, which stands at `loc`, prepared."""
        if isinstance(value, dict):
            return {key: self.value(item, below(annotation, key, value), (*loc, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, below(annotation, i, value), (*loc, i)) for i, item in enumerate(value)]
        return value if loc in self.skip else self.single(value, annotation, loc)

    def single(self, value: Scalar, annotation: Any, loc: Loc) -> Any:
        """The single `value` prepared; it stays as it is where that cannot be done, which is a fault."""
        possible = alternatives(annotation)
        if not isinstance(value, str) or annotation is None:
            return value
        if Path in possible:
            return self.folder / value
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


def _read(path: Path) -> tuple[Node, list[_Found]]:
    """The tree of the file and what is wrong with single keys of it."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        reason = (
            "there is no such file" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        )
        raise ConfigError([Problem(str(path), f"{reason}; {_HOW}")]) from None
    if len(content) > LARGEST_FILE:
        raise ConfigError(
            [Problem(str(path), f"larger than {LARGEST_FILE >> 20} MiB, which no configuration is; {_HOW}")]
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig")
        place = Lines(f"{before}?").place(len(before))
        raise _error([_written(path, place, "not UTF-8; save the file as UTF-8")]) from None
    try:
        root, problems = compose(text)
    except NotYamlError as error:
        raise _error([_written(path, error.place, error.text)]) from None
    if root.empty:
        raise ConfigError([Problem(str(path), f"the file is empty; {_HOW}")])
    return root, [_written(path, place, words) for place, words in problems]


def _written(path: Path, place: Place, text: str) -> _Found:
    """A problem at a place of the file."""
    return _Found(place, Problem(f"{path}:{place.line}:{place.column}", one_line(text)))


_HOW = "name the right one, and test it, with: oden-gateway check -c FILE"
