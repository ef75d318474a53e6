"""The unconfirmed receipts of one session, in pages of numbers. No I/O.

There may be as many as packet ids, and a batch decides on a copy of them. So a receipt takes 40 bytes here, not the 400
of objects and dictionaries, and copies share the pages until one of them changes something there.
"""

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

DIGEST = 16
"""Bytes of a digest."""
_PAGE = 64
"""Places, or packet ids, of a page."""
_NOWHERE = array("q", [-1]) * _PAGE


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


class _Page:
    """The receipts of _PAGE places that follow each other."""

    __slots__ = ("digests", "ids", "left", "numbers", "size")

    def __init__(self) -> None:
        self.ids = array("H", [0]) * _PAGE
        """0: there is no receipt."""
        self.digests = bytearray(_PAGE * DIGEST)
        self.left = array("d", [0.0]) * _PAGE
        """Not a number where the connection stands."""
        self.numbers = array("Q", [0]) * _PAGE
        self.size = 0

    def copy(self) -> "_Page":
        other = _Page.__new__(_Page)
        other.ids, other.digests, other.left = self.ids[:], self.digests[:], self.left[:]
        other.numbers, other.size = self.numbers[:], self.size
        return other

    def digest(self, at: int) -> bytes:
        return bytes(self.digests[at * DIGEST : (at + 1) * DIGEST])


class ReceiptTable:
    """Receipts by their places, in the order of these. A new one goes behind all others."""

    def __init__(self) -> None:
        self._pages: dict[int, _Page] = {}
        """In the order of their places."""
        self._own: set[int] = set()
        """The pages that no copy has."""
        self._size = 0
        self._by_id: dict[int, array[int]] = {}
        """In pages: packet id -> the place that has got it last."""
        self._own_ids: set[int] = set()
        self._run_numbers, self._run_places = array("Q"), array("Q")
        """Where on this connection places no longer follow each other as numbers do: the number, and its place."""

    def __len__(self) -> int:
        return self._size

    def __contains__(self, place: int) -> bool:
        page = self._pages.get(place // _PAGE)
        return page is not None and page.ids[place % _PAGE] > 0

    def __getitem__(self, place: int) -> Unconfirmed:
        page, at = self._pages[place // _PAGE], place % _PAGE
        if not page.ids[at]:
            raise KeyError(place)
        age = page.left[at]
        return Unconfirmed(page.ids[at], page.digest(at), None if math.isnan(age) else age, page.numbers[at])

    def places(self, first: int = 0, end: int | None = None) -> Iterator[int]:
        """The places of receipts, from `first` on and before `end`; None: all from there on."""
        for number, page in self._within(first, end):
            for place, packet_id in enumerate(page.ids, number * _PAGE):
                if packet_id and first <= place and (end is None or place < end):
                    yield place

    def items(self, first: int = 0, end: int | None = None) -> Iterator[tuple[int, Unconfirmed]]:
        """The same with the receipts."""
        return ((place, self[place]) for place in self.places(first, end))

    def count(self, first: int, end: int) -> int:
        """How many receipts have places from `first` on and before `end`."""
        return sum(1 for _ in self.places(first, end))

    def copy(self) -> "ReceiptTable":
        """Another one, which can be changed without this one."""
        self._own, self._own_ids = set(), set()
        other = ReceiptTable.__new__(ReceiptTable)
        other.__dict__ = held = vars(self).copy()
        held |= {"_pages": self._pages.copy(), "_by_id": self._by_id.copy(), "_own": set(), "_own_ids": set()}
        held |= {"_run_numbers": self._run_numbers[:], "_run_places": self._run_places[:]}
        return other

    def with_id(self, packet_id: int) -> int | None:
        """The place of the receipt that has got this packet id last, as long as it has it."""
        place = self._by_id.get(packet_id // _PAGE, _NOWHERE)[packet_id % _PAGE]
        page = self._pages.get(place // _PAGE)
        return place if page is not None and page.ids[place % _PAGE] == packet_id else None

    def with_numbers(self, numbers: range) -> list[int]:
        """The places of the receipts of these messages of this connection. `numbers` may be far more than there are
        receipts."""
        places: list[int] = []
        at = max(0, bisect_right(self._run_numbers, numbers.start) - 1)
        ends = (*self._run_numbers[at + 1 :], numbers.stop)
        for first, end, begun in zip(self._run_numbers[at:], ends, self._run_places[at:], strict=False):
            if first >= numbers.stop:
                break
            shift = begun - first
            begin, stop = max(first, numbers.start), min(end, numbers.stop)
            places += (p for p in self.places(begin + shift, stop + shift) if self._came_as(p, p - shift))
        return places

    def of_this_connection(self, place: int) -> bool:
        """Whether the message of this receipt, which is there, has come by this connection."""
        return math.isnan(self._pages[place // _PAGE].left[place % _PAGE])

    def put(self, place: int, packet_id: int, digest: bytes, number: int, left_at: float = math.nan) -> None:
        """The message of `place`, which has a receipt or is behind all others, has this packet id and number."""
        page, at = self._own_page(place // _PAGE), place % _PAGE
        if not page.ids[at]:
            page.size += 1
            self._size += 1
            page.digests[at * DIGEST : (at + 1) * DIGEST] = digest
        page.ids[at], page.left[at], page.numbers[at] = packet_id, left_at, number
        of_id = packet_id // _PAGE
        if of_id not in self._own_ids:
            self._by_id[of_id] = self._by_id.get(of_id, _NOWHERE)[:]
            self._own_ids.add(of_id)
        self._by_id[of_id][packet_id % _PAGE] = place
        if math.isnan(left_at):
            runs = len(self._run_numbers)
            if not runs or place - self._run_places[-1] != number - self._run_numbers[-1]:
                self._run_numbers.append(number)
                self._run_places.append(place)

    def remove(self, places: Iterable[int]) -> list[int]:
        """Let receipts go, where they are there; answers the places where they were."""
        gone: list[int] = []
        for place in places:
            if place not in self:
                continue
            gone.append(place)
            page = self._own_page(place // _PAGE)
            page.ids[place % _PAGE] = 0
            page.size -= 1
            if not page.size:
                del self._pages[place // _PAGE]
        self._size -= len(gone)
        if not self._size:
            self.number_anew()
        return gone

    def number_anew(self) -> None:
        """Numbers say nothing any more; those that do are told by `put`, in their order."""
        self._run_numbers, self._run_places = array("Q"), array("Q")

    def leave(self, at: float) -> list[int]:
        """The connection has ended; the places that it had brought."""
        left = [place for place in self.places() if self.of_this_connection(place)]
        for place in left:
            self._own_page(place // _PAGE).left[place % _PAGE] = at
        self.number_anew()
        return left

    def left_until(self, at: float) -> list[int]:
        """The places of receipts that connections have left which ended until then."""
        return [place for place in self.places() if self._pages[place // _PAGE].left[place % _PAGE] <= at]

    def view(self) -> View:
        """What there is."""
        if not self._size:
            return NOTHING
        digests = bytearray()
        for place in self.places():  # `join` would have all of them at once as objects
            digests += self._pages[place // _PAGE].digest(place % _PAGE)
        return View(array("Q", self.places()), bytes(digests))

    def _within(self, first: int, end: int | None) -> Iterator[tuple[int, _Page]]:
        """The pages with places from `first` on and before `end`, and which ones they are."""
        numbers = range(first // _PAGE, 0) if end is None else range(first // _PAGE, (end - 1) // _PAGE + 1)
        if end is None:
            return ((number, page) for number, page in self._pages.items() if number >= numbers.start)
        if len(numbers) > len(self._pages):
            return ((number, page) for number, page in self._pages.items() if number in numbers)
        return ((number, self._pages[number]) for number in numbers if number in self._pages)

    def _came_as(self, place: int, number: int) -> bool:
        """Whether the receipt at `place` is of this message of this connection."""
        page, at = self._pages[place // _PAGE], place % _PAGE
        return page.numbers[at] == number and math.isnan(page.left[at])

    def _own_page(self, number: int) -> _Page:
        """A page that can be changed."""
        page = self._pages.get(number)
        if page is None or number not in self._own:
            page = self._pages[number] = page.copy() if page is not None else _Page()
            self._own.add(number)
        return page
