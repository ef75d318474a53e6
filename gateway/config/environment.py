"""What the configuration takes from outside its files: secrets, which it names but does not hold, `${secret:NAME}` as a
whole value, and environment variables that override single values, `ODEN_GATEWAY_SOURCES__PRESS_PLC__URL`.

The first of these places that has a secret counts: the service's credentials (systemd.exec(5), LoadCredential; those of
a folder that is loaded whole have its name before theirs), Docker's secrets, the folder `secrets` beside the
configuration, the environment variable ODEN_GATEWAY_SECRET_NAME.

After the prefix of a variable come the keys on the way to the value, and indices in lists, joined by `__`; case does
not matter. Values are read like plain YAML scalars, and as text where the schema allows only text.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from errno import ENAMETOOLONG
from pathlib import Path
from typing import Any

from gateway.config.near_words import nearest, suggestion
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
from gateway.config.tree import Key, Tree, quoted
from gateway.config.yaml_tree import scalar
from gateway.errors import Diagnostic, GatewayError
from gateway.model import Scalar

VARIABLE_PREFIX = "ODEN_GATEWAY_SECRET_"
DOCKER = Path("/run/secrets")
FOLDER = "secrets"
"""Of secrets, beside the configuration; the unit loads one under this name."""
MAX_SECRET_SIZE = 65536
"""Bytes."""

_REFERENCE = re.compile(r"\$\{secret:([^}]*)\}")
_QUOTES = frozenset("\"'`“”„‘’")
_NEAR_REFERENCE = re.compile(
    r"\W{0,3}(secrets?|env|vault|file)\s*[:.]\s*\S*"
    r"|\$[A-Z_][A-Z0-9_]*|\$\{.*\}|\$\(.*\)|\{+[^{}]*\}+|<.*>|%\w+%|[“”„«].*"
    r"|(token|bearer)\s.*|(your|my)[-_ ].*(token|password).*|change[-_ ]?me|x{3,}|\*{3,}",
    re.IGNORECASE,
)
_NEAR_NAME = 0.8
"""How much like another name one is at least that is a slip of it: secrets of two systems have long words alike."""
_LONGEST_NAME = 40
_OF_SYSTEMS = re.compile(
    r"(oden|api|proxy|plcs?|sps|opc|opcua|ua|brokers?|mqtt|mosquitto|servers?|sources?|hosts?|edge|gateway|gw|plant|site|"
    r"line|machine|floor|cell|robot)\d{0,2}|tokens?|secrets?|pass|passwd|passwords?|passphrase|pw|keys?|auth|creds?|"
    r"credentials?|login|users?|account|page|status|actions?|admin|write|read",
    re.IGNORECASE,
)
"""Words in the names that people give secrets: those of systems, and what a secret is for."""
_NAMED = re.compile(
    r"(?:export\s+|set\s+)?(?:\w+[_.-])?(?:token|passw(?:or)?d|pwd|secret|api_?key|key)\s*(?:=|:\s)\s*\S",
    re.IGNORECASE,
)
"""`NAME=value`, as in a file of variables."""
_NUMBERED = re.compile(r"[A-Za-z]*\d{0,2}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class SecretError(GatewayError):
    """A secret cannot be read. The message names places, never what they hold. `absent` is as of a ConfigFault."""

    def __init__(self, reason: str, *, absent: bool = False) -> None:
        self.absent = absent
        super().__init__(reason)


def is_reference(text: str) -> bool:
    """Whether `text` has a reference to a secret in it."""
    return "${secret:" in text


def is_near_reference(text: str) -> bool:
    """Whether `text` is most likely meant as a reference to a secret, or stands in for one, and is none."""
    return _NEAR_REFERENCE.fullmatch(text.strip()) is not None


def is_name_of_secret(text: str, folder: Path, environ: Mapping[str, str]) -> bool:
    """Whether `text` is the name of a secret that is there."""
    if _NAME.fullmatch(text) is None:
        return False
    try:
        read_secret(text, folder, environ)
    except SecretError:
        return False
    return True


def is_named(text: str) -> bool:
    """Whether what a file or a variable holds as a secret is most likely a line of a file of variables, `TOKEN=...`."""
    return _NAMED.match(text) is not None


def why_no_token(text: str) -> str | None:
    """Why `text`, which a file or a variable holds, cannot be Oden's token, and what helps; None: it can. It is not
    repeated."""
    if is_named(text):
        return "it begins with a name and a sign behind it, as in a file of variables: leave the token alone there"
    if re.match(r"(token|bearer|authorization:?)\s", text, re.IGNORECASE):
        return "it begins with a word that the gateway writes itself: leave the token alone there"
    if text[0] in _QUOTES or text[-1] in _QUOTES:
        return "the quotes there are part of it: remove them"
    if not text.isascii() or any(map(str.isspace, text)):
        return "a token has no blanks, and no letters but those from A to Z"
    return None


def secret_name(text: str) -> str:
    """The NAME in a value that has a reference in it. Raises SecretError where the reference is not well-formed."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise SecretError("a secret is the whole value: write ${secret:NAME} with nothing before or after it")
    if _NAME.fullmatch(match[1]) is None:
        raise SecretError("write ${secret:NAME} with a NAME of letters, digits, '_', '-' and '.'")
    return match[1]


def read_secret(name: str, folder: Path, environ: Mapping[str, str]) -> str:
    """The secret `name`, read anew at each call; `folder` is that of the configuration file.

    Raises SecretError where it is in none of the places, cannot be read or is not one line of text.
    """
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    folders = ([Path(credentials)] if credentials else []) + [DOCKER, folder / FOLDER]
    whole_folder = [Path(credentials) / f"{FOLDER}_{name}"] if credentials else []
    for path in (*whole_folder, *(place / name for place in folders)):
        try:
            with path.open("rb") as file:
                content = file.read(MAX_SECRET_SIZE + 1)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if error.errno == ENAMETOOLONG:  # which no file has
                continue
            named = "what is named here" if _may_be_a_secret(name) else f"the secret '{name}'"
            place = path.parent if _may_be_a_secret(name) else path
            raise SecretError(f"{named} is in {place}, which cannot be read: {error.strerror}", absent=True) from None
        return _decoded(content, name, str(path))
    variable = VARIABLE_PREFIX + re.sub(r"[.-]", "_", name.upper())
    if variable in environ:
        content = environ[variable].encode(errors="surrogateescape")
        return _decoded(content, name, f"the environment variable {variable}")
    service = "" if credentials else "the service's credentials (there are none here), "
    places = ", ".join(str(place / name) for place in folders)
    near = nearest(name, _names_in(folders), _NEAR_NAME)
    meant = f"; did you mean '{near}', which is there?" if near is not None else ""
    if near is None and _may_be_a_secret(name):
        example = folder / FOLDER / "NAME"
        raise SecretError(
            f"no secret has this name: in ${{secret:NAME}} NAME is the name of a file, such as {example}, which holds "
            "the token or password; it is not the secret itself",
            absent=True,
        )
    raise SecretError(
        f"the secret '{name}' is not there; put it in one of: {service}{places}, the environment variable {variable}"
        f"{meant}",
        absent=True,
    )


def _may_be_a_secret(name: str) -> bool:
    """Whether what stands for the name of a secret may be the secret itself, so that it is not repeated."""
    words = re.split(r"[_.-]", name)
    is_plain = all(_NUMBERED.fullmatch(word) and (word[1:].islower() or word == word.upper()) for word in words)
    is_known = any(_OF_SYSTEMS.fullmatch(word) for word in words)
    return len(name) > _LONGEST_NAME or not is_plain or not is_known


def _names_in(folders: Iterable[Path]) -> Iterator[str]:
    """The names of the secrets that are in these folders, as far as they can be listed."""
    for folder in folders:
        with suppress(OSError):
            yield from sorted(path.name for path in folder.iterdir())


def _decoded(content: bytes, name: str, where: str) -> str:
    """`content` as text without the line break at its end."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise SecretError(f"the secret '{name}' in {where} is not text in UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise SecretError(f"the secret '{name}' in {where} is empty", absent=True)
    if not text.isprintable() or len(content) > MAX_SECRET_SIZE:
        raise SecretError(f"the secret '{name}' in {where} must be one line without control characters")
    return text


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
        if not name.startswith(PREFIX) or name.startswith(VARIABLE_PREFIX):
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


def override_layer(tree: Tree, values: Mapping[Loc, object]) -> Any:
    """The part of `tree` that changes when `values` are set: the mappings on the way to them, and whole lists."""
    return _branches(with_values(tree, values), list(values))


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


def _branches(tree: Any, locs: list[Loc]) -> Any:
    if not isinstance(tree, dict) or () in locs:
        return tree
    heads = dict.fromkeys(loc[0] for loc in locs)
    return {head: _branches(tree[head], [loc[1:] for loc in locs if loc[0] == head]) for head in heads}


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
