"""Loads the configuration from its files, the environment and the secrets: one frozen `Config`, or all that is wrong.

pydantic-settings merges the layers, the environment above the files, and validates the result. A relative path is taken
from the folder of the file in which it stands; in the environment, from that of the main file.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from gateway.config.environment import Override, override_layer, overrides, variable_label, with_values
from gateway.config.error_messages import schema_faults
from gateway.config.files import Files, NoFileError
from gateway.config.lookups import read_lookups
from gateway.config.schema import Config
from gateway.config.schema_walk import Loc, alternatives, child_annotation, tag_of
from gateway.config.secrets import SecretError, is_reference, read_secret, secret_name
from gateway.config.substitution import escaped
from gateway.config.templates import expand_templates
from gateway.config.yaml_tree import BrokenFileError, Finding, Node, Position, Tree, printable
from gateway.errors import ConfigError, ConfigFault, Diagnostic
from gateway.model import Lookups, Scalar

_TOKEN: Loc = ("oden", "token")
_REMEDY = "name the right one, and test it, with: oden-gateway check -c FILE"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that fits the schema, and the position of each of its values.

    `lookups` are the tables as they were on the disk when the configuration was loaded. `token_source` reads Oden's
    token anew at each call, from where the configuration says; it raises SecretError where it cannot be read any more.
    """

    config: Config
    lookups: Lookups = field(repr=False)
    token_source: Callable[[], str] = field(repr=False)
    _origin: "_Origin" = field(repr=False)
    _values: Any = field(repr=False)
    _secrets: Mapping[Loc, str] = field(repr=False)

    def expanded(self) -> Tree:
        """The configuration as if all of it stood in one file, without templates and includes; secrets are masked."""
        return self._masked(self._values, ())

    def _masked(self, value: Any, loc: Loc) -> Tree:
        if isinstance(value, dict):
            return {key: self._masked(item, (*loc, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self._masked(item, (*loc, index)) for index, item in enumerate(value)]
        if isinstance(value, SecretStr):
            return f"${{secret:{self._secrets[loc]}}}" if loc in self._secrets else str(value)
        if isinstance(value, Path):
            return str(value)
        return cast("Scalar", escaped(value) if isinstance(value, str) else value)

    def line_trees(self) -> Iterator[tuple[Tree, Tree]]:
        """Each line twice: written out, and with texts as its template has them: `ns=2;s=${plc}.State`."""
        expanded, unsubstituted = cast("Any", self.expanded())["lines"], self._origin.unsubstituted()["lines"]
        return zip(expanded, unsubstituted, strict=True)

    def where(self, loc: Loc) -> str:
        """`file:line:column` of the value at `loc`, or the environment variable that set it.

        Where nothing is written at `loc`: of the key of the section in which it is missing.
        """
        return self._origin.where(loc)

    def error(self, faults: Iterable[ConfigFault]) -> ConfigError:
        """`faults` with their positions, in the order of the files."""
        return _error([self._origin.diagnose(fault) for fault in faults])


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """Load the configuration at `path`. Raises ConfigError with all that is wrong with it, sorted by position."""
    files = Files()
    try:
        root = files.read_tree(path)
        if files.missing:  # what else seems wrong may only follow from that
            raise _error([_in_file(finding) for finding in files.findings])
        root = expand_templates(root, files)
    except NoFileError as error:
        raise ConfigError([Diagnostic(str(path), f"{error}; {_REMEDY}")]) from None
    except BrokenFileError as error:
        raise _error([_in_file(error.finding)]) from None
    tree = root.tree()
    variables, wrong_variables = overrides(tree, environ)
    origin = _Origin(root, variables)
    diagnostics = [_in_file(finding) for finding in files.findings]
    diagnostics += [_Located(None, diagnostic) for diagnostic in wrong_variables]
    resolver = _Resolver(path.parent.absolute(), environ, variables)
    from_files = resolver.tree(root, Config, ())
    values = {loc: resolver.single(item.value, item.annotation, loc, path) for loc, item in variables.items()}
    from_environment = override_layer(from_files, values)
    diagnostics += [origin.diagnose(fault) for fault in resolver.faults]
    try:
        settings = _Layers(_build_sources=((_Layer(from_environment), _Layer(from_files)), {}))
    except ValidationError as error:
        diagnostics += [origin.diagnose(fault) for fault in schema_faults(error) if not origin.is_incomplete(fault.loc)]
    if diagnostics:
        raise _error(diagnostics)
    token = settings.config.oden.token.get_secret_value()
    name = resolver.secrets.get(_TOKEN)
    token_source = (lambda: token) if name is None else partial(read_secret, name, resolver.folder, environ)
    lookups = read_lookups(settings.config.tables, origin.where)
    return Loaded(settings.config, lookups, token_source, origin, with_values(from_files, values), resolver.secrets)


class _Layers(BaseSettings):
    """The whole configuration as one field, so that all of it is validated alike, also where it is no mapping."""

    config: Config


class _Layer(PydanticBaseSettingsSource):
    """One layer of the configuration for pydantic-settings to merge: the values that it sets, as a tree."""

    def __init__(self, tree: Any) -> None:
        super().__init__(_Layers)
        self._tree = tree

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._tree, field_name, False

    def __call__(self) -> dict[str, Any]:
        return {"config": self._tree}


@dataclass(frozen=True, slots=True)
class _Located:
    """A diagnostic and its position in the files, by which it is sorted; None for one of the environment."""

    position: Position | None
    diagnostic: Diagnostic


def _error(diagnostics: Collection[_Located]) -> ConfigError:
    """All that was found, in the order of the files, the environment's last. What is equal for many lines is one."""
    groups: dict[Diagnostic, list[_Located]] = {}
    for located in diagnostics:
        groups.setdefault(located.diagnostic, []).append(located)
    in_files = [group for group in groups.values() if group[0].position]
    files = {located.position.file: None for located in diagnostics if located.position}
    order = {file: number for number, file in enumerate(files)}

    def sort_key(group: list[_Located]) -> tuple[int, int, int]:
        position = group[0].position
        return (order[position.file], position.line, position.column) if position else (0, 0, 0)

    in_environment = [group[0].diagnostic for group in groups.values() if not group[0].position]
    return ConfigError([*(_merged(group) for group in sorted(in_files, key=sort_key)), *in_environment])


def _merged(group: Sequence[_Located]) -> Diagnostic:
    """One diagnostic for equal ones, with the first of the lines for which it is wrong."""
    positions = [located.position.used_at for located in group if located.position and located.position.used_at]
    users = list(dict.fromkeys(map(str, positions)))
    diagnostic = group[0].diagnostic
    if not users:
        return diagnostic
    more = f" and {len(users) - 1} more" if len(users) > 1 else ""
    return Diagnostic(diagnostic.where, f"{diagnostic.text} (used at {users[0]}{more})")


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where each value came from: the files, as a tree with positions, or a variable of the environment."""

    root: Node
    variables: Mapping[Loc, Override]

    def diagnose(self, fault: ConfigFault) -> _Located:
        """`fault` with its position."""
        if fault.loc in self.variables:
            label = variable_label(self.variables[fault.loc].variable)
            return _Located(None, Diagnostic(label, printable(fault.text)))
        return _in_file(Finding(self._position(fault.loc, at_key=fault.at_key), fault.text))

    def where(self, loc: Loc) -> str:
        return self.diagnose(ConfigFault(loc, "")).diagnostic.where

    def unsubstituted(self) -> Any:
        """The values alone, with texts as they were before their parameters were substituted."""
        values = {loc: item.value for loc, item in self.variables.items()}
        return with_values(self.root.tree(substituted=False), values)

    def is_incomplete(self, loc: Loc) -> bool:
        """Whether something on the way to `loc` could not be read, so that a fault there may only follow from that."""
        return any(node.incomplete for node, _ in self._path(loc))

    def _position(self, loc: Loc, *, at_key: bool) -> Position:
        path = self._path(loc)
        node, key = path[-1]
        return node.position if len(path) > len(loc) and not at_key else key

    def _path(self, loc: Loc) -> list[tuple[Node, Position]]:
        """The values on the way to `loc`, as far as there are any, each with the position of its key."""
        node = self.root
        path = [(node, node.position)]
        for part in loc:
            if isinstance(node.value, dict) and part in node.value:
                node, key = node.value[part], node.keys[part]
            elif isinstance(node.value, list) and isinstance(part, int):
                node = node.value[part]
                key = node.position
            else:
                break
            path.append((node, key))
        return path


@dataclass(slots=True)
class _Resolver:
    """Puts into the tree what only the loader knows: the secrets that it names, and the folders of relative paths.

    `folder` is that of the main file. Values at the key paths `overridden` stay: the environment replaces them.
    """

    folder: Path
    environ: Mapping[str, str]
    overridden: Collection[Loc]
    faults: list[ConfigFault] = field(default_factory=list)
    secrets: dict[Loc, str] = field(default_factory=dict)
    """Key path -> name of the secret there."""

    def tree(self, node: Node, annotation: Any, loc: Loc) -> Any:
        """The values of `node`, which stands at `loc`, resolved."""
        value = node.value
        if isinstance(value, dict):
            tagged = tag_of(annotation, value)
            tag = tagged.value if tagged is not None else None
            return {
                key: self.tree(item, child_annotation(annotation, key, tag), (*loc, key)) for key, item in value.items()
            }
        if isinstance(value, list):
            return [
                self.tree(item, child_annotation(annotation, index, None), (*loc, index))
                for index, item in enumerate(value)
            ]
        return value if loc in self.overridden else self.single(value, annotation, loc, node.position.file)

    def single(self, value: Scalar, annotation: Any, loc: Loc, file: Path) -> Any:
        """The single `value`, which stands in `file`, resolved. Where that fails it stays, and a fault is recorded."""
        possible = alternatives(annotation)
        if not isinstance(value, str) or annotation is None:
            return value
        if Path in possible:
            return file.parent.absolute() / value
        if SecretStr in possible:
            return SecretStr(self._secret(value, loc))
        if is_reference(value):
            self.faults.append(ConfigFault(loc, "a secret can stand only where a token or a password is asked for"))
        return value

    def _secret(self, text: str, loc: Loc) -> str:
        if is_reference(text):
            try:
                name = self.secrets[loc] = secret_name(text)
                return read_secret(name, self.folder, self.environ)
            except SecretError as error:
                self.faults.append(ConfigFault(loc, str(error)))
        return text


def _in_file(finding: Finding) -> _Located:
    """A finding as a diagnostic of a file."""
    return _Located(finding.position, Diagnostic(str(finding.position), printable(finding.text)))
