"""Files that the gateway writes into folders where others may write, too: no link that somebody has put in the place of
one is followed, so that nothing is written over that is not ours.
"""

import os
from contextlib import suppress
from pathlib import Path


def open_own(path: Path, flags: int) -> int:
    """A descriptor of the file `path`, for its owner alone where it is made. Raises OSError, for a link too."""
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def write_anew(path: Path, content: str, *, durable: bool = False) -> None:
    """Put a file with `content` in the place of whatever is at `path`, as a whole. `durable`: it is on the disk when
    this returns. Raises OSError."""
    new = path.with_suffix(".new")
    with suppress(FileNotFoundError):
        new.unlink()
    with os.fdopen(open_own(new, os.O_WRONLY | os.O_EXCL), "w", encoding="utf-8") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    new.replace(path)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
