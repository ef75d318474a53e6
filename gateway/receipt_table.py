"""The unconfirmed receipts of one session, as columns of numbers. No I/O.

There may be as many as packet ids, and a batch decides on a copy of them. So a receipt takes 42 bytes here, not the 400
of objects and dictionaries, and a copy is some blocks of memory: nothing in it is looked at one by one.
"""

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import compress
from typing import NamedTuple

DIGEST = 16
"""Bytes of a digest."""
_FEW = 100
"""Receipts that are gone, of which the columns are not rid yet."""
_PAGE = 64
"""Packet ids of a page."""
_EMPTY = array("q", [-1]) * _PAGE
_COLUMNS = ("_places", "_ids", "_digests", "_left", "_numbers", "_run_numbers", "_run_places")


class Unconfirmed(NamedTuple):
    """The receipt of a committed message.

    `left_at` is how long the session had been connected in all, in seconds, when the connection by which it came last
    had ended; None while that stands. `number` says which QoS 1 PUBLISH of its connection it was, from 1 on."""

    packet_id: int
    digest: bytes
    left_at: float | None
    number: int


class View(NamedTuple):
    """The places and digests that there were at one time. Nothing of it changes."""

    places: "array[int]"
    digests: bytes

    def digest(self, at: int) -> bytes:
        return self.digests[at * DIGEST : (at + 1) * DIGEST]

    def places_of(self, digest: bytes) -> Iterator[int]:
        """The places that have this digest, in order."""
        at = self.digests.find(digest)
        while at >= 0:
            if at % DIGEST == 0:
                yield self.places[at // DIGEST]
            at = self.digests.find(digest, at + 1)


NOTHING = View(array("Q"), b"")


class ReceiptTable:
    """Receipts by their places, in the order of these. A new one goes behind all others."""

    def __init__(self) -> None:
        self._places = array("Q")
        self._ids = array("H")
        """0: the receipt is gone."""
        self._digests = bytearray()
        self._left = array("d")
        """Not a number where the connection stands."""
        self._numbers = array("Q")
        self._size = 0
        self._by_id = _Pages()
        """Packet id -> the place that has got it last."""
        self._run_numbers, self._run_places = array("Q"), array("Q")
        """Where on this connection places no longer follow each other as numbers do: the number, and its place."""

    def __len__(self) -> int:
        return self._size

    def __contains__(self, place: int) -> bool:
        return self._slot(place) is not None

    def __getitem__(self, place: int) -> Unconfirmed:
        slot = self._slot(place)
        if slot is None:
            raise KeyError(place)
        return self._at(slot)

    def items(self, first: int = 0, end: int | None = None) -> Iterator[tuple[int, Unconfirmed]]:
        """The receipts with their places, from the place `first` on and before `end`; None: all from there on."""
        begin = bisect_left(self._places, first)
        stop = len(self._places) if end is None else bisect_left(self._places, end)
        for slot in range(begin, stop):
            if self._ids[slot]:
                yield self._places[slot], self._at(slot)

    def count(self, first: int, end: int) -> int:
        """How many receipts have places from `first` on and before `end`."""
        ids = self._ids[bisect_left(self._places, first) : bisect_left(self._places, end)]
        return len(ids) - ids.count(0)

    def copy(self) -> "ReceiptTable":
        """Another one, which can be changed without this one."""
        other = ReceiptTable.__new__(ReceiptTable)
        other.__dict__ = held = vars(self).copy()
        for name in _COLUMNS:
            held[name] = held[name][:]
        held["_by_id"] = self._by_id.copy()
        return other

    def with_id(self, packet_id: int) -> int | None:
        """The place of the receipt that has got this packet id last, as long as it has it."""
        place = self._by_id.get(packet_id)
        slot = self._slot(place) if place is not None else None
        return place if slot is not None and self._ids[slot] == packet_id else None

    def with_number(self, number: int) -> int | None:
        """The place of the receipt of this message of this connection."""
        at = bisect_right(self._run_numbers, number) - 1
        if at < 0:
            return None
        place = self._run_places[at] + number - self._run_numbers[at]
        slot = self._slot(place)
        if slot is None or self._numbers[slot] != number or not math.isnan(self._left[slot]):
            return None
        return place

    def with_numbers(self, numbers: range) -> list[int]:
        """The places of the receipts of these messages of this connection. `numbers` may be far more than there are
        receipts."""
        ends = (*self._run_numbers[1:], numbers.stop)
        places: list[int] = []
        for first, end, begun in zip(self._run_numbers, ends, self._run_places, strict=False):
            shift = begun - first
            begin, stop = max(first, numbers.start), min(end, numbers.stop)
            slots = range(bisect_left(self._places, begin + shift), bisect_left(self._places, stop + shift))
            for slot in slots if begin < stop else ():
                place = self._places[slot]
                if self._ids[slot] and self._numbers[slot] == place - shift and math.isnan(self._left[slot]):
                    places.append(place)
        return places

    def of_this_connection(self, place: int) -> bool:
        """Whether the message of this receipt, which is there, has come by this connection."""
        slot = self._slot(place)
        return slot is not None and math.isnan(self._left[slot])

    def put(self, place: int, packet_id: int, digest: bytes, number: int, left_at: float = math.nan) -> None:
        """The message of `place`, which has a receipt or is behind all others, has this packet id and number."""
        slot = self._slot(place) if self._places and place <= self._places[-1] else None
        if slot is None:
            self._places.append(place)
            self._ids.append(packet_id)
            self._digests += digest
            self._left.append(left_at)
            self._numbers.append(number)
            self._size += 1
        else:
            self._ids[slot], self._left[slot], self._numbers[slot] = packet_id, left_at, number
        self._by_id.put(packet_id, place)
        if math.isnan(left_at):
            runs = len(self._run_numbers)
            if not runs or place - self._run_places[-1] != number - self._run_numbers[-1]:
                self._run_numbers.append(number)
                self._run_places.append(place)

    def remove(self, places: Iterable[int]) -> list[int]:
        """Let receipts go, where they are there; answers the places where they were."""
        gone: list[int] = []
        for place in places:
            slot = self._slot(place)
            if slot is not None:
                self._ids[slot] = 0
                gone.append(place)
        self._size -= len(gone)
        if len(self._places) - self._size > self._size // 8 + _FEW:
            self._close_up()
        if not self._size:
            self.number_anew()
        return gone

    def number_anew(self) -> None:
        """Numbers say nothing any more; those that do are told by `put`, in their order."""
        self._run_numbers, self._run_places = array("Q"), array("Q")

    def leave(self, at: float) -> list[int]:
        """The connection has ended; the places that it had brought."""
        left = [slot for slot, age in enumerate(self._left) if math.isnan(age)]
        for slot in left:
            self._left[slot] = at
        self.number_anew()
        return [self._places[slot] for slot in left if self._ids[slot]]

    def left_until(self, at: float) -> list[int]:
        """The places of receipts that connections have left which ended until then."""
        return [place for place, id_, age in zip(self._places, self._ids, self._left, strict=True) if id_ and age <= at]

    def view(self) -> View:
        """What there is."""
        self._close_up()
        return View(self._places[:], bytes(self._digests)) if self._size else NOTHING

    def _slot(self, place: int) -> int | None:
        """Where the receipt of `place` is; None where there is none."""
        at = bisect_left(self._places, place)
        return at if at < len(self._places) and self._places[at] == place and self._ids[at] else None

    def _at(self, slot: int) -> Unconfirmed:
        age = self._left[slot]
        digest = bytes(self._digests[slot * DIGEST : (slot + 1) * DIGEST])
        return Unconfirmed(self._ids[slot], digest, None if math.isnan(age) else age, self._numbers[slot])

    def _close_up(self) -> None:
        """Give back the room of those that are gone: mostly the first."""
        gone = next((slot for slot, packet_id in enumerate(self._ids) if packet_id), len(self._ids))
        for column in (self._places, self._ids, self._left, self._numbers):
            del column[:gone]
        del self._digests[: gone * DIGEST]
        ids = self._ids
        if len(ids) == self._size:
            return
        digests, self._digests = self._digests, bytearray()
        for at in compress(range(0, len(digests), DIGEST), ids):  # `join` would have all of them at once as objects
            self._digests += digests[at : at + DIGEST]
        self._places, self._numbers = array("Q", compress(self._places, ids)), array("Q", compress(self._numbers, ids))
        self._left, self._ids = array("d", compress(self._left, ids)), array("H", filter(None, ids))


class _Pages:
    """A place for each packet id that has got one, in pages that copies share until one of them changes it."""

    def __init__(self, pages: "dict[int, array[int]] | None" = None) -> None:
        self._pages = pages if pages is not None else {}
        self._own: set[int] = set()
        """The pages that nobody else has."""

    def get(self, packet_id: int) -> int | None:
        page = self._pages.get(packet_id // _PAGE)
        place = page[packet_id % _PAGE] if page is not None else -1
        return place if place >= 0 else None

    def put(self, packet_id: int, place: int) -> None:
        at = packet_id // _PAGE
        if at not in self._own:
            self._pages[at] = self._pages.get(at, _EMPTY)[:]
            self._own.add(at)
        self._pages[at][packet_id % _PAGE] = place

    def copy(self) -> "_Pages":
        self._own = set()
        return _Pages(self._pages.copy())
