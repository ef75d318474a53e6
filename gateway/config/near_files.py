"""Which file is most likely meant by the name of one that is not there: one beside it, or of another folder."""

import glob
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gateway.config.near_words import nearest
from gateway.config.tree import quoted

_NEAR = 0.75
"""How alike two names are of which one is most likely a slip of the other."""


def meant_file(path: Path) -> Path | None:
    """The file that is most likely meant by `path`, which is not there; None: there is none like it."""
    if not _is_missing(path):
        return None
    there = _nearest_there(path)
    missing = path.relative_to(there).parts
    if len(missing) == 1:
        near = _near_name(there, missing[0], is_folder=False)
        return near if near is None or near.is_file() else None
    folder = _near_name(there, missing[0], is_folder=True)
    candidates = [there / path.name] if folder is None else [folder.joinpath(*missing[1:]), there / path.name]
    return next((file for file in candidates if file.is_file()), None)


def meant_pattern(folder: Path, pattern: str) -> str | None:
    """The pattern in `folder` that is most likely meant by one that matches nothing; None: there is none like it."""
    first, *rest = Path(pattern).parts
    others = [re.sub(r"\.ya?ml\Z", suffix, pattern) for suffix in (".yaml", ".yml")]
    near = _near_name(folder, first, is_folder=True) if rest and not glob.has_magic(first) else None
    if near is not None:
        others += [str(Path(near.name, *rest))]
    found = (other for other in others if glob.glob(other, root_dir=folder))  # noqa: PTH207 - as those of include
    return next(found, None)


def did_you_mean(path: Path) -> str:
    """The end of what is said of a file that is not there: which one is most likely meant."""
    near = meant_file(path)
    if near is None:
        return ""
    return f"; did you mean {quoted(near.relative_to(_nearest_there(path)))}?"


def _nearest_there(path: Path) -> Path:
    """The innermost folder on the way to `path` that is there."""
    return next((folder for folder in path.parents if not _is_missing(folder)), path)


def _is_missing(path: Path) -> bool:
    """Whether it is known not to be there."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):  # which may not be looked at, or is no name of a file
        return False
    return False


def _near_name(folder: Path, name: str, *, is_folder: bool) -> Path | None:
    """What is in `folder` and is most likely meant by `name`: another number is another file."""
    alike = {entry.name: entry for entry in _listed(folder, is_folder=is_folder) if _kind(entry.name) == _kind(name)}
    near = nearest(name, alike, _NEAR)
    return None if near is None else alike[near]


def _kind(name: str) -> tuple[str, str]:
    suffix = Path(name).suffix.lower()
    return ".yaml" if suffix == ".yml" else suffix, re.sub(r"\D", "", name)


def _listed(folder: Path, *, is_folder: bool) -> Iterator[Path]:
    with suppress(OSError):
        yield from (entry for entry in sorted(folder.iterdir()) if entry.is_dir() == is_folder)
