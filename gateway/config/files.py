"""The files of a configuration: the main file, the files that it includes, and tables. Each is read once.

An included file counts as if it stood in the main file: sections are merged key by key, and `lines` are appended.

What everybody on this machine may do with a file matters too: a secret that all may read is none, and who may change
the configuration decides what the gateway does and where its secrets are sent.
"""

import glob
import os
import pwd
import re
import stat
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from gateway.config.csv_tables import Sheet, read_csv
from gateway.config.misplaced import put_in_place
from gateway.config.near_words import did_you_mean, meant_file, meant_pattern
from gateway.config.places import fits
from gateway.config.schema import Config
from gateway.config.spoilt_cells import doubtful_cells, doubtful_columns
from gateway.config.tree import BrokenFileError, Finding, Key, LineIndex, Node, Position, once_a_line, printable, quoted
from gateway.config.yaml_tree import compose, without_other_documents
from gateway.errors import GatewayError


def all_may_read(path: Path) -> bool:
    """Whether every user of this machine may read it."""
    return _all_may(path, stat.S_IROTH)


def all_may_change(path: Path) -> bool:
    """Whether every user of this machine may write to it."""
    return _all_may(path, stat.S_IWOTH)


def _all_may(path: Path, right: int) -> bool:
    """Also by the folders above it, which everybody has to be let into. What cannot be looked at is not for all."""
    try:
        path = path.resolve()
        allowed = path.stat().st_mode & right
        return bool(allowed) and all(map(_lets_all_in, path.parents))
    except OSError:
        return False


def _lets_all_in(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_IXOTH)


MAX_FILE_SIZE = 4 * 2**20
"""Bytes."""

_WORKBOOK = "this is a workbook of a spreadsheet, whatever its name says; save it there as CSV (UTF-8)"
_PAGE = "this is a web page (HTML), perhaps of a login, in the place of the file; download it anew"
_FOREIGN = {
    b"PK\x03\x04": _WORKBOOK,
    b"\xd0\xcf\x11\xe0": _WORKBOOK,
    b"\x1f\x8b": "this is a compressed file (gzip); unpack it first",
    b"%PDF-": "this is a document (PDF), not text",
    b"\x89PNG": "this is a picture, not text",
    b"<!DOCTYPE": _PAGE,
    b"<!doctype": _PAGE,
    b"<html": _PAGE,
    b"\xff\xfe": "this is text in UTF-16; save the file as UTF-8",
    b"\xfe\xff": "this is text in UTF-16; save the file as UTF-8",
}
"""How files begin that are no text in UTF-8 -> what is said of them."""

_TO_DO = re.compile(r"(?:^|(?<=\s))#+[ \t]*(?P<mark>TODO)\b:?(?P<about>[^\r\n]*)", re.MULTILINE)

Content = TypeVar("Content")


class NoFileError(GatewayError):
    """A file cannot be read at all; the message is the reason, without the name of the file. `absent` is as of a
    ConfigFault."""

    def __init__(self, reason: str, *, absent: bool = False) -> None:
        self.absent = absent
        super().__init__(reason)


def read_text(path: Path) -> str:
    """The text of the file at `path`.

    Raises NoFileError where the file cannot be read, BrokenFileError where it is not text in UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_SIZE + 1)
    except OSError as error:
        raise NoFileError(_why(error, path), absent=True) from None
    except ValueError:  # a name with a zero byte in it
        raise NoFileError("no file can be called like this") from None
    if len(content) > MAX_FILE_SIZE:
        raise NoFileError(f"larger than {MAX_FILE_SIZE >> 20} MiB, which no configuration is")
    foreign = next((kind for begin, kind in _FOREIGN.items() if content.startswith(begin)), None)
    if foreign is None and b"\0" in content[:4]:
        foreign = _FOREIGN[b"\xff\xfe"]
    if foreign is not None:
        raise BrokenFileError(Position(1, 1, path), foreign)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig")
        position = LineIndex(f"{before}?", path).position(len(before))
        hint = ' (a spreadsheet calls that "CSV UTF-8")' if path.suffix.lower() == ".csv" else ""
        raise BrokenFileError(position, f"not UTF-8; save the file as UTF-8{hint}") from None


def _left_to_do(text: str, file: Path) -> Iterator[Finding]:
    """The comments that somebody has marked with TODO, in capitals, as `init` does."""
    lines = LineIndex(text, file)
    for match in _TO_DO.finditer(text):
        about = printable(match["about"].strip()) or "see here"
        yield Finding(lines.position(match.start("mark")), f"still to be done: {about}", warning=True)


def _changed_by_all(file: Path) -> Iterator[Finding]:
    """That everybody may write to it, where that is so."""
    if all_may_change(file):
        text = (
            f"everybody on this machine may change this file, and so where data and tokens are sent: chmod o-w {file}"
        )
        yield Finding(Position(1, 1, file), text, warning=True)


def _why(error: OSError, path: Path) -> str:
    """Why a file cannot be read, and what to do."""
    if isinstance(error, FileNotFoundError):
        apart = "; folders are set apart by '/'" if "\\" in str(error.filename) else ""
        return f"there is no such file{apart or did_you_mean(path)}"
    return why_unreadable(error)


def why_unreadable(error: OSError) -> str:
    """Why a file that there is cannot be read, with who must be able to where that is the reason."""
    if isinstance(error, PermissionError):
        number = os.geteuid()
        try:
            user = f"the user {pwd.getpwuid(number).pw_name}"
        except KeyError:
            user = f"the user with the number {number}"
        return f"permission denied: {user} must be able to read it, and to enter the folders above it (chown, chmod)"
    return f"cannot be read: {error.strerror}"


class Files:
    """Reads the files of one configuration and gathers in `findings` what is wrong in them."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.texts: dict[Path, str] = {}
        """What was read of each file."""
        self._documents: dict[Path, Node | None] = {}
        self._sheets: dict[Path, Sheet | None] = {}

    def read_tree(self, main: Path) -> Node:
        """The tree of the file `main` with all that it includes.

        Raises NoFileError or BrokenFileError where `main` itself cannot be read.
        """
        text = self.texts[main] = read_text(main)
        root, findings = read_yaml(text, main, Config)
        if root.empty:
            raise NoFileError("the file is empty")
        self.findings += [*findings, *_left_to_do(text, main)]
        parts, pending, seen = [], deque([root]), {main.resolve()}
        complete = True
        while pending:
            part = pending.popleft()
            self.findings += put_in_place(part)
            parts.append(part)
            self.findings += _changed_by_all(part.position.file)
            included = list(self._included(part, seen))
            complete = complete and None not in included
            pending.extendleft(reversed([part for part in included if part is not None]))
        merged = self._merge_files(parts)
        return merged if complete else replace(merged, incomplete=True)

    def document(self, path: Path, named_at: Position, annotation: Any = None) -> Node | None:
        """The tree of the YAML file `path`, which is named at `named_at` and holds what the schema has at `annotation`,
        where that is known; None where it cannot be read."""
        return self._read_once(self._documents, path, named_at, partial(self._compose, annotation=annotation))

    def sheet(self, path: Path, named_at: Position) -> Sheet | None:
        """The CSV table `path`, which is named at `named_at`; None where it cannot be read."""
        return self._read_once(self._sheets, path, named_at, self._sheet)

    def _read_once(
        self,
        cache: dict[Path, Content | None],
        path: Path,
        named_at: Position,
        parse: Callable[[str, Path], Content],
    ) -> Content | None:
        if path not in cache:
            cache[path] = None
            try:
                text = self.texts[path] = read_text(path)
                cache[path] = parse(text, path)
            except NoFileError as error:
                self.findings.append(Finding(named_at, f"{path}: {error}", absent=error.absent))
                if (near := meant_file(path)) is not None:  # what else is wrong stands in that one
                    cache[path] = self._read_once(cache, near, named_at, parse)
            except BrokenFileError as error:
                self.findings.append(error.finding)
        return cache[path]

    def _report(self, position: Position, text: str) -> None:
        self.findings.append(Finding(position, text))

    def _compose(self, text: str, path: Path, annotation: Any) -> Node:
        root, findings = read_yaml(text, path, annotation)
        if root.empty:
            raise BrokenFileError(root.position, "the file is empty")
        self.findings += [*findings, *_left_to_do(text, path)]
        return root

    def _sheet(self, text: str, path: Path) -> Sheet:
        self.findings += doubtful_cells(text, path)
        sheet = read_csv(text, path)
        self.findings += [*sheet.faults, *doubtful_columns(sheet)]
        return sheet

    def _included(self, root: Node, seen: set[Path]) -> Iterator[Node | None]:
        """The trees of the files that `root` includes itself; None for one that cannot be read. `seen` are the files
        that have been read already."""
        include = root.value.get("include") if isinstance(root.value, dict) else None
        if include is None:
            return
        items = include.value if isinstance(include.value, list) else [include]
        if items == [include]:
            self._report(include.position, "write a list of files: [sources.yaml, lines/*.yaml]")
        named = {path.resolve() for item in items for path in _named(item)}
        for item in items:
            paths = self._matching(item, seen | named)
            if not paths:
                yield None
            for path in paths:
                if path.resolve() in seen:
                    self._report(item.position, f"{path} is part of this configuration already; name it once")
                    continue
                near = meant_file(path)
                if near is not None and near.resolve() in seen | named:
                    self.findings.append(Finding(item.position, f"{path}: there is no such file", absent=True))
                    yield None
                    continue
                seen.add((near or path).resolve())
                part = self.document(path, item.position, Config)
                if part is not None and not isinstance(part.value, dict):
                    text = "an included file holds sections, such as 'lines:', with what belongs to them indented below"
                    self._report(part.position, text)
                    yield None
                else:
                    yield part

    def _matching(self, item: Node, others: set[Path]) -> list[Path]:
        """The files that match one item of `include`, in the order of their names; where there are none, those of the
        pattern that is most likely meant, but for `others`."""
        folder, pattern = item.position.file.parent, item.value
        if not isinstance(pattern, str) or not pattern or "\0" in pattern:
            self._report(item.position, "write the name of a file, such as sources.yaml or lines/*.yaml")
            return []
        paths = _named(item)
        if not paths:
            meant = meant_pattern(folder, pattern) if ";" not in pattern else None
            paths = [path for path in _named(replace(item, value=meant)) if path.resolve() not in others]
            hint = "; names are set apart by ','" if ";" in pattern else ""
            hint = f"; did you mean {quoted(meant)}?" if paths else hint
            self._report(item.position, f"no file is called like this in {folder.absolute()}{hint}")
        return paths

    def _merge_files(self, parts: list[Node]) -> Node:
        """One tree of the trees `parts`, of which the first is that of the main file."""
        main = parts[0]
        if not isinstance(main.value, dict):
            return main
        pieces: dict[Key, list[tuple[Position, Node]]] = {}
        """Key of a section -> the position of the key, and the section's content, in each file that has it."""
        for part in parts:
            for key, node in part.value.items() if isinstance(part.value, dict) else ():
                pieces.setdefault(key, []).append((part.keys[key], node))
        sections = {
            key: self._merge_section(key, same) if len(same) > 1 and key != "include" else same[0][1]
            for key, same in pieces.items()
        }
        keys = {key: same[0][0] for key, same in pieces.items()}
        return Node(main.position, sections, keys, incomplete=any(part.incomplete for part in parts))

    def _merge_section(self, key: Key, pieces: list[tuple[Position, Node]]) -> Node:
        """A section of which several files have a piece."""
        first = pieces[0][1]
        entries: dict[Key, Node] = {}
        items: list[Node] = []
        keys: dict[Key, Position] = {}
        for position, node in pieces:
            if isinstance(node.value, dict) and isinstance(first.value, dict):
                for name, entry in node.value.items():
                    if name in entries:
                        text = f"{quoted(name)} of {quoted(key)} stands at {keys[name]} already; keep one of them"
                        self._report(node.keys[name], text)
                    entries.setdefault(name, entry)
                    keys.setdefault(name, node.keys[name])
            elif isinstance(node.value, list) and isinstance(first.value, list):
                items += node.value
            elif node is not first:
                text = f"{quoted(key)} stands at {pieces[0][0]} already, in another form; keep one of them"
                self._report(position, text)
        whole = entries if isinstance(first.value, dict) else items if isinstance(first.value, list) else first.value
        return Node(first.position, whole, keys, incomplete=any(node.incomplete for _, node in pieces))


def _named(item: Node) -> list[Path]:
    """The paths that one item of `include` names, in their order; of a pattern those that are there."""
    pattern = item.value
    if not isinstance(pattern, str) or not pattern or "\0" in pattern:
        return []
    names = [pattern]
    if glob.has_magic(pattern):
        names = sorted(glob.glob(pattern, root_dir=item.position.file.parent))  # noqa: PTH207 - Path.glob takes no absolute
    return [resolve_path(item.position, name) for name in names]


def resolve_path(position: Position, name: str) -> Path:
    """The path of the file `name`, which is written at `position` and relative to the folder of that file."""
    return Path(os.path.normpath(position.file.parent / name))


def as_named(path: Path, folder: Path) -> Path:
    """The absolute `path` as it is told to people: where it is in `folder`, as that is written."""
    inside = folder.absolute()
    return folder / path.relative_to(inside) if path.is_relative_to(inside) else path


def read_yaml(text: str, file: Path, annotation: Any = None) -> tuple[Node, list[Finding]]:
    """The tree of `text`, the content of `file`, and all that is wrong with it.

    What could not be read is left out, and the mapping or list around it is incomplete. No message repeats the text.
    Of a file that holds what the schema has at `annotation`, where that is known, and does not fit it, lines that are
    moved are put back.
    """
    text, others = without_other_documents(text, file)
    root: Node | None
    # The service, whose file is right, does not hold in memory what mends one.
    try:
        root, faults = compose(text, file)
    except BrokenFileError:
        from gateway.config.yaml_repair import repaired  # noqa: PLC0415

        root, faults = repaired(text, file, annotation)
    else:
        if annotation is not None and (faults or (root is not None and not fits(root, annotation))):
            from gateway.config.yaml_repair import put_in_order  # noqa: PLC0415

            root, faults = put_in_order(text, file, annotation) or (root, faults)
    return root or Node(Position(1, 1, file), {}, incomplete=True), [*others, *once_a_line(faults)]
