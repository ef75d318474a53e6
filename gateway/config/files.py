"""The files of a configuration: the one that is named, those that it includes, and tables. Each is read once.

What is included counts as if it stood in the one file: sections are put together key by key, and `lines` one after the other.
"""

import glob
import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from gateway.config.csv_table import Sheet, read_csv
from gateway.config.document import BrokenFileError, Key, Lines, Node, Place, compose, shown
from gateway.errors import GatewayError

LARGEST_FILE = 4 * 2**20
"""Bytes."""

Read = TypeVar("Read")
Complaint = tuple[Place, str]
"""What is wrong at a place, and what would be right."""


class NoFileError(GatewayError):
    """There is nothing to read; the message is the reason, without the name of the file."""


def read_text(path: Path) -> str:
    """What the file holds. NoFileError where that cannot be had at all, BrokenFileError where it is not text."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise NoFileError("there is no such file" if missing else f"cannot be read: {error.strerror}") from None
    except ValueError:  # a name with a zero byte in it
        raise NoFileError("no file can be called like this") from None
    if len(content) > LARGEST_FILE:
        raise NoFileError(f"larger than {LARGEST_FILE >> 20} MiB, which no configuration is")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig")
        place = Lines(f"{before}?", path).place(len(before))
        how = ' (a spreadsheet calls that "CSV UTF-8")' if path.suffix.lower() == ".csv" else ""
        raise BrokenFileError(place, f"not UTF-8; save the file as UTF-8{how}") from None


class Files:
    """Reads the files; what is wrong in them is gathered in `complaints`."""

    def __init__(self) -> None:
        self.complaints: list[Complaint] = []
        self.missing = False
        """Whether something is named that could not be read."""
        self._documents: dict[Path, Node | None] = {}
        self._sheets: dict[Path, Sheet | None] = {}

    def whole(self, main: Path) -> Node:
        """The tree of `main` with all that it includes. NoFileError or BrokenFileError where `main` cannot be read."""
        root, complaints = compose(read_text(main), main)
        if root.empty:
            raise NoFileError("the file is empty")
        self.complaints += complaints
        parts, pending, seen = [], deque([root]), {main.resolve()}
        while pending:
            part = pending.popleft()
            parts.append(part)
            pending.extendleft(reversed(list(self._included(part, seen))))
        return self._joined(parts)

    def document(self, path: Path, named: Place) -> Node | None:
        """The tree of the YAML file `path`, which is named at `named`; None where it cannot be read."""
        return self._once(self._documents, path, named, self._composed)

    def sheet(self, path: Path, named: Place) -> Sheet | None:
        """The CSV table `path`, which is named at `named`; None where it cannot be read."""
        return self._once(self._sheets, path, named, read_csv)

    def _once(
        self, kept: dict[Path, Read | None], path: Path, named: Place, parse: Callable[[str, Path], Read]
    ) -> Read | None:
        if path not in kept:
            kept[path] = None
            try:
                kept[path] = parse(read_text(path), path)
            except NoFileError as error:
                self._lack(named, f"{path}: {error}")
            except BrokenFileError as error:
                self._lack(error.place, error.text)
        return kept[path]

    def _lack(self, place: Place, text: str) -> None:
        self.missing = True
        self.complaints.append((place, text))

    def _composed(self, text: str, path: Path) -> Node:
        root, complaints = compose(text, path)
        if root.empty:
            raise BrokenFileError(root.place, "the file is empty")
        self.complaints += complaints
        return root

    def _included(self, root: Node, seen: set[Path]) -> Iterator[Node]:
        """The trees of what `root` includes itself; `seen` are the files that are there already."""
        include = root.value.get("include") if isinstance(root.value, dict) else None
        if include is None:
            return
        if not isinstance(include.value, list):
            self.complaints.append((include.place, "write a list of files: [sources.yaml, lines/*.yaml]"))
            return
        for item in include.value:
            for path in self._matching(item):
                if path.resolve() in seen:
                    self.complaints.append((item.place, f"{path} is part of this configuration already; name it once"))
                    continue
                seen.add(path.resolve())
                part = self.document(path, item.place)
                if part is not None and not isinstance(part.value, dict):
                    text = "an included file holds sections, such as 'lines:', with what belongs to them indented below"
                    self.complaints.append((part.place, text))
                elif part is not None:
                    yield part

    def _matching(self, item: Node) -> list[Path]:
        """The files that one item of `include` means, in the order of their names."""
        folder, pattern = item.place.file.parent, item.value
        if not isinstance(pattern, str) or not pattern or "\0" in pattern:
            self.complaints.append((item.place, "write the name of a file, such as sources.yaml or lines/*.yaml"))
            return []
        names = [pattern]
        if glob.has_magic(pattern):
            names = sorted(glob.glob(pattern, root_dir=folder))  # noqa: PTH207 - Path.glob takes no absolute patterns
        if not names:
            self._lack(item.place, f"no file is called like this in {folder.absolute()}")
        return [beside(item.place, name) for name in names]

    def _joined(self, parts: list[Node]) -> Node:
        """One tree of the `parts`, of which the first is that of the main file."""
        main = parts[0]
        if not isinstance(main.value, dict):
            return main
        found: dict[Key, list[tuple[Place, Node]]] = {}
        for part in parts:
            for key, node in part.value.items() if isinstance(part.value, dict) else ():
                found.setdefault(key, []).append((part.keys[key], node))
        keys = {key: pieces[0][0] for key, pieces in found.items()}
        several = {key for key, pieces in found.items() if key != "include" and len(pieces) > 1}
        sections = {
            key: self._section(key, pieces) if key in several else pieces[0][1] for key, pieces in found.items()
        }
        return Node(main.place, sections, keys)

    def _section(self, key: Key, pieces: list[tuple[Place, Node]]) -> Node:
        """A section of which several files have a piece."""
        first = pieces[0][1]
        table: dict[Key, Node] = {}
        items: list[Node] = []
        keys: dict[Key, Place] = {}
        for at, node in pieces:
            if isinstance(node.value, dict) and isinstance(first.value, dict):
                for name, item in node.value.items():
                    if name in table:
                        text = f"{shown(name)} of {shown(key)} stands at {keys[name]} already; keep one of them"
                        self.complaints.append((node.keys[name], text))
                    table.setdefault(name, item)
                    keys.setdefault(name, node.keys[name])
            elif isinstance(node.value, list) and isinstance(first.value, list):
                items += node.value
            elif node is not first:
                text = f"{shown(key)} stands at {pieces[0][0]} already, in another form; keep one of them"
                self.complaints.append((at, text))
        whole = table if isinstance(first.value, dict) else items if isinstance(first.value, list) else first.value
        return Node(first.place, whole, keys)


def beside(place: Place, name: str) -> Path:
    """The file `name`, which is written at `place`: its folder is where the search begins."""
    return Path(os.path.normpath(place.file.parent / name))
