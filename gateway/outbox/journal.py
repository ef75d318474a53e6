"""The journal of the store: changes of rows in blocks of one size, as they are kept until they are put in place. Pure.

A change is written into the next slots of a ring, so that a commit writes the same few pages of the file over and over,
however many rows it is about and wherever they lie. Once the slots are used up, all rows that have changed are put in
place together, each once, and the ring begins anew. Each block says of which change it is; changes are numbered, and
those before the first that counts are in place.
"""

import json
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from struct import Struct
from typing import TypeGuard

BLOCK = 1008
"""Bytes of a slot: four of them, and what SQLite keeps beside each, fill a page of 4096."""
SLOTS = 512
_WINDOW, _MEMORY = 12, 5
"""How a change is compressed that is longer than a block: most then fit into one. With zlib's usual 15 and 8 that would
cost eight times as much, which goes into making memory ready."""
_MARK = b"oden"
"""How each block begins, so that it is found in what is left of a file."""
_SUM = Struct(">4sI")
_HEAD = Struct(">QHHH")
"""Number of the change, part of it from 0 on, number of its parts, bytes of its text in this block; before it stand the
mark and the CRC-32 of all that follows."""
_BEGIN = _SUM.size + _HEAD.size
_ROOM = BLOCK - _BEGIN

Change = tuple[dict[str, str], list[str]]
"""Rows that are put, and keys that are dropped before."""


def blocks(number: int, put: Mapping[str, str], drop: Collection[str]) -> list[bytes]:
    """The blocks of the change with this number."""
    text = json.dumps([put, [*drop]], ensure_ascii=False).encode()
    text = _compressed(text) if len(text) > _ROOM else text
    parts = [text[begin : begin + _ROOM] for begin in range(0, len(text), _ROOM)]
    return [_block(_HEAD.pack(number, at, len(parts), len(part)) + part.ljust(_ROOM)) for at, part in enumerate(parts)]


def changes(slots: Iterable[object], first: int) -> Iterator[Change | None]:
    """The changes from the number `first` on, in their order, from the contents of all slots. None stands for what is
    not as it was written, wherever that is."""
    parts: dict[int, dict[int, bytes]] = defaultdict(dict)
    wholes: dict[int, int] = {}
    for block in slots:
        if not _is_whole(block):
            yield None
            continue
        number, at, whole, size = _HEAD.unpack_from(block, _SUM.size)
        if number >= first:
            parts[number][at] = block[_BEGIN : _BEGIN + size]
            wholes[number] = whole
    for number in range(first, max(parts, default=first - 1) + 1):
        known = parts[number]
        if len(known) != wholes.get(number):
            yield None
            continue
        text = b"".join(known[at] for at in sorted(known))
        put, drop = json.loads(text if text.startswith(b"[") else zlib.decompress(text))
        yield put, drop


def _compressed(text: bytes) -> bytes:
    compressor = zlib.compressobj(1, zlib.DEFLATED, _WINDOW, _MEMORY)
    return compressor.compress(text) + compressor.flush()


def found(content: bytes) -> Iterator[bytes]:
    """The whole blocks in the content of a file."""
    at = content.find(_MARK)
    while at >= 0:
        block = content[at : at + BLOCK]
        if _is_whole(block):
            yield block
        at = content.find(_MARK, at + 1)


def first_of(blocks: Iterable[bytes]) -> int:
    """The lowest number of a change in the blocks; 0 where there are none."""
    return min((int(_HEAD.unpack_from(block, _SUM.size)[0]) for block in blocks), default=0)


def _block(content: bytes) -> bytes:
    return _SUM.pack(_MARK, zlib.crc32(content)) + content


def _is_whole(block: object) -> TypeGuard[bytes]:
    return isinstance(block, bytes) and len(block) == BLOCK and _block(block[_SUM.size :]) == block
