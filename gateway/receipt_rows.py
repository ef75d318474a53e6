"""What is stored of the unconfirmed receipts of a session (`receipts`): a head, and rows of receipts."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Annotated

from pydantic import Field, TypeAdapter

from gateway.frozen import dataclass
from gateway.receipt_table import ReceiptTable

MOST_BLOCKS = 200
"""Blocks of receipts that are kept apart on disk; then those beside each other are joined."""
JOINED = 1_000
"""Receipts of a block at the most: one of which any receipt goes is written anew. Blocks beside each other that could
not be joined are never too many."""
_JOINED_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Head:
    """What is stored of a session beside its receipts: what its broker has shown, and where the receipts are.

    `blocks` are the first and one more than the last place of each block, in their order.
    """

    counting: bool = True
    dup_seen: bool = False
    age: float = 0.0
    reuses: bool = False
    blocks: tuple[tuple[int, int], ...] = ()


HEAD = TypeAdapter(Head)
_Digest = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
_PacketId = Annotated[int, Field(ge=1, le=0xFFFF)]
_Place = Annotated[int, Field(ge=0)]
BLOCK = TypeAdapter(tuple[tuple[_PacketId, _Digest, float | None, _Place], ...])
"""The receipts of a block, in the order of their places: packet id, digest in hexadecimal, `left_at`, place."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be written of a session: its head, and blocks by their first places, None for one that is to go."""

    head: str
    blocks: Mapping[int, str | None] = field(default_factory=dict)


class Blocks:
    """The blocks, and which of them are to be written."""

    def __init__(self, known: Iterable[tuple[int, int]] = ()) -> None:
        self._blocks = dict(known)
        """The first and one more than the last place of each, in their order."""
        self.stored_to = max(self._blocks.values(), default=0)
        """No receipt from this place on has been written."""
        self._touched: set[int] = set()
        """Blocks of which something has changed."""
        self._last_touched = range(0)
        """The places of one of them."""

    def copy(self) -> "Blocks":
        """Others, which can be changed without these."""
        other = Blocks.__new__(Blocks)
        other.__dict__ = held = vars(self).copy()
        held |= {"_blocks": self._blocks.copy(), "_touched": self._touched.copy()}
        return other

    @property
    def changed(self) -> bool:
        """Whether something of what is on disk is not right any more."""
        return bool(self._touched)

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """The first and one more than the last place of each block, in their order."""
        return tuple(self._blocks.items())

    def change(self, place: int) -> None:
        """Take note that what is on disk of `place` is not right any more, where something is."""
        if place < self.stored_to and place not in self._last_touched:
            firsts = [*self._blocks]
            at = bisect_right(firsts, place) - 1
            if at >= 0 and place < self._blocks[firsts[at]]:
                self._touched.add(firsts[at])
                self._last_touched = range(firsts[at], self._blocks[firsts[at]])

    def take_rows(self, receipts: ReceiptTable, end: int) -> dict[int, str | None]:
        """The rows that are to be written, by the first places of their blocks, None for one that is to go: `receipts`
        are as they are now, all before the place `end`. To be called once for each commit."""
        touched = self._touched
        while end > self.stored_to:
            block_end = min(end, self.stored_to + JOINED)
            self._blocks[self.stored_to] = block_end
            touched.add(self.stored_to)
            self.stored_to = block_end
        if len(self._blocks) > MOST_BLOCKS:
            touched |= self._join(receipts)
        rows: dict[int, str | None] = {}
        for block in touched:
            text = _row(receipts, block, self._blocks[block]) if block in self._blocks else None
            if text is None:
                self._blocks.pop(block, None)
            rows[block] = text
        self._touched, self._last_touched = set(), range(0)
        return rows

    def _join(self, receipts: ReceiptTable) -> set[int]:
        """Join some blocks beside each other that hold few receipts; which ones have changed by that, or are gone."""
        joined, changed = dict[int, int](), set[int]()
        last, size = -1, JOINED + 1
        for first, end in self._blocks.items():
            number = receipts.count(first, end)
            if size + number > JOINED or len(changed) > 2 * _JOINED_AT_ONCE:
                last, size = first, 0
            else:
                changed |= {last, first}
            joined[last] = end
            size += number
        self._blocks = joined
        return changed


def _row(receipts: ReceiptTable, first: int, end: int) -> str | None:
    """None where no receipt is left."""
    content = tuple(
        (each.packet_id, each.digest.hex(), each.left_at, place) for place, each in receipts.items(first, end)
    )
    return BLOCK.dump_json(content).decode() if content else None
