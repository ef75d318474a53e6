"""`oden-gateway support-bundle`: one file for whoever is asked for help, without a single secret in it.

Each part is a text of its own, so that one that cannot be had leaves the others whole; what is missing, and why, is a
part too. Before anything is written, every secret of the configuration is taken out of every part, although none is
expected in any.
"""

import argparse
import asyncio
import io
import json
import os
import platform
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr

from gateway.build import described
from gateway.cli.startup import add_config_option, read_config
from gateway.config.environment import VARIABLE_PREFIX
from gateway.config.loader import Loaded
from gateway.control_places import places
from gateway.errors import ConfigError, GatewayError
from gateway.oden.exchange import iso
from gateway.secret_forms import not_shown, without

LINES_OF_LOG = 20_000
LONGEST = 20.0
"""Seconds that a command of the system gets."""
SHORTEST_SECRET = 4
"""Characters: a shorter one stands in every second line by chance, and is masked wherever it is shown."""
MASK = "**********"
UNIT = "oden-gateway.service"
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "log.txt": ("journalctl", "--unit", UNIT, "--lines", str(LINES_OF_LOG), "--no-pager", "--output", "short-iso"),
    "unit.txt": ("systemctl", "cat", UNIT),
    "service.txt": ("systemctl", "show", UNIT),
    "clock.txt": ("timedatectl", "show"),
    "disk.txt": ("df", "--human-readable"),
    "memory.txt": ("free", "--mega"),
}
"""What this machine says of itself, by the part that it becomes."""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `support-bundle`."""
    parser = commands.add_parser(
        "support-bundle",
        help="put what a person needs who helps you into one file, without secrets",
        description="Writes a .tar.gz with the configuration as it is understood, what `check` says, the status and "
        "the statistics of the running gateway, its log, and what this machine says of itself. Tokens and passwords "
        "are not in it; names of lines, orders and products are. Look into it before you hand it on.",
        epilog="example:\n  sudo oden-gateway support-bundle --output /tmp/support.tar.gz",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_option(parser)
    parser.add_argument("-o", "--output", type=Path, help="default: oden-gateway-support-DATE.tar.gz, here")
    parser.set_defaults(call=_bundle)


def _bundle(arguments: argparse.Namespace) -> int:
    target = arguments.output or Path(time.strftime("oden-gateway-support-%Y%m%d-%H%M%S.tar.gz", time.gmtime()))
    parts: dict[str, str] = {}
    missing: dict[str, str] = {}

    def have(name: str, make: Callable[[], str]) -> None:
        try:
            parts[name] = make()
        except GatewayError as error:
            missing[name] = str(error)

    loaded: Loaded | None = None
    try:
        loaded, _ = read_config(arguments.config, os.environ)
        parts["check.txt"] = "\n".join(f"warning: {warning}" for warning in loaded.warnings) or "Nothing is wrong.\n"
    except ConfigError as error:
        parts["check.txt"] = str(error)
        missing["configuration.json"] = "it is wrong (check.txt), and what is wrong cannot be masked for certain"
    have("about.txt", lambda: _about(arguments.config))
    if loaded is not None:
        expanded, directory = loaded.expanded(), loaded.config.outbox.directory.absolute()
        parts["configuration.json"] = json.dumps(expanded, indent=1, ensure_ascii=False)
        have("files.txt", lambda: "\n".join(_files(directory)))
        have("status.json", lambda: _asked(directory, "status", None))
        have("statistics.json", lambda: _asked(directory, "stats", {}))
    for name, command in COMMANDS.items():
        have(name, lambda command=command: _said(command))  # type: ignore[misc]  # bound to this one
    parts["missing.txt"] = "".join(f"{name}: {why}\n" for name, why in missing.items()) or "Nothing.\n"
    _write(target, parts, tuple(secrets(loaded, os.environ)))
    print(f"{target} is written, with {', '.join(sorted(parts))}.")
    for name, why in missing.items():
        print(f"Not in it: {name}, because {why}")
    print(f"Secrets are not in it; names of lines, orders and products are. To look into it: tar -xzf {target}")
    return 0


def secrets(loaded: Loaded | None, environ: Mapping[str, str]) -> Iterator[str]:
    """Every secret that this process can know of, the longest first: it may have a shorter one in it."""
    known = {text for name, text in environ.items() if name.startswith(VARIABLE_PREFIX)}
    if loaded is not None:
        known |= set(_secrets_of(loaded.config))
        with suppress(GatewayError):
            known.add(loaded.token_source())
    for text in [*known]:
        with suppress(ValueError):
            password = urlsplit(text).password or ""
            known |= {password, unquote(password)}
    yield from sorted((text for text in known if len(text) >= SHORTEST_SECRET), key=len, reverse=True)


def _secrets_of(value: object) -> Iterator[str]:
    match value:
        case SecretStr():
            yield value.get_secret_value()
        case str() if "://" in value:
            yield from not_shown(value)
        case BaseModel():
            for _, item in value:
                yield from _secrets_of(item)
        case Mapping():
            for item in value.values():
                yield from _secrets_of(item)
        case list() | tuple():
            for item in value:
                yield from _secrets_of(item)


def masked(text: str, known: tuple[str, ...]) -> str:
    """`text` without the secrets `known`, however they are written."""
    for secret in known:
        text = without(text, secret, MASK)
    return text


def _write(target: Path, parts: Mapping[str, str], known: tuple[str, ...]) -> None:
    """Raises GatewayError where the file cannot be written, or is there already."""
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name, text in sorted(parts.items()):
                content = masked(text, known).encode(errors="backslashreplace")
                member = tarfile.TarInfo(f"oden-gateway-support/{name}")
                member.size, member.mtime, member.mode = len(content), int(time.time()), 0o600
                archive.addfile(member, io.BytesIO(content))
    except FileExistsError:
        raise GatewayError(f"{target} is there already: name another file with --output") from None
    except OSError as error:
        raise GatewayError(f"{target} cannot be written: {error.strerror or error}") from None


def _about(config: Path) -> str:
    system = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    libraries = sorted({f"{found.name} {found.version}" for found in metadata.distributions()})
    rows = {
        "gateway": described(),
        "configuration": str(config.absolute()),
        "written": iso(int(time.time())),
        "user": str(os.geteuid()),
        "system": system.get("PRETTY_NAME", "unknown"),
        "machine": " ".join(platform.uname()[2:5]),
        "Python": platform.python_version(),
        "time zone": " ".join(time.tzname),
    }
    return "".join(f"{name}: {value}\n" for name, value in rows.items()) + "\n" + "\n".join(libraries) + "\n"


def _files(directory: Path) -> Iterator[str]:
    """What lies in the directory of the outbox. Raises GatewayError where that cannot be read."""
    try:
        for path in sorted(directory.rglob("*")):
            seen = path.lstat()
            changed = iso(int(seen.st_mtime))
            yield f"{seen.st_mode:o} {seen.st_uid} {seen.st_size:>12} {changed} {path}"
    except OSError as error:
        raise GatewayError(f"{directory} cannot be read: {error.strerror}") from None


def _asked(directory: Path, command: str, question: object) -> str:
    """The running gateway's answer. One that does not run is not opened: that would repair it first."""
    from gateway import control  # noqa: PLC0415 - its libraries cost every other command 0.3 s

    async def ask() -> list[dict[str, object]]:
        answer = control.ask(directory, places(directory), command, question)
        return [item async for item in answer]

    try:
        return json.dumps(asyncio.run(ask()), indent=1, ensure_ascii=False)
    except control.NoGateway:
        raise GatewayError("no gateway runs with this configuration") from None


def _said(command: tuple[str, ...]) -> str:
    """What a command of the system prints. Raises GatewayError where there is no such command, or it takes long."""
    if shutil.which(command[0]) is None:
        raise GatewayError(f"this machine has no {command[0]}")
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace", timeout=LONGEST)  # noqa: S603 - commands of our own
    except (OSError, subprocess.SubprocessError) as error:
        raise GatewayError(f"{command[0]} did not answer: {error}") from None
    return done.stdout + done.stderr
