"""The numbers of a subscription's messages (Part 4, 5.14.1.1): what is new, known, missing. Pure."""

from collections import OrderedDict
from dataclasses import dataclass

LAST = 0xFFFF_FFFF
"""After this number comes 1."""
MOST_ASKED = 100
"""Missing messages that are asked for, the newest; servers keep fewer."""
_REMEMBERED = 200


@dataclass(frozen=True, slots=True)
class Hole:
    """Messages that never came: `numbers` can be asked for, `more` before them are too many to."""

    numbers: tuple[int, ...]
    more: int = 0


class Sequence:
    """Follows one subscription. A keep-alive carries the number that the next message will have, and takes none."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self._seen: OrderedDict[int, None] = OrderedDict()

    @property
    def next(self) -> int:
        """The number of the message that is to come; the first of a subscription is 1."""
        return 1 if self._newest is None else self._newest % LAST + 1

    def is_known(self, number: int) -> bool:
        """Whether the message `number` was there before: a server offers it again until it has seen our word for it."""
        return number in self._seen

    def arrived(self, number: int, *, keepalive: bool) -> Hole | None:
        """Take note of what came, and say what should have come before it.

        The first of all begins the count, whatever its number. A step back begins it anew: nothing can be asked for.
        """
        before, self._newest = self._newest, _previous(number) if keepalive else number
        if not keepalive:
            self._note(number)
        if before is None:
            return None
        if keepalive and number == before:  # some servers repeat the number of the last message
            self._newest = before
            return None
        absent = (self._newest - before) % LAST - (0 if keepalive else 1)
        if not 0 < absent < LAST // 2:
            return None
        asked = min(absent, MOST_ASKED)
        numbers = [number]
        for _ in range(asked):
            numbers.append(_previous(numbers[-1]))
        return Hole(tuple(reversed(numbers[1:])), absent - asked)

    def recovered(self, number: int) -> None:
        """A missing message came after all."""
        self._note(number)

    def _note(self, number: int) -> None:
        self._seen[number] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)


def _previous(number: int) -> int:
    return LAST if number <= 1 else number - 1
