"""Secrets that the configuration names but does not hold: `${secret:NAME}` as a whole value.

The first of these places that has the secret counts: the service's credentials (systemd.exec(5), LoadCredential; those
of a folder that is loaded whole have its name before theirs), Docker's secrets, the folder `secrets` beside the
configuration, the environment variable ODEN_GATEWAY_SECRET_NAME.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from gateway.config.error_messages import nearest
from gateway.errors import GatewayError

VARIABLE_PREFIX = "ODEN_GATEWAY_SECRET_"
DOCKER = Path("/run/secrets")
FOLDER = "secrets"
"""Of secrets, beside the configuration; the unit loads one under this name."""
MAX_SECRET_SIZE = 65536
"""Bytes."""

_REFERENCE = re.compile(r"\$\{secret:([^}]*)\}")
_NEAR_REFERENCE = re.compile(
    r"\W{0,3}(secrets?|env|vault|file)\s*[:.]\s*\S*"
    r"|\$[A-Z_][A-Z0-9_]*|\$\{.*\}|\$\(.*\)|\{+[^{}]*\}+|<.*>|%\w+%|[“”„«].*"
    r"|(token|bearer)\s.*|(your|my)[-_ ].*(token|password).*|change[-_ ]?me|x{3,}|\*{3,}",
    re.IGNORECASE,
)
_QUOTES = frozenset("\"'`“”„‘’")
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


def why_no_token(text: str) -> str | None:
    """Why `text`, which a file or a variable holds, cannot be Oden's token, and what helps; None: it can. It is not
    repeated."""
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
            raise SecretError(
                f"the secret '{name}' is in {path}, which cannot be read: {error.strerror}", absent=True
            ) from None
        return _decoded(content, name, str(path))
    variable = VARIABLE_PREFIX + re.sub(r"[.-]", "_", name.upper())
    if variable in environ:
        content = environ[variable].encode(errors="surrogateescape")
        return _decoded(content, name, f"the environment variable {variable}")
    service = "" if credentials else "the service's credentials (there are none here), "
    places = ", ".join(str(place / name) for place in folders)
    near = nearest(name, _names_in(folders))
    meant = f"; did you mean '{near}', which is there?" if near is not None else ""
    raise SecretError(
        f"the secret '{name}' is not there; put it in one of: {service}{places}, the environment variable {variable}"
        f"{meant}",
        absent=True,
    )


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
        raise SecretError(f"the secret '{name}' in {where} is empty")
    if not text.isprintable() or len(content) > MAX_SECRET_SIZE:
        raise SecretError(f"the secret '{name}' in {where} must be one line without control characters")
    return text
