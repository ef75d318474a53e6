"""What takes a session up again over another connection, and where it is kept for a gateway that crashes.

Who has it can act as the session's user until the session ends. So it is only in the runtime directory, which the
system empties at each start and no backup takes, readable by the gateway's user alone.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from gateway.own_files import write_anew
from gateway.secret_forms import shown_address

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SessionKey:
    """The token of a session at the server `url`, as text, and the last nonce of the server, in hexadecimal digits."""

    url: str
    token: str
    nonce: str

    def __repr__(self) -> str:
        return f"SessionKey({shown_address(self.url)})"


class KeyFile:
    """Keeps the key of a source's session in the file `path`, where there is one. Never raises: without it, the session
    of a gateway that crashed ends by its time-out."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def load(self) -> SessionKey | None:
        """The key that was saved last, and not forgotten since."""
        if self._path is None:
            return None
        try:
            return SessionKey(**json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def save(self, key: SessionKey) -> None:
        """Keep `key`, instead of the one before."""
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            write_anew(self._path, json.dumps(asdict(key)))
        except OSError as error:
            log.info("opcua_session_key_not_kept", reason=error.strerror)

    def forget(self) -> None:
        """The session has ended."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()


def key_file(runtime: Path | None, source: str) -> KeyFile:
    """Where the session of `source` is kept; nowhere, where there is no runtime directory."""
    if runtime is None or not runtime.is_dir():
        return KeyFile(None)
    name = "".join(sign if sign.isalnum() or sign in "-_" else f"%{ord(sign):x}" for sign in source)
    return KeyFile(runtime / "opcua" / f"{name}.json")
