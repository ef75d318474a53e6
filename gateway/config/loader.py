"""Loads the configuration from its files, the environment and the secrets: one frozen `Config`, or all that is wrong.

pydantic-settings merges the layers, the environment above the files, and validates the result. A relative path is taken
from the folder of the file in which it stands; in the environment, from that of the main file.
"""

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from gateway.config.environment import (
    FOLDER,
    SecretError,
    is_name_of_secret,
    is_named,
    is_near_reference,
    is_reference,
    override_layer,
    overrides,
    read_secret,
    secret_name,
    why_no_token,
    with_values,
)
from gateway.config.files import Files, NoFileError, all_may_read
from gateway.config.lint_files import find_thousands, find_truths
from gateway.config.lookups import gather_lookups
from gateway.config.message_schemas import Schemas, gather_schemas
from gateway.config.near_words import nearest, one_slip_apart
from gateway.config.origin import Located, Origin, all_wrong, in_file, in_order, once_each, without_consequences
from gateway.config.schema import Config, SourceConfig
from gateway.config.schema_walk import Loc, alternatives, child_annotation, tag_of
from gateway.config.substitution import escaped
from gateway.config.templates import expand_templates
from gateway.config.tree import BrokenFileError, Node, Tree
from gateway.config.yaml_words import WORD_ALONE
from gateway.errors import ConfigError, ConfigFault, Diagnostic
from gateway.model import Lookups, Scalar
from gateway.secret_forms import shown_address

if TYPE_CHECKING:
    from gateway.config.stand_ins import Mended

_TOKEN: Loc = ("oden", "token")
_SOURCES: Loc = ("sources",)
_LONGEST_PATH = 256
_REMEDY = "give yours with `-c FILE`, and test it with: oden-gateway check -c FILE"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that fits the schema, and the position of each of its values.

    `lookups` are the tables, and `schemas` the JSON Schemas, as they were on the disk when the configuration was
    loaded. `token_source` reads Oden's token anew at each call, from where the configuration says; it raises
    SecretError where it cannot be read any more.
    """

    config: Config
    lookups: Lookups = field(repr=False)
    schemas: Schemas = field(repr=False)
    token_source: Callable[[], str] = field(repr=False)
    _origin: "Origin" = field(repr=False)
    _values: Any = field(repr=False)
    _secrets: Mapping[Loc, str] = field(repr=False)
    warnings: tuple[Diagnostic, ...] = ()
    """What may be wrong, each with its position."""

    def expanded(self) -> Tree:
        """The configuration as if all of it stood in one file, without templates and includes; secrets are masked, also
        what stands in addresses."""
        return self._masked(self._values, (), frozenset(loc for loc, _ in self.config.addresses))

    def _masked(self, value: Any, loc: Loc, addresses: Collection[Loc]) -> Tree:
        if isinstance(value, dict):
            return {key: self._masked(item, (*loc, key), addresses) for key, item in value.items()}
        if isinstance(value, list):
            return [self._masked(item, (*loc, index), addresses) for index, item in enumerate(value)]
        if loc in addresses:
            return shown_address(str(value))
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
        return all_wrong([self._origin.diagnose(fault) for fault in faults])


@dataclass(frozen=True, slots=True)
class Draft:
    """A configuration that was read, whether it is right or not.

    `config` has stand-ins in the place of what does not fit the schema; None where nothing can be made of it. Nothing
    may run on it: it is there for what else is wrong to be found. `unread` are sources of which nothing is known, and
    `lookups` and `schemas` those tables and schemas that could be read. `finished` gives what can run.
    """

    config: Config | None
    lookups: Lookups
    schemas: Schemas
    unread: Container[str]
    _found: Sequence[Located]
    _mended: "Mended | None"
    _origin: Origin
    _loaded: Callable[[Config], Loaded]

    @property
    def overridden(self) -> Collection[Loc]:
        """The key paths that the environment has set."""
        return self._origin.variables.keys()

    def finished(self, faults: Iterable[ConfigFault], *, though_absent: bool = False) -> Loaded:
        """The configuration that can run, with its warnings. Raises ConfigError with all that is wrong with it, which
        includes `faults`, of what the parts of `config` have to do with each other. `though_absent`: what is only
        absent, such as secrets that this user may not read, is not missed; nothing may run on that."""
        wrong = [fault for fault in faults if not self._follows(fault)]
        found = [*self._found, *(self._origin.diagnose(fault) for fault in without_consequences(wrong))]
        if though_absent:
            found = [located for located in found if not located.diagnostic.absent]
        found = once_each(found)
        if self.config is None or not all(located.warning for located in found):
            raise all_wrong(found)
        return replace(self._loaded(self.config), warnings=tuple(in_order(found)))

    def sources(self, faults: Iterable[ConfigFault]) -> Mapping[str, SourceConfig]:
        """The sources alone, of a file that need have nothing else. Raises ConfigError with what is wrong with them,
        which includes those of `faults` that are about them."""
        located = (self._origin.diagnose(fault) for fault in faults if not self._follows(fault))
        found = [each for each in (*self._found, *located) if each.loc is None or each.loc[:1] == _SOURCES]
        if self.config is None or not all(each.warning for each in found):
            raise all_wrong(found or self._found)
        return self.config.sources

    def _follows(self, fault: ConfigFault) -> bool:
        if self._mended is None:
            return self._origin.hides(fault)
        return self._mended.follows(fault) or self._origin.hides(fault, self._mended.replaced, self._mended.left_out)


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """Load the configuration at `path`. Raises ConfigError with all that is wrong with it, sorted by position."""
    return read(path, environ).finished(())


def read(path: Path, environ: Mapping[str, str]) -> Draft:
    """Read the configuration at `path` as far as that is possible. Raises ConfigError where nothing of it can be."""
    files = Files()
    try:
        root = expand_templates(files.read_tree(path), files)
    except NoFileError as error:
        raise ConfigError([Diagnostic(str(path), f"{error}; {_REMEDY}", error.absent)]) from None
    except BrokenFileError as error:
        raise all_wrong([in_file(finding) for finding in (*files.findings, error.finding)]) from None
    tree = root.tree()
    variables, wrong_variables = overrides(tree, environ)
    origin = Origin(root, variables, files.texts)
    resolver = _Resolver(path.parent.absolute(), environ, variables)
    from_files = resolver.tree(root, Config, ())
    values = {loc: resolver.single(item.value, item.annotation, loc, path) for loc, item in variables.items()}
    config, mending = _validated(from_files, values, root)
    found = [Located(None, diagnostic) for diagnostic in wrong_variables]
    found += [origin.diagnose(fault) for fault in resolver.faults]
    for wrong in mending.faults if mending is not None else ():
        if not origin.is_incomplete(wrong.fault.loc, missing=wrong.kind == "missing"):
            found.append(origin.diagnose(wrong.fault))
    lookups: Lookups = {}
    schemas: Schemas = {}
    if config is not None:
        lookups, faults, findings = gather_lookups(config.tables, path.parent)
        schemas, of_schemas, in_schemas = gather_schemas(config.lines, path.parent)
        faults += of_schemas
        found += [origin.diagnose(fault) for fault in faults if mending is None or not mending.follows(fault)]
        files.findings += [*findings, *in_schemas]
    files.findings += (*find_thousands(root), *find_truths(root, files.texts))
    words = {
        replace(each.position, column=each.position.column + len(str(each.loc[-1])))
        for each in found
        if each.position and each.loc and each.diagnostic.text.startswith("unknown key")
    }
    in_files = (one for one in files.findings if not one.text.endswith(WORD_ALONE) or one.position not in words)
    found = [*(in_file(finding) for finding in in_files), *found]
    token_source = partial(_token, config, resolver.secrets.get(_TOKEN), resolver.folder, environ)

    def loaded(config: Config) -> Loaded:
        return Loaded(config, lookups, schemas, token_source, origin, with_values(from_files, values), resolver.secrets)

    unread = _Unread(config.sources if config is not None else ())
    if mending is not None:
        unread = replace(unread, stand_ins=mending.sources, left_out=mending.sources_left_out)
    if origin.sources_incomplete or (mending is not None and ("sources",) in mending.replaced):
        unread = replace(unread, may_be_any=True)
    return Draft(config, lookups, schemas, unread, found, mending, origin, loaded)


@dataclass(frozen=True, slots=True)
class _Unread:
    """The names of sources of which nothing is known, beside those that are `known`: any but a slip of these, where not
    all could be read; else those that are only `stand_ins`, and what is like one that is `left_out` for its name."""

    known: Collection[str]
    stand_ins: Collection[str] = ()
    left_out: Collection[str] = ()
    may_be_any: bool = False

    def __contains__(self, name: object) -> bool:
        text = str(name)
        if self.may_be_any and text not in self.known:
            return not any(one_slip_apart(text, other) for other in self.known)
        return text in self.stand_ins or nearest(text, self.left_out, _NEAR_SOURCE) is not None


_NEAR_SOURCE = 0.5
"""How alike the name that inputs have is at least to one of a source that is no name."""


def _token(config: Config | None, name: str | None, folder: Path, environ: Mapping[str, str]) -> str:
    if name is not None:
        return read_secret(name, folder, environ)
    return config.oden.token.get_secret_value() if config is not None else ""


def _validated(from_files: Any, values: Mapping[Loc, object], root: Node) -> "tuple[Config | None, Mended | None]":
    """The configuration, and how it was mended where it did not fit the schema."""
    layers = _Layer(override_layer(from_files, values)), _Layer(from_files)
    try:
        return _Layers(_build_sources=(layers, {})).config, None
    except ValidationError as error:
        # The service, whose file is right, does not hold this in memory, which has a validator of the whole schema.
        from gateway.config.stand_ins import mended  # noqa: PLC0415

        mending = mended(error, _copied(with_values(from_files, values)), root)
        return mending.config, mending


def _copied(tree: Any) -> Any:
    """A copy of the mappings and lists, which can be changed."""
    if isinstance(tree, dict):
        return {key: _copied(value) for key, value in tree.items()}
    return [_copied(value) for value in tree] if isinstance(tree, list) else tree


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
            return SecretStr(self._secret(value, loc, None if loc in self.overridden else file))
        if is_reference(value):
            self.faults.append(ConfigFault(loc, "a secret can stand only where a token or a password is asked for"))
        return value

    def _is_file(self, text: str) -> bool:
        """Whether `text` is the path of a file beside the configuration."""
        return "/" in text and len(text) < _LONGEST_PATH and (self.folder / text).is_file()

    def _secret(self, text: str, loc: Loc, file: Path | None) -> str:
        """The secret that `text` names, or is where it stands in `file`; None: in the environment."""
        if is_reference(text):
            try:
                name = self.secrets[loc] = secret_name(text)
                file = self.folder / FOLDER / name
                if all_may_read(file):
                    remedy = f"everybody on this machine may read {file}: chmod 600 {file}"
                    self.faults.append(ConfigFault(loc, remedy, warning=True))
                secret = read_secret(name, self.folder, self.environ)
            except SecretError as error:
                self.faults.append(ConfigFault(loc, str(error), absent=error.absent))
                return text
            if loc == _TOKEN and (why := why_no_token(secret)) is not None:
                self.faults.append(ConfigFault(loc, f"what the secret '{name}' holds is no token: {why}"))
            elif loc != _TOKEN and is_named(secret):
                text = f"what the secret '{name}' holds begins with a name and a sign, as in a file of variables: is"
                self.faults.append(ConfigFault(loc, f"{text} what follows meant alone?", warning=True))
            return secret
        if is_near_reference(text) or is_name_of_secret(text, self.folder, self.environ) or self._is_file(text):
            reason = "this would be taken for the secret itself: write ${secret:NAME}, or the secret alone"
            self.faults.append(ConfigFault(loc, reason))
        elif file is not None and all_may_read(file):
            remedy = f"everybody on this machine may read this secret: chmod 640 {file}, or write ${{secret:NAME}}"
            self.faults.append(ConfigFault(loc, remedy, warning=True))
        return text
