"""A long answer to a search, read piece by piece: of its list only those entries are held that somebody asks about.
Pure.

An interval that goes on for weeks has more entries than are to be held at once; what is asked of them concerns one or
two. Read in one piece or in many, the same is left of an answer.
"""

import codecs
import json
from collections.abc import Callable, Generator

Keeps = Callable[[object], bool]
"""Whether an entry of an answer can matter. One that is not understood does."""

MOST_HELD = 8 * 2**20
"""Characters, of the entries that are kept, and of one value."""
AT_LEAST = 2**12
"""Characters that have come until it is looked for the end of a value again, at the least."""

_BLANK = " \t\n\r"
_DECODER = json.JSONDecoder()


def kept(answer: object, keeps: Keeps) -> object:
    """An answer that has come in one piece, in the same way."""
    if isinstance(answer, list):
        return [entry for entry in answer if keeps(entry)]
    if isinstance(answer, dict):
        return {name: kept(value, keeps) if isinstance(value, list) else value for name, value in answer.items()}
    return answer


class LongAnswer:
    """JSON that comes in pieces: a list, or an object around one. The lists have only the entries that `keeps`."""

    def __init__(self, keeps: Keeps) -> None:
        self._keeps = keeps
        self._bytes = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._at = 0
        self._held = 0
        self._is_whole = False
        self._reading = self._read()
        self._answer: object = None
        next(self._reading)

    def feed(self, data: bytes) -> None:
        """Read some more. ValueError where it is no such JSON, or more is to be held than may be."""
        self._go_on(self._bytes.decode(data))

    def end(self) -> object:
        """The answer. ValueError where that was not all of it."""
        self._is_whole = True
        self._go_on(self._bytes.decode(b"", final=True))
        return self._answer

    def _go_on(self, text: str) -> None:
        self._text = self._text[self._at :] + text
        self._at = 0
        try:
            next(self._reading)
        except StopIteration as done:
            self._answer = done.value

    def _read(self) -> Generator[None, None, object]:
        yield
        first = yield from self._next()
        answer = yield from self._list() if first == "[" else self._object() if first == "{" else _no(first)
        while not self._is_whole or self._text[self._at :].strip(_BLANK):
            if self._text[self._at :].strip(_BLANK):
                raise ValueError("more comes after the end of the answer")
            yield
        return answer

    def _list(self) -> Generator[None, None, list[object]]:
        found: list[object] = []
        self._at += 1
        closed = (yield from self._next()) == "]"
        while not closed:
            value, length = yield from self._value()
            if self._keeps(value):
                found.append(value)
                self._hold(length)
            closed = yield from self._goes_on("]")
        self._at += 1
        return found

    def _object(self) -> Generator[None, None, dict[str, object]]:
        found: dict[str, object] = {}
        self._at += 1
        closed = (yield from self._next()) == "}"
        while not closed:
            name, length = yield from self._value()
            if not isinstance(name, str) or (yield from self._next()) != ":":
                raise ValueError("a field has no name")
            self._at += 1
            if (yield from self._next()) == "[":
                found[name] = yield from self._list()
            else:
                found[name], more = yield from self._value()
                length += more
            self._hold(length)
            closed = yield from self._goes_on("}")
        self._at += 1
        return found

    def _goes_on(self, end: str) -> Generator[None, None, bool]:
        """Whether what is read ends here; the comma before what comes next is read over."""
        mark = yield from self._next()
        if mark == ",":
            self._at += 1
            yield from self._next()
        elif mark != end:
            raise ValueError("a comma is missing")
        return mark == end

    def _next(self) -> Generator[None, None, str]:
        """What stands next, without blanks."""
        while True:
            text = self._text
            while self._at < len(text):
                if text[self._at] not in _BLANK:
                    return text[self._at]
                self._at += 1
            if self._is_whole:
                raise ValueError("it is not all of an answer")
            yield

    def _value(self) -> Generator[None, None, tuple[object, int]]:
        """The value that stands next, and how many characters it has."""
        tried = 0
        while True:
            there = len(self._text) - self._at
            if there >= max(AT_LEAST, 2 * tried) or self._is_whole or not tried:
                tried = there
                try:
                    value, end = _DECODER.raw_decode(self._text, self._at)
                except RecursionError:
                    raise ValueError("it is nested too deep") from None
                except ValueError:
                    if self._is_whole:
                        raise
                else:
                    # A number may go on.
                    if end < len(self._text) or self._is_whole or not isinstance(value, int | float):
                        length, self._at = end - self._at, end
                        return value, length
            if there > MOST_HELD:
                raise ValueError("a value is too long")
            yield

    def _hold(self, length: int) -> None:
        self._held += length
        if self._held > MOST_HELD:
            raise ValueError("more is to be held than may be")


def _no(first: str) -> Generator[None, None, object]:
    yield from ()
    raise ValueError(f"an answer does not begin with {first!r}")
