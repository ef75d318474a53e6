"""Secrets stay out of the file: `${secret:NAME}` as a whole value stands for what a credential or a file holds.

Looked for, the first that exists counts: the service's credential (systemd.exec(5), LoadCredential), a Docker secret,
a file in the folder `secrets` beside the configuration, the environment variable ODEN_GATEWAY_SECRET_NAME.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from gateway.errors import GatewayError

VARIABLE_PREFIX = "ODEN_GATEWAY_SECRET_"
DOCKER = Path("/run/secrets")
LARGEST = 65536
"""Bytes; a secret is a line of text."""

_REFERENCE = re.compile(r"\$\{secret:([^}]*)\}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class SecretError(GatewayError):
    """A secret cannot be had. The message names places, never what they hold."""


def is_reference(text: str) -> bool:
    """Whether `text` has a reference to a secret in it."""
    return "${secret:" in text


def secret_name(text: str) -> str:
    """The NAME in a value that has a reference in it; SecretError where it is not written as it must be."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise SecretError("a secret is the whole value: write ${secret:NAME} with nothing before or after it")
    if _NAME.fullmatch(match[1]) is None:
        raise SecretError("write ${secret:NAME} with a NAME of letters, digits, '_', '-' and '.'")
    return match[1]


def read_secret(name: str, folder: Path, environ: Mapping[str, str]) -> str:
    """The secret `name`, read anew at each call; `folder` is that of the configuration file.

    SecretError where it is nowhere, cannot be read or is not one line of text.
    """
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    folders = ([Path(credentials)] if credentials else []) + [DOCKER, folder / "secrets"]
    for path in (place / name for place in folders):
        try:
            with path.open("rb") as file:
                content = file.read(LARGEST + 1)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise SecretError(f"the secret '{name}' is in {path}, which cannot be read: {error.strerror}") from None
        return _one_line(content, name, str(path))
    variable = VARIABLE_PREFIX + re.sub(r"[.-]", "_", name.upper())
    if variable in environ:
        return _one_line(
            environ[variable].encode(errors="surrogateescape"), name, f"the environment variable {variable}"
        )
    service = "" if credentials else "the service's credentials (there are none here), "
    places = ", ".join(str(place / name) for place in folders)
    raise SecretError(
        f"the secret '{name}' is not there; put it in one of: {service}{places}, the environment variable {variable}"
    )


def _one_line(content: bytes, name: str, where: str) -> str:
    """`content` as text without the newline at its end."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise SecretError(f"the secret '{name}' in {where} is not text in UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise SecretError(f"the secret '{name}' in {where} is empty")
    if not text.isprintable() or len(content) > LARGEST:
        raise SecretError(f"the secret '{name}' in {where} must be one line without control characters")
    return text
