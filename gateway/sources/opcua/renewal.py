"""The files that protect a session, as they were when it began: so that what somebody changes of them is noticed."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gateway.config.schema import OpcuaConfig

Stamp = frozenset[tuple[str, int, int]]


@dataclass(frozen=True, slots=True)
class Stamps:
    """What tells one state of the files from another: of our certificate and our user's (`ours`), and of those by
    which others are trusted."""

    ours: Stamp
    trust: Stamp

    @classmethod
    def of(cls, config: OpcuaConfig) -> Self:
        """As the files are now."""
        own = [config.pki / "own" / name for name in ("cert.der", "key.pem")]
        user = [path for path in (config.user_certificate, config.user_key) if path is not None]
        trust = [file for name in ("trusted", "issuers", "crl") for file in _files(config.pki / name)]
        return cls(_stamp([*own, *user]), _stamp(trust))


def _files(folder: Path) -> Iterable[Path]:
    try:
        return [*folder.iterdir()]
    except OSError:
        return []


def _stamp(files: Iterable[Path]) -> Stamp:
    told = set()
    for file in files:
        try:
            state = file.stat()
        except OSError:
            continue
        told.add((str(file), state.st_mtime_ns, state.st_size))
    return frozenset(told)
