"""The small query language that the stand-in understands in the place of Oden's own, which its document does not describe.

    SELECT * | column, … FROM type [WHERE column = 'value' [AND …]] [LIMIT n]

`type` is an interval type, in quotes where its name is not one word. Words are in any case, a value has no quote in it.
Pure; reading takes time in proportion to the length.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

COLUMNS = (
    *("id", "factory", "line", "name", "start_time", "end_time", "product", "category", "reason"),
    *("scrap", "yield"),
)
GRAMMAR = "SELECT * | column, … FROM type [WHERE column = 'value' [AND …]] [LIMIT n]"
LARGEST_LIMIT = 999_999

_TOKEN = re.compile(r"'[^']*'|\w+|\S")
_WORD = re.compile(r"\w")


class QueryError(ValueError):
    """A text is no query; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a query asks for: `columns` of the intervals of a `type` that have the values of `where`, the first `limit`."""

    columns: tuple[str, ...]
    type: str
    where: tuple[tuple[str, str], ...] = ()
    limit: int | None = None


def read_query(text: str) -> Query:
    """The query that `text` is; QueryError where it is none."""
    tokens = _Tokens(_TOKEN.findall(text))
    tokens.word("SELECT")
    columns = COLUMNS if tokens.have("*") else tokens.several(_column, ",")
    tokens.word("FROM")
    kind = tokens.take("a type of intervals", lambda token: _is_quoted(token) or bool(_WORD.match(token)))
    where = tokens.several(_condition, "AND") if tokens.have("WHERE") else ()
    limit = int(tokens.take(f"a number up to {LARGEST_LIMIT}", _is_limit)) if tokens.have("LIMIT") else None
    tokens.have(";")
    tokens.end()
    return Query(columns, kind[1:-1] if _is_quoted(kind) else kind, where, limit)


class _Tokens:
    """What is left of a query."""

    def __init__(self, tokens: list[str]) -> None:
        self._left = tokens[::-1]

    def have(self, word: str) -> bool:
        """Whether `word` comes next; it is taken then."""
        if self._left and self._left[-1].upper() == word:
            self._left.pop()
            return True
        return False

    def word(self, word: str) -> None:
        if not self.have(word):
            raise self._error(word)

    def take(self, wanted: str, fits: Callable[[str], bool]) -> str:
        if not self._left or not fits(self._left[-1]):
            raise self._error(wanted)
        return self._left.pop()

    def several(self, one: "Callable[[_Tokens], T]", between: str) -> tuple[T, ...]:
        found = [one(self)]
        while self.have(between):
            found.append(one(self))
        return tuple(found)

    def end(self) -> None:
        if self._left:
            raise self._error("the end")

    def _error(self, wanted: str) -> QueryError:
        there = f"{self._left[-1][:40]!r}" if self._left else "the end"
        return QueryError(f"{there} where {wanted} should be; this stand-in understands only {GRAMMAR}")


def _column(tokens: _Tokens) -> str:
    return tokens.take(f"a column ({', '.join(COLUMNS)})", lambda token: token.lower() in COLUMNS).lower()


def _condition(tokens: _Tokens) -> tuple[str, str]:
    column = _column(tokens)
    tokens.word("=")
    return column, tokens.take("a value in quotes", _is_quoted)[1:-1]


def _is_limit(token: str) -> bool:
    return token.isascii() and token.isdigit() and int(token[:7]) <= LARGEST_LIMIT


def _is_quoted(token: str) -> bool:
    return len(token) > 1 and token.startswith("'")
