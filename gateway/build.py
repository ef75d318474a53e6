"""Which build this is: its version, with the commit that it was made from, and what tells its code from any other."""

import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

from gateway import __version__

COMMIT = Path(__file__).with_name("COMMIT")
"""Written when a wheel or an image is built; in a clone, git is asked."""
_CODE = COMMIT.with_name("CODE")
"""Written when a wheel is built, and so for each package and image."""
DESCRIBE = ("git", "describe", "--tags", "--match", "v[0-9]*", "--always", "--dirty")


@cache
def described() -> str:
    """`0.1.0 (8f3c2a1)`; the version alone where nobody knows the commit, or where a tag says no more than that."""
    commit = _commit()
    return __version__ if commit in ("", __version__, f"v{__version__}") else f"{__version__} ({commit})"


def _commit() -> str:
    with suppress(OSError):
        return COMMIT.read_text().strip()
    clone = COMMIT.parents[1]
    if not (clone / ".git").exists():
        return ""
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(DESCRIBE, cwd=clone, check=True, capture_output=True, text=True, timeout=5.0)  # noqa: S603 - a command of our own
        return done.stdout.strip()
    return ""


def _code() -> str:
    with suppress(OSError):
        return _CODE.read_text().strip()
    return __version__


CODE = _code()
"""What no build of other code says, whatever version it names; in a clone, the version as when it was installed."""
