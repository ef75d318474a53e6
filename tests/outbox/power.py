"""A disk that loses power: the calls that a real process made of the system, and what the disk may hold after any of
them.

`recorded` runs a program under strace. `Disk` follows its calls. What was written since a file's last sync is, after a
cut, there, not there, or there in some of its sectors of 512 bytes; what was made, renamed or removed in a folder since
its last sync is there up to some point. That is more than file systems with a journal lose, and all that POSIX lets
them.
"""

import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

SECTOR = 512
CALLS = "openat,pwrite64,write,fsync,fdatasync,ftruncate,fallocate,unlink,unlinkat,rename,mkdir,rmdir"
_LINE = re.compile(r"(\w+)\((.*)\) += (\d+)(?:<.*>)?$")
_HANDLE = re.compile(r"^\w+<([^>]*)>")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


class Call(NamedTuple):
    """One call that succeeded. `path` is of what it was about; `data` what was written, `at` where; `to` the new name
    or length."""

    name: str
    path: str
    data: bytes = b""
    at: int = 0
    to: str | int = ""


def recorded(code: str, base: Path, *arguments: object) -> list[Call]:
    """The calls that `code`, in a Python of its own, made on what is in `base`, and what it printed (as calls
    `said`)."""
    trace = base.with_name(f"{base.name}.trace")
    under = ("strace", "-y", "-xx", "-s", "100000000", "-o", str(trace), "-e", f"trace={CALLS}")
    command = [*under, sys.executable, "-c", code, str(base), *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    calls: list[Call] = []
    with trace.open() as lines:
        for line in lines:
            match = _LINE.match(line.rstrip("\n"))
            call = _call(match[1], match[2], int(match[3])) if match else None
            if call is not None and (call.name == "said" or Path(call.path).is_relative_to(base)):
                calls.append(call)
    trace.unlink()
    return calls


def _call(name: str, given: str, result: int) -> Call | None:
    handle = _HANDLE.match(given)
    path = _plain(handle[1]).decode() if handle else ""
    texts = [_plain(text) for text in _TEXT.findall(given)]
    match name:
        case "pwrite64":
            return Call("write", path, texts[0][:result], int(given.rpartition(", ")[2]))
        case "write":
            return Call("said", "", texts[0][:result]) if given.startswith("1<") else None
        case "fsync" | "fdatasync":
            return Call("sync", path)
        case "ftruncate":
            return Call("size", path, to=int(given.rpartition(", ")[2]))
        case "fallocate":
            *_, at, length = given.rsplit(", ", 2)
            return Call("size", path, to=int(at) + int(length))
        case "openat":
            made = "O_CREAT" in given
            return Call("empty" if "O_TRUNC" in given else "make", texts[0].decode()) if made else None
        case "mkdir":
            return Call("folder", texts[0].decode())
        case "rename":
            return Call("move", texts[0].decode(), to=texts[1].decode())
        case "unlink" | "rmdir":
            return Call("drop", texts[0].decode())
        case "unlinkat":
            return Call("drop", os.path.join(path, texts[0].decode()))  # noqa: PTH118 - the second may be absolute
    raise ValueError(f"strace shows {name}, which nobody asked for")


def _plain(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


@dataclass(slots=True, eq=False)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    """What was written where, or to which length the file was set."""


@dataclass(slots=True, eq=False)
class _Folder:
    now: "dict[str, _File | _Folder]" = field(default_factory=dict)
    durable: "dict[str, _File | _Folder]" = field(default_factory=dict)
    since: "list[dict[str, _File | _Folder]]" = field(default_factory=list)
    """What the folder held after each change since its last sync."""

    def changed(self) -> None:
        self.since.append(dict(self.now))


class Disk:
    """What is in `base`, of which everything is durable at the beginning. Without `syncs`, nothing ever is made so."""

    def __init__(self, base: Path, *, syncs: bool = True) -> None:
        self._base = base
        self._root = _loaded(base)
        self._syncs = syncs
        self.said = b""

    def follow(self, call: Call) -> None:
        """Take over one call."""
        if call.name == "said":
            self.said += call.data
            return
        folder, name = self._place(call.path)
        node = folder.now.get(name) if name else folder
        match call.name:
            case "make" | "empty":
                if node is None:
                    folder.now[name] = _File()
                    folder.changed()
                elif call.name == "empty" and isinstance(node, _File):
                    node.pending.append((0, None))
            case "folder":
                folder.now[name] = _Folder()
                folder.changed()
            case "drop":
                del folder.now[name]
                folder.changed()
            case "move":
                other, new = self._place(str(call.to))
                assert other is folder, "a move from folder to folder is not followed"
                folder.now[new] = folder.now.pop(name)
                folder.changed()
            case "sync" if self._syncs and isinstance(node, _Folder):
                node.durable, node.since = dict(node.now), []
            case "sync" if self._syncs and isinstance(node, _File):
                for at, data in node.pending:
                    _apply(node.durable, at, data)
                node.pending = []
            case "size" if isinstance(node, _File):
                node.pending.append((int(call.to), None))
            case "write" if isinstance(node, _File):
                node.pending.append((call.at, call.data))

    def cut(self, to: Path, chance: random.Random) -> None:
        """Make in `to` what may be there after the power was cut now."""
        kept = chance.choice([0.0, 1.0, 0.5, 0.1, 0.9])
        _written(self._root, to, chance, kept, torn=chance.random() < 0.5)

    def _place(self, path: str) -> tuple[_Folder, str]:
        *above, name = Path(path).relative_to(self._base).parts or ("",)
        folder = self._root
        for part in above:
            found = folder.now[part]
            assert isinstance(found, _Folder)
            folder = found
        return folder, name


def _loaded(path: Path) -> _Folder:
    folder = _Folder()
    for one in path.iterdir():
        folder.now[one.name] = _loaded(one) if one.is_dir() else _File(bytearray(one.read_bytes()))
    folder.durable = dict(folder.now)
    return folder


def _written(folder: _Folder, to: Path, chance: random.Random, kept: float, *, torn: bool) -> None:
    to.mkdir(mode=0o700)
    states = [folder.durable, *folder.since]
    chosen = {0.0: 0, 1.0: len(states) - 1}.get(kept, chance.randrange(len(states)))
    for name, node in states[chosen].items():
        if isinstance(node, _Folder):
            _written(node, to / name, chance, kept, torn=torn)
        else:
            content = bytearray(node.durable)
            for at, data in node.pending:
                for part_at, part in _parts(at, data) if torn else [(at, data)]:
                    if chance.random() < kept:
                        _apply(content, part_at, part)
            (to / name).write_bytes(content)


def _parts(at: int, data: bytes | None) -> Iterator[tuple[int, bytes | None]]:
    """What was written, by the sector."""
    if data is None:
        yield at, None
        return
    begin = 0
    while begin < len(data):
        end = begin + SECTOR - (at + begin) % SECTOR
        yield at + begin, data[begin:end]
        begin = end


def _apply(content: bytearray, at: int, data: bytes | None) -> None:
    end = at if data is None else at + len(data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if data is None:
        del content[at:]
    else:
        content[at:end] = data
